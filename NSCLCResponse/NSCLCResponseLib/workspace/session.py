"""What the page shows: plain data, one copy for all tabs, so that a reload finds everything as it was."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

Row = dict[str, Any]
_OPENING = "Wait until the CT is shown"


@dataclass
class WorkspaceState:
    """Every field is JSON-ready. A ``…_blocked`` field says why a button is disabled; empty, when it is not."""

    active_tab: str = ""  # the tab that has the views; others offer to take over
    patient: str = ""
    images: str = ""
    opening: str = "Starting"  # what is awaited until the views are there
    question: str = ""
    question_yes: str = ""
    question_no: str = ""
    message: str = ""
    message_is_error: bool = False

    # views
    has_views: bool = False  # whether they can be put into the page, with a picture or without
    has_pet: bool = False
    preset: str = "lung"
    overlay: str = "pet"  # "pet", "map" or "none"
    overlay_percent: int = 40
    has_map: bool = False
    map_words: str = "Teal speaks for response, orange against it."
    crosshair: bool = True
    slices: dict[str, Row] = field(default_factory=dict)  # view → minimum, maximum, step, value, words

    # outline
    tool: str = "look"
    click_mode: str = "new"  # "new", or "add" and "exclude" to correct
    click_on: str = "ct"  # or "pet"
    pet_method: str = "41%"
    pet_use_ct: bool = True
    models: list[str] = field(default_factory=list)
    model: str = ""
    outline_blocked: str = _OPENING
    model_blocked: str = _OPENING
    sizes: list[str] = field(default_factory=list)  # that the click gave, the likeliest first
    size: int = 0
    brush_mm: int = 10
    scissors_fill: str = "erase"
    threshold_low: int = -150
    threshold_high: int = 300
    smoothing_mm: int = 3
    has_outline: bool = False
    lesions: list[Row] = field(default_factory=list)
    lesion_places: list[str] = field(default_factory=list)  # of each, once known
    lesion_words: str = ""
    lesion_rows: list[Row] = field(default_factory=list)  # keep, name: what the user says about each
    can_undo: bool = False
    can_redo: bool = False
    edit_blocked: str = "Outline the tumour first"

    # the job under way
    job: str = ""  # "", "outline", "predict" or "save"
    job_percent: int = 0
    job_text: str = ""

    # prediction
    signature: str = ""
    signature_label: str = ""
    clinical: list[Row] = field(default_factory=list)
    clinical_values: dict[str, str] = field(default_factory=dict)
    clinical_problem: str = ""
    predict_blocked: str = "Outline the tumour first"
    card: Row | None = None
    bars: list[Row] = field(default_factory=list)
    features: list[Row] = field(default_factory=list)
    is_stale: bool = False

    # review
    review_state: str = "not reviewed"
    review: list[Row] = field(default_factory=list)
    recent: list[Row] = field(default_factory=list)
    reviewer: str = ""
    comment: str = ""
    sign_blocked: str = "Predict first"
    save_blocked: str = "Predict first"
    files: list[Row] = field(default_factory=list)  # name, href


class PageState:
    """:class:`WorkspaceState` kept in the state that trame shares with the page; reads and writes by field.

    :param shared: trame's state; it begins with the fields' defaults.
    """

    def __init__(self, shared: Any) -> None:
        object.__setattr__(self, "_shared", shared)
        begin = WorkspaceState()
        shared.update({field.name: getattr(begin, field.name) for field in fields(begin)})

    def __getattr__(self, name: str) -> Any:
        return self._shared[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self._shared[name] = value
