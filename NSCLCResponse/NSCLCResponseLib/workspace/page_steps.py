"""The steps at the left of the page, as Vue templates over the fields of :class:`.session.WorkspaceState`."""

# A Cancel that has just taken the place of the button pressed is spared the second press of a double click. Predict and
# Cancel are one element, which keeps the keyboard's focus. What is being typed is kept in the page, whose fields are
# drawn anew whenever anything else changes.
CARD = """
<section v-if="card" class="card" :class="{ stale: is_stale }" data-test="card" aria-live="polite">
  <div v-if="is_stale" class="banner" role="status" data-test="stale">
    <span>The outline changed after this prediction.</span>
    <button type="button" class="primary" data-test="predict-again" :disabled="!!predict_blocked"
      :title="predict_blocked || 'Predict with the outline as it is now'"
      @click="trigger('act', ['predict'])">Predict again</button>
  </div>
  <p class="soft">{{ card.endpoint }}</p>
  <div class="figure"><span class="probability" data-test="probability">{{ card.probability }}</span>
    <div><strong data-test="verdict">{{ card.verdict }}</strong><br/><span class="soft">{{ card.range }}</span></div>
  </div>
  <p class="label" data-test="label">{{ card.label }}</p>
  <details v-if="card.reliability" class="label doubts" data-test="doubts"><summary>
    <span class="closed">{{ card.reliability.split(/ \\(|; |\\. /)[0] }} …</span>
    <span class="open">{{ card.reliability }}</span></summary></details>
  <details><summary>Tumour, parts and signature<template v-if="card.warnings.length">, {{ card.warnings.length }}
    {{ card.warnings.length === 1 ? 'note' : 'notes' }}</template></summary>
    <p>{{ card.tumour }} {{ card.parts }}</p><p class="small">{{ card.signature }}</p>
    <ul v-if="card.warnings.length"><li v-for="text in card.warnings" :key="text">{{ text }}</li></ul></details>
</section>
"""


def _job(name: str) -> str:
    """Bar and text of a job while it runs."""
    return f"""
<div v-if="job === '{name}'" class="job" data-test="job-{name}">
  <progress max="100" :value="job_percent" :aria-label="job_text"></progress>
  <span class="soft" aria-live="polite">{{{{ job_text }}}}</span>
</div>
"""


OUTLINE = (
    """
<section><h2>1 Outline</h2>
<button v-if="job === 'outline'" type="button" class="primary wide" data-test="cancel-outline"
  title="End this and keep everything as it was"
  @click="$event.detail > 1 || trigger('act', ['cancel'])">Cancel</button>
<template v-else>
<div class="choices" role="radiogroup" aria-label="Outline on">
  <label title="The tumour's edge on CT">
    <input type="radio" name="click_on" value="ct" v-model="click_on"/>On CT</label>
  <label :title="has_pet ? 'The uptake around the click' : 'This case has no PET'"><input type="radio" name="click_on"
    value="pet" v-model="click_on" :disabled="!has_pet" data-test="click-on-pet"/>On PET</label>
  <label v-if="click_on === 'pet'" title="Where the edge of the uptake is drawn">Edge at:
    <select v-model="pet_method" aria-label="Edge at"><option value="41%">41 % of SUVmax</option>
    <option value="4.0">SUV 4.0</option><option value="2.5">SUV 2.5</option><option value="gradient">gradient</option>
    </select></label>
  <label v-if="click_on === 'pet'"><input type="checkbox" v-model="pet_use_ct"/>Leave out lung on the CT</label>
</div>
<button type="button" class="wide" :class="{ primary: !has_outline, on: tool === 'click' }"
  data-test="tool-click" :disabled="!!outline_blocked" :aria-pressed="tool === 'click'"
  :title="outline_blocked || 'Then click inside the tumour in a slice'"
  @click="trigger('act', ['tool', tool === 'click' ? 'look' : 'click'])">
  {{ tool === 'click' ? 'Now click in the tumour' : 'Click in the tumour' }}
</button>
<div class="row"><button type="button" data-test="outline-by-model" :disabled="!!model_blocked"
  :title="model_blocked || 'The model looks for tumours by itself'" @click="trigger('act', ['model'])">Find by model
  </button><select v-if="models.length" v-model="model" aria-label="Model">
  <option v-for="name in models" :key="name" :value="name">{{ name }}</option></select></div>
</template>
"""
    + _job("outline")
    + """
<div v-if="tool === 'click' && has_outline" class="choices" role="radiogroup" aria-label="What the click means">
  <label v-for="mode in [['new', 'New outline'], ['add', 'Also tumour'], ['exclude', 'Not tumour']]" :key="mode[0]"
    :title="mode[0] === 'new' ? 'Replaces the outline' : 'Corrects the outline around the click; the rest stays'">
    <input type="radio" name="click_mode" :value="mode[0]" v-model="click_mode"/>{{ mode[1] }}</label>
</div>
<div v-if="sizes.length" class="row" role="radiogroup" aria-label="Size" data-test="sizes"><span>Size (mL):</span>
  <button v-for="(words, number) in sizes" :key="number" type="button" role="radio" :aria-checked="size === number"
    :class="{ on: size === number }" :disabled="!!job" :data-test="'size-' + (number + 1)"
    :title="(number ? 'Take this size instead' : 'The likeliest size') + ' (key ' + (number + 1) + ')'"
    @click="trigger('act', ['size', number])">{{ number + 1 }}: {{ words }}</button></div>
<table v-if="lesions.length" data-test="lesions">
  <thead><tr><th v-for="name in Object.keys(lesions[0])" :key="name">{{ name }}</th></tr></thead>
  <tbody v-for="(lesion, index) in lesions" :key="index"><tr>
    <td v-for="(value, name, column) in lesion" :key="name">
      <button v-if="column === 0" type="button" class="link" title="Show this lesion in all views"
        @click="trigger('act', ['lesion', index])">{{ value }}</button>
      <template v-else>{{ value }}</template></td></tr>
    <tr v-if="lesion_places[index]"><td></td><td :colspan="Object.keys(lesion).length - 1" class="soft small"
      data-test="lesion-place">{{ lesion_places[index] }}</td></tr></tbody>
</table>
<details v-if="lesions.length > 1" data-test="lesion-form"><summary>Keep, merge, name</summary>
  <div v-for="(row, index) in lesion_rows" :key="index" class="row">
    <label><input type="checkbox" :checked="row.keep" :aria-label="'Keep lesion ' + (index + 1)"
      @change="row.keep = $event.target.checked"/>{{ index + 1 }}</label>
    <input type="text" :value="row.name" :aria-label="'Name of lesion ' + (index + 1)"
      @input="row.name = $event.target.value"/></div>
  <p class="soft small">Lesions of one name become one. Those without a tick are dropped.</p>
  <button type="button" :disabled="!!outline_blocked" :title="outline_blocked || 'Change the outline accordingly'"
    data-test="apply-lesions"
    @click="trigger('act', ['apply_lesions', lesion_rows.map(row => ({ ...row }))])">Apply to the outline</button>
</details>
<p v-if="lesion_words" class="soft" data-test="lesion-words">{{ lesion_words }}</p>
</section>
"""
)

_TOOLS = {
    "look": ("Look", "Cross-hair and slices only"),
    "paint": ("Paint", "Add with a round brush"),
    "erase": ("Erase", "Remove with a round brush"),
    "scissors": ("Scissors", "Cut along a line through all slices"),
    "islands": ("Keep part", "Click the part that stays; others go"),
    "threshold": ("Threshold", "Limit the outline to a range of HU"),
}


def _tool_buttons() -> str:
    buttons = []
    for name, (label, words) in _TOOLS.items():
        blocked = "''" if name == "look" else "edit_blocked"
        buttons.append(
            f'<button type="button" :class="{{ on: tool === \'{name}\' }}" :aria-pressed="tool === \'{name}\'"'
            f' :disabled="!!{blocked}" :title="{blocked} || \'{words}\'" data-test="tool-{name}"'
            f" @click=\"trigger('act', ['tool', '{name}'])\">{label}</button>"
        )
    return "".join(buttons)


def _edit_button(action: str, label: str, words: str, blocked: str = "edit_blocked") -> str:
    return (
        f'<button type="button" :disabled="!!({blocked})" :title="{blocked} || \'{words}\'" data-test="{action}"'
        f" @click=\"trigger('act', ['{action}'])\">{label}</button>"
    )


CORRECT = f"""
<section><h2>2 Correct</h2>
<div class="buttons" role="group" aria-label="Tools">{_tool_buttons()}</div>
<p class="soft" data-test="hint">{{{{ {{
  look: 'Click: cross-hair. Wheel: slices. Right drag: zoom. Shift and drag: pan.',
  click: 'Click inside the tumour in any slice.',
  paint: 'Drag in a slice to add.', erase: 'Drag in a slice to remove.',
  scissors: 'Draw around a part in a slice.', islands: 'Click the part that stays.',
  threshold: 'The flickering part lies in the range.' }}[tool] }}}}</p>
<label v-if="tool === 'paint' || tool === 'erase'" class="slider">Brush
  <input type="range" min="2" max="60" v-model.number="brush_mm" aria-label="Diameter of the brush" data-test="brush"/>
  <span class="number">{{{{ brush_mm }}}} mm</span></label>
<div v-if="tool === 'scissors'" class="choices" role="radiogroup" aria-label="What the scissors do">
  <label v-for="mode in [['erase', 'Cut away inside'], ['keep', 'Keep only inside'], ['fill', 'Fill inside']]"
    :key="mode[0]"><input type="radio" name="fill" :value="mode[0]" v-model="scissors_fill"/>{{{{ mode[1] }}}}</label>
</div>
<template v-if="tool === 'threshold'">
  <label class="slider"><span class="lead">From</span><input type="range" min="-1000" max="300" step="10"
    v-model.number="threshold_low" aria-label="Lowest HU"/>
    <span class="number">{{{{ threshold_low }}}} HU</span></label>
  <label class="slider"><span class="lead">To</span><input type="range" min="-200" max="1500" step="10"
    v-model.number="threshold_high" aria-label="Highest HU"/>
    <span class="number">{{{{ threshold_high }}}} HU</span></label>
  {_edit_button("trim", "Take the rest out of the outline", "Removes what lies outside this range")}
</template>
<div class="buttons">
{_edit_button("smooth", "Smooth", "Median of the neighbourhood: takes off spikes, closes notches")}
{_edit_button("keep_largest", "Largest part only", "All other parts go")}
{_edit_button("remove_small", "Drop specks", "Parts under 0.1 mL go")}
{_edit_button("undo", "Undo", "Take the last step back", "edit_blocked || (can_undo ? '' : 'Nothing to undo')")}
{_edit_button("redo", "Redo", "Do it again", "edit_blocked || (can_redo ? '' : 'Nothing to redo')")}
</div>
</section>
"""

PREDICT = (
    """
<section><h2>3 Predict</h2>
<p v-if="signature">{{ signature }}</p><p class="label">{{ signature_label }}</p>
<details v-if="clinical.length"><summary>Clinical values (optional)</summary>
  <label v-for="variable in clinical" :key="variable.name" class="field" :title="variable.possible">
    <span>{{ variable.label }}</span>
    <input type="text" :value="clinical_values[variable.name] || ''" :placeholder="variable.possible"
      :data-test="'clinical-' + variable.name"
      @input="clinical_values[variable.name] = $event.target.value"
      @change="trigger('act', ['clinical', { ...clinical_values }])"/></label>
</details>
<p v-if="clinical_problem" class="problem" role="alert">{{ clinical_problem }}</p>
<button type="button" class="wide" :class="{ primary: job === 'predict' || has_outline && !card }"
  :data-test="job === 'predict' ? 'cancel' : 'predict'" :disabled="job !== 'predict' && !!predict_blocked"
  :title="job === 'predict' ? 'End this and keep everything as it was'
    : predict_blocked || 'Predict with the outline as it is now'"
  @click="job !== 'predict' ? trigger('act', ['predict']) : $event.detail > 1 || trigger('act', ['cancel'])">
  {{ job === 'predict' ? 'Cancel' : 'Predict the response' }}</button>
"""
    + _job("predict")
    + "</section>"
)


def _bars(rows: str) -> str:
    return f"""
<div v-for="row in {rows}" :key="row.label" class="effect" :class="{{ named: row.value }}">
  <div class="cut" :title="row.label">{{{{ row.label }}}}</div>
  <div class="plot"><i :class="row.effect < 0 ? 'lowers' : 'raises'"
    :style="{{ left: row.left + '%', width: row.width + '%' }}"></i></div>
  <div class="number">{{{{ row.words }}}}</div>
  <div v-if="row.value" class="soft small whole">{{{{ row.value }}}}<template v-if="row.percentile !== '–'">,
    percentile {{{{ row.percentile }}}} of the training cohort</template></div>
</div>
"""


EXPLAIN = f"""
<section v-if="!card"><h2>4 Explain</h2><p class="soft">What spoke for and against response is shown here after the
  prediction.</p></section>
<section v-else data-test="explain"><h2>4 Explain</h2>
<p class="soft">Effect on the log-odds: <span class="lowers-text">lowers</span> to the left,
  <span class="raises-text">raises</span> to the right.</p>
{_bars("bars")}
<p v-if="has_map" class="row"><button type="button" :class="{{ on: overlay === 'map' }}" data-test="map"
  :aria-pressed="overlay === 'map'" :disabled="preset === 'pet'" title="Lay it over the CT"
  @click="overlay = overlay === 'map' ? 'none' : 'map'">Map of the 3D-CNN</button>
  <span class="soft small">{{{{ map_words }}}}</span></p>
<details v-if="features.length"><summary>The features that mattered most</summary>{_bars("features")}</details>
</section>
"""


def _table(rows: str, test: str) -> str:
    return f"""
<div class="scrolls" data-test="{test}"><table>
  <thead><tr><th v-for="name in Object.keys({rows}[0])" :key="name">{{{{ name }}}}</th></tr></thead>
  <tbody><tr v-for="(row, index) in {rows}" :key="index"><td v-for="(value, name) in row" :key="name">
    {{{{ value }}}}</td></tr></tbody></table></div>
"""


REPORT = (
    """
<section><h2>5 Report and sign</h2>
<p>Review: <strong data-test="review-state">{{ review_state }}</strong></p>
<label class="field"><span>Name</span><input type="text" v-model="reviewer" autocomplete="name" data-test="reviewer"/>
</label>
<label class="field"><span>Comment</span><input type="text" v-model="comment" data-test="comment"/></label>
<div class="buttons">
<button type="button" :class="{ primary: !sign_blocked }" data-test="sign" :disabled="!!sign_blocked"
  :title="sign_blocked || 'You take responsibility for the outline and have seen the prediction'"
  @click="trigger('act', ['sign'])">Sign off</button>
<button type="button" data-test="save" :disabled="!!save_blocked"
  :title="save_blocked || 'Write report, outline, scene and result, to be downloaded'"
  @click="trigger('act', ['save'])">Save results</button>
</div>
"""
    + _job("save")
    + """
<ul v-if="files.length" class="files" data-test="files">
  <li v-for="file in files" :key="file.name"><a :href="file.href" :download="file.name">{{ file.name }}</a></li></ul>
<details v-if="review.length"><summary>Review record</summary>"""
    + _table("review", "review")
    + """</details>
<details v-if="recent.length > 1"><summary>Recent results of this patient ({{ recent.length }})</summary>"""
    + _table("recent", "recent")
    + "</details></section>"
)
