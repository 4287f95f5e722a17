"""An anatomy that another process worked out, as files, so that lesions can be placed without doing it again."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from .anatomy import Anatomy
from .anatomy_field import LungField

_MASKS = ("body", "lungs", "airways")


def write_anatomy(anatomy: Anatomy, folder: Path) -> None:
    """Write what :func:`.lesion_place.place_lesions` needs of an anatomy, without compression, which would take longer.

    :param folder: exists.
    """
    field = anatomy.field
    images = {f"depth-{side}": depth for side, depth in field.depth.items()}
    images["ct"], images["reference"] = anatomy.coarse_ct, field.reference
    images |= {name: getattr(anatomy, f"coarse_{name}") for name in _MASKS}
    spine = sitk.GetImageFromArray(field.spine_x.reshape(1, 1, -1))
    for name, image in {**images, "spine": spine}.items():
        sitk.WriteImage(image, str(folder / f"{name}.nrrd"))


def read_anatomy(folder: Path) -> Anatomy:
    """The anatomy that :func:`write_anatomy` wrote of a chest; its ``ct`` is the coarse one, and so are its masks.

    :raises KeyError: a file is not there.
    """
    images = {path.stem: sitk.ReadImage(str(path)) for path in folder.glob("*.nrrd")}
    depth = {int(name.split("-")[1]): image for name, image in images.items() if name.startswith("depth-")}
    spine_x = sitk.GetArrayFromImage(images["spine"]).ravel()
    masks = [images[name] for name in _MASKS]
    anatomy = Anatomy(images["ct"], images["ct"], *masks, is_chest=True, reason="")
    vars(anatomy)["field"] = LungField(depth, spine_x, images["reference"])  # where cached_property looks first
    return anatomy
