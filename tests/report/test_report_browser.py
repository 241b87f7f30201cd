"""The page in a real browser: no sideways scrolling, nothing runs that is not ours, it sorts."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html import escape, unescape
from pathlib import Path
from typing import Any

import pytest

from osler.evaluate.report import write_comparison, write_report

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")

PROBE = """
<!doctype html><meta charset=utf-8><title>wait</title><body style="margin:0">
<iframe id=f width=WIDTH height=900 style="border:0" srcdoc="PAGE"></iframe>
<script>
const frame = document.getElementById("f");
frame.onload = () => {
  const page = frame.contentDocument, root = page.documentElement;
  const box = (e) => e.getBoundingClientRect();
  const inScroller = (e) => e.closest(".scroll, pre");
  const wide = [...page.querySelectorAll("body *")]
    .filter((e) => !inScroller(e) && box(e).right > root.clientWidth + 1)
    .map((e) => e.tagName + "." + e.className).slice(0, 5);
  const table = page.querySelector("#paired table.sortable, #board table.sortable");
  const head = table.querySelectorAll("thead button")[2];
  const values = () => [...table.tBodies[0].rows].map((r) => parseFloat(r.cells[2].dataset.sort));
  head.click();
  const up = values();
  head.click();
  const shot = page.querySelector(".shot button");
  const before = shot ? box(shot).width : 0;
  if (shot) shot.click();
  document.title = JSON.stringify({
    inner: root.clientWidth, scroll: root.scrollWidth, wide, up, down: values(),
    pwned: frame.contentWindow.pwned === undefined && window.pwned === undefined,
    grew: shot ? box(shot).width > before && shot.ariaExpanded === "true" : null,
    images: [...page.images].every((i) => i.naturalWidth > 0), count: page.images.length,
    text: Math.min(...[...page.querySelectorAll("p, td, dd, figcaption")]
      .map((e) => parseFloat(frame.contentWindow.getComputedStyle(e).fontSize))),
  });
};
</script>
"""


def look(page: Path, width: int, folder: Path) -> dict[str, Any]:
    """Load the page in a frame of ``width`` pixels, use it, and say what was seen.

    The page's policy forbids a foreign probe, and headless windows have a least width: so the
    probe stands outside the frame. The policy inside stays as it is.
    """
    source = PROBE.replace("WIDTH", str(width)).replace(
        "PAGE", escape(page.read_text(encoding="utf-8"), quote=True)
    )
    probe = folder / f"probe{width}.html"
    probe.write_text(source, encoding="utf-8")
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={folder / 'profile'}",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--virtual-time-budget=4000",
            "--window-size=1400,1000",
            "--dump-dom",
            probe.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title is not None
    assert title[1] != "wait", "the page did not load"
    found: dict[str, Any] = json.loads(unescape(title[1]))
    return found


@pytest.mark.parametrize("width", [390, 1280])
def test_report_in_a_browser(one_run: Path, tmp_path: Path, width: int) -> None:
    seen = look(write_report(one_run), width, tmp_path)
    assert seen["inner"] == width
    assert seen["scroll"] <= width, seen["wide"]
    assert seen["wide"] == []
    assert seen["pwned"]
    assert seen["images"]
    assert seen["count"] >= 20
    assert seen["grew"]
    assert seen["text"] >= 12
    assert seen["up"] == sorted(seen["up"])
    assert seen["down"] == sorted(seen["up"], reverse=True)


@pytest.mark.parametrize("width", [390, 1280])
def test_comparison_in_a_browser(
    one_run: Path, make_run: Callable[..., Path], tmp_path: Path, width: int
) -> None:
    other = make_run("sim/with-a-very-long-name-" + "x" * 80, skill=0.5)
    page = write_comparison([one_run, other], tmp_path / "comparison.html")
    seen = look(page, width, tmp_path)
    assert seen["scroll"] <= width, seen["wide"]
    assert seen["wide"] == []
    assert seen["up"] == sorted(seen["up"])
