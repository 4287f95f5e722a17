"""The browser workspace in real Chromium: a real server, real views, real jobs."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest

from support.data import shared_data

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
SECONDS = 1000  # of Playwright's milliseconds

pytest.importorskip("trame_slicer", reason="trame-slicer is not installed")


@dataclass(frozen=True)
class Running:
    """A server under test."""

    address: str
    seconds_to_start: float

    @property
    def port(self) -> int:
        port = urlparse(self.address).port
        assert port is not None
        return port


def _serve(case: Path) -> Iterator[Running]:
    began = time.monotonic()
    command = [sys.executable, "-m", "NSCLCResponseLib", "review", str(case), "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("Open http://127.0.0.1:"), line + process.stdout.read()
        yield Running(line.split()[1], time.monotonic() - began)
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def a_simulated_case_is_open(a_simulated_patient: Path) -> Iterator[Running]:
    yield from _serve(a_simulated_patient)


@pytest.fixture(scope="module")
def a_real_case_is_open() -> Iterator[Running]:
    yield from _serve(shared_data("lung1-001"))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


class Page:
    """What a radiologist does, in words."""

    def __init__(self, context: Any, address: str) -> None:
        self.tab = context.new_page()
        self.hosts: set[str] = set()
        self.tab.on("request", lambda request: self.hosts.add(urlparse(request.url).netloc))
        self.tab.goto(address)
        self.part("patient").wait_for(timeout=30 * SECONDS)
        self.tab.locator("[data-view=Axial] img").wait_for(timeout=30 * SECONDS)

    def part(self, name: str) -> Any:
        return self.tab.locator(f"[data-test={name}]")

    def text(self, name: str) -> str:
        return self.part(name).inner_text()

    def volume_ml(self) -> float:
        return float(re.search(r"([\d.]+) mL", self.text("lesion-words"))[1])

    def press(self, name: str) -> None:
        self.part(name).click(timeout=20 * SECONDS)

    def centre_of(self, view: str) -> tuple[float, float]:
        box = self.tab.locator(f"[data-view={view}]").bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def show_lesion(self) -> None:
        """The largest lesion in the middle of all views."""
        self.part("lesions").wait_for(timeout=60 * SECONDS)
        self.tab.locator("[data-test=lesions] button").first.click()
        self.tab.wait_for_timeout(500)

    def drag(self, view: str, length: float) -> None:
        x, y = self.centre_of(view)
        self.tab.mouse.move(x, y)
        self.tab.mouse.down()
        self.tab.mouse.move(x + length, y, steps=4)
        self.tab.wait_for_timeout(200)
        self.tab.mouse.up()


def _answer(port: int, path: str, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    return response.status, response.read()


def test_without_the_token_there_is_nothing(a_simulated_case_is_open: Running) -> None:
    port = a_simulated_case_is_open.port
    websocket = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    for path in ("/", "/index.html", "/?token=wrong", "/vue.global.js", "/results/result.json"):
        assert _answer(port, path) == (403, b""), path
    assert _answer(port, "/ws", **websocket) == (403, b"")
    assert _answer(port, "/ws?token=wrong", **websocket) == (403, b"")
    token = "/?" + urlparse(a_simulated_case_is_open.address).query
    assert _answer(port, token)[0] == 302
    assert _answer(port, token, Host=f"elsewhere.example:{port}") == (403, b"")
    assert _answer(port, token, Origin="http://elsewhere.example") == (403, b"")


def test_a_case_from_its_outline_to_signed_results(
    chromium: Any, a_simulated_case_is_open: Running, tmp_path: Path
) -> None:
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    page = Page(context, a_simulated_case_is_open.address)
    page.show_lesion()
    imported = page.volume_ml()
    assert page.part("sign").is_disabled()
    assert page.part("sign").get_attribute("title") == "Predict first"

    page.press("tool-click")  # a click into the same tumour finds it again
    page.tab.mouse.click(*page.centre_of("Axial"))
    page.part("cancel-outline").wait_for(timeout=10 * SECONDS)
    page.part("cancel-outline").wait_for(state="detached", timeout=60 * SECONDS)
    assert imported / 2 < page.volume_ml() < imported * 2

    page.press("predict")
    page.press("cancel")
    page.part("predict").wait_for(timeout=20 * SECONDS)
    assert "Cancelled" in page.text("message")
    assert page.part("card").count() == 0

    page.press("predict")
    slowest = 0.0
    while page.part("card").count() == 0:
        began = time.monotonic()
        page.tab.evaluate("() => window.trame.trigger('dismiss')")
        slowest = max(slowest, time.monotonic() - began)
        page.tab.wait_for_timeout(100)
    assert slowest < 2.0  # 0.13 s measured; ten times that means that the page waits for the prediction
    probability = float(page.text("probability"))
    assert "simulated" in page.text("label")
    assert "research use only" in page.text("label").lower()

    page.show_lesion()
    before = page.volume_ml()
    page.press("tool-erase")
    page.drag("Axial", 8)
    page.part("stale").wait_for(timeout=10 * SECONDS)
    assert page.text("review-state") == "stale"
    page.tab.wait_for_function(
        f"() => parseFloat(document.querySelector('[data-test=lesion-words]').innerText.match(/([\\d.]+) mL/)[1])"
        f" < {before}",
        timeout=10 * SECONDS,
    )
    page.press("predict-again")
    page.part("stale").wait_for(state="detached", timeout=60 * SECONDS)

    page.tab.reload()
    page.part("card").wait_for(timeout=20 * SECONDS)
    assert page.text("review-state") == "predicted"
    page.part("reviewer").fill("Dr Müller")
    page.press("sign")
    page.tab.wait_for_function(
        "() => document.querySelector('[data-test=review-state]').innerText === 'signed off'", timeout=10 * SECONDS
    )
    page.press("save")
    page.part("files").wait_for(timeout=60 * SECONDS)
    _check_downloads(page, tmp_path, probability)

    second = Page(context, a_simulated_case_is_open.address)  # takes the views over; the case is the same
    page.part("elsewhere").wait_for(timeout=10 * SECONDS)
    assert second.text("review-state") == "signed off"
    assert {host for host in page.hosts | second.hosts if host} == {f"127.0.0.1:{a_simulated_case_is_open.port}"}


def _check_downloads(page: Page, folder: Path, first_probability: float) -> None:
    import SimpleITK as sitk

    for name in ("report.html", "tumour.seg.nrrd", "scene.mrb", "result.json"):
        with page.tab.expect_download() as download:
            page.tab.locator(f"[data-test=files] a[download='{name}']").click()
        download.value.save_as(folder / name)
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert result["review"]["state"] == "signed off"
    assert [e["by"] for e in result["review"]["events"]][-1] == "Dr Müller"
    assert 0 < result["prediction"]["probability"] < 1
    assert 0 < first_probability < 1
    assert sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "tumour.seg.nrrd"))).any()
    assert "research use only" in (folder / "report.html").read_text(encoding="utf-8").lower()
    with zipfile.ZipFile(folder / "scene.mrb") as scene:
        assert any(entry.endswith(".mrml") for entry in scene.namelist())


_SCROLL = """
() => new Promise(done => {
  const area = document.querySelector('[data-view=Axial] .remote-controlled-area');
  const box = area.getBoundingClientRect();
  let frames = 0, step = 0;
  new MutationObserver(() => frames++).observe(document.querySelector('[data-view=Axial] img'),
    { attributes: true, attributeFilter: ['src'] });
  const timer = setInterval(() => area.dispatchEvent(new WheelEvent('wheel', { deltaY: step++ % 60 < 30 ? -100 : 100,
    clientX: box.x + box.width / 2, clientY: box.y + box.height / 2, bubbles: true, cancelable: true })), 33);
  setTimeout(() => { clearInterval(timer); done(frames / 3); }, 3000);
})
"""


def test_a_real_chest_ct_opens_and_scrolls(chromium: Any, a_real_case_is_open: Running) -> None:
    page = Page(chromium.new_context(viewport={"width": 1920, "height": 1080}), a_real_case_is_open.address)
    assert page.part("preset-pet").is_disabled()
    page.show_lesion()
    assert page.volume_ml() == pytest.approx(156.3, abs=0.1)  # the published GTV-1
    frames_per_second = page.tab.evaluate(_SCROLL)
    print(f"started in {a_real_case_is_open.seconds_to_start:.1f} s, {frames_per_second:.1f} frames per second")
    assert frames_per_second > 3  # on busy cores; a render of all views at every event gave 1

    page.press("preset-mediastinum")
    page.tab.locator("[data-test=preset-mediastinum][aria-pressed=true]").wait_for(timeout=10 * SECONDS)
    page.show_lesion()
    page.press("tool-scissors")
    page.drag("Axial", 30)
    page.press("tool-paint")
    page.drag("Coronal", 5)
    page.press("smooth")
    page.tab.locator("[data-test=undo]:enabled").wait_for(timeout=10 * SECONDS)
    while page.part("undo").is_enabled():
        page.press("undo")
        page.tab.wait_for_timeout(300)
    page.tab.wait_for_timeout(1000)
    assert page.volume_ml() == pytest.approx(156.3, abs=0.1)
    assert page.part("redo").is_enabled()
