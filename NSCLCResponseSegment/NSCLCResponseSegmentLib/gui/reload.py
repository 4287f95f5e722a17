"""Developer's reload on Python 3.12, which has no ``imp`` any more."""

import sys


def forget_libraries(*names: str) -> None:
    """Remove the libraries ``names`` from the import cache; objects that live keep the classes they were made of."""
    for module in [m for m in sys.modules if m.partition(".")[0] in names]:
        del sys.modules[module]
