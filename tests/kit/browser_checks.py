"""What every page of ours has to keep in a browser: no error logged, nothing from outside asked for, legible to all."""

import shutil
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

LOOPBACK = {"localhost", "127.0.0.1", "::1"}
LOCAL_SCHEMES = {"file", "data", "blob", "about"}
GRAVE = ("serious", "critical")
# Without a sandbox, as tests often run as root in a container. No name outside this machine is resolved, so that a page
# that asks for one fails fast and without a network. The rest keeps chromium from talking to its maker.
LAUNCH_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1 , EXCLUDE [::1]",
]


def find_chromium() -> str | None:
    """Return the path of the system's chromium, None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def is_local(url: str) -> bool:
    """Return whether an address stays on this machine.

    >>> is_local("file:///tmp/report.html"), is_local("http://127.0.0.1:8000/predict"), is_local("ws://[::1]:8000/")
    (True, True, True)
    >>> is_local("https://fonts.example/a.woff2"), is_local("http://127.0.0.1.example/")
    (False, False)
    """
    parts = urlsplit(url)
    return parts.scheme in LOCAL_SCHEMES or parts.hostname in LOOPBACK


@dataclass
class PageWatch:
    """What pages of one browser context logged and asked for that they should not have.

    A test that provokes an error on purpose names it with `expect`, such as the refusal of a broken upload:
    `watch.expect("status of 415")`. An expected text that never came is a finding as well.
    """

    findings: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def expect(self, text: str) -> None:
        """Let findings pass that hold this text; there must be at least one."""
        self.expected.append(text)

    def attach(self, context: Any) -> None:
        """Follow all pages of a context, those that a page opens included."""
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self.findings.append(f"page error: {error.error}"))
        context.on("request", lambda request: self._on_address("request", request.url))
        context.on("page", lambda page: page.on("websocket", lambda socket: self._on_address("socket", socket.url)))

    def problems(self) -> list[str]:
        """Return one line for every finding that was not expected and every expectation that was not met."""
        unexpected = [line for line in self.findings if not any(text in line for text in self.expected)]
        unmet = [text for text in self.expected if not any(text in line for line in self.findings)]
        return unexpected + [f"expected but never seen: {text}" for text in unmet]

    def _on_console(self, message: Any) -> None:
        if message.type == "error":
            self.findings.append(f"console error: {message.text} ({message.location.get('url', '')})")

    def _on_address(self, kind: str, url: str) -> None:
        if not is_local(url):
            self.findings.append(f"outside {kind}: {url}")


def axe_serious(page: Any, *, only: str | None = None, without: str | None = None) -> list[str]:
    """Return one line for every element that breaks an accessibility rule which axe-core calls serious or critical.

    Args:
        page: a page of Playwright.
        only: the one rule to look at; None for all.
        without: a CSS selector of what is not looked at.
    """
    from axe_playwright_python.sync_playwright import Axe

    options = {"resultTypes": ["violations"]} | ({"runOnly": [only]} if only else {})
    context = {"exclude": [[without]]} if without else None
    violations = Axe().run(page, context, options).response["violations"]
    return [
        f"{violation['impact']} {violation['id']} at {' '.join(map(str, node['target']))}: {violation['help']}"
        for violation in violations
        if violation["impact"] in GRAVE
        for node in violation["nodes"]
    ]


def has_horizontal_scroll(page: Any) -> bool:
    """Return whether the page is wider than its window, so that one would have to push it sideways."""
    return page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
