"""``overlay.png``: the four views of a case with what a reader needs to judge them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from NSCLCResponseSegmentLib.core.case import Case

from ..core import wording
from .views import PET_SHOWN_SUV, Picture, pet_colours, render_map_views, render_views

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont
    from trame_slicer.core import SlicerApp

    from ..mrml.scene import CaseNodes

VIEW_SIZE = (800, 600)
_HEADER_HEIGHT = 84
_GAP = 4
MAP_VIEW_SIZE = (532, 400)
_MAP_TITLE_HEIGHT = 42
_MAP_BAR_WIDTH = 180
_MAP_TITLE = "Where the 3D-CNN looked (integrated gradients, relative; fainter places are not coloured)"
#: letters at the left, right, top and bottom edge: patient's right on the reader's left
_EDGES = {"Axial": "RLAP", "Coronal": "RLSI", "Sagittal": "APSI"}
_AXIS_LETTERS = {"Axial": "IS", "Coronal": "PA", "Sagittal": "LR"}  # towards minus, towards plus in RAS
_YELLOW, _WHITE, _SOFT, _ORANGE = (255, 214, 90), (245, 245, 245), (190, 198, 208), (255, 178, 92)
_SCALE_BAR_CM = 5
_COLOUR_BAR_HEIGHT = 120
_SMALLEST_LETTERS = 13


def _font(size: int, *, bold: bool = False) -> FreeTypeFont:
    import matplotlib
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


def _text(draw: ImageDraw, at: tuple[float, float], text: str, size: int, colour: tuple, anchor: str = "la") -> None:
    """Text with a dark rim, legible over bone and over air."""
    draw.text(at, text, fill=colour, font=_font(size), anchor=anchor, stroke_width=2, stroke_fill=(0, 0, 0))


def _fitted(
    draw: ImageDraw, at: tuple[float, float], text: str, size: int, colour: tuple, room: float, anchor: str = "la"
) -> None:
    """One line in at most ``room`` pixels: in smaller letters first, then cut."""
    while size > _SMALLEST_LETTERS and draw.textlength(text, font=_font(size)) > room:
        size -= 1
    if draw.textlength(text, font=_font(size)) > room:
        while text and draw.textlength(text + "…", font=_font(size)) > room:
            text = text[:-1]
        text += "…"
    _text(draw, at, text, size, colour, anchor)


def _position_words(picture: Picture) -> str:
    minus, plus = _AXIS_LETTERS[picture.name]
    letter = plus if picture.position_mm >= 0 else minus
    return f"{picture.name}, {letter} {abs(picture.position_mm):.1f} mm"


def _annotate_slice(draw: ImageDraw, picture: Picture, left: int, top: int) -> None:
    width, height = VIEW_SIZE
    middle, centre = left + width / 2, top + height / 2
    first, second, third, fourth = _EDGES[picture.name]
    _text(draw, (left + 12, centre), first, 24, _YELLOW, "lm")
    _text(draw, (left + width - 12, centre), second, 24, _YELLOW, "rm")
    _text(draw, (middle, top + 10), third, 24, _YELLOW, "ma")
    _text(draw, (middle, top + height - 10), fourth, 24, _YELLOW, "md")
    _text(draw, (left + 12, top + 10), _position_words(picture), 18, _WHITE)
    _text(draw, (left + 12, top + height - 10), "W 1500 L −600 HU", 15, _SOFT, "ld")
    bar = _SCALE_BAR_CM * 10 / picture.mm_per_pixel
    right, y = left + width - 16, top + height - 18
    draw.line([(right - bar, y), (right, y)], fill=_WHITE, width=3)
    for x in (right - bar, right):
        draw.line([(x, y - 6), (x, y + 6)], fill=_WHITE, width=2)
    _text(draw, (right - bar / 2, y - 8), f"{_SCALE_BAR_CM} cm", 15, _WHITE, "md")


def _colour_bar(draw: ImageDraw, colours: np.ndarray, left: int, top: int) -> None:
    """Which colour is which SUV, at the right edge of a view; ``colours`` as :func:`.views.pet_colours`."""
    right, low = left + VIEW_SIZE[0] - 18, top + 60 + len(colours)
    for row, colour in enumerate(colours):
        draw.line([(right - 14, low - row), (right, low - row)], fill=tuple(round(c) for c in colour))
    draw.rectangle([right - 15, low - len(colours), right + 1, low + 1], outline=(0, 0, 0))
    for suv, y in zip(PET_SHOWN_SUV, (low, low - len(colours)), strict=True):
        _text(draw, (right - 22, y), f"{suv:g}", 15, _WHITE, "rm")
    _text(draw, (right, low - len(colours) - 12), "PET SUVbw", 15, _WHITE, "rd")


def _header(draw: ImageDraw, result: Mapping[str, Any] | None, case: Case, width: int) -> None:
    draw.rectangle([0, 0, width, _HEADER_HEIGHT], fill=(24, 30, 38))
    if result is None:
        _text(draw, (16, 28), f"{case.patient_id or 'Patient'}: tumour outline, no prediction", 24, _WHITE)
        _text(draw, (width - 16, 28), "Research use only", 20, _ORANGE, "ra")
        return
    prediction = result["prediction"]
    number, font = f"{prediction['probability']:.2f}", _font(54, bold=True)
    draw.text((16, 8), number, fill=_WHITE, font=font)
    left = 16 + draw.textlength(number, font=font) + 24
    doubt = "; not reliable for this patient" if prediction["out_of_distribution"] else ""
    patient = f"{case.patient_id or 'Patient not named'}   {wording.tumour_words(result)}"
    label = f"{prediction['signature_name']}. {_first_sentence(prediction['label'])}"
    half = width / 2 - 24
    words = f"Probability of response; {wording.verdict_words(prediction)}{doubt}"
    _fitted(draw, (left, 14), words, 22, _WHITE, width - 260 - left)
    _fitted(draw, (left, 48), patient, 18, _SOFT, half - left)
    _text(draw, (width - 16, 14), "Research use only", 22, _ORANGE, "ra")
    _fitted(draw, (width - 16, 48), label, 18, _ORANGE, half, "ra")


def _first_sentence(text: str) -> str:
    return text.split(". ", maxsplit=1)[0].rstrip(".") + "."


def _map_strip(canvas: Any, draw: ImageDraw, pictures: list[Picture], top: int) -> None:
    """The close views with the map below the others, with title and colours."""
    from PIL import Image

    from ..mrml.map_volume import map_colours

    width, _ = MAP_VIEW_SIZE
    _text(draw, (16, top + _MAP_TITLE_HEIGHT / 2), _MAP_TITLE, 18, _WHITE, "lm")
    colours = map_colours()
    right, bar = canvas.width - 130, _MAP_BAR_WIDTH
    for column in range(bar):
        *colour, shown = colours[column * len(colours) // bar]
        fill = tuple(round(255 * c) for c in colour) if shown else (40, 46, 54)
        x = right - bar + column
        draw.line([(x, top + 12), (x, top + _MAP_TITLE_HEIGHT - 12)], fill=fill)
    middle = top + _MAP_TITLE_HEIGHT / 2
    _text(draw, (right - bar - 8, middle), "against response", 15, _WHITE, "rm")
    _text(draw, (right + 8, middle), "for response", 15, _WHITE, "lm")
    for index, picture in enumerate(pictures):
        left = index * (width + _GAP)
        canvas.paste(Image.fromarray(picture.pixels), (left, top + _MAP_TITLE_HEIGHT))
        _text(draw, (left + 12, top + _MAP_TITLE_HEIGHT + 8), _position_words(picture), 16, _WHITE)
        _text(draw, (left + 12, canvas.height - 8), "W 400 L 40 HU", 15, _SOFT, "ld")


def render_overlay(
    app: SlicerApp,
    nodes: CaseNodes,
    case: Case,
    result: Mapping[str, Any] | None,
    out_png: Path,
    lungs: sitk.Image | None = None,
) -> list[Picture]:
    """Render the four views, annotate them, and write one PNG.

    With the 3D-CNN's map, three close views with it over the CT lie below.
    Radiological orientation (patient's right on the reader's left), lung window, tumour outline, PET in the foreground
    if there is one, position, scale bar, and in the header the probability with what the signature was trained on.
    Changes how the nodes are displayed and adds view nodes: save the scene first.

    :param nodes: of ``case`` in the scene of ``app``, see :func:`NSCLCResponseLib.mrml.scene.build_scene`.
    :param result: as ``result.json``; ``None`` where there is no prediction yet.
    :param lungs: a (coarse) lung mask for orientation in the 3D view.
    :returns: the views without annotations.
    :raises NSCLCResponseError: see :func:`NSCLCResponseLib.render.views.render_views`.
    """
    from PIL import Image, ImageDraw

    pictures = render_views(app, case, nodes, VIEW_SIZE, lungs)
    width, height = VIEW_SIZE
    close_ups = render_map_views(app, case, nodes, MAP_VIEW_SIZE)
    below = MAP_VIEW_SIZE[1] + _MAP_TITLE_HEIGHT if close_ups else 0
    canvas = Image.new("RGB", (2 * width + _GAP, _HEADER_HEIGHT + 2 * (height + _GAP) + below), (40, 46, 54))
    draw = ImageDraw.Draw(canvas)
    _header(draw, result, case, canvas.width)
    for index, picture in enumerate(pictures):
        left, top = (index % 2) * (width + _GAP), _HEADER_HEIGHT + _GAP + (index // 2) * (height + _GAP)
        canvas.paste(Image.fromarray(picture.pixels), (left, top))
        if picture.mm_per_pixel is not None:
            _annotate_slice(draw, picture, left, top)
            if nodes.pet is not None:
                _colour_bar(draw, pet_colours(nodes.pet, _COLOUR_BAR_HEIGHT), left, top)
        else:
            _text(draw, (left + 12, top + 10), "3D: tumour" + (" and lungs" if lungs is not None else ""), 18, _WHITE)
    if close_ups:
        _map_strip(canvas, draw, close_ups, _HEADER_HEIGHT + 2 * (height + _GAP))
    canvas.save(out_png, optimize=False)
    return pictures
