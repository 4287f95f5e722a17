"""A case of the scene as files: the same names as ``nsclc-response predict`` writes."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slicer import vtkMRMLScene, vtkMRMLSegmentationNode

from NSCLCResponseSegmentLib.core.atomic import require_space, staged_folder
from NSCLCResponseSegmentLib.core.progress import SILENT, Progress
from NSCLCResponseSegmentLib.mrml.segmentations import write_segmentation
from NSCLCResponseSegmentLib.mrml.volumes import image_from_volume

from .result_nodes import result_node
from .scene import save_mrb

_FREE_BYTES_NEEDED = 200_000_000  # scene.mrb of a 512×512×300 CT, twice, while it is being written


def save_results(
    scene: vtkMRMLScene,
    result: Mapping[str, Any],
    segmentation: vtkMRMLSegmentationNode,
    folder: Path,
    *,
    picture: Path | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> Path:
    """Write result.json, features.csv, tumour.seg.nrrd, report.html and scene.mrb, aside and then renamed.

    :param result: as result.json, with the review record as it stands now.
    :param picture: of the views (PNG), for the report and as overlay.png.
    :returns: the folder.
    :raises OutputError: it holds results already and ``overwrite`` is false, is read-only, or the disk is full.
    """
    from ..core.report import write_report
    from ..core.result import write_result

    require_space(folder, _FREE_BYTES_NEEDED)
    with staged_folder(folder, overwrite=overwrite) as aside:
        progress.report(0.0, "Writing the outline")
        write_segmentation(segmentation, aside / "tumour.seg.nrrd")
        files = {"segmentation": "tumour.seg.nrrd", "report": "report.html", "scene": "scene.mrb"}
        if _write_features(scene, aside / "features.csv"):
            files["features"] = "features.csv"
        if _write_map(scene, aside / "cnn_map.nrrd"):
            files["cnn_map"] = "cnn_map.nrrd"
        if picture is not None:
            (aside / "overlay.png").write_bytes(picture.read_bytes())
            files["overlay"] = "overlay.png"
        result = {**result, "files": files}
        progress.report(0.2, "Writing the report")
        write_result(result, aside / "result.json")
        write_report(result, picture, aside / "report.html")
        progress.report(0.3, "Writing the scene")
        save_mrb(scene, aside / "scene.mrb")
        progress.report(1.0, "Done")
    return folder


def _write_map(scene: vtkMRMLScene, path: Path) -> bool:
    """The 3D-CNN's map as the scene holds it: the CT's voxels, without the empty surroundings."""
    import SimpleITK as sitk

    node = result_node(scene)
    shown = node.GetNodeReference("map") if node is not None else None
    if shown is None:
        return False
    sitk.WriteImage(image_from_volume(shown), str(path), useCompression=True)
    return True


def _write_features(scene: vtkMRMLScene, path: Path) -> bool:
    node = result_node(scene)
    table = node.GetNodeReference("features") if node is not None else None
    if table is None:
        return False
    content = table.GetTable()
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        columns = range(content.GetNumberOfColumns())
        writer.writerow([content.GetColumnName(column) for column in columns])
        for row in range(content.GetNumberOfRows()):
            writer.writerow([content.GetValue(row, column).ToString() for column in columns])
    return True
