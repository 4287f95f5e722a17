"""The catalogue of models, downloads that break off or are cancelled, and what they leave behind."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import signal
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from NSCLCResponseSegmentLib.core.bundle_files import open_bundle
from NSCLCResponseSegmentLib.core.errors import OutputError, SegmentationError
from NSCLCResponseSegmentLib.core.model_catalog import (
    CATALOG_VARIABLE,
    FOLDER_VARIABLE,
    ModelEntry,
    delete_model,
    entry_named,
    find_model,
    read_catalog,
)
from NSCLCResponseSegmentLib.core.model_download import download_model
from support.cli import command
from support.small_bundle import a_bundle

SECONDS_TO_DIE = 15  # 2 on a machine that does nothing else


def test_the_shipped_catalogue_fits_its_schema_and_its_models_are_whole():
    entries = read_catalog()
    assert len({entry.name for entry in entries}) == len(entries)
    for entry in entries:
        if entry.is_shipped:
            bundle = open_bundle(entry.folder)
            assert (entry.folder / "sha256.json").is_file()
            assert sum(f.stat().st_size for f in entry.folder.rglob("*")) < 10e6
            assert "simulated" in bundle.metadata["description"]
    with pytest.raises(SegmentationError, match="there are: "):
        entry_named("no-such-model")


class Server:
    """Serves one archive from any byte on; the first answer stops half-way, by breaking off or by saying no more."""

    def __init__(self, content: bytes) -> None:
        self.content, self.asked, self.first, self.go_on = content, [], "breaks", threading.Event()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.headers.get("Range", ""))
                start = int(server.asked[-1].removeprefix("bytes=").rstrip("-")) if server.asked[-1] else 0
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(content) - start))
                self.end_headers()
                is_whole = len(server.asked) > 1 or not server.first
                self.wfile.write(content[start:] if is_whole else content[: len(content) // 2])
                if not is_whole and server.first == "hangs":
                    server.go_on.wait(120)

            def log_message(self, *_: object) -> None:
                """Nothing on the terminal."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.entry = {
            "name": "some-model",
            "title": "Some model",
            "modality": "CT",
            "download": {"url": self.url, "sha256": hashlib.sha256(content).hexdigest()},
            "size_mb": 1,
            **dict.fromkeys(("licence", "licence_url", "trained_on", "published_performance"), "none"),
            **dict.fromkeys(("limits", "intended_use"), "a test"),
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/model.zip"

    def close(self) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def an_archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A bundle as a zip of 300 kB, in a folder of its own."""
    source = a_bundle(tmp_path_factory.mktemp("archive") / "source")
    (source / "docs.txt").write_bytes(np.random.default_rng(0).bytes(300_000))
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for file in sorted(p for p in source.rglob("*") if p.is_file()):
            archive.write(file, f"some-model/{file.relative_to(source).as_posix()}")
    return held.getvalue()


@pytest.fixture
def a_server(an_archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server(an_archive)
    catalog = {"schema": "nsclc-response/models/1", "models": [server.entry]}
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    monkeypatch.setenv(CATALOG_VARIABLE, str(tmp_path / "catalog.json"))
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "models"))
    yield server
    server.close()


def test_a_download_goes_on_where_it_stopped_and_is_checked(a_server: Server):
    entry, length = entry_named("some-model"), len(a_server.content)
    with pytest.raises(SegmentationError, match="The connection broke"):
        download_model(entry)
    assert not entry.is_here
    folder = download_model(entry)
    assert a_server.asked == ["", f"bytes={length // 2}-"]
    assert open_bundle(folder).labels == {1: "lung tumour"}
    assert [p.name for p in folder.parent.iterdir()] == ["some-model"]
    with pytest.raises(SegmentationError, match="there already"):
        download_model(entry)


def test_a_download_that_is_cancelled_ends_at_once_and_goes_on_later(a_server: Server):
    a_server.first, entry = "hangs", entry_named("some-model")
    part = entry.folder.with_name("some-model.zip.part")
    process = subprocess.Popen(command("models", "download", "some-model"), stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 120
    while not (part.is_file() and part.stat().st_size > 100_000) and time.monotonic() < end:
        time.sleep(0.05)
    tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=SECONDS_TO_DIE)
    assert not psutil.wait_procs(tree[1:], timeout=SECONDS_TO_DIE)[1]
    assert (process.returncode, "what was fetched is kept" in said) == (130, True), said
    assert [p.name for p in part.parent.iterdir()] == [part.name]
    held = part.stat().st_size
    assert open_bundle(download_model(entry)).labels == {1: "lung tumour"}
    assert a_server.asked[-1] == f"bytes={held}-"


def test_a_file_that_is_not_the_published_one_is_thrown_away(a_server: Server):
    a_server.first = ""
    entry = ModelEntry("some-model", {**a_server.entry, "download": {"url": a_server.url, "sha256": "0" * 64}})
    with pytest.raises(SegmentationError, match="is not the published file"):
        download_model(entry)
    assert list(entry.folder.parent.iterdir()) == []


def test_models_are_found_by_name_and_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(SegmentationError) as caught:
        find_model("vista3d")
    assert "models download vista3d" in caught.value.remedy
    with pytest.raises(SegmentationError, match="has not been downloaded"):
        delete_model("vista3d")
    a_bundle(tmp_path / "vista3d")
    assert find_model("vista3d") == tmp_path / "vista3d"
    delete_model("vista3d")
    assert not (tmp_path / "vista3d").exists()
    with pytest.raises(OutputError, match="ships with this installation"):
        delete_model("simulated-ct")
