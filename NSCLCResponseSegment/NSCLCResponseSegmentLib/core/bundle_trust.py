"""What of a MONAI Bundle would run as code of its author, and whether the user has said that it may.

A bundle's configuration is a program: ``$`` begins a Python expression, ``_target_`` names anything that Python can
import, and ``scripts/`` holds modules. What only describes (MONAI's own transforms, networks and inferers; references,
arithmetic, ``torch.device(…)``) runs for everybody; the rest only when the bundle is trusted. Of the configuration only
the parts count that are used here, so that bundles of the MONAI Model Zoo without scripts need no trust.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .atomic import staged_file
from .bundle_files import Bundle
from .errors import SegmentationError
from .model_catalog import models_folder

USED_PARTS = ("imports", "image_key", "preprocessing", "network_def", "inferer", "postprocessing")
_SHOWN = 5
_REFERENCE = re.compile(r"@([\w:#]+)")
_IMPORT = re.compile(r"import (copy|glob|json|math|monai|numpy(?: as np)?|os|pathlib|random|torch)")
_HARMLESS_CALLS = frozenset(
    (
        *("abs", "bool", "float", "int", "len", "list", "max", "min", "range", "round", "set", "sorted", "str"),
        *("tuple", "copy.deepcopy", "os.path.join", "torch.cuda.is_available", "torch.device", "torch.tensor"),
    )
)
_HARMLESS_METHODS = frozenset(("cpu", "eval", "float", "to"))
_VALUES_OF = frozenset(("np", "numpy", "torch"))  # dtypes and the like
_HARMLESS_NODES = (
    ast.Expression, ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.UnaryOp, ast.BinOp, ast.BoolOp,
    ast.Compare, ast.IfExp, ast.Subscript, ast.Slice, ast.expr_context, ast.operator, ast.unaryop, ast.boolop,
    ast.cmpop, ast.keyword,
)  # fmt: skip


def code_of(bundle: Bundle) -> list[str]:
    """What would run as code of the bundle's author, as it is written there; empty when it only describes."""
    if bundle.has_own_evaluator:
        return [str(p.relative_to(bundle.folder)) for p in sorted(bundle.folder.rglob("*.py"))] or ["its evaluator"]
    found = []
    for key, value in _used(bundle.config):
        if isinstance(value, dict) and not _is_described(value.get("_target_")):
            found.append(f"_target_ {value['_target_']}")
        elif isinstance(value, str) and (value.startswith("%") or (value.startswith("$") and not _is_harmless(value))):
            found.append(value)
        elif key == "reader" and isinstance(value, str) and "." in value:
            found.append(f"reader {value}")
    return list(dict.fromkeys(found))


def require_trust(bundle: Bundle, *, trusted: bool) -> None:
    """:raises SegmentationError: the bundle runs code of its author and the user has not said that it may."""
    sentence = "" if trusted else _sentence(bundle)
    if sentence:
        command = f"nsclc-response models trust {bundle.folder}"
        raise SegmentationError(sentence, f"Read it; if you trust it, run '{command}', or segment with --trust.")


def question_of_trust(bundle: Bundle) -> str:
    """What a user is asked before code of the bundle's author runs; after a yes, :func:`trust`. Empty: nothing."""
    sentence = _sentence(bundle)
    return f"{sentence} It could read and change your files. Do you trust its author?" if sentence else ""


def _sentence(bundle: Bundle) -> str:
    """What would run that nobody has allowed; empty when there is nothing."""
    code = [] if is_trusted(bundle) else code_of(bundle)
    if not code:
        return ""
    more = f" and {len(code) - _SHOWN} more" if len(code) > _SHOWN else ""
    return f"The model in {bundle.folder} would run code of its author: {'; '.join(code[:_SHOWN])}{more}."


def trust(bundle: Bundle) -> None:
    """Remember that this bundle may run its code, until one of its files of code or configuration changes.

    :raises OutputError: it cannot be written down.
    """
    held = {**_trusted(), str(bundle.folder.resolve()): _digest(bundle.folder)}
    with staged_file(_list_path()) as aside:
        aside.write_text(json.dumps(held, indent=2) + "\n", encoding="utf-8")


def is_trusted(bundle: Bundle) -> bool:
    """Whether :func:`trust` was called for the bundle as it is now."""
    known = _trusted().get(str(bundle.folder.resolve()))
    return known is not None and known == _digest(bundle.folder)


def _list_path() -> Path:
    return models_folder() / "trusted.json"


def _trusted() -> dict[str, str]:
    try:
        held = json.loads(_list_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    files = [p for p in folder.rglob("*") if p.is_file() and (p.suffix == ".py" or p.parent == folder / "configs")]
    for path in sorted(files):
        digest.update(repr((path.relative_to(folder).as_posix(), path.read_bytes())).encode())
    return digest.hexdigest()


# ---------------------------------------------------------------- the configuration


def _used(config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every (key, value) below the parts that are used here and below what they refer to."""
    waiting, seen = [part for part in USED_PARTS if part in config], set()
    while waiting:
        part = waiting.pop()
        if part in seen or part not in config:
            continue
        seen.add(part)
        for key, value in _below(part, config[part]):
            yield key, value
            if isinstance(value, str):
                waiting += [re.split("::|#", name)[0] for name in _REFERENCE.findall(value)]


def _below(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    yield key, value
    parts = value.items() if isinstance(value, dict) else ((key, v) for v in value) if isinstance(value, list) else ()
    for name, part in parts:
        if name != "_target_":
            yield from _below(str(name), part)


def _is_described(target: Any) -> bool:
    """Whether ``_target_`` is absent, or a class of MONAI's transforms, networks or inferers or of torch.nn."""
    if target is None:
        return True
    import monai
    import torch

    rooms = [monai.transforms, monai.networks.nets, monai.inferers]
    path, _, name = str(target).rpartition(".")
    if path == "torch.nn":
        rooms = [torch.nn]
    elif path and not re.fullmatch(r"monai\.(transforms|networks|inferers)(\.\w+)*", path):
        return False
    return any(isinstance(getattr(room, name, None), type) for room in rooms)


def _is_harmless(text: str) -> bool:
    """Whether an expression (with its ``$``) only computes a value from numbers, texts and other parts."""
    text = text[1:].strip()
    if _IMPORT.fullmatch(text):
        return True
    try:
        tree = ast.parse(_REFERENCE.sub("_reference", text), mode="eval")
    except SyntaxError:
        return False
    return _is_value(tree)


def _is_value(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return node.id in ("_reference", "True", "False", "None")
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id in _VALUES_OF and not node.attr.startswith("_")
    if isinstance(node, ast.Call):
        function = node.func
        is_method = isinstance(function, ast.Attribute) and function.attr in _HARMLESS_METHODS
        is_fine = ast.unparse(function) in _HARMLESS_CALLS or (is_method and _is_value(function.value))
        return is_fine and all(_is_value(part) for part in (*node.args, *node.keywords))
    return isinstance(node, _HARMLESS_NODES) and all(_is_value(part) for part in ast.iter_child_nodes(node))
