"""Names of the four views and of the windows; plain words that the page knows before Slicer is loaded."""

AXIAL, CORONAL, SAGITTAL, THREE_D = "Axial", "Coronal", "Sagittal", "ThreeD"
SLICE_VIEWS = (AXIAL, CORONAL, SAGITTAL)
PRESETS = ("lung", "mediastinum", "bone", "pet")
Point = tuple[float, float, float]
