"""Standard codes of what we segment, as DICOM SEG and Slicer's segmentations want them. Strings only.

Names and codes are those of Slicer's terminology "Segmentation category and type - DICOM master list" (DICOM CID 7150,
7159, 4), so that Slicer finds our segments in its own selector.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Tag of a segment under which Slicer keeps :meth:`Terminology.slicer_entry`.
SLICER_TERMINOLOGY_TAG = "TerminologyEntry"

_CATEGORY_CONTEXT = "Segmentation category and type - DICOM master list"
_REGION_CONTEXT = "Anatomic codes - DICOM master list"


@dataclass(frozen=True)
class Code:
    """A coded concept: ``scheme`` is the coding scheme designator ("SCT" is SNOMED CT)."""

    scheme: str
    value: str
    meaning: str

    def serialised(self) -> str:
        """``SCT^39607008^Lung``, one part of Slicer's terminology string."""
        return f"{self.scheme}^{self.value}^{self.meaning}"


_NOTHING = "^^"


@dataclass(frozen=True)
class Terminology:
    """What a segment is (category, type), where (region) and how it is drawn.

    :param colour: red, green, blue in 0 to 1.
    """

    name: str
    category: Code
    type: Code
    region: Code | None
    colour: tuple[float, float, float]
    region_modifier: Code | None = None

    def slicer_entry(self) -> str:
        """Value of the segment tag :data:`SLICER_TERMINOLOGY_TAG`.

        Context, category, type, type modifier, region context, region and region modifier with ``~`` between, as
        ``vtkSlicerTerminologiesModuleLogic::SerializeTerminologyEntry`` writes them.
        """
        return "~".join(
            (
                _CATEGORY_CONTEXT,
                self.category.serialised(),
                self.type.serialised(),
                _NOTHING,
                _REGION_CONTEXT,
                self.region.serialised() if self.region else _NOTHING,
                self.region_modifier.serialised() if self.region_modifier else _NOTHING,
            )
        )


RIGHT = Code("SCT", "24028007", "Right")
LEFT = Code("SCT", "7771000", "Left")
LUNG = Code("SCT", "39607008", "Lung")


def side_code(side: str | None) -> Code | None:
    """SNOMED CT laterality of "right" or "left"; ``None`` for anything else."""
    return {"right": RIGHT, "left": LEFT}.get(side or "")


#: The tumour; "Neoplasm" rather than "Neoplasm, Primary", since an image alone does not tell one from the other.
LUNG_NEOPLASM = Terminology(
    name="Tumour",
    category=Code("SCT", "49755003", "Morphologically Altered Structure"),
    type=Code("SCT", "108369006", "Neoplasm"),
    region=LUNG,
    colour=(0.86, 0.24, 0.18),
)


def slicer_terminology(terminology: Terminology = LUNG_NEOPLASM) -> str:
    """Slicer's serialised terminology string, by default that of a lung neoplasm."""
    return terminology.slicer_entry()
