"""The response module's Qt panel; imported by the Slicer application only."""
