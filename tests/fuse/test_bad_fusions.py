"""Bad input of every kind to ``osler fuse``, ``catalog`` and ``serve``: one sentence, exit code 2.

Nothing half-written and no traceback, whatever is wrong: the goal, a source, the lock, the set.
"""

from __future__ import annotations

import copy
import gzip
import json
import os
import resource
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import nibabel as nib
import numpy as np
import pytest

from osler.cli import main
from osler.curate.fuse.making import class_folders
from osler.curate.fuse.reading import without_folder

Fill = Callable[[Path], None]
_NAMES = {name: f"own:{name}" for name in ("disc", "square", "triangle")}
_SOURCE = {
    "dataset": "mine",
    "path": "src",
    "layout": "class_folders",
    "modality": "PHOTO",
    "licence": "CC0-1.0",
    "labels": _NAMES,
}
_GOAL: dict[str, Any] = {"name": "g", "sources": [_SOURCE]}


class Place:
    """A folder with a good source, goal, lock and set, and what ``osler`` says there."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def run(self, *words: object) -> tuple[object, str, str]:
        was, sys.argv = sys.argv, ["osler", *map(str, words)]
        code: object = 0
        try:
            main.run()
        except SystemExit as end:
            code = end.code or 0
        finally:
            sys.argv = was
        said = self.capsys.readouterr()
        return code, said.out, said.err

    def refuses(self, *words: object, says: str = "") -> str:
        before = _tree()
        code, out, err = self.run(*words)
        assert code == 2, (words, out, err)
        assert err.startswith("osler: "), err
        assert err.count("\n") == 1, err
        assert len(err) > 20
        assert says in err
        assert _tree() == before, words
        return err


def _tree() -> list[str]:
    return sorted(str(path) for path in Path().rglob("*") if "journal" not in path.name)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from osler.curate.fuse.run import run_goal

    folder = tmp_path_factory.mktemp("bad fusions é")
    class_folders.make(folder / "src", seed=0)
    (folder / "goal.json").write_text(json.dumps(_GOAL))
    run_goal(folder / "goal.json", folder / "set")
    shutil.copyfile(folder / "set" / "lock.json", folder / "lock.json")
    return folder


@pytest.fixture
def place(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Place:
    here = tmp_path / "here"
    shutil.copytree(made, here)
    monkeypatch.chdir(here)
    return Place(capsys)


_KEYS = [
    "dimension",
    "modalities",
    "task_types",
    "license_allowlist",
    "include_unlabeled",
    "prefer_labeled",
    "min_valid_image_n_per_dataset",
    "anatomy_whitelist",
    "release_date_min",
    "allow_3d_as_2d_sources",
    "selection",
    "seed",
    "purpose",
    "balance",
    "patient_groups",
    "accept_unknown_licence",
    "datasets",
    "targets",
    "intensity",
    "uncertain",
    "on_fault",
    "source_test",
    "near_copies",
    "contradictions",
    "sources",
]
_WRONG: tuple[Any, ...] = (7.5, {"x": 1}, ["zz zz"], "zzz")


@pytest.mark.parametrize("key", _KEYS)
def test_every_key_of_a_goal_refuses_what_it_does_not_mean(place: Place, key: str) -> None:
    for value in _WRONG:
        Path("t.json").write_text(json.dumps({**_GOAL, key: value}))
        place.refuses("fuse", "lock", "t.json", "-o", "t.lock")


@pytest.mark.parametrize(
    "key",
    [
        "dataset",
        "path",
        "layout",
        "modality",
        "licence",
        "annotation_licence",
        "labels",
        "options",
        "fetch",
    ],
)
def test_every_key_of_a_source_refuses_what_it_does_not_mean(place: Place, key: str) -> None:
    for value in (7, {"x": [1]}, ["q"], "zz zz!"):
        Path("t.json").write_text(json.dumps({**_GOAL, "sources": [{**_SOURCE, key: value}]}))
        place.refuses("fuse", "lock", "t.json", "-o", "t.lock")


_DICTIONARY = {
    "channel_names": {"0": "CT"},
    "labels": {"background": 0, "liver": 1},
    "numTraining": 1,
    "file_ending": ".nii.gz",
}


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _png(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.arange(1024, dtype=np.uint8).reshape(32, 32))


def _volume(
    folder: Path, shape: tuple[int, ...] = (8, 8, 8), at: int = 0, bts: bytes = b""
) -> None:
    for name, size in (("imagesTr/a_0000.nii.gz", shape), ("labelsTr/a.nii.gz", (8, 8, 8))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(np.ones(size, np.uint8), np.eye(4)), folder / name)
    if bts:
        image = folder / "imagesTr/a_0000.nii.gz"
        content = bytearray(gzip.decompress(image.read_bytes()))
        content[at : at + len(bts)] = bts
        image.write_bytes(gzip.compress(bytes(content)))
    _put(folder / "dataset.json", json.dumps(_DICTIONARY).encode())


def _dictionary(folder: Path, content: bytes) -> None:
    _volume(folder)
    _put(folder / "dataset.json", content)


def _outside(folder: Path) -> None:
    (folder / "train/b").mkdir(parents=True)
    (folder / "train/b/2.png").symlink_to("/etc/hostname")


def _two(folder: Path) -> None:
    _volume(folder)
    _png(folder / "a.png")
    image = {"id": 1, "file_name": "a.png", "width": 32, "height": 32}
    coco = {"images": [image], "annotations": [], "categories": [{"id": 1, "name": "x"}]}
    _put(folder / "coco.json", json.dumps(coco).encode())


def _far(folder: Path) -> None:
    image = {"id": 1, "file_name": "../../../etc/passwd", "width": 3, "height": 3}
    coco = {"images": [image], "annotations": [], "categories": [{"id": 1, "name": "x"}]}
    _put(folder / "annotations/instances_train.json", json.dumps(coco).encode())


_SOURCES: dict[str, tuple[str, Fill]] = {
    "empty": ("", lambda d: None),
    "two layouts": ("", _two),
    "no bytes": ("class_folders", lambda d: _put(d / "train/a/1.png", b"")),
    "cut picture": ("class_folders", lambda d: _put(d / "train/a/1.png", b"\x89PNG\r\n\x1a\n")),
    "link out of the folder": ("class_folders", _outside),
    "npz of no bytes": ("medmnist", lambda d: _put(d / "pneumoniamnist.npz", b"")),
    "broken zip": ("medmnist", lambda d: _put(d / "pneumoniamnist.npz", b"PK\3\4" + b"x" * 99)),
    "affine not a number": (
        "nnunet",
        lambda d: _volume(d, at=280, bts=struct.pack("<4f", float("nan"), 0, 0, 0)),
    ),
    "affine zero": ("nnunet", lambda d: _volume(d, at=280, bts=bytes(48))),
    "giant claim": ("nnunet", lambda d: _volume(d, at=42, bts=struct.pack("<3h", *[32767] * 3))),
    "other grid": ("nnunet", lambda d: _volume(d, (8, 8, 9))),
    "dictionary cut": ("nnunet", lambda d: _dictionary(d, b"{")),
    "dictionary a list": ("nnunet", lambda d: _dictionary(d, b"[]")),
    "table names far file": ("coco", _far),
    "endless nesting": ("coco", lambda d: _put(d / "a.json", b"[" * 100_000)),
    "binary table": ("csv_labels", lambda d: _put(d / "labels.csv", bytes(range(256)) * 4)),
    "junk dicom": (
        "dicom_series",
        lambda d: _put(d / "a.dcm", bytes(128) + b"DICM" + b"\xff" * 50),
    ),
    "junk answers": ("vqa", lambda d: _put(d / "a.json", b'[{"q":1}]')),
}


@pytest.mark.parametrize("name", sorted(_SOURCES))
def test_a_broken_source_costs_one_sentence(place: Place, name: str) -> None:
    layout, fill = _SOURCES[name]
    folder = Path("bad")
    folder.mkdir()
    fill(folder)
    named = {"layout": layout} if layout else {}
    source = {"dataset": "bad", "path": "bad", "modality": "CT", "licence": "CC0-1.0", **named}
    Path("b.json").write_text(json.dumps({"sources": [source]}))
    said = place.refuses("fuse", "lock", "b.json", "-o", "b.lock")
    assert str(Path.cwd()) not in said


@pytest.mark.parametrize(
    "layout",
    [
        "nnunet",
        "organ_maps",
        "dicom_series",
        "lidc",
        "cine",
        "coco",
        "yolo",
        "csv_labels",
        "bids",
        "slides",
        "medmnist",
        "video",
        "vqa",
    ],
)
def test_pictures_are_not_any_layout(place: Place, layout: str) -> None:
    _png(Path("bad/q/b/c/a.png"))
    Path("bad/z.txt").write_text("x")
    source = {"dataset": "bad", "path": "bad", "modality": "CT", "licence": "CC0-1.0"}
    Path("b.json").write_text(json.dumps({"sources": [{**source, "layout": layout}]}))
    place.refuses("fuse", "lock", "b.json", "-o", "b.lock")


def test_every_part_of_a_lock_is_vouched_for(place: Place) -> None:
    lock = json.loads(Path("lock.json").read_text())
    broken: list[Any] = [[], {}, _GOAL]
    for key in lock:
        broken += [{k: v for k, v in lock.items() if k != key}, {**lock, key: 7}]
        broken += [{**lock, key: [7]}]
    for key in lock["cases"][0]:
        edited = copy.deepcopy(lock)
        edited["cases"][0][key] = {"a": [7]}
        broken.append(edited)
    for one in broken:
        Path("bad.lock").write_text(json.dumps(one))
        place.refuses("fuse", "build", "bad.lock", "-o", "out", says="bad.lock")
    for raw in (b"", b"\0\xff" * 50, Path("lock.json").read_bytes()[:500], b"[" * 100_000):
        Path("bad.lock").write_bytes(raw)
        place.refuses("fuse", "build", "bad.lock", "-o", "out", says="is no lock")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("fuse lock nothing.json", "is not a file"),
        ("fuse lock src", ""),
        ("fuse lock empty.json", "sources"),
        ("fuse lock goal.json -o goal.json", "is the goal itself"),
        ("fuse lock goal.json -o src", ""),
        ("fuse lock goal.json -o goal.json/x", ""),
        ("fuse run goal.json -o goal.json", ""),
        ("fuse run goal.json -o foreign", "foreign"),
        ("fuse run goal.json -o new --export cocoo", "did you mean coco"),
        ("fuse build lock.json -o foreign", "foreign"),
        ("fuse build lock.json -o src", "src"),
        ("fuse export src coco -o out", "no fused set"),
        ("fuse export set zzz -o out", "zzz"),
        ("fuse export set coco -o out", "no sample"),
        ("fuse export set class-folders -o foreign", "is there already"),
        ("fuse export set parquet -o out --modality ZZ", "modality"),
        ("fuse export set parquet -o out --modality CT", "CT"),
        ("fuse export set nnunet -o out --classes zz", "no mask"),
        ("fuse export set croissant -o out --date soon", "soon"),
        ("fuse export set webdataset -o out --shard-mb 0", "shard"),
        ("catalog search --modality zz", "zz"),
        ("catalog search x --since 2020 --until 1990", "1990"),
        ("catalog search --exclude zzz", "zzz"),
        ("catalog search --licence zzz", "zzz"),
        ("catalog search --batch nothing.txt", "is not a file"),
        ("catalog search --batch nul.txt", "is no text"),
        ("catalog search --min-size 9 --max-size 3", ""),
        ("catalog show zzzz", "zzzz"),
        ("catalog stats --by zzz", "zzz"),
        ("catalog export zzz", "zzz"),
        ("catalog export csv zzzz", "zzzz"),
        ("catalog export csv --out src", "src"),
        ("serve nowhere --port 0", "nowhere"),
        ("serve goal.json --port 0", "goal.json"),
        ("serve --runs nowhere --port 0", "nowhere"),
    ],
)
def test_a_wrong_command_costs_one_sentence(place: Place, words: str, says: str) -> None:
    _put(Path("foreign/keep.txt"), b"mine")
    Path("empty.json").write_text("{}")
    Path("nul.txt").write_bytes(b"liver CT\nab\0c\n")
    place.refuses(*words.split(), says=says)
    assert Path("foreign/keep.txt").read_bytes() == b"mine"
    assert json.loads(Path("goal.json").read_text()) == _GOAL


def test_a_port_in_use_costs_one_sentence(place: Place) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place.refuses("serve", "--port", taken.getsockname()[1], says="--port")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("samples.parquet", b"PAR1junk"),
        ("samples.parquet", b""),
        ("label_maps.json", b"{"),
        ("label_maps.json", b"[]"),
        ("lock.json", b"[]"),
        ("lock.json", b"{}"),
    ],
)
def test_a_hurt_set_costs_one_sentence(place: Place, name: str, content: bytes) -> None:
    Path("set", name).write_bytes(content)
    place.refuses("fuse", "export", "set", "parquet", "-o", "out", says="set")


@pytest.mark.parametrize("format", ["parquet", "webdataset", "class-folders", "croissant"])
def test_a_hurt_picture_is_found_by_every_export(place: Place, format: str) -> None:
    picture = sorted(Path("set/images").rglob("*.png"))[0]
    picture.write_bytes(b"x")
    place.refuses("fuse", "export", "set", format, "-o", "out")
    picture.unlink()
    place.refuses("fuse", "export", "set", format, "-o", "out")


def _limited(size: int) -> Callable[[], None]:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


@pytest.mark.skipif(os.name != "posix", reason="limits of files are a matter of POSIX")
@pytest.mark.parametrize(
    "words",
    [
        "fuse lock goal.json -o new.json",
        "fuse build lock.json -o new --base .",
        "fuse export set parquet -o out",
        "fuse export set webdataset -o out",
    ],
)
def test_a_full_disk_costs_one_sentence(place: Place, words: str) -> None:
    call = "import sys; from osler.cli import main; main.run()"
    found = subprocess.run(
        [sys.executable, "-c", call, *words.split()],
        preexec_fn=_limited(2048),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert found.returncode == 2, found.stderr
    assert found.stderr.count("\n") == 1
    assert not Path("new.json").exists()
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("sentence", "folder", "told"),
    [
        ("mn/pneumoniamnist.npz: is cut", "mn", "pneumoniamnist.npz: is cut"),
        ("/a/mn: looks like 2", "/a/mn", ".: looks like 2"),
        ("/a/mn2/x: is not '/a/mn/y'", "/a/mn", "/a/mn2/x: is not 'y'"),
    ],
)
def test_only_whole_paths_are_taken_out_of_a_sentence(
    sentence: str, folder: str, told: str
) -> None:
    assert without_folder(sentence, Path(folder)) == told
