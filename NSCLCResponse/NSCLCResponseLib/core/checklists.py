"""TRIPOD+AI, CLEAR and METRICS, filled where the software knows the answer and left blank where only people do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from NSCLCResponseSegmentLib.core.resources import resource


def checklists(description: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Checklists with their items: ``number``, ``text`` (in our words), ``answer`` (empty where people must write).

    :param description: ``signature.json``. :param metrics: the content of ``metrics.json``.
    """
    lists = json.loads(resource("Report", "checklists.json").read_text(encoding="utf-8"))
    known = answers(description, metrics)
    for one in lists:
        for item in one["items"]:
            item["answer"] = known.get(item["answer"], "") if item["answer"] else ""
    return lists


def answers(description: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, str]:
    """Key of ``checklists.json`` → sentence; keys without a sentence stay blank."""
    first = metrics["cohorts"][0]
    outside = [c for c in metrics["cohorts"] if not c.get("training")]
    return {
        **_about_data(description, metrics, first, outside),
        **_about_model(description),
        **_about_results(description, metrics, first, outside),
    }


def _about_data(
    description: Mapping[str, Any],
    metrics: Mapping[str, Any],
    first: Mapping[str, Any],
    outside: list[Mapping[str, Any]],
) -> dict[str, str]:
    training = description["training"]
    centres = ", ".join(training["centers"]) or "not given in the table"
    with_parts = ", ".join(f"{name} {count}" for name, count in training["patients_with"].items())
    sizes = "; ".join(f"{c['cohort']}: {c['patients']} patients, {c['events']} responders" for c in metrics["cohorts"])
    names = "; ".join(c["cohort"] for c in metrics["cohorts"])
    trained = any(c.get("training") for c in metrics["cohorts"])
    kinds = ["development"] * trained + ["evaluation on patients who took no part in training"] * bool(outside)
    return {
        "use": description["intended_use"],
        "objective": "This report covers " + " and ".join(kinds) + ".",
        "source": f"Training cohort: {training['cohort']}. Judged here: {names}.",
        "centres": f"Training centres: {centres}.",
        "preparation": "Checked by 'cohort check': missing files, doubles, constant or infinite columns, units, leaks.",
        "outcome": description["endpoint"]["text"] + ".",
        "predictors": _predictors(description),
        "size": f"{training['patients']} patients, {training['events']} responders to train on; none computed before.",
        "flow": f"With known outcome and at least one part: {sizes}.",
        "numbers": f"{sizes}. In training, patients with each part: {with_parts}.",
        "characteristics": f"Rate of responders: {first['events'] / max(first['patients'], 1):.2f}; groups by"
        " centre, sex and age stand in the report.",
        "imbalance": "No resampling, no class weights; the threshold maximises sensitivity + specificity in training.",
    }


def _predictors(description: Mapping[str, Any]) -> str:
    clinical = [f"{v['label']}{' [' + v['unit'] + ']' if v['unit'] else ''}" for v in description["inputs"]["clinical"]]
    parts = [f"{p['name']}: {len(p['features'])} features" for p in description["parts"] if p["kind"] == "radiomics"]
    parts += ["3D-CNN on image patches"] * any(p["kind"] == "cnn" for p in description["parts"])
    return "; ".join([*([", ".join(clinical)] if clinical else []), *parts]) + "."


def _about_model(description: Mapping[str, Any]) -> dict[str, str]:
    training = description["training"]
    nested = training["settings"].get("nested")
    processing = "; ".join(f"{p['name']}: {p['preprocessing']}" for p in description["parts"])
    radiomics = [p for p in description["parts"] if p["kind"] == "radiomics"]
    files = ", ".join(p["settings"] for p in radiomics if p.get("settings"))
    return {
        "partition": f"{'Nested ' if nested else ''}{training['folds']}-fold cross-validation by patient, seed"
        f" {training['seed']}; imputation, scaling, selection, tuning, calibration and threshold inside the folds.",
        "handling": processing + ".",
        "model": f"Preset {training['preset']}. {processing}. Fusion: {description['fusion']['method']}.",
        "missing": "Within a part: imputed as told under preprocessing. A missing part: the rule for the"
        " parts that a patient has.",
        "computed": "By the stored signature, unchanged, at its own threshold.",
        "output": f"Probability of '{description['endpoint']['text']}'; threshold"
        f" {description['threshold']['value']:.3f} ({description['threshold']['rule']}).",
        "updating": "None.",
        "extraction": f"In the parameter files {files} of the signature." if files else "",
        "extractor": "PyRadiomics." if radiomics else "",
        "settings": f"{files}, in the signature's folder." if files else "",
        "features": "; ".join(f"{p['name']}: {len(p['features'])} features, {_kept(p)}" for p in radiomics) + "."
        if radiomics
        else "",
        "specification": f"Signature '{description['name']}' {description['version']}, with the SHA-256 of each file.",
        "code": "NSCLC Response, Apache-2.0.",
        "system": "NSCLC Response: 3D Slicer extension, browser workspace and command line.",
        "pipeline": "In the documentation of NSCLC Response.",
        "poor": "Out-of-distribution checks warn or refuse; a missing part falls back to the rule without it.",
        "interpret": "Part and feature contributions with each prediction.",
        "guidelines": "TRIPOD+AI, CLEAR and METRICS, in this report.",
        "limits": " ".join(description["limits"]) + " " + description["label"],
        "robust": "Features below the ICC limit under redrawn contours were left out."
        if "icc" in json.dumps(training["settings"]).lower()
        else "",
    }


def _kept(part: Mapping[str, Any]) -> str:
    kept = part.get("chosen", {}).get("features_kept")
    return f"{kept} kept" if kept else "all kept"


def _about_results(
    description: Mapping[str, Any],
    metrics: Mapping[str, Any],
    first: Mapping[str, Any],
    outside: list[Mapping[str, Any]],
) -> dict[str, str]:
    def auc(c: Mapping[str, Any]) -> str:
        a = c["auc"]
        return f"{c['cohort']}: AUC {a['value']:.3f} ({a['low']:.3f} to {a['high']:.3f})"

    measured = [c for c in metrics["cohorts"] if "auc" in c]
    controls = metrics.get("controls", {})
    others = [f"{n} {m['auc']['value']:.3f}" for n, m in first.get("models", {}).items() if "auc" in m]
    found = {
        "measures": "AUC, sensitivity, specificity, PPV, NPV, F1 and accuracy at the fixed threshold, calibration"
        " slope, intercept, Brier score, decision curve, survival by predicted group where there is follow-up.",
        "uncertainty": "95 % intervals: DeLong and bootstrap for AUC, Wilson for shares, bootstrap for C-index.",
        "performance": "; ".join(map(auc, measured)) + ("." if measured else ""),
        "heterogeneity": "By centre, sex and age in the report.",
        "clusters": "By centre; each centre left out where there are several." if controls else "By centre.",
        "fairness": "Measures by sex and age in the report; nothing was done to level them.",
        "calibration": "Slope, intercept, Brier score and plot in the report." if measured else "",
        "comparison": "; ".join(others) + "; DeLong's test in the report." if others else "",
        "confounders": "Whether the features can tell the centre stands among the controls."
        if controls.get("center_from_features")
        else "",
        "stability": "Stability of selection (Nogueira 2018) among the controls."
        if controls.get("selection_stability")
        else "",
        "internal": auc(first) if first.get("training") and "auc" in first else "",
        "external": "; ".join(auc(c) for c in outside if "auc" in c),
    }
    names = {p["name"] for p in description["parts"]}
    if {"radiomics_ct", "radiomics_pet"} <= names:
        found["modalities"] = "CT alone, PET alone and both stand side by side in the report."
    return found
