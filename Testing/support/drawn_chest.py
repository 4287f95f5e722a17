"""A chest drawn of ellipses: enough to be found as one, simple enough to know where everything is."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

Index = tuple[int, int, int]


def drawn_chest(*tumours: Index, tumour_hu: int = 50, spine: bool = True) -> tuple[sitk.Image, sitk.Image]:
    """Body, spine, two lungs and balls of 16 mm radius at (z, y, x) as CT (HU) and mask.

    50×66×80 voxels of 4 mm along LPS; the lungs' middles are at x 22 (right) and 58 (left), y 32.
    """
    z, y, x = np.mgrid[0:50, 0:66, 0:80]
    hu = np.full(z.shape, -1000, dtype=np.int16)
    hu[((y - 33) / 30) ** 2 + ((x - 40) / 37) ** 2 <= 1] = 40
    for centre in (22, 58):
        hu[(((y - 32) / 16) ** 2 + ((x - centre) / 13) ** 2 <= 1) & (z > 3) & (z < 46)] = -850
    if spine:
        hu[(y - 56) ** 2 + (x - 40) ** 2 <= 16] = 500
    inside = np.zeros(z.shape, dtype=bool)
    for cz, cy, cx in tumours:
        inside |= (z - cz) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 <= 4**2
    hu[inside] = tumour_hu
    images = [sitk.GetImageFromArray(a) for a in (hu, inside.astype(np.uint8))]
    for image in images:
        image.SetSpacing((4.0, 4.0, 4.0))
        image.SetOrigin((-160.0, -130.0, -100.0))
    return images[0], images[1]
