"""Draws the icons of the extension and of its two modules (128 × 128 PNG) with Qt's SVG renderer.

Run ``python Testing/draw_icons.py`` after changing a shape; the PNG files are committed.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_LUNGS = """
<path d="M60 16 v38" stroke="#37617a" stroke-width="7" stroke-linecap="round" fill="none"/>
<path d="M60 50 C56 60 50 62 46 66 M60 50 C64 60 70 62 74 66" stroke="#37617a" stroke-width="6"
      stroke-linecap="round" fill="none"/>
<path d="M50 36 C30 34 12 66 11 100 C11 113 21 116 33 110 C43 105 51 103 51 92 Z"
      fill="#cfe3ee" stroke="#37617a" stroke-width="5" stroke-linejoin="round"/>
<path d="M70 36 C90 34 108 66 109 100 C109 113 99 116 87 110 C77 105 69 103 69 92 Z"
      fill="#cfe3ee" stroke="#37617a" stroke-width="5" stroke-linejoin="round"/>
"""
_TUMOUR = (
    '<path d="M84 68 l5 -4 6 2 6 -1 2 6 5 4 -2 6 2 6 -6 2 -4 5 -6 -2 -6 1 -2 -6 -5 -4 2 -5 -2 -6 z" fill="#d1495b"/>'
)
_TARGET = """
<circle cx="95" cy="78" r="24" fill="none" stroke="#1f2d36" stroke-width="5"/>
<path d="M95 46 v18 M95 92 v18 M63 78 h18 M109 78 h18" stroke="#1f2d36" stroke-width="5" stroke-linecap="round"/>
"""
_PEN = """
<path d="M84 66 l6 -5 8 2 8 0 3 7 5 6 -3 8 1 7 -8 3 -5 5 -8 -2 -8 0 -3 -7 -5 -6 3 -7 z"
      fill="none" stroke="#1f2d36" stroke-width="4" stroke-dasharray="6 4"/>
<path d="M101 105 l20 -31 7 5 -20 31 -9 4 z" fill="#f2b134" stroke="#1f2d36" stroke-width="3" stroke-linejoin="round"/>
"""
_ICONS = {
    ROOT / "Resources" / "Icons" / "NSCLCResponse.png": _LUNGS + _TUMOUR + _TARGET,
    ROOT / "NSCLCResponse" / "Resources" / "Icons" / "NSCLCResponse.png": _LUNGS + _TUMOUR + _TARGET,
    ROOT / "NSCLCResponseSegment" / "Resources" / "Icons" / "NSCLCResponseSegment.png": _LUNGS + _TUMOUR + _PEN,
}


def main() -> None:
    """Write the three PNG files."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtCore import QByteArray
    from PySide6.QtGui import QImage, QPainter
    from PySide6.QtSvg import QSvgRenderer

    for path, shapes in _ICONS.items():
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 128 128">{shapes}</svg>'
        image = QImage(128, 128, QImage.Format.Format_ARGB32)
        image.fill(0)
        painter = QPainter(image)
        QSvgRenderer(QByteArray(svg.encode())).render(painter)
        painter.end()
        image.save(str(path))


if __name__ == "__main__":
    main()
