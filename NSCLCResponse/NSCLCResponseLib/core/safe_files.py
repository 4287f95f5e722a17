"""Reading arrays and scikit-learn pipelines from strangers: nothing in a file is run, and nothing large is allocated
before its size has been checked."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.errors import SignatureError

if TYPE_CHECKING:
    import numpy as np

MAX_ARRAY_BYTES = 16_000_000
MAX_ARCHIVE_BYTES = 32_000_000
MAX_MEMBERS = 2_000
_REFUSE = "Do not use this signature; get it again from its author."
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)

#: All that a scikit-learn pipeline of ours is made of. Skops trusts many more types by itself; a file that holds any
#: other than these was not made by ``nsclc-response train``. scikit-learn's trees and support vectors are not among
#: them: they are C structures that nobody checks; :mod:`models` holds the same as arrays.
TRUSTED_TYPES = frozenset(
    {
        "builtins.dict",
        "builtins.list",
        "builtins.str",
        "builtins.tuple",
        "numpy.dtype",
        "numpy.ndarray",
        "numpy.float32",
        "numpy.float64",
        "numpy.int64",
        "sklearn.pipeline.Pipeline",
        "sklearn.impute._base.SimpleImputer",
        "sklearn.preprocessing._data.QuantileTransformer",
        "sklearn.preprocessing._data.StandardScaler",
        "sklearn.feature_selection._univariate_selection.SelectKBest",
        "sklearn.feature_selection._univariate_selection.f_classif",
        "sklearn.feature_selection._from_model.SelectFromModel",
        "sklearn.feature_selection._variance_threshold.VarianceThreshold",
        "sklearn.linear_model._logistic.LogisticRegression",
        "NSCLCResponseLib.core.models.Pick",
        "NSCLCResponseLib.core.models.Projection",
        "NSCLCResponseLib.core.models.Linear",
        "NSCLCResponseLib.core.models.TreeEnsemble",
        "NSCLCResponseLib.core.models.KernelMachine",
        "NSCLCResponseLib.core.models.Stack",
        "NSCLCResponseLib.core.clinical_steps.ClinicalScale",
        "NSCLCResponseLib.core.clinical_steps.ConditionalMean",
    }
)
_TRUSTED_LOADERS = frozenset(
    {"DictNode", "ListNode", "TupleNode", "JsonNode", "TypeNode", "DTypeNode", "NdArrayNode", "ObjectNode"}
)
_OBJECTS = ("sklearn.", "NSCLCResponseLib.core.models.", "NSCLCResponseLib.core.clinical_steps.")
_TRUSTED_FUNCTIONS = frozenset({"sklearn.feature_selection._univariate_selection.f_classif"})


def _open_archive(data: bytes, name: str) -> zipfile.ZipFile:
    """The zip archive, after its directory has been checked against the limits."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except zipfile.BadZipFile as error:
        raise SignatureError(f"{name} is damaged or of another format.", _REFUSE) from error
    members = archive.infolist()
    if len(members) > MAX_MEMBERS or sum(m.file_size for m in members) > MAX_ARCHIVE_BYTES:
        raise SignatureError(f"{name} would unpack to more than {MAX_ARCHIVE_BYTES // 10**6} MB.", _REFUSE)
    return archive


def _check_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> None:
    """Read an array's header only, and refuse objects (pickles) and sizes that the file does not hold."""
    from numpy.lib import format as npy

    where = f"The array {member.filename.removesuffix('.npy')} in {name}"
    with archive.open(member) as stream:
        try:
            version = npy.read_magic(stream)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, _, dtype = read(stream)
            held = member.file_size - stream.tell()
        except (ValueError, EOFError, zipfile.BadZipFile) as error:
            raise SignatureError(f"{where} is damaged or of another format.", _REFUSE) from error
    if dtype.hasobject:
        raise SignatureError(f"{where} holds pickled objects, which could run code.", _REFUSE)
    size = math.prod(shape) * dtype.itemsize
    if size > MAX_ARRAY_BYTES or size != held or min(shape, default=1) < 0:
        raise SignatureError(f"{where} claims {size / 1e6:,.1f} MB but holds {held / 1e6:,.1f} MB.", _REFUSE)


def load_arrays(data: bytes, name: str) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` file.

    :param name: of the file, for the message.
    :raises SignatureError: it holds pickles, headers that claim more than is there, or is damaged.
    """
    import numpy as np

    with _open_archive(data, name) as archive:
        for member in archive.infolist():
            _check_array(archive, member, name)
    try:
        with np.load(io.BytesIO(data), allow_pickle=False, max_header_size=10_000) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except (ValueError, zipfile.BadZipFile) as error:
        raise SignatureError(f"{name} is damaged or of another format.", _REFUSE) from error


def save_arrays(arrays: dict[str, np.ndarray]) -> bytes:
    """An ``.npz`` file whose bytes depend on the arrays alone (names sorted, no dates)."""
    import numpy as np

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for key in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(arrays[key]), allow_pickle=False)
            archive.writestr(_plain_member(f"{key}.npy"), member.getvalue())
    return buffer.getvalue()


def _plain_member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _ZIP_EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """All objects that a skops schema describes, depth first in the schema's order."""
    if isinstance(tree, dict):
        if "__loader__" in tree or "__class__" in tree:
            yield tree
        for value in tree.values():
            yield from _nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _nodes(value)


def _check_node(node: dict[str, Any], name: str) -> None:
    kind = f"{node.get('__module__')}.{node.get('__class__')}"
    loader = node.get("__loader__")
    is_function = loader == "FunctionNode" and kind in _TRUSTED_FUNCTIONS
    if kind not in TRUSTED_TYPES or not (loader in _TRUSTED_LOADERS or is_function):
        raise SignatureError(
            f"{name} holds an object of the type {kind} ({loader}), which this program does not trust.", _REFUSE
        )
    if loader == "ObjectNode" and not kind.startswith(_OBJECTS):
        raise SignatureError(f"{name} describes a {kind} in a way that this program does not trust.", _REFUSE)


def load_pipeline(data: bytes, name: str) -> Any:
    """A scikit-learn pipeline from a skops file made of :data:`TRUSTED_TYPES` only.

    :param name: of the file, for the message.
    :raises SignatureError: it holds any other type, pickles, oversized arrays, or is damaged.
    """
    with _open_archive(data, name) as archive:
        try:
            schema = json.loads(archive.read("schema.json"))
        except (KeyError, ValueError, RecursionError) as error:
            raise SignatureError(f"{name} is not a skops file.", _REFUSE) from error
        for node in _nodes(schema):
            _check_node(node, name)
        for member in archive.infolist():
            if member.filename != "schema.json":
                _check_array(archive, member, name)
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        return skops.io.loads(data, trusted=sorted(TRUSTED_TYPES))
    except UntrustedTypesFoundException as error:
        raise SignatureError(f"{name} holds types that this program does not trust.", _REFUSE) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SignatureError(f"{name} cannot be read by this version of skops and scikit-learn.", _REFUSE) from error


def save_pipeline(pipeline: Any) -> bytes:
    """A skops file whose bytes depend on the pipeline alone.

    Skops names objects by their address in memory and members by the time of day; both are replaced by counters.

    :raises ValueError: the pipeline holds a type outside :data:`TRUSTED_TYPES` (a defect of ours).
    """
    import skops.io

    source = zipfile.ZipFile(io.BytesIO(skops.io.dumps(pipeline)))
    schema = json.loads(source.read("schema.json"))
    numbers: dict[int, int] = {}
    files: dict[str, str] = {}
    for node in _nodes(schema):
        try:
            _check_node(node, "pipeline")
        except SignatureError as error:
            raise ValueError(error.message) from error
        if "__id__" in node:
            node["__id__"] = numbers.setdefault(node["__id__"], len(numbers) + 1)
        if "file" in node:
            node["file"] = files.setdefault(node["file"], f"{len(files) + 1:04d}.npy")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for old, new in files.items():
            archive.writestr(_plain_member(new), source.read(old))
        archive.writestr(_plain_member("schema.json"), json.dumps(schema, indent=1))
    return buffer.getvalue()
