"""Chromium without a window, driven by the DevTools protocol over two pipes: real key events."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--window-size=1280,900",
)
SPECIAL = {
    "Enter": (13, "\r"),
    "Escape": (27, ""),
    "Tab": (9, ""),
    "Backspace": (8, ""),
    "ArrowDown": (40, ""),
    "ArrowUp": (38, ""),
}
CTRL = 2
SHIFT = 8


def chromium_path() -> str | None:
    """The first Chromium on the path, or None."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Chromium:
    """A browser process; messages are JSON, ended by NUL bytes, on its descriptors 3 and 4."""

    def __init__(self, profile: Path) -> None:
        read_end, self._write = os.pipe()
        self._read, write_end = os.pipe()
        command = [chromium_path() or "", *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        script = f'exec "$0" "$@" 3<&{read_end} 4>&{write_end}'
        self.process = subprocess.Popen(
            ["bash", "-c", script, *command],
            pass_fds=(read_end, write_end),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read_end)
        os.close(write_end)
        self._buffer = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """One command and its result; events that come meanwhile are kept."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]  # type: ignore[no-any-return]
            self.events.append(answer)

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = os.read(self._read, 1 << 20)
            if not part:
                raise RuntimeError("the browser is gone")
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(line)  # type: ignore[no-any-return]

    def page(self, url: str, context: str = "") -> Page:
        """A new tab; ``context`` is a browser context (own cookies), the default one if empty."""
        where = {"browserContextId": context} if context else {}
        target = self.call("Target.createTarget", url="about:blank", **where)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, target)
        page.call("Page.enable")
        page.call("Runtime.enable")
        page.go(url)
        return page

    def context(self) -> str:
        """A new browser context: another person's browser."""
        return str(self.call("Target.createBrowserContext")["browserContextId"])

    def close(self) -> None:
        """End the browser."""
        try:
            self.call("Browser.close")
            self.process.wait(10)
        except (RuntimeError, OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self._read)
        os.close(self._write)


class Page:
    """One tab."""

    def __init__(self, browser: Chromium, session: str, target: str) -> None:
        self.browser, self.session, self.target = browser, session, target

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command to this tab."""
        return self.browser.call(method, self.session, **parameters)

    def go(self, url: str) -> None:
        """Begin to load an address."""
        self.call("Page.navigate", url=url)

    def run(self, expression: str) -> Any:
        """The value of an expression in the page; promises are awaited."""
        found = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in found:
            raise AssertionError(found["exceptionDetails"])
        return found["result"].get("value")

    def until(self, expression: str, seconds: float = 15) -> Any:
        """Wait until an expression is true, across page loads."""
        end = time.monotonic() + seconds
        careful = f"(() => {{ try {{ return {expression} }} catch {{ return 0 }} }})()"
        last: object = None
        while time.monotonic() < end:
            try:
                last = self.run(careful)
            except RuntimeError as error:  # the page is being replaced
                if "gone" in str(error):
                    raise
            if last:
                return last
            time.sleep(0.02)
        raise AssertionError(f"not within {seconds} s: {expression}\n{self.text()[:2000]}")

    def text(self) -> str:
        """What the page shows."""
        return str(self.run("document.body.innerText"))

    def key(self, name: str, modifiers: int = 0) -> None:
        """Press and release one key, as a keyboard does."""
        # The code of "." would be that of the Delete key: only letters and digits have their own.
        code, text = SPECIAL.get(name, (ord(name.upper()[0]) if name.isalnum() else 0, name))
        facts: Mapping[str, Any] = {
            "key": name,
            "windowsVirtualKeyCode": code,
            "modifiers": modifiers,
        }
        typed = {"text": text} if text and not modifiers & CTRL else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **facts, **typed)
        self.call("Input.dispatchKeyEvent", type="keyUp", **facts)

    def type(self, text: str) -> None:
        """Press the keys of a text."""
        for character in text:
            self.key(character)

    def mouse(self, kind: str, x: float, y: float, **facts: Any) -> None:
        """One event of the mouse."""
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **facts)

    def shoot(self, path: Path, width: int, height: int, *, dark: bool = False) -> None:
        """A picture of the page as a screen of that size shows it."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        time.sleep(0.25)
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        """Close the tab as a person does: the page hears of it."""
        self.browser.call("Target.closeTarget", targetId=self.target)
