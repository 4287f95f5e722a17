"""Core of the segmentation module: SimpleITK images in, SimpleITK images out; no Slicer, VTK or Qt."""
