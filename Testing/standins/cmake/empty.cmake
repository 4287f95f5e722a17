# Stands for the files that Slicer's package asks extensions to include.
