"""The page: bar, steps at the left, four views at the right. Vue templates; the texts of results come from the core."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .layout import EDGES, SLICE_VIEWS, THREE_D
from .page_steps import CARD, CORRECT, EXPLAIN, OUTLINE, PREDICT, REPORT
from .page_style import STYLE

if TYPE_CHECKING:
    from trame_server import Server

_PRESETS = {
    "lung": ("Lung", "W 1500 L −600 HU"),
    "mediastinum": ("Mediastinum", "W 400 L 40 HU"),
    "bone": ("Bone", "W 1800 L 400 HU"),
    "pet": ("PET alone", "SUVbw 0 to 10, inverted grey"),
}
_TAB = "window.nsclcTab = window.nsclcTab || String(Math.random()).slice(2)"
#: 1, 2, 3 choose a size, Escape puts a tool away; not while something is being typed
_KEYS = """window.addEventListener('keydown', event => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches('input[type=text], select')) return;
  if ('123'.includes(event.key)) trigger('act', ['size', Number(event.key) - 1]);
  if (event.key === 'Escape') trigger('act', ['tool', 'look']);
})"""
#: The wheel's notches are added up while the server is busy, and sent as one; the stream of single events would go on
#: for seconds after the wheel stands still. With Ctrl the view zooms itself.
_WHEEL = """window.nsclcWheels = {}; window.nsclcWheel = async (view, event) => {
  if (event.ctrlKey) return;
  event.preventDefault(); event.stopPropagation();
  const wheel = window.nsclcWheels[view] = window.nsclcWheels[view] || { steps: 0, busy: false };
  wheel.steps -= event.deltaMode || Math.abs(event.deltaY) >= 50 ? Math.sign(event.deltaY) : event.deltaY / 25;
  if (wheel.busy) return;
  wheel.busy = true;
  try {
    while (Math.abs(wheel.steps) >= 1) {
      const steps = Math.trunc(wheel.steps);
      wheel.steps -= steps;
      await trigger('act', ['scroll', view, steps]);
    }
  } finally { wheel.busy = false; }
}"""

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
  <button type="button" class="plain" aria-label="Dismiss" @click="trigger('act', ['dismiss'])">×</button>
</div>
"""

_ELSEWHERE = """
<div class="elsewhere" data-test="elsewhere">
  <p>This case is open in another tab.</p>
  <button type="button" class="primary" @click="trigger('act', ['take_over', window.nsclcTab])">Use it here</button>
</div>
"""

_OPENING = """
<div class="opening" role="status" data-test="opening"><p>{{ opening }}</p></div>
"""

_QUESTION = """
<div v-if="question" class="question" role="alertdialog" aria-label="Question" data-test="question">
  <p>{{ question }}</p>
  <div class="buttons">
    <button type="button" class="primary" data-test="question-no" @click="trigger('act', ['answer', false])"
      @vue:mounted="$event.el.focus()">
      {{ question_no }}</button>
    <button type="button" data-test="question-yes" @click="trigger('act', ['answer', true])">{{ question_yes }}</button>
  </div>
</div>
"""

_CONTROLS = """
<span class="group" role="group" aria-label="Over the CT"><span class="soft">Over the CT:</span>
<button type="button" :class="{ on: has_pet && overlay === 'pet' }" :aria-pressed="has_pet && overlay === 'pet'"
  :disabled="!has_pet || preset === 'pet'" :title="has_pet ? 'Lay the PET over the CT' : 'This case has no PET'"
  data-test="overlay-pet" @click="overlay = overlay === 'pet' ? 'none' : 'pet'">PET</button>
<button type="button" :class="{ on: has_map && overlay === 'map' }" :aria-pressed="has_map && overlay === 'map'"
  :disabled="!has_map || preset === 'pet'"
  :title="has_map ? map_words : 'Predict first: the map belongs to a prediction'"
  data-test="overlay-map" @click="overlay = overlay === 'map' ? 'none' : 'map'">Map</button>
</span>
<label class="slider" title="How strongly PET or map lie over the CT">
  <input type="range" min="0" max="100" v-model.number="overlay_percent" data-test="overlay-opacity"
    :disabled="!(has_pet && overlay === 'pet' || has_map && overlay === 'map')"
    aria-label="Opacity of what lies over the CT"/>
  <span class="number">{{ overlay_percent }} %</span>
</label>
<label class="check"><input type="checkbox" v-model="crosshair"/>Cross-hair</label>
<button type="button" @click="trigger('act', ['fit'])" title="The whole image in each view">Fit</button>
"""


def build_page(server: Server, act: Callable[..., Any]) -> None:
    """Make the page and connect what it asks for.

    :param act: called with the name that a template gives to ``ask``, and what else it gives.
    """
    from trame.ui.html import DivLayout
    from trame.widgets import client, html

    server.trigger("act")(act)
    with DivLayout(server, classes="app"):
        client.Style(STYLE)
        client.ClientTriggers(mounted=f"{_TAB}; {_KEYS}; {_WHEEL}; trigger('act', ['take_over', window.nsclcTab])")
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
                    classes=("preset === 'pet' ? 'grid bright' : 'grid'",),
                    v_if="has_views && active_tab === window.nsclcTab",
                ):
                    for view in SLICE_VIEWS:
                        wheel = f"@wheel.capture=\"window.nsclcWheel('{view}', $event)\""
                        with html.Div(
                            classes=f"cell {view.lower()}",
                            raw_attrs=[f'data-view="{view}" role="group" aria-label="{view}"', wheel],
                        ):
                            client.ServerTemplate(name=view)
                            html.Div(_over_slice(view), classes="over")
                    with html.Div(classes="cell three-d", raw_attrs=[f'data-view="{THREE_D}"']):
                        client.ServerTemplate(name=THREE_D)
                        html.Div('<span class="name">3D: tumour and lungs</span>', classes="over")
                html.Div(_MESSAGE, classes="toast")
                html.Div(_QUESTION)
                html.Div(_OPENING, v_if="opening")  # lies over the views, which tell their size meanwhile
                html.Div(_ELSEWHERE, classes="elsewhere-slot", v_if="!opening && active_tab !== window.nsclcTab")


def _presets() -> str:
    buttons = []
    for name, (label, words) in _PRESETS.items():
        blocked = "!has_pet" if name == "pet" else "false"
        title = f"{blocked} ? 'This case has no PET' : '{words}'"
        buttons.append(
            f'<button type="button" :class="{{ on: preset === \'{name}\' }}" :aria-pressed="preset === \'{name}\'"'
            f' :disabled="{blocked}" :title="{title}" data-test="preset-{name}"'
            f" @click=\"trigger('act', ['preset', '{name}'])\">{label}</button>"
        )
    return f'<span class="group" role="group" aria-label="Window">{"".join(buttons)}</span>'


def _over_slice(view: str) -> str:
    left, right, top, bottom = EDGES[view]
    at = f"slices.{view}"
    return f"""
<span class="edge left">{left}</span><span class="edge right">{right}</span>
<span class="edge high">{top}</span><span class="edge low">{bottom}</span>
<span class="name" v-if="{at}">{view}, {{{{ {at}.words }}}}</span>
<input v-if="{at}" class="scroll" type="range" orient="vertical" aria-label="{view} slice" data-test="scroll-{view}"
  :min="{at}.minimum" :max="{at}.maximum" :step="{at}.step" :value="{at}.value"
  @input="trigger('act', ['offset', '{view}', Number($event.target.value)])"/>
"""
