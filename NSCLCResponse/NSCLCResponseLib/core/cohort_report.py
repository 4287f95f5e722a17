"""``report.html`` of a cohort: one self-contained page with figures, controls, model card and checklists."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from NSCLCResponseSegmentLib.core.resources import resource

from .checklists import checklists
from .model_thresholds import MEASURES, model_rows, published_table, published_words
from .wording import part_name

NO_HASH = ("model_card.md", "signature.json")  # a file cannot hold its own hash


def render_cohort_report(
    description: Mapping[str, Any], metrics: Mapping[str, Any], weights: Mapping[str, Sequence[tuple[str, float]]]
) -> str:
    """The page as one string of HTML; no script, no outside address.

    :param description: ``signature.json``. :param metrics: the content of ``metrics.json``.
    :param weights: of :func:`feature_weights.feature_weights`.
    """
    from markupsafe import Markup

    from .cohort_figures import figures

    pictures = [
        {name: _uri(png) for name, png in figures(cohort, weights if index == 0 else {}).items()}
        for index, cohort in enumerate(metrics["cohorts"])
    ]
    shown = {part: pictures[0][f"weights-{part}"] for part in weights if f"weights-{part}" in pictures[0]}
    environment = _environment()
    card = environment.get_template("model_card.html.j2").render(s=description, metrics=metrics)
    return environment.get_template("cohort_report.html.j2").render(
        signature=description,
        metrics=metrics,
        pictures=pictures,
        weights=shown,
        card=Markup(card),  # noqa: S704 - made by the template above, which escapes
        lists=checklists(description, metrics),
        published=published_table(description.get("training", {}).get("preset", "")),
    )


def model_card(description: Mapping[str, Any], metrics: Mapping[str, Any], hashes: Mapping[str, str]) -> str:
    """The model card as Markdown.

    :param hashes: name → SHA-256 of the signature's files.
    """
    named = {name: digest for name, digest in sorted(hashes.items()) if name not in NO_HASH}
    template = _environment(escape=False).get_template("model_card.md.j2")
    return template.render(s=description, metrics=metrics, hashes=named).lstrip()


def _environment(*, escape: bool = True) -> Any:
    import jinja2

    folder = resource("Report", "cohort_report.html.j2").parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=escape,  # noqa: S701 - off for Markdown only, which is read as text
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"part_name": part_name, "model_rows": model_rows, "measures": MEASURES}
    environment.globals["published_words"] = published_words
    return environment


def _uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
