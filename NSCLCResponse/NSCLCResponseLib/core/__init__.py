"""Core of the response module: features, signatures, predictions; no Slicer, VTK or Qt."""
