"""The page of a round in a real browser: fits a phone, pictures load, tables sort, nothing runs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path
from typing import Any

import pytest

from osler.improve.round.report import write_round_report

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
  for (const fold of page.querySelectorAll("details")) fold.open = true;
  const wide = [...page.querySelectorAll("body *")]
    .filter((e) => !e.closest(".scroll, pre") && box(e).right > root.clientWidth + 1)
    .map((e) => e.tagName + "." + e.className).slice(0, 5);
  const table = page.querySelector("#changes table.sortable");
  const values = () => [...table.tBodies[0].rows].map((r) => parseFloat(r.cells[4].dataset.sort));
  table.querySelectorAll("thead button")[4].click();
  const up = values();
  const captions = [...page.querySelectorAll("caption")].map((e) => box(e).width);
  const inside = [...page.querySelectorAll("svg text")]
    .map((e) => 11 * box(e.ownerSVGElement).width / e.ownerSVGElement.viewBox.baseVal.width);
  document.title = JSON.stringify({
    inner: root.clientWidth, scroll: root.scrollWidth, wide, up,
    caption: Math.max(...captions), letters: Math.min(...inside),
    pwned: frame.contentWindow.pwned !== undefined || window.pwned !== undefined,
    images: [...page.images].every((i) => i.naturalWidth > 0), count: page.images.length,
    text: Math.min(...[...page.querySelectorAll("p, td, dd, li, figcaption")]
      .map((e) => parseFloat(frame.contentWindow.getComputedStyle(e).fontSize))),
  });
};
</script>
"""


def look(page: Path, width: int, folder: Path) -> dict[str, Any]:
    """Load the page in a frame of ``width`` pixels, use it, and say what was seen."""
    source = PROBE.replace("WIDTH", str(width)).replace(
        "PAGE", escape(page.read_text(encoding="utf-8"), quote=True)
    )
    probe = folder / f"probe{width}.html"
    probe.write_text(source, encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    flags += [f"--user-data-dir={folder / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND"]
    flags += ["--virtual-time-budget=4000", "--window-size=1400,1000", "--dump-dom"]
    done = subprocess.run(
        [CHROMIUM, *flags, probe.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title is not None
    assert title[1] != "wait", "the page did not load"
    found: dict[str, Any] = json.loads(unescape(title[1]))
    return found


@pytest.mark.parametrize("width", [400, 1280])
def test_round_report_in_a_browser(one_round: Path, tmp_path: Path, width: int) -> None:
    seen = look(write_round_report(one_round), width, tmp_path)
    assert seen["inner"] == width
    assert seen["wide"] == []
    assert seen["scroll"] <= width
    assert not seen["pwned"]
    assert seen["images"]
    assert seen["count"] >= 50
    assert seen["text"] >= 12
    assert seen["letters"] >= 8.5
    assert seen["caption"] <= width
    assert seen["up"] == sorted(seen["up"])
