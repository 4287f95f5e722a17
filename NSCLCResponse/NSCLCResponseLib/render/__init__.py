"""Pictures from real Slicer views rendered offscreen (trame-slicer); needs slicer-core and EGL."""
