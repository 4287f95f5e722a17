"""Fitting parts with some folds left out, each fit kept on disk, so that a stopped training goes on where it was.

Nested cross-validation without fitting anything twice: a part fitted without the folds {j, k} gives fold j's logits for
everything that is fitted on the training side of fold k, and the other way round; a part fitted without {k} gives fold
k's own logits; a part fitted without nothing goes into the signature.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.atomic import staged_file
from NSCLCResponseSegmentLib.core.progress import Progress

from . import ranks
from .clinical_fit import fit_clinical, is_plain
from .fusion import column
from .harmonise import ComBat, fit_combat
from .network import network_from_bytes, weights_to_bytes
from .presets import Preset
from .safe_files import load_pipeline, save_pipeline
from .training_data import TrainingData, patches_for
from .training_network import Labels, network_logits, network_spec, train_network
from .training_tables import fit_survival_table, fit_table

if TYPE_CHECKING:
    import numpy as np

LeftOut = frozenset[int]
_FEWEST_TO_FIT = 3  # patients of either outcome; inner folds need some on both sides


@dataclass(frozen=True)
class Fit:
    """One fitted part.

    :param logits: column → (patients,) logits of all patients, also of those it was trained on; NaN without the part.
    :param chosen: what inner cross-validation chose. :param combat: harmonisation that the model's input had.
    """

    model: Any
    model_bytes: bytes
    logits: dict[str, np.ndarray]
    chosen: dict[str, Any]
    combat: ComBat | None = None


def patient_folds(outcome: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """(patients,) fold numbers, responders spread evenly."""
    import numpy as np
    from sklearn.model_selection import StratifiedKFold

    numbers = np.zeros(len(outcome), dtype=int)
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    for number, (_, test) in enumerate(splitter.split(np.zeros(len(outcome)), outcome)):
        numbers[test] = number
    return numbers


def left_out_sets(folds: int, *, nested: bool) -> list[LeftOut]:
    """All sets of folds that fits leave out: single ones, pairs when nested, and none."""
    pairs = [frozenset(pair) for pair in combinations(range(folds), 2)] if nested else []
    return [*[frozenset([fold]) for fold in range(folds)], *pairs, frozenset()]


class Fitter:
    """Fits parts of one training run.

    :param work: folder that keeps finished fits.
    """

    def __init__(self, data: TrainingData, folds: np.ndarray, preset: Preset, work: Path) -> None:
        self._data = data
        self._folds = folds
        self._preset = preset
        self._work = work / "fits"
        self._work.mkdir(parents=True, exist_ok=True)

    def parts(self) -> list[str]:
        """Parts that enough patients of this cohort have data for."""
        few = self.too_few()
        return [part for part in self._present() if part not in few]

    def too_few(self) -> dict[str, int]:
        """Parts that some fit would have too few patients of one outcome for → how many patients have the part."""
        import numpy as np

        outcome = self._data.event if self._data.is_survival else self._data.outcome
        found = {}
        for part in self._present():
            here = self._data.available(part)
            for left_out in left_out_sets(self._preset.folds, nested=self._preset.nested):
                rows = here & ~np.isin(self._folds, list(left_out))
                if min(np.sum(outcome[rows] == side) for side in (0, 1)) < _FEWEST_TO_FIT:
                    found[part] = int(here.sum())
        return found

    def _present(self) -> list[str]:
        names = [part for part in self._preset.parts if part in self._data.features]
        return names + (["cnn"] if "cnn" in self._preset.parts and self._data.has_patch.any() else [])

    def seconds(self, part: str) -> float:
        """About how long one fit of the part takes; only the ratio of parts matters."""
        from .training_shares import fit_seconds

        return fit_seconds(part, self._preset, len(self._data.patients))

    def fit(self, part: str, left_out: LeftOut, progress: Progress) -> Fit:
        """The part fitted on all patients who have it and lie outside the folds ``left_out``."""
        import numpy as np

        rows = self._data.available(part) & ~np.isin(self._folds, list(left_out))
        seed = self._preset.seed * 1000 + sum(2**fold for fold in left_out)
        key = self._key(part, rows, seed)
        make = self._fit_network if part == "cnn" else self._fit_table
        return make(part, rows, seed, key, progress)

    def _key(self, part: str, rows: np.ndarray, seed: int) -> str:
        """Changes with the data, the choices and the rows."""
        options = self._preset.network if part == "cnn" else self._preset.table
        digest = hashlib.sha256(json.dumps([part, asdict(options), seed]).encode())
        table = self._data.patches if part == "cnn" else self._data.features[part][1]
        for array in (rows, self._data.outcome, table, self._data.time, self._data.event):
            digest.update(b"" if array is None else array.tobytes())
        if part != "cnn" and self._preset.table.harmonise:
            digest.update(json.dumps(self._data.centers).encode())
        return f"{part}-{digest.hexdigest()[:20]}"

    def _kept(self, name: str, make: Callable[[], bytes], *, together: bool = False) -> bytes:
        """The file's content, made now unless an earlier run did; by all processes ``together`` or by the first."""
        path = self._work / name
        if ranks.from_first(float(not path.is_file())):
            data = make() if ranks.is_first() or together else b""
            if ranks.is_first():
                with staged_file(path) as aside:
                    aside.write_bytes(data)
            ranks.wait()
        return path.read_bytes()

    def _fit_table(self, part: str, rows: np.ndarray, seed: int, key: str, progress: Progress) -> Fit:
        import numpy as np

        del progress  # a table takes seconds, and who counts the fits has reported this one
        combat, x = self._harmonised(part, rows)
        chosen_path = self._work / f"{key}.json"

        def make() -> bytes:
            pipeline, chosen = self._fitted_table(part, x, rows, seed)
            chosen_path.write_text(json.dumps(chosen), encoding="utf-8")
            return save_pipeline(pipeline)

        data = self._kept(f"{key}.skops", make)
        pipeline = load_pipeline(data, part)
        logits = np.full(len(x), np.nan)
        here = self._data.available(part)
        logits[here] = pipeline.decision_function(x[here])
        return Fit(pipeline, data, {part: logits}, json.loads(chosen_path.read_text(encoding="utf-8")), combat)

    def _fitted_table(self, part: str, x: np.ndarray, rows: np.ndarray, seed: int) -> tuple[Any, dict[str, Any]]:
        data, options = self._data, self._preset.table
        if data.is_survival:
            return fit_survival_table(x[rows], data.time[rows], data.event[rows], options, seed)
        if part == "clinical" and is_plain(options):
            return fit_clinical(data.features[part][0], x[rows], data.outcome[rows], options, seed)
        return fit_table(x[rows], data.outcome[rows], options, seed)

    def _harmonised(self, part: str, rows: np.ndarray) -> tuple[ComBat | None, np.ndarray]:
        """The part's features, moved between centres by what the training patients ``rows`` show."""
        x = self._data.features[part][1]
        if part == "clinical" or not self._preset.table.harmonise:
            return None, x
        centers = self._data.centers
        inside = [center for center, used in zip(centers, rows, strict=True) if used]
        combat = fit_combat(x[rows], inside, self._preset.table.reference)
        return combat, combat.transform(x, centers)

    def _fit_network(self, part: str, rows: np.ndarray, seed: int, key: str, progress: Progress) -> Fit:
        import numpy as np

        fit, patch, data = self._preset.network, self._preset.patch, self._data
        checkpoint, chosen_path = self._work / f"{key}.checkpoint", self._work / f"{key}.json"

        def on_epoch(epoch: int) -> None:
            progress.report(epoch / fit.epochs, f"Training the 3D-CNN: epoch {epoch} of {fit.epochs}")

        def make() -> bytes:
            chosen = np.flatnonzero(rows)
            labels = Labels(data.outcome[chosen])
            if data.is_survival:
                labels = Labels(data.outcome[chosen], data.time[chosen], data.event[chosen])
            network = train_network(data.patches[chosen], labels, patch, fit, seed, checkpoint, on_epoch)
            if ranks.is_first():
                chosen_path.write_text(json.dumps({"epochs": network.epochs}), encoding="utf-8")
            return weights_to_bytes(network)

        on_epoch(0)
        weights = self._kept(f"{key}.safetensors", make, together=True)
        checkpoint.unlink(missing_ok=True)
        network = network_from_bytes(network_spec(patch, fit), weights, part)
        logits = {}
        for pet, here in ((False, data.has_patch), (True, data.has_patch & data.has_pet)):
            values = np.full(len(here), np.nan)
            values[here] = network_logits(network, patches_for(data, patch, pet=pet)[here])
            if here.any():
                logits[column(part, pet=pet)] = values
        return Fit(network, weights, logits, json.loads(chosen_path.read_text(encoding="utf-8")))
