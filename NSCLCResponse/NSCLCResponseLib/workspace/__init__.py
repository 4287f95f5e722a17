"""The browser workspace over trame-slicer views."""
