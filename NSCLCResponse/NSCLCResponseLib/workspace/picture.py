"""The four views as one picture for the report: as the page shows them, letters of the patient's sides included."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .layout import EDGES

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

_GAP, _BETWEEN = 4, (40, 46, 54)
_LETTER, _WORDS = (255, 214, 90), (255, 255, 255)
_MARGIN = 10


def write_picture(windows: Mapping[str, Any], words: Mapping[str, str], path: Path) -> Path:
    """Write views two by two as a PNG.

    :param windows: view → its render window, in the order of reading.
    :param words: slice view → what stands in its corner.
    """
    from PIL import Image, ImageDraw

    from ..render.views import pixels_of

    pictures = {}
    for name, window in windows.items():
        window.Render()
        pictures[name] = Image.fromarray(pixels_of(window))
    width, height = (max(picture.size[axis] for picture in pictures.values()) for axis in (0, 1))
    canvas = Image.new("RGB", (2 * width + _GAP, 2 * height + _GAP), _BETWEEN)
    for index, (name, picture) in enumerate(pictures.items()):
        if name in words:
            _label(ImageDraw.Draw(picture), picture.size, EDGES[name], words[name])
        canvas.paste(picture, ((index % 2) * (width + _GAP), (index // 2) * (height + _GAP)))
    canvas.save(path)
    return path


def _label(draw: ImageDraw, size: tuple[int, int], edges: str, words: str) -> None:
    """Letters at the left, right, top and bottom edge; words in the corner."""
    from PIL import ImageFont

    x, y = size
    font = ImageFont.load_default(max(14, y // 24))
    at = ((_MARGIN, y / 2, "lm"), (x - _MARGIN, y / 2, "rm"), (x / 2, _MARGIN, "mt"), (x / 2, y - 3 * _MARGIN, "mb"))
    for letter, (left, top, anchor) in zip(edges, at, strict=True):
        draw.text((left, top), letter, _LETTER, font, anchor, stroke_width=2, stroke_fill="black")
    draw.text((_MARGIN, _MARGIN), words, _WORDS, font, "lt", stroke_width=2, stroke_fill="black")
