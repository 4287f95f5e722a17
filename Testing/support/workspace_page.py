"""The browser workspace under test: a server of its own, and a tab of Chromium in a radiologist's words."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
from PIL import Image

SECONDS = 1000  # of Playwright's milliseconds


@dataclass(frozen=True)
class Running:
    """A server under test."""

    address: str
    case: Path
    began: float  # time.monotonic()
    pid: int

    @property
    def port(self) -> int:
        port = urlparse(self.address).port
        assert port is not None
        return port


def serve(case: Path) -> Iterator[Running]:
    """Few contours, since their number is not what is tested here."""
    began = time.monotonic()
    command = [sys.executable, "-m", "NSCLCResponseLib", "review", str(case), "--no-browser", "--contours", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("Open http://127.0.0.1:"), line + process.stdout.read()
        yield Running(line.split()[1], case, began, process.pid)
    finally:
        process.terminate()
        process.wait(20)


class Page:
    """What a radiologist does, in words."""

    def __init__(self, context: Any, address: str) -> None:
        self.tab = context.new_page()
        self.hosts: set[str] = set()
        self.errors: list[str] = []
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.on("request", lambda request: self.hosts.add(urlparse(request.url).netloc))
        self.tab.goto(address)
        self.part("patient").wait_for(timeout=30 * SECONDS)
        self.has_views()

    def has_views(self) -> None:
        """Wait for a picture in each view."""
        for view in ("Axial", "Coronal", "Sagittal", "ThreeD"):
            self.tab.locator(f"[data-view={view}] img").wait_for(timeout=60 * SECONDS)

    def part(self, name: str) -> Any:
        return self.tab.locator(f"[data-test={name}]")

    def text(self, name: str) -> str:
        return self.part(name).inner_text()

    def text_of_closed(self, name: str) -> str:
        """The text of a part, also where it is folded away."""
        return self.part(name).text_content()

    def volume_ml(self) -> float:
        return float(re.search(r"([\d.]+) mL", self.text("lesion-words"))[1])

    def press(self, name: str) -> None:
        self.part(name).click(timeout=30 * SECONDS)

    def wait_until_on(self, name: str) -> None:
        """Wait until a button is pressed."""
        self.tab.locator(f"[data-test={name}][aria-pressed=true]").wait_for(timeout=30 * SECONDS)

    def wait_for_volume(self, condition: str) -> None:
        """Wait until the outline's volume is, e.g., ``< 12.5`` mL."""
        self.tab.wait_for_function(
            "() => parseFloat(document.querySelector('[data-test=lesion-words]')?.innerText.match(/([\\d.]+) mL/)?.[1])"
            f" {condition}",
            timeout=30 * SECONDS,
        )

    def wait_for_outline(self) -> None:
        """Wait until the outlining that was just asked for has begun and ended."""
        self.part("cancel-outline").wait_for(timeout=30 * SECONDS)
        self.part("cancel-outline").wait_for(state="detached", timeout=120 * SECONDS)

    def brightness(self, view: str) -> float:
        """The mean of a view's picture, 0 to 255."""
        return float(self._shot(view).mean())

    def colours(self) -> int:
        """Coloured pixels of the three slice views."""
        coloured = 0
        for view in ("Axial", "Coronal", "Sagittal"):
            pixels = self._shot(view)
            coloured += int((pixels.max(axis=2) - pixels.min(axis=2) > 60).sum())
        return coloured

    def _shot(self, view: str) -> np.ndarray:
        """What is seen of a view: (rows, columns, 3), 0 to 255."""
        shot = self.tab.locator(f"[data-view={view}] img").screenshot()
        return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)

    def wait_for_colours(self, condition: Callable[[int], bool]) -> int:
        """Wait until the slice views have as many coloured pixels as ``condition`` wants; how many they have."""
        end = time.monotonic() + 20
        while not condition(coloured := self.colours()):
            assert time.monotonic() < end, coloured
            self.tab.wait_for_timeout(200)
        return coloured

    def wait_for_text(self, name: str, text: str) -> None:
        """Wait until a part says ``text``."""
        self.tab.wait_for_function(
            f"() => document.querySelector('[data-test={name}]')?.innerText === '{text}'", timeout=30 * SECONDS
        )

    def centre_of(self, view: str) -> tuple[float, float]:
        box = self.tab.locator(f"[data-view={view}]").bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def show_lesion(self) -> None:
        """The largest lesion in the middle of all views."""
        self.part("lesions").wait_for(timeout=60 * SECONDS)
        self.tab.locator("[data-test=lesions] button").first.click()
        self.wait_for_still_pictures()

    def wait_for_still_pictures(self) -> None:
        """Wait until the server has done what it was asked for, and no picture has come for a second since."""
        end = time.monotonic() + 30
        before, now = "", self._pictures()
        while before != now:
            assert time.monotonic() < end, "the views never rest"
            self.tab.wait_for_timeout(1 * SECONDS)
            before, now = now, self._pictures()

    def wait_for_answer(self) -> None:
        """Wait until the server has done what it was asked for: it does so in the order of asking."""
        self.tab.evaluate("() => window.trame.trigger('act', ['nothing'])")

    def _pictures(self) -> str:
        """What names the pictures shown, once the server has done what it was asked for."""
        self.wait_for_answer()
        sources = "() => Array.from(document.querySelectorAll('[data-view] img'), image => image.src).join()"
        return str(self.tab.evaluate(sources))

    def click_in(self, view: str) -> None:
        """As slowly as a person: events of the mouse within ten milliseconds are taken as one."""
        self.tab.mouse.move(*self.centre_of(view))
        self.tab.wait_for_timeout(200)
        self.tab.mouse.down()
        self.tab.wait_for_timeout(100)
        self.tab.mouse.up()

    def drag(self, view: str, length: float, *, beside: float = 0.0) -> None:
        x, y = self.centre_of(view)
        x += beside
        self.tab.mouse.move(x, y)
        self.tab.mouse.down()
        self.tab.mouse.move(x + length, y, steps=4)
        self.tab.wait_for_timeout(200)
        self.tab.mouse.up()

    def lasso(self, view: str, length: float) -> None:
        """Draw a triangle down and to the right of a view's centre."""
        x, y = self.centre_of(view)
        self.tab.mouse.move(x, y)
        self.tab.mouse.down()
        self.tab.mouse.move(x + length, y, steps=4)
        self.tab.mouse.move(x + length, y + length, steps=4)
        self.tab.wait_for_timeout(200)
        self.tab.mouse.up()
