"""The segmentation module's work on MRML nodes; the scene is always passed in."""
