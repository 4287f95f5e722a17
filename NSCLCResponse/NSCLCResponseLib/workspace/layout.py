"""Names of the four views and of the windows; plain words that the page knows before Slicer is loaded."""

AXIAL, CORONAL, SAGITTAL, THREE_D = "Axial", "Coronal", "Sagittal", "ThreeD"
SLICE_VIEWS = (AXIAL, CORONAL, SAGITTAL)
#: letters at the left, right, top and bottom edge: patient's right on the reader's left
EDGES = {AXIAL: "RLAP", CORONAL: "RLSI", SAGITTAL: "APSI"}
PRESETS = ("lung", "mediastinum", "bone", "pet")
Point = tuple[float, float, float]
