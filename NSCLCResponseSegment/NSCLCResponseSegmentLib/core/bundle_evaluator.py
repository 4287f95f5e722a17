"""Runs bundles that bring an evaluator of their own (such as VISTA3D), as ``monai.bundle run`` would."""

from __future__ import annotations

import copy
from pathlib import Path

import SimpleITK as sitk

from .bundle_files import Bundle, cannot_run
from .errors import SegmentationError


def run_evaluator(bundle: Bundle, image: Path, out: Path, label: int) -> sitk.Image:
    """The label image that the bundle's evaluator saves for one CT.

    :param out: new folder for it. :param label: asked for where the bundle takes a ``label_prompt``.
    :raises SegmentationError: the bundle cannot be run, or saves nothing.
    :raises DependencyError: it needs a library that is not installed.
    """
    from monai.bundle import ConfigParser

    config = copy.deepcopy(bundle.config)
    inputs: dict[str, object] = {str(config.get("image_key", "image")): str(image)}
    if "label_prompt" in str(config.get("input_dict", "")):
        inputs["label_prompt"] = [label]
    config |= {"bundle_root": str(bundle.folder), "output_dir": str(out), "input_dict": inputs}
    if isinstance(config.get("dataset"), dict):
        config["dataset"]["data"] = [inputs]
    parser = ConfigParser(config)
    parser.read_meta(bundle.metadata)
    try:
        for step in ("imports", "initialize", "run"):
            if step in config:
                parser.get_parsed_content(step)
    except Exception as problem:
        raise cannot_run(bundle.folder, problem) from problem
    saved = sorted(p for p in out.rglob("*") if p.name.lower().endswith((".nii", ".nii.gz", ".nrrd")))
    if len(saved) != 1:
        raise SegmentationError(
            f"The model in {bundle.folder} saved {len(saved)} images instead of one.", "Ask its author."
        )
    return sitk.Cast(sitk.ReadImage(str(saved[0])), sitk.sitkInt16)
