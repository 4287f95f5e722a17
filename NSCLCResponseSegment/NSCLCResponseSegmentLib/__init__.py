"""Read, outline and correct the tumour: the library of the Slicer module NSCLCResponseSegment."""

__version__ = "0.1.0"
