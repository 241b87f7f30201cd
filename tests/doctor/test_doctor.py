"""osler doctor: says what is there, never what is secret, and exits 2 only for what is required."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from osler.cli import doctor_checks
from osler.cli.doctor import app
from osler.cli.doctor_checks import diagnose, fits
from osler.core import plain
from osler.models import embedded


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def test_json_has_all_parts_and_is_plain() -> None:
    result = run("--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert found["machine"]["cores"] >= 1
    assert {e["name"] for e in found["extras"]} >= {"required", "demo", "llm", "hf", "inspect"}
    for file in found["files"]:
        assert file["ok"], file["problem"]
        assert file["licence"] == "Apache-2.0"
    assert {p["package"] for p in found["pictures"]} >= {"pydicom", "scikit-image", "nilearn"}
    assert all(p["licences"] for p in found["pictures"])
    assert found["broken"] == []


def test_text_names_every_extra_and_file() -> None:
    result = run()
    assert result.exit_code == 0, result.output
    for word in ("required", "demo", "efficientnet-lite0", "smollm2", "Folders", "offline: no"):
        assert word in result.output


def test_secrets_are_never_shown(monkeypatch) -> None:
    secret = "sk-very-secret-0123456789"
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    monkeypatch.setenv("OPENAI_BASE_URL", f"https://user:{secret}@example.org/v1")
    text, machine = run().output, run("--json").output
    assert secret not in text + machine + repr(diagnose())
    assert "OPENAI_API_KEY" in text
    states = {v["name"]: v["is_set"] for v in json.loads(machine)["variables"]}
    assert states["OPENAI_API_KEY"]


def test_a_missing_package_is_listed_with_its_command(monkeypatch) -> None:
    real = doctor_checks.installed_version
    monkeypatch.setattr(
        doctor_checks, "installed_version", lambda n: None if n == "onnxruntime" else real(n)
    )
    result = run()
    assert result.exit_code == 0, "an extra is not required"
    assert "onnxruntime>=1.18: missing" in result.output
    assert 'pip install "osler[demo]"' in result.output


def test_a_missing_required_package_exits_2(monkeypatch) -> None:
    real = doctor_checks.installed_version
    monkeypatch.setattr(
        doctor_checks, "installed_version", lambda n: None if n == "pydicom" else real(n)
    )
    result = run()
    assert result.exit_code == 2
    assert "pydicom>=3.0 is missing" in result.output


def test_an_old_package_is_not_ok(monkeypatch) -> None:
    real = doctor_checks.installed_version
    monkeypatch.setattr(
        doctor_checks, "installed_version", lambda n: "2.4" if n == "pydicom" else real(n)
    )
    assert run().exit_code == 2


def test_the_desktop_build_of_opencv_will_do(monkeypatch) -> None:
    real = doctor_checks.installed_version
    versions = {"opencv-python-headless": None, "opencv-python": "4.10.0"}
    monkeypatch.setattr(
        doctor_checks, "installed_version", lambda n: versions[n] if n in versions else real(n)
    )
    assert diagnose().broken == ()


def test_changed_weights_are_reported(monkeypatch, tmp_path: Path) -> None:
    file = replace(embedded.EFFICIENTNET_LITE0, module="no_such_module", sha256="0" * 64)
    monkeypatch.setattr(doctor_checks, "EMBEDDED", (file,))
    (tmp_path / Path(file.path).name).write_bytes(b"other")
    monkeypatch.setenv("OSLER_EMBEDDED_DIR", str(tmp_path))
    result = run()
    assert result.exit_code == 0
    assert "SHA-256 differs" in result.output
    assert "pip install" in result.output


def test_a_folder_that_cannot_be_written_exits_2(monkeypatch, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("a file where a folder should be")
    monkeypatch.setenv("OSLER_RUNS_DIR", str(blocked / "runs"))
    result = run()
    assert result.exit_code == 2
    assert "OSLER_RUNS_DIR" in result.output


def test_looking_leaves_nothing_behind(monkeypatch, tmp_path: Path) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("OSLER_CACHE_DIR", str(home / "cache"))
    monkeypatch.setenv("OSLER_RUNS_DIR", str(home / "runs"))
    found = diagnose()
    assert all(place.writable for place in found.places)
    assert os.listdir(tmp_path) == []
    assert "first use" in found.probe


def test_a_missing_picture_is_named(monkeypatch) -> None:
    source = replace(doctor_checks.SOURCES[0], file="datasets/data/gone.nii.gz")
    monkeypatch.setattr(doctor_checks, "SOURCES", (source,))
    (pictures,) = diagnose().pictures
    assert not pictures.ok
    assert pictures.missing == ("mni-t1",)
    assert pictures.get == "pip install nilearn"


def test_everything_has_a_plain_form() -> None:
    json.dumps(plain(diagnose()))


@pytest.mark.parametrize(
    ("version", "wanted", "fit"),
    [
        ("2.0", "", True),
        ("3.0.2", ">=3.0", True),
        ("2.13.0+cpu", ">=2.4", True),
        ("0.9", ">=0.10", False),
        ("1.0", "==1.0.0", True),
        ("1.0.1", "==1.0.0", False),
        ("4.9", ">=4.9,==4.9", True),
    ],
)
def test_versions_are_compared_by_number(version: str, wanted: str, fit: bool) -> None:
    assert fits(version, wanted) is fit
