"""Figures of a cohort's evaluation as PNG bytes, by matplotlib; one quiet style for print and screen."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _GRID, _MAIN, _OTHER = "#1a2330", "#d8dee6", "#1f5f99", "#b5562b"
_COLOURS = (
    "#b5562b",
    "#4d8b57",
    "#7d5aa6",
    "#c29a1f",
    "#3f9aa8",
    "#a8437a",
    "#6b6f76",
    "#8a6d3b",
    "#5877c9",
    "#94b33c",
)
_STYLE = {
    "font.family": ["DejaVu Sans"], "font.size": 9, "axes.edgecolor": _INK, "axes.labelcolor": _INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": _GRID,
    "grid.linewidth": 0.6, "legend.frameon": False, "figure.dpi": 140, "savefig.dpi": 140,
}  # fmt: skip


def figures(metrics: Mapping[str, Any], weights: Mapping[str, Sequence[tuple[str, float]]]) -> dict[str, bytes]:
    """Name → PNG: ``roc``, ``confusion``, ``calibration``, ``decision``, ``survival-…``, ``weights-…``.

    :param metrics: of :func:`evaluation_cohort.evaluate`. :param weights: part → (feature, weight), largest first.
    """
    import matplotlib as mpl

    made: dict[str, bytes] = {}
    if "auc" not in metrics:
        return made
    with mpl.rc_context(_STYLE):
        made["roc"] = _png(*_roc(metrics))
        made["confusion"] = _png(*_confusion(metrics["at_threshold"]["confusion"]))
        made["calibration"] = _png(*_calibration(metrics["calibration"]))
        made["decision"] = _png(*_decision(metrics))
        for name, measured in metrics["survival"].items():
            made[f"survival-{name}"] = _png(*_survival(name, measured))
        for part, rows in weights.items():
            if rows:
                made[f"weights-{part}"] = _png(*_weights(rows))
    return made


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _png(figure: Figure, axes: Axes) -> bytes:
    del axes
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _words(interval: Mapping[str, float]) -> str:
    return f"{interval['value']:.2f} ({interval['low']:.2f}–{interval['high']:.2f})"


def _roc(metrics: Mapping[str, Any]) -> tuple[Figure, Axes]:
    figure, axes = _axes(7.9, 3.9)
    axes.plot([0, 1], [0, 1], color=_GRID, linewidth=1.2)
    for index, (name, other) in enumerate(metrics["models"].items()):
        if "roc" in other:
            few = "" if other["patients"] == metrics["patients"] else f", {other['patients']} patients"
            dashes = ("-", "--", ":")[index // len(_COLOURS) % 3]  # more curves than colours that can be told apart
            style = {"color": _COLOURS[index % len(_COLOURS)], "linewidth": 1.1, "linestyle": dashes}
            _curve(axes, other["roc"], f"{name}: {_words(other['auc'])}{few}", style)
    main = {"color": _MAIN, "linewidth": 2.4, "zorder": 5}
    _curve(axes, metrics["roc"], f"signature: {_words(metrics['auc'])}", main)
    axes.set(xlabel="1 − specificity", ylabel="sensitivity", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set_anchor("W")
    handles, labels = axes.get_legend_handles_labels()
    place = {"loc": "upper left", "bbox_to_anchor": (1.02, 1.0), "borderaxespad": 0.0, "alignment": "left"}
    axes.legend(handles[::-1], labels[::-1], fontsize=7, title="AUC (95 % interval)", **place)
    return figure, axes


def _curve(axes: Axes, roc: Mapping[str, Any], label: str, style: Mapping[str, Any]) -> None:
    axes.plot(roc["false_positive_rate"], roc["true_positive_rate"], label=label, **style)


def _confusion(counts: Mapping[str, int]) -> tuple[Figure, Axes]:
    import numpy as np

    figure, axes = _axes(3.2, 2.8)
    table = np.array(
        [
            [counts["true_positive"], counts["false_negative"]],
            [counts["false_positive"], counts["true_negative"]],
        ]
    )
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.2)
    for (row, column), count in np.ndenumerate(table):
        ink = "white" if shares[row, column] > 0.6 else _INK
        axes.text(column, row, f"{count}\n{shares[row, column]:.0%}", ha="center", va="center", color=ink, fontsize=11)
    axes.set_xticks([0, 1], ["responder", "non-responder"])
    axes.set_yticks([0, 1], ["responder", "non-responder"], rotation=90, va="center")
    axes.set(xlabel="predicted", ylabel="true")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    return figure, axes


def _calibration(measured: Mapping[str, Any]) -> tuple[Figure, Axes]:
    figure, axes = _axes(4.0, 3.9)
    axes.plot([0, 1], [0, 1], color=_GRID, linewidth=1.2)
    groups = measured["groups"]
    x, y = [g["probability"] for g in groups], [g["rate"]["value"] for g in groups]
    low = [g["rate"]["value"] - g["rate"]["low"] for g in groups]
    high = [g["rate"]["high"] - g["rate"]["value"] for g in groups]
    axes.errorbar(x, y, yerr=[low, high], fmt="o", color=_MAIN, ecolor=_MAIN, elinewidth=1, markersize=5)
    lines = [f"Brier {measured['brier']:.3f}"]
    for key, words in (("slope", "slope"), ("intercept", "intercept")):
        if measured[key]:
            lines.append(f"{words} {_words(measured[key])}")
    axes.text(0.03, 0.97, "\n".join(lines), transform=axes.transAxes, va="top", fontsize=8)
    axes.set(xlabel="predicted probability", ylabel="share of responders", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    return figure, axes


def _decision(metrics: Mapping[str, Any]) -> tuple[Figure, Axes]:
    figure, axes = _axes(4.4, 3.6)
    curve, rate = metrics["decision_curve"], metrics["events"] / metrics["patients"]
    axes.plot(curve["threshold"], curve["all"], color=_COLOURS[6], linewidth=1.1, label="all as responders")
    axes.axhline(0, color=_INK, linewidth=1.1, label="none")
    axes.plot(curve["threshold"], curve["model"], color=_MAIN, linewidth=2.2, label="signature")
    axes.set(xlabel="threshold probability", ylabel="net benefit per patient", xlim=(0, 0.9))
    axes.set_ylim(-0.25 * rate, 1.15 * rate)
    axes.legend(fontsize=8)
    return figure, axes


def _survival(name: str, measured: Mapping[str, Any]) -> tuple[Figure, Axes]:
    figure, axes = _axes(4.8, 4.3)
    for group, colour in zip(measured["groups"], (_MAIN, _OTHER), strict=False):
        median = group["median_months"]
        words = f"median {median:.1f} months" if median is not None else "median not reached"
        label = f"predicted {group['predicted']} ({group['patients']}), {words}"
        axes.step(group["months"], group["share"], where="post", color=colour, linewidth=1.8, label=label)
        axes.fill_between(
            group["months"], group["low"], group["high"], step="post", color=colour, alpha=0.12, linewidth=0
        )
        lost = [i for i in range(1, len(group["share"])) if group["share"][i] == group["share"][i - 1]]
        axes.plot(
            [group["months"][i] for i in lost], [group["share"][i] for i in lost], "|", color=colour, markersize=5
        )
    lines = [f"C-index {_words(measured['c_index'])}"]
    if "log_rank_p" in measured:
        p = measured["log_rank_p"]
        lines.append("log-rank p < 0.001" if p < 0.001 else f"log-rank p = {p:.3f}")
    if measured.get("hazard_ratio"):
        lines.append(f"hazard ratio {_words(measured['hazard_ratio'])}")
    axes.text(0.98, 0.80, "\n".join(lines), transform=axes.transAxes, va="top", ha="right", fontsize=8)
    ylabel = {"pfs": "progression-free survival", "os": "overall survival"}.get(name, "without event")
    axes.set(xlabel="months", ylabel=ylabel, ylim=(0, 1.02))
    axes.set_xlim(left=0)
    axes.legend(fontsize=7.5, loc="upper right")
    _at_risk(axes, measured["groups"])
    return figure, axes


def _at_risk(axes: Axes, groups: Sequence[Mapping[str, Any]]) -> None:
    """Patients at risk under the time axis, in each group's colour."""
    ticks = groups[0]["at_risk"]["months"]
    axes.set_xticks(ticks)
    axes.text(0.0, -0.22, "at risk", transform=axes.transAxes, fontsize=7.5, color=_INK)
    for line, (group, colour) in enumerate(zip(groups, (_MAIN, _OTHER), strict=False)):
        for month, count in zip(group["at_risk"]["months"], group["at_risk"]["patients"], strict=True):
            axes.text(
                month, -0.29 - 0.065 * line, str(count), transform=axes.get_xaxis_transform(), ha="center",
                fontsize=7.5, color=colour,
            )  # fmt: skip


def _weights(rows: Sequence[tuple[str, float]]) -> tuple[Figure, Axes]:
    figure, axes = _axes(6.8, 0.7 + 0.24 * len(rows))
    names, values = zip(*rows[::-1], strict=True)
    axes.barh(names, values, color=[_MAIN if v >= 0 else _OTHER for v in values], height=0.65)
    axes.axvline(0, color=_INK, linewidth=0.8)
    axes.set_xlabel("logit per standard deviation")
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0, labelsize=8)
    return figure, axes
