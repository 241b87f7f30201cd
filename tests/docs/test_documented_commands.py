"""Every ``bash`` block of the README and the docs runs, page by page, in an empty folder.

``make`` lines are what CI itself runs and are passed over. Pages that talk to an endpoint find a
loopback server at ``$ENDPOINT``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted(p for p in (ROOT / "docs").rglob("*.md") if "gallery" not in p.parts),
]
_BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(page: Path) -> str:
    """All bash lines of a page as one script, without the ``make`` lines."""
    lines = "\n".join(_BLOCK.findall(page.read_text(encoding="utf-8"))).splitlines()
    return "\n".join(line for line in lines if not line.startswith(("make ", "git clone", "cd ")))


RUNNABLE = [page for page in PAGES if commands(page).strip()]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    from osler.models.fake import serve

    with serve() as server:
        yield server.url


@pytest.mark.parametrize("page", RUNNABLE, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_commands_of_a_page_run(page: Path, tmp_path: Path, endpoint: str) -> None:
    binaries = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "ENDPOINT": endpoint,
        "OPENAI_API_KEY": "not-a-key",
        "COLUMNS": "100",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands(page)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=420,
    )
    assert done.returncode == 0, f"{page.name}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def test_the_tutorial_and_the_readme_have_commands() -> None:
    names = {str(page.relative_to(ROOT)) for page in RUNNABLE}
    assert {"README.md", "docs/tutorial.md"} <= names


def test_every_verb_is_documented() -> None:
    from osler.cli.main import VERBS

    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [verb for verb in VERBS if f"osler {verb}" not in text] == []
