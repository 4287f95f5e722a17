"""The page: bar, steps at the left, four views at the right. Vue templates; the texts of results come from the core."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .job_runner import in_background
from .page_steps import CARD, CORRECT, EXPLAIN, OUTLINE, PREDICT, REPORT
from .page_style import STYLE
from .views import AXIAL, CORONAL, SAGITTAL, SLICE_VIEWS, THREE_D

if TYPE_CHECKING:
    from trame_server import Server

#: letters at the left, right, top and bottom edge: patient's right on the reader's left
_EDGES = {AXIAL: "RLAP", CORONAL: "RLSI", SAGITTAL: "APSI"}
_PRESETS = {
    "lung": ("Lung", "W 1500 L −600 HU"),
    "mediastinum": ("Mediastinum", "W 400 L 40 HU"),
    "bone": ("Bone", "W 1800 L 400 HU"),
    "pet": ("PET", "SUVbw 0 to 10, inverted grey"),
}
_TAB = "window.nsclcTab = window.nsclcTab || String(Math.random()).slice(2)"

_BAR = """
<header class="bar">
  <strong>NSCLC Response</strong>
  <span class="patient" data-test="patient">{{ patient }}</span>
  <span class="soft cut" :title="images">{{ images }}</span>
  <span class="working" v-if="trame__busy" role="status">Working …</span>
  <span class="research">Research use only, not a medical device</span>
</header>
"""

_MESSAGE = """
<div v-if="message" class="message" :class="{ error: message_is_error }" role="alert" data-test="message">
  <span>{{ message }}</span>
  <button type="button" class="plain" aria-label="Dismiss" @click="trigger('dismiss')">×</button>
</div>
"""

_ELSEWHERE = """
<div class="elsewhere" data-test="elsewhere">
  <p>This case is open in another tab.</p>
  <button type="button" class="primary" @click="trigger('take_over', [window.nsclcTab])">Use it here</button>
</div>
"""

_CONTROLS = """
<label class="slider" :title="has_pet ? 'How strongly the PET lies over the CT' : 'This case has no PET'">PET
  <input type="range" min="0" max="100" v-model.number="pet_percent" data-test="pet"
    :disabled="!has_pet || preset === 'pet'" aria-label="Opacity of the PET over the CT"/>
  <span class="number">{{ has_pet ? pet_percent + ' %' : '–' }}</span>
</label>
<label class="check"><input type="checkbox" v-model="crosshair"/>Cross-hair</label>
<button type="button" @click="trigger('fit')" title="The whole image in each view">Fit</button>
<span class="soft hint" :title="{
  look: 'Click: cross-hair. Wheel: slices. Right drag: zoom. Shift and drag: pan.',
  click: 'Click inside the tumour in any slice.',
  paint: 'Drag in a slice to add.', erase: 'Drag in a slice to remove.',
  scissors: 'Draw around a part in a slice.', islands: 'Click the part that stays.',
  threshold: 'The flickering part lies in the range.' }[tool]">{{ {
  look: 'Click: cross-hair. Wheel: slices. Right drag: zoom. Shift and drag: pan.',
  click: 'Click inside the tumour in any slice.',
  paint: 'Drag in a slice to add.', erase: 'Drag in a slice to remove.',
  scissors: 'Draw around a part in a slice.', islands: 'Click the part that stays.',
  threshold: 'The flickering part lies in the range.' }[tool] }}</span>
"""


def build_page(server: Server, actions: Mapping[str, Callable[..., Any]]) -> None:
    """Make the page and connect what it asks for.

    :param actions: by the names that the templates call with ``trigger``.
    """
    from trame.ui.html import DivLayout
    from trame.widgets import client, html

    for name, action in actions.items():
        server.trigger(name)(_without_waiting(action))
    with DivLayout(server, classes="app"):
        client.Style(STYLE)
        client.ClientTriggers(mounted=f"{_TAB}; trigger('take_over', [window.nsclcTab])")
        html.Div(_BAR, classes="top")
        with html.Div(classes="work"):
            html.Div(
                CARD + OUTLINE + CORRECT + PREDICT + EXPLAIN + REPORT,
                classes="steps",
                raw_attrs=['role="region"', 'aria-label="Steps"', 'tabindex="0"'],
            )
            with html.Div(classes="pictures"):
                html.Div(_presets() + _CONTROLS, classes="controls")
                with html.Div(
                    classes=("preset === 'pet' ? 'grid bright' : 'grid'",), v_if="active_tab === window.nsclcTab"
                ):
                    for view in SLICE_VIEWS:
                        with html.Div(classes=f"cell {view.lower()}", raw_attrs=[f'data-view="{view}"']):
                            client.ServerTemplate(name=view)
                            html.Div(_over_slice(view), classes="over")
                    with html.Div(classes="cell three-d", raw_attrs=[f'data-view="{THREE_D}"']):
                        client.ServerTemplate(name=THREE_D)
                        html.Div('<span class="name">3D: tumour and lungs</span>', classes="over")
                html.Div(_MESSAGE, classes="toast")
                html.Div(_ELSEWHERE, classes="elsewhere-slot", v_if="active_tab !== window.nsclcTab")


def _without_waiting(action: Callable[..., Any]) -> Callable[..., Any]:
    """Long actions go on by themselves, so that the next message of the page is answered at once."""
    if not inspect.iscoroutinefunction(action):
        return action

    def start(*args: Any) -> None:
        in_background(action(*args))

    return start


def _presets() -> str:
    buttons = []
    for name, (label, words) in _PRESETS.items():
        blocked = "!has_pet" if name == "pet" else "false"
        title = f"{blocked} ? 'This case has no PET' : '{words}'"
        buttons.append(
            f'<button type="button" :class="{{ on: preset === \'{name}\' }}" :aria-pressed="preset === \'{name}\'"'
            f' :disabled="{blocked}" :title="{title}" data-test="preset-{name}"'
            f" @click=\"trigger('preset', ['{name}'])\">{label}</button>"
        )
    return f'<span class="group" role="group" aria-label="Window">{"".join(buttons)}</span>'


def _over_slice(view: str) -> str:
    left, right, top, bottom = _EDGES[view]
    at = f"slices.{view}"
    return f"""
<span class="edge left">{left}</span><span class="edge right">{right}</span>
<span class="edge high">{top}</span><span class="edge low">{bottom}</span>
<span class="name" v-if="{at}">{view}, {{{{ {at}.words }}}}</span>
<input v-if="{at}" class="scroll" type="range" orient="vertical" aria-label="{view} slice" data-test="scroll-{view}"
  :min="{at}.minimum" :max="{at}.maximum" :step="{at}.step" :value="{at}.value"
  @input="trigger('offset', ['{view}', Number($event.target.value)])"/>
"""
