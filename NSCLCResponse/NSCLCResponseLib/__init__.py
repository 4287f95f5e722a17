"""Predict, explain, report and train: the library of the Slicer module NSCLCResponse."""

__version__ = "0.1.0"
