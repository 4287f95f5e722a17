"""Signature folders: what is written opens again unchanged, and nothing else opens at all."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from NSCLCResponseLib.core.signature_io import default_signature, load_signature
from NSCLCResponseSegmentLib.core.errors import SignatureError
from support.small_signature import SmallSignature, train_small


@pytest.fixture
def copy(tmp_path: Path, a_small_signature: SmallSignature) -> Path:
    return shutil.copytree(a_small_signature.folder, tmp_path / "signature")


def relist(folder: Path, **changes: str | None) -> None:
    """Put right the hashes of all files, as somebody with bad intent would, and change the list."""
    path = folder / "signature.json"
    description = json.loads(path.read_text(encoding="utf-8"))
    names = {p.name for p in folder.iterdir() if p.name != "signature.json"}
    description["files"] = {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in sorted(names)}
    description.update(changes)
    path.write_text(json.dumps(description), encoding="utf-8")


def refusal(folder: Path) -> str:
    with pytest.raises(SignatureError) as caught:
        load_signature(folder)
    assert caught.value.message.endswith(".")
    assert caught.value.remedy
    return str(caught.value)


def test_it_opens_and_holds_what_was_trained(a_small_signature: SmallSignature):
    signature = load_signature(a_small_signature.folder)
    assert signature.part_names == ("radiomics_ct", "radiomics_pet", "clinical", "cnn")
    assert signature.label == "Trained on spheres."
    text = (a_small_signature.folder / "signature.json").read_bytes()
    assert signature.sha256 == hashlib.sha256(text).hexdigest()
    assert {r.parts for r in signature.rules if not r.pet} >= {("radiomics_ct",), ("clinical", "cnn", "radiomics_ct")}
    measured = {tuple(e["parts"]): e["auc"] for e in signature.description["performance"] if not e["pet"]}
    best = measured[("radiomics_ct",)]
    assert best["low"] < best["value"] <= best["high"]
    assert best["value"] > 0.85, "density follows the outcome"


def test_same_seed_same_bytes(a_small_signature: SmallSignature, tmp_path: Path):
    train_small(a_small_signature.cohort.parent, tmp_path / "again", tmp_path / "work")
    first = {p.name: p.read_bytes() for p in a_small_signature.folder.iterdir()}
    again = {p.name: p.read_bytes() for p in (tmp_path / "again").iterdir()}
    assert set(first) == set(again)
    assert [name for name in first if first[name] != again[name]] == []


def test_the_shipped_signature_is_small_and_says_what_it_is():
    folder = default_signature()
    signature = load_signature(folder)
    assert "simulated" in signature.label
    assert sum(p.stat().st_size for p in folder.iterdir()) <= 5_000_000
    assert any("not used in training" in e["cohort"] for e in signature.description["performance"])


def test_a_changed_file(copy: Path):
    weights = copy / "cnn.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert "cnn.safetensors" in refusal(copy)
    assert "changed" in refusal(copy)


def test_a_missing_file(copy: Path):
    (copy / "clinical.skops").unlink()
    assert "clinical.skops is missing" in refusal(copy)


def test_a_file_that_is_not_listed(copy: Path):
    (copy / "extra.py").write_text("print('hello')")
    assert "extra.py" in refusal(copy)


def test_a_folder_that_is_no_signature(tmp_path: Path):
    assert "signature.json" in refusal(tmp_path)


def test_a_threshold_that_is_no_probability(copy: Path):
    relist(copy, threshold={"value": 7, "rule": "none"})
    assert "threshold/value" in refusal(copy)


class Marker:
    """Pickled, it makes a file when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickle_as_a_listed_file(copy: Path, tmp_path: Path):
    (copy / "model.pkl").write_bytes(pickle.dumps(Marker(tmp_path / "ran")))
    relist(copy)
    assert "model.pkl" in refusal(copy)
    assert not (tmp_path / "ran").exists()


def test_a_pickle_inside_the_arrays(copy: Path, tmp_path: Path):
    arrays = dict(np.load(copy / "reference.npz"))
    arrays["clinical.means"] = np.array([Marker(tmp_path / "ran")], dtype=object)
    np.savez(copy / "reference.npz", **arrays)
    relist(copy)
    assert "pickled objects" in refusal(copy)
    assert not (tmp_path / "ran").exists()


def replace_member(path: Path, wanted: str, content: bytes) -> None:
    """Write the archive again with one member replaced (the first whose name ends so)."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members[next(name for name in members if name.endswith(wanted))] = content
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def test_a_pickle_inside_a_pipeline(copy: Path, tmp_path: Path):
    buffer = io.BytesIO()
    np.save(buffer, np.array([Marker(tmp_path / "ran")], dtype=object), allow_pickle=True)
    replace_member(copy / "clinical.skops", ".npy", buffer.getvalue())
    relist(copy)
    assert "pickled objects" in refusal(copy)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["reference.npz", "radiomics_ct.skops"])
def test_a_header_that_claims_a_huge_array(copy: Path, name: str):
    """An 8 TB array of which the file holds eight bytes: refused by its header, before anything is allocated."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    replace_member(copy / name, ".npy", buffer.getvalue() + b"\0" * 8)
    relist(copy)
    assert "claims 8,000,000.0 MB" in refusal(copy)


def test_an_archive_that_unpacks_to_gigabytes(copy: Path):
    with zipfile.ZipFile(copy / "reference.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.npy", b"\0" * 40_000_000)
    relist(copy)
    assert "unpack to more than" in refusal(copy)


def change_schema(path: Path, old: str, new: str) -> None:
    with zipfile.ZipFile(path) as archive:
        schema = archive.read("schema.json").decode()
    assert old in schema
    replace_member(path, "schema.json", schema.replace(old, new).encode())


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('"f_classif"', '"f_regression"', "f_regression"),
        ('"sklearn.preprocessing._data"', '"subprocess"', "subprocess"),
        ('"FunctionNode"', '"MethodNode"', "MethodNode"),
    ],
)
def test_a_pipeline_of_untrusted_types(copy: Path, old: str, new: str, named: str):
    change_schema(copy / "radiomics_ct.skops", old, new)
    relist(copy)
    assert named in refusal(copy)


def test_skops_files_by_others_with_types_that_skops_itself_trusts(copy: Path):
    """Skops would open a decision tree without asking; our list does not hold it."""
    import skops.io
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier().fit([[0.0], [1.0]], [0, 1])
    (copy / "clinical.skops").write_bytes(skops.io.dumps(tree))
    relist(copy)
    assert "DecisionTreeClassifier" in refusal(copy)


def test_forged_trees_in_a_model_of_ours(copy: Path):
    """Only our own types, but a child that comes before its parent: whoever walked down would never arrive."""
    from NSCLCResponseLib.core.presets import TableFit
    from NSCLCResponseLib.core.safe_files import save_pipeline
    from NSCLCResponseLib.core.training_tables import fit_table

    description = json.loads((copy / "signature.json").read_text(encoding="utf-8"))
    features = len(next(p for p in description["parts"] if p["name"] == "clinical")["features"])
    x = np.random.default_rng(0).normal(size=(40, features))
    pipeline, _ = fit_table(x, np.arange(40) % 2, TableFit(keep=(2,), inner_folds=2, model="random_forest"), 0)
    pipeline.steps[-1][1].left[1:3] = 0
    (copy / "clinical.skops").write_bytes(save_pipeline(pipeline))
    relist(copy)
    assert "no valid set of trees" in refusal(copy)


def test_a_model_of_ours_with_parts_that_do_not_fit(copy: Path):
    change_schema(copy / "clinical.skops", '"Linear"', '"Stack"')
    relist(copy)
    assert "clinical.skops" in refusal(copy)


def test_weights_of_another_network(copy: Path):
    from safetensors.numpy import save_file

    save_file({"stages.0.conv.weight": np.zeros((2, 2), dtype=np.float32)}, str(copy / "cnn.safetensors"))
    relist(copy)
    assert "do not fit" in refusal(copy)


def test_a_network_too_large_to_be_meant(copy: Path):
    description = json.loads((copy / "signature.json").read_text())
    parts = description["parts"]
    next(p for p in parts if p["name"] == "cnn")["network"]["features"] = [512] * 6
    relist(copy, parts=parts)
    assert "parameters" in refusal(copy)
