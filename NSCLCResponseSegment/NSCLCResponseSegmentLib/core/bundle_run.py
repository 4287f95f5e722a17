"""Runs a MONAI Bundle on a CT by the bundle's own inference configuration, within the chest only."""

from __future__ import annotations

import contextlib
import copy
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from .bundle_crop import chest_box
from .bundle_evaluator import run_evaluator
from .bundle_files import Bundle, cannot_run, label_named
from .bundle_trust import require_trust
from .errors import ImageError, SegmentationError
from .progress import SILENT, Progress

if TYPE_CHECKING:
    import torch

_LEAST_WINDOW = 32
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "failed to allocate")


def run_bundle(
    bundle: Bundle,
    ct: sitk.Image,
    roi: str = "",
    *,
    mirror: bool = False,
    trusted: bool = False,
    progress: Progress = SILENT,
) -> tuple[sitk.Image, list[str]]:
    """Segment the tumour.

    The CT is cut to the chest; then the bundle's ``preprocessing``, ``inferer`` and ``postprocessing`` do what they
    say, through MONAI's bundle parser. Weights are read as tensors only. Python code that a bundle brings runs only
    when it is trusted, see :mod:`.bundle_trust`.

    :param ct: 3-D, HU.
    :param roi: name of the region, when the model knows several and which is the tumour is not plain.
    :param mirror: average over mirrored copies (test-time augmentation), four times as slow.
    :param trusted: the user says that code of the bundle's author may run.
    :returns: unsigned 8-bit mask on the CT's grid, which may be empty, and sentences for the user.
    :raises ImageError: the CT shows no lung to speak of, where a model would call anything a tumour.
    :raises SegmentationError: the bundle is not trusted or cannot be run, or memory does not suffice for the smallest
        windows.
    """
    label = label_named(bundle, roi)
    require_trust(bundle, trusted=trusted)
    box, anatomy = chest_box(ct, progress.part(0.0, 0.1))
    if not anatomy.is_chest:
        raise ImageError(
            f"This CT does not show a chest: {anatomy.reason}.", "Give the CT of the thorax, or click in the tumour."
        )
    with _importable(bundle.folder), tempfile.TemporaryDirectory(prefix="nsclc-response-") as folder:
        path = Path(folder) / "ct.nii"
        sitk.WriteImage(box, str(path))
        if bundle.has_own_evaluator:
            found = run_evaluator(bundle, path, Path(folder) / "out", label)
            mask = _on_grid(found, label, ct)
            progress.report(1.0, "Segmented")
            return mask, list(bundle.notes)
        parser = _parser(bundle)
        data = parser.get_parsed_content("preprocessing")({_image_key(bundle): str(path)})
        network = _network(bundle, parser)
        notes = list(bundle.notes)
        data["pred"] = _predict(parser, network, data[_image_key(bundle)], mirror, notes, progress.part(0.15, 0.95))
        data = parser.get_parsed_content("postprocessing")(data)
        found = _labels_image(data["pred"])
    progress.report(1.0, "Segmented")
    return _on_grid(found, label, ct), notes


def _on_grid(found: sitk.Image, label: int, ct: sitk.Image) -> sitk.Image:
    return sitk.Resample(sitk.Equal(found, label), ct, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Bundles may bring ``scripts`` of their own."""
    if (folder / "scripts").is_dir():
        sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))


def _image_key(bundle: Bundle) -> str:
    return str(bundle.config.get("image_key", "image"))


def _parser(bundle: Bundle) -> Any:
    """MONAI's parser on the bundle's configuration, without the step that would save files."""
    from monai.bundle import ConfigParser

    config = copy.deepcopy(bundle.config)
    post = config.get("postprocessing")
    if isinstance(post, dict) and isinstance(post.get("transforms"), list):
        post["transforms"] = [t for t in post["transforms"] if "SaveImage" not in str(t.get("_target_", ""))]
    config["bundle_root"] = str(bundle.folder)
    parser = ConfigParser(config)
    parser.read_meta(bundle.metadata)
    try:
        if "imports" in config:
            parser.get_parsed_content("imports")
        parser.get_parsed_content("preprocessing")
    except Exception as problem:
        raise cannot_run(bundle.folder, problem) from problem
    return parser


def _network(bundle: Bundle, parser: Any) -> torch.nn.Module:
    """The bundle's network with its weights, in evaluation mode."""
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        network = parser.get_parsed_content("network_def")
        if bundle.weights.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(bundle.weights)
        else:
            state = torch.load(bundle.weights, map_location="cpu", weights_only=True)
        network.load_state_dict(state.get("model", state.get("state_dict", state)))
    except Exception as problem:
        raise cannot_run(bundle.folder, problem) from problem
    return network.to(device).eval()


def _predict(
    parser: Any, network: torch.nn.Module, image: Any, mirror: bool, notes: list[str], progress: Progress
) -> torch.Tensor:
    """The network's output for the whole image; smaller windows when memory runs out, said in ``notes``."""
    import torch

    inferer = parser.get_parsed_content("inferer")
    device = next(network.parameters()).device
    first = _window(inferer)
    while True:
        model = _watched(_mirrored(network) if mirror else network, _windows(inferer, image.shape[1:]), progress)
        try:
            with torch.inference_mode():
                out = inferer(inputs=image[None].to(device), network=model)
        except (RuntimeError, MemoryError) as problem:
            if not _is_out_of_memory(problem):
                raise
            out = None
        if out is not None:
            break
        _make_smaller(inferer)
    if _window(inferer) != first:
        notes.append(
            f"Memory ran out with windows of {_words(first)} voxels; {_words(_window(inferer))} were used, which shows"
            " the network less around each place and may cost accuracy."
        )
    out = out[0] if isinstance(out, (tuple, list)) else next(iter(out.values())) if isinstance(out, dict) else out
    return out[0].float().cpu()


def _is_out_of_memory(problem: BaseException) -> bool:
    return isinstance(problem, MemoryError) or any(words in str(problem).lower() for words in _OUT_OF_MEMORY)


def _window(inferer: Any) -> tuple[int, ...]:
    size = getattr(inferer, "roi_size", ())
    return (size,) * 3 if isinstance(size, int) else tuple(int(n) for n in size)


def _words(window: tuple[int, ...]) -> str:
    return "×".join(map(str, window))


def _make_smaller(inferer: Any) -> None:
    """One window at a time, then windows half as wide (multiples of 16, which all common networks take).

    :raises SegmentationError: they are small already.
    """
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if getattr(inferer, "sw_batch_size", 1) > 1:
        inferer.sw_batch_size = 1
        return
    window = _window(inferer)
    smaller = tuple(max(_LEAST_WINDOW, n // 2 // 16 * 16) for n in window)
    if not window or min(smaller) >= min(window):
        raise SegmentationError(
            "There is not enough memory for this model, not even with small windows.",
            "Close other programs, or use a machine with more memory.",
        )
    inferer.roi_size = smaller


def _windows(inferer: Any, shape: tuple[int, ...]) -> int:
    """How many windows there will be, for the progress bar."""
    step = [max(1.0, n * (1 - float(np.max(getattr(inferer, "overlap", 0.25))))) for n in _window(inferer)]
    pairs = zip(shape, step, _window(inferer), strict=False)
    counts = [max(1, int(np.ceil((size - window) / s)) + 1) for size, s, window in pairs]
    return int(np.prod(counts)) if counts else 1


def _mirrored(network: torch.nn.Module) -> torch.nn.Module:
    """Mean of the outputs for the image and its three mirror images."""
    import torch

    class Mirrored(torch.nn.Module):
        """Wraps a network of (batch, channels, x, y, z)."""

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            total = network(image)
            for axis in (2, 3, 4):
                total = total + torch.flip(network(torch.flip(image, [axis])), [axis])
            return total / 4

    return Mirrored()


def _watched(network: torch.nn.Module, windows: int, progress: Progress) -> Any:
    """The network as a function that reports each window."""
    done = 0

    def run(image: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        nonlocal done
        progress.report(done / windows, f"Segmenting, window {min(done + 1, windows)} of {windows}")
        out = network(image, *args, **kwargs)
        done += len(image)
        return out

    return run


def _labels_image(pred: Any) -> sitk.Image:
    """A bundle's result (channels, x, y, z; RAS) as a label image; several channels are probabilities or one-hot."""
    array = np.asarray(pred)
    labels = array[0] if len(array) == 1 else np.where(array.max(axis=0) > 0, array.argmax(axis=0), 0)
    image = sitk.GetImageFromArray(np.ascontiguousarray(np.rint(labels).astype(np.int16).transpose(2, 1, 0)))
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.asarray(pred.affine, dtype=float)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    return image
