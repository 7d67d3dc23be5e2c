"""A real browser for tests: headless Chromium, and pages on which nothing may go wrong."""

from __future__ import annotations

import contextlib
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request, Response, expect, sync_playwright

from tests.support.backends import find

FLAGS = [
    "--headless",
    "--no-sandbox",  # which root needs, and CI is root
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SCREEN = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
WAIT_MILLIS = 60_000  # far more than needed, even on a slow machine
# A page that is left drops its requests in flight.
_DROPPED = "net::ERR_ABORTED"
_TELL_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) => console.error(
    `the policy forbids ${event.violatedDirective}: ${event.blockedURI} ${event.sample}`
));
"""


@contextlib.contextmanager
def running_chromium() -> Iterator[Browser]:
    """Run the real Chromium, found like the other backends."""
    program = find("chromium")
    expect.set_options(timeout=WAIT_MILLIS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Tab:
    """A page in its own context, its errors, and every origin that it requested."""

    page: Page
    origin: str
    troubles: list[str] = field(default_factory=list)
    origins: set[str] = field(default_factory=set)

    def check(self) -> None:
        """Fail if something went wrong since the last check."""
        if not self.page.is_closed():
            self.page.evaluate("() => 0")  # afterwards everything on its way from the browser is here
        found, self.troubles[:] = list(self.troubles), []
        assert not found, "\n".join(found)

    def note_request(self, request: Request) -> None:
        parts = urllib.parse.urlsplit(request.url)
        if parts.scheme in ("data", "blob", "about"):
            return
        origin = f"{parts.scheme}://{parts.netloc}"
        self.origins.add(origin)
        if origin != self.origin:
            self.troubles.append(f"a request left for elsewhere: {request.method} {request.url}")

    def note_failure(self, request: Request) -> None:
        if request.failure != _DROPPED:
            self.troubles.append(f"{request.method} {request.url} failed: {request.failure}")

    def note_response(self, response: Response) -> None:
        if response.status >= 400:
            self.troubles.append(f"{response.request.method} {response.url} got {response.status}")

    def note_message(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.troubles.append(f"console: {message.text}")

    def note_error(self, error: Any) -> None:
        self.troubles.append(f"uncaught: {getattr(error.error, 'stack', error.error)}")

    def note_dialog(self, dialog: Dialog) -> None:
        self.troubles.append(f"a dialog: {dialog.message}")
        dialog.dismiss()


@contextlib.contextmanager
def opened(browser: Browser, origin: str, **options: Any) -> Iterator[Tab]:
    """Open a tab in a context of its own; errors, refusals and requests to another origin are its troubles."""
    context = browser.new_context(**{"viewport": SCREEN, "color_scheme": "light", **options})
    context.set_default_timeout(WAIT_MILLIS)
    context.add_init_script(_TELL_VIOLATIONS)
    tab = Tab(context.new_page(), origin)
    context.on("request", tab.note_request)
    context.on("requestfailed", tab.note_failure)
    context.on("response", tab.note_response)
    context.on("console", tab.note_message)
    context.on("weberror", tab.note_error)
    context.on("dialog", tab.note_dialog)
    try:
        yield tab
    finally:
        context.close()
