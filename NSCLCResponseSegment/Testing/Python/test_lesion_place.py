"""Where lesions lie: side, chest wall, mediastinum."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from NSCLCResponseSegmentLib.core.anatomy import segment_anatomy
from NSCLCResponseSegmentLib.core.lesion_place import place_lesions, sides_of_groups
from NSCLCResponseSegmentLib.core.terminology import LEFT

_MM = 4.0


def a_chest(*tumours: tuple[int, int, int]) -> tuple[sitk.Image, sitk.Image]:
    """Body, spine, two lungs and balls of 16 mm radius at (z, y, x) as CT (HU) and mask, voxels of 4 mm, LPS."""
    z, y, x = np.mgrid[0:50, 0:66, 0:80]
    hu = np.full(z.shape, -1000, dtype=np.int16)
    hu[((y - 33) / 30) ** 2 + ((x - 40) / 37) ** 2 <= 1] = 40
    for centre in (22, 58):
        hu[(((y - 32) / 16) ** 2 + ((x - centre) / 13) ** 2 <= 1) & (z > 3) & (z < 46)] = -850
    hu[(y - 56) ** 2 + (x - 40) ** 2 <= 16] = 500
    inside = np.zeros(z.shape, dtype=bool)
    for cz, cy, cx in tumours:
        inside |= (z - cz) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 <= 4**2
    hu[inside] = 50
    images = [sitk.GetImageFromArray(a) for a in (hu, inside.astype(np.uint8))]
    for image in images:
        image.SetSpacing((_MM,) * 3)
        image.SetOrigin((-160.0, -130.0, -100.0))
    return images[0], images[1]


@pytest.mark.parametrize(
    ("tumour", "side", "pleura", "mediastinum"),
    [
        ((25, 32, 58), "left", False, False),
        ((25, 32, 22), "right", False, False),
        ((25, 32, 68), "left", True, False),
        ((25, 19, 20), "right", True, False),
        ((25, 32, 48), "left", False, True),
    ],
)
def test_side_and_contact(tumour: tuple[int, int, int], side: str, pleura: bool, mediastinum: bool):
    ct, mask = a_chest(tumour)
    (place,) = place_lesions(mask, segment_anatomy(ct))
    assert (place.side, place.pleura, place.mediastinum) == (side, pleura, mediastinum)


def test_groups_have_a_side_when_their_lesions_agree():
    ct, mask = a_chest((15, 32, 58), (35, 32, 58), (25, 32, 22))
    places = place_lesions(mask, segment_anatomy(ct))
    left = [place.label for place in places if place.side == "left"]
    assert len(left) == 2
    assert sides_of_groups(places, [left, [1, 2, 3]]) == (LEFT, None)
    assert place_lesions(mask * 0, segment_anatomy(ct)) == []
