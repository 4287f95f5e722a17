"""The page's style: dark, as reading rooms are; nothing is loaded from elsewhere."""

#: shown until the page has been made; trame's own turns three wheels, sixty pictures a second, while Slicer loads
LOADING = """<div style="position:fixed;inset:0;display:flex;align-items:center;justify-content:center;
background:#0f1317;color:#e6ebf0;font:14px sans-serif">Starting</div>
"""

STYLE = """
* { box-sizing: border-box; }
:root { color-scheme: dark; }
html, body, #app { margin: 0; height: 100%; overflow: hidden; }
body { background: #0f1317; color: #e6ebf0; font: 14px/1.4 "Segoe UI", "Helvetica Neue", "DejaVu Sans", sans-serif; }
.app { display: flex; flex-direction: column; height: 100vh; }
.bar { display: flex; gap: 16px; align-items: center; padding: 6px 14px; background: #1a2128; white-space: nowrap; }
.bar .patient { font-weight: 600; }
.bar .cut { flex: 1; }
.research { color: #ffb25c; font-weight: 600; }
.working { color: #7cc0ee; visibility: hidden; animation: appear 0s linear .6s forwards; }
@keyframes appear { to { visibility: visible; } }
.cut { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; min-width: 0; }
.soft { color: #a9b6c2; }
.small { font-size: 12px; overflow-wrap: anywhere; }
.toast { position: absolute; left: 12px; right: 32px; bottom: 12px; z-index: 3; pointer-events: none; }
.message { display: flex; justify-content: space-between; gap: 12px; padding: 8px 14px; background: #23415af2;
  border-radius: 4px; border: 1px solid #4ea1d3; max-width: 900px; margin: 0 auto; pointer-events: auto; }
.message.error { background: #6b2a20f7; border-color: #ff9a86; }
.work { flex: 1; display: flex; min-height: 0; }
.steps { width: 348px; flex: none; overflow-y: auto; padding: 0 12px 12px; background: #161b21; }
section { padding: 10px 0; border-bottom: 1px solid #29323b; }
h2 { margin: 0 0 6px; font-size: 14px; font-weight: 600; color: #c9d5e0; }
p { margin: 4px 0; }
button, select, input[type=text] { font: inherit; color: inherit; background: #2a343e; border: 1px solid #3b4854;
  border-radius: 4px; padding: 4px 10px; }
button { cursor: pointer; }
button:hover:enabled { background: #35424e; }
button:disabled { color: #77838f; cursor: not-allowed; background: #1e252c; border-color: #2b343d; }
button.on { background: #1f567c; border-color: #4ea1d3; }
button.primary { background: #1d6fa5; border-color: #4ea1d3; color: #fff; }
button.primary:hover:enabled { background: #2681bd; }
button.primary:disabled { background: #22303b; color: #77838f; border-color: #2b343d; }
button.wide { width: 100%; padding: 7px; margin-top: 4px; }
button.plain, button.link { background: none; border: 0; padding: 0 4px; }
button.link { text-align: left; color: #7cc0ee; text-decoration: underline; }
:focus-visible { outline: 2px solid #ffd65a; outline-offset: 1px; }
.buttons { display: flex; flex-wrap: wrap; gap: 6px; margin: 6px 0; }
.row { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; margin: 6px 0; }
.row input[type=text], .row select { flex: 1; min-width: 0; }
.choices { display: flex; flex-wrap: wrap; gap: 4px 9px; margin: 6px 0; }
.choices input { margin: 0 4px 0 0; }
.slider, .check { display: flex; align-items: center; gap: 6px; white-space: nowrap; }
.slider input { flex: 1; min-width: 60px; accent-color: #4ea1d3; }
.lead { width: 34px; }
.number { min-width: 48px; text-align: right; font-variant-numeric: tabular-nums; }
.field { display: flex; align-items: center; gap: 8px; margin: 4px 0; }
.field span { width: 110px; flex: none; }
.field input { flex: 1; min-width: 0; }
.job { margin-top: 6px; }
progress { width: 100%; height: 8px; accent-color: #4ea1d3; }
.problem { color: #ff9a86; }
.label { color: #ffb25c; font-size: 13px; }
.card { position: sticky; top: 0; z-index: 2; background: #1c2530; margin: 0 -12px; padding: 10px 12px;
  border-bottom: 2px solid #4ea1d3; max-height: 62vh; overflow-y: auto; }
.doubts .open, .doubts[open] .closed { display: none; }
.doubts[open] .open { display: inline; }
.card.stale { border-color: #ff9a4a; }
.card.stale .figure { opacity: .45; }
.banner { display: flex; gap: 8px; align-items: center; justify-content: space-between; background: #7a4312;
  margin: -10px -12px 8px; padding: 8px 12px; }
.banner button { flex: none; }
.figure { display: flex; gap: 14px; align-items: center; }
.probability { font-size: 46px; font-weight: 700; line-height: 1.1; font-variant-numeric: tabular-nums; }
summary { cursor: pointer; padding: 3px 0; }
ul { margin: 4px 0; padding-left: 18px; }
a { color: #7cc0ee; }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 2px 6px 2px 0; border-bottom: 1px solid #29323b; vertical-align: top; }
[data-test=sizes] button { padding: 4px 7px; }
[data-test=lesions] tr:not(:last-child) td { border-bottom: 0; }
th { font-weight: 600; color: #a9b6c2; }
.scrolls { overflow-x: auto; }
.scrolls td { min-width: 62px; }
.scrolls td:first-child { white-space: nowrap; }
.scrolls td:nth-child(2) { min-width: 112px; }
.effect { display: grid; grid-template-columns: 110px 1fr 48px; gap: 2px 8px; align-items: center; margin: 3px 0; }
.effect.named .cut { grid-column: 1 / 4; white-space: normal; }
.effect.named .plot { grid-column: 1 / 3; }
.effect .whole { grid-column: 1 / 4; }
.plot { position: relative; height: 12px;
  background: linear-gradient(#56636f, #56636f) center / 1px 100% no-repeat, #202830; }
.plot i { position: absolute; top: 1px; bottom: 1px; }
.plot .raises { background: #29a385; }
.plot .lowers { background: #d16b1f; }
.raises-text { color: #3cc4a2; }
.lowers-text { color: #ef8a3e; }
.pictures { position: relative; flex: 1; display: flex; flex-direction: column; min-width: 0; }
.controls { display: flex; gap: 6px 14px; align-items: center; padding: 6px 10px;
  background: #1a2128; }
.group { display: flex; align-items: center; }
.group .soft { margin-right: 6px; white-space: nowrap; }
.group button { border-radius: 0; margin-left: -1px; }
.group button:first-of-type { border-radius: 4px 0 0 4px; }
.group button:last-child { border-radius: 0 4px 4px 0; }
.grid { flex: 1; min-height: 0; display: grid; grid-template-columns: 1fr 1fr; grid-template-rows: 1fr 1fr; gap: 3px;
  background: #29323b; }
.cell { position: relative; min-width: 0; min-height: 0; overflow: hidden; background: #000; }
.over { position: absolute; inset: 0; pointer-events: none; text-shadow: 0 0 3px #000, 0 0 3px #000; }
.name { position: absolute; left: 10px; top: 6px; }
.bright .cell:not(.three-d) .over { text-shadow: 0 0 3px #fff, 0 0 3px #fff; }
.bright .cell:not(.three-d) .name { color: #101418; }
.bright .cell:not(.three-d) .edge { color: #8a4b00; }
.edge { position: absolute; color: #ffd65a; font-weight: 600; font-size: 16px; }
.edge.left { left: 10px; top: 50%; transform: translateY(-50%); }
.edge.right { right: 28px; top: 50%; transform: translateY(-50%); }
.edge.high { top: 6px; left: 50%; transform: translateX(-50%); }
.edge.low { bottom: 28px; left: 50%; transform: translateX(-50%); }
.scroll { position: absolute; right: 2px; top: 6px; bottom: 6px; width: 18px; pointer-events: auto; margin: 0;
  writing-mode: vertical-lr; direction: rtl; accent-color: #4ea1d3; }
.elsewhere-slot { flex: 1; display: flex; }
.opening { position: absolute; inset: 0; z-index: 2; display: flex; align-items: center; justify-content: center;
  background: #0f1317; }
.elsewhere { margin: auto; text-align: center; }
.question { position: absolute; left: 50%; top: 30%; transform: translateX(-50%); z-index: 4; width: 420px;
  background: #2b2418; border: 1px solid #ffb25c; border-radius: 6px; padding: 14px 18px; box-shadow: 0 4px 24px #000; }
.question .buttons { justify-content: flex-end; margin-bottom: 0; }
@media (min-width: 1600px) { .steps { width: 420px; } .effect { grid-template-columns: 150px 1fr 56px; } }
"""
