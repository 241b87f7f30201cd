"""Settings: where they come from, which wins, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from osler.core import BadFileError, InputError, UnknownNameError
from osler.settings import Settings, settings


@pytest.fixture(autouse=True)
def _places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config" / "osler").mkdir(parents=True)
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path / "work")


def test_strongest_source_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings().concurrency == 16
    (tmp_path / "config" / "osler" / "osler.toml").write_text("concurrency = 2\nrpm = 5\n")
    assert settings().concurrency == 2
    Path("osler.toml").write_text("concurrency = 3\n")
    assert (settings().concurrency, settings().rpm) == (3, 5.0)
    monkeypatch.setenv("OSLER_CONCURRENCY", "4")
    assert settings().concurrency == 4
    assert settings(concurrency=5, rpm=None).concurrency == 5


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_wrong_settings_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSLER_CONCURRENCY", "many")
    with pytest.raises(InputError, match=r"OSLER_CONCURRENCY.*'many'"):
        settings()
    monkeypatch.delenv("OSLER_CONCURRENCY")
    Path("osler.toml").write_text("concurency = 3\n")
    with pytest.raises(UnknownNameError, match="did you mean concurrency"):
        settings()
    Path("osler.toml").write_text("concurrency = \n")
    with pytest.raises(BadFileError, match="not valid TOML"):
        settings()


@pytest.mark.parametrize("content", [b"\xff\xfe", b"bad = = ", b'offline = "maybe"\n'])
def test_a_broken_file_of_settings_is_one_sentence(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "osler.toml").write_bytes(content)
    with pytest.raises(InputError, match=r"osler\.toml"):
        settings()
