"""The page of the measured console: real Chromium, or a client that sends the page's requests."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests

from benchmarks.errors import BenchmarkFailed

# A stage in the middle, where every panel has something to show.
VIEWS = ("/", "/traces", "/stages/enrich", "/controls")
_TICK_SECONDS = 0.5
_STANDING_SECONDS = 60.0
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
# From the page's own script: what is requested every how many ticks.
_EVERY = {"tick.data": 1, "list-tick.data": 2, "trace-tick.data": 2, "lines-tick.data": 4}
_EVERY |= {"charts-tick.data": 4, "whole-tick.data": 4}
# The requests that only one view makes.
_NEEDS = {"list-tick.data": "/traces", "lines-tick.data": "/stages", "charts-tick.data": "/stages"}


@dataclass(frozen=True)
class Held:
    """The traces and spans that the console holds, and the traces evicted since its start, as its page shows them."""

    traces: int = 0
    spans: int = 0
    traces_evicted: int = 0


class Page(Protocol):
    """An open page of the console. `requests` is the number of its requests."""

    requests: int

    def show(self, view: str) -> None:
        """Open a view."""

    def wait(self, seconds: float) -> None:
        """Run the page for so many seconds."""

    def held(self) -> Held:
        """Return what the page shows of the store."""


def read_held(text: str, title: str) -> Held:
    """Return the store's state in the page's text. Raise BenchmarkFailed if the text has another form."""
    found = re.fullmatch(r"([\d,]+) traces?, ([\d,]+) spans?", text)
    if found is None:
        raise BenchmarkFailed(f"the page shows {text!r} in place of the number of traces and spans")
    evicted = re.search(r"([\d,]+) older traces?", title)
    return Held(_number(found[1]), _number(found[2]), _number(evicted[1]) if evicted else 0)


def _number(text: str) -> int:
    return int(text.replace(",", ""))


class ChromiumPage:
    """The page in real Chromium."""

    def __init__(self, page: Any, url: str) -> None:
        self.requests = 0
        self._page = page
        self._base = f"http://{urlsplit(url).netloc}"
        page.on("request", self._count)
        page.goto(url)

    def show(self, view: str) -> None:
        """Open a view."""
        self._page.goto(self._base + view)

    def wait(self, seconds: float) -> None:
        """Run the page for so many seconds."""
        self._page.wait_for_timeout(1000 * seconds)

    def held(self) -> Held:
        """Return what the page shows of the store."""
        status = self._page.locator("#status-traces", has_text="span")
        status.wait_for(state="attached", timeout=1000 * _STANDING_SECONDS)
        return read_held(status.text_content(), status.get_attribute("title") or "")

    def _count(self, _: object) -> None:
        self.requests += 1


class ReplayedPage:
    """The requests of the page without a browser: its callbacks are called as its script would call them.

    It keeps the schedule however slow the machine is, while a starved browser sends fewer requests.
    """

    def __init__(self, url: str) -> None:
        self.requests = 0
        self._session = requests.Session()
        self._session.trust_env = False
        self._base = f"http://{urlsplit(url).netloc}"
        self._session.get(url, timeout=10)
        asked = self._session.get(f"{self._base}/_dash-dependencies", timeout=10).json()
        self._callbacks = [callback for callback in asked if not callback.get("clientside_function")]
        self._values: dict[str, Any] = {}
        self._ticks = 0
        self._due = time.monotonic()
        self.show(VIEWS[0])

    def show(self, view: str) -> None:
        """Open a view."""
        self._values = {"place.pathname": view, "place.search": ""}
        self._ask(self._one_that_sets("view.children"), ["place.pathname"])
        for trigger in _EVERY:
            self._fire(trigger)

    def wait(self, seconds: float) -> None:
        """Run the page for so many seconds."""
        end = time.monotonic() + seconds
        while self._due < end:
            time.sleep(max(0.0, self._due - time.monotonic()))
            self._due = max(self._due + _TICK_SECONDS, time.monotonic() - seconds)
            self._ticks += 1
            for trigger, every in _EVERY.items():
                if self._ticks % every == 0:
                    self._fire(trigger)
        time.sleep(max(0.0, end - time.monotonic()))

    def held(self) -> Held:
        """Return what the page shows of the store."""
        return read_held(self.texts()["status-traces"], self.news["titles"]["status-traces"])

    @property
    def news(self) -> Mapping[str, Any]:
        """Return the last news."""
        return self._values["news.data"]  # type: ignore[no-any-return]

    def texts(self) -> Mapping[str, str]:
        """Return {id of an element: its text} from the last news."""
        return self.news["texts"]  # type: ignore[no-any-return]

    def _fire(self, trigger: str) -> None:
        view = self._values["place.pathname"]
        if not view.startswith(_NEEDS.get(trigger, "/")) or (trigger == "whole-tick.data" and view != "/"):
            return
        if trigger == "trace-tick.data":
            return  # no single trace is open
        self._values[trigger] = self._ticks
        for callback in self._callbacks:
            if trigger in map(_name, callback["inputs"]):
                self._ask(callback, [trigger])

    def _one_that_sets(self, output: str) -> Mapping[str, Any]:
        return next(callback for callback in self._callbacks if output in callback["output"])

    def _ask(self, callback: Mapping[str, Any], changed: list[str]) -> None:
        outputs = [dict(zip(("id", "property"), name.rsplit(".", 1), strict=True)) for name in _outputs(callback)]
        body = {
            "output": callback["output"],
            "outputs": outputs if len(outputs) > 1 else outputs[0],
            "inputs": [self._with_value(place) for place in callback["inputs"]],
            "changedPropIds": changed,
            "state": [self._with_value(place) for place in callback["state"]],
        }
        response = self._session.post(f"{self._base}/_dash-update-component", json=body, timeout=10)
        self.requests += 1
        if response.status_code == 200:
            for element, properties in response.json()["response"].items():
                self._values |= {f"{element}.{name}": value for name, value in properties.items()}
            if "news.data" in self._values:
                self._values["shown.data"] = self._values["news.data"]["version"]
        elif response.status_code != 204:
            raise BenchmarkFailed(f"the page's request for {callback['output']} was answered {response.status_code}")

    def _with_value(self, place: Mapping[str, Any]) -> dict[str, Any]:
        return {"id": place["id"], "property": place["property"], "value": self._values.get(_name(place))}


def _name(place: Mapping[str, Any]) -> str:
    return f"{place['id']}.{place['property']}"


def _outputs(callback: Mapping[str, Any]) -> list[str]:
    """Return the places that a callback sets; Dash writes several as `..a.x...b.y..`."""
    text: str = callback["output"]
    return text.strip(".").split("...") if text.startswith("..") else [text]


@contextlib.contextmanager
def _chromium(url: str) -> Iterator[Page]:
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_browser(), args=_FLAGS)
        try:
            yield ChromiumPage(browser.new_page(), url)
        except Error as error:
            raise BenchmarkFailed(f"the page in Chromium: {error}") from error
        finally:
            browser.close()


@contextlib.contextmanager
def _replayed(url: str) -> Iterator[Page]:
    yield ReplayedPage(url)


PAGES: Mapping[str, Callable[[str], AbstractContextManager[Page]]] = {"chromium": _chromium, "replay": _replayed}


def open_page(kind: str, url: str) -> AbstractContextManager[Page]:
    """Open the console's page at its address, one of PAGES."""
    return PAGES[kind](url)


def default_page() -> str:
    """Return the kind of page that can be opened here, real Chromium if it is installed."""
    return "chromium" if _browser() and find_spec("playwright") else "replay"


def _browser() -> str | None:
    return next(filter(None, map(shutil.which, _BROWSERS)), None)
