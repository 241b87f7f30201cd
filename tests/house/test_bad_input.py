"""Must hold: bad input costs one clear sentence and exit code 2, and leaves nothing half-written.

Every case runs the command line as a user types it, in an empty folder, and looks at what the
folders hold before and after.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import nibabel as nib
import numpy as np
import pydicom
import pytest

from osler.cli import main
from osler.models.fake import Script, serve

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
CT = (FILES / "CT_small.dcm").read_bytes()
HEAD = "index\timage_path\tquestion\tA\tB\tanswer\tmodality"
ROW = "1\tgrey.png\tWhat is it?\tx\ty\tA\txray"
Said = tuple[int, str, str]
Run = Callable[..., Said]
pytestmark = pytest.mark.filterwarnings("ignore")


def _png_of(side: int) -> bytes:
    """A PNG of 100 bytes that states ``side`` x ``side`` pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _with_dimensions(nifti: bytes, *dim: int) -> bytes:
    content = bytearray(nifti)
    struct.pack_into("<8h", content, 40, *dim)
    return bytes(content)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good and bad files, tables, answers and records; nothing in it may change."""
    place = tmp_path_factory.mktemp("shelf")
    good, bad = place / "good", place / "bad"
    good.mkdir()
    bad.mkdir()
    (good / "ct.dcm").write_bytes(CT)
    shutil.copy(FILES / "MR_small.dcm", good / "mr.dcm")
    rng = np.random.default_rng(0)
    grey = cv2.GaussianBlur(rng.integers(0, 256, (64, 64)).astype(np.uint8), (7, 7), 2)
    cv2.imwrite(str(good / "grey.png"), grey)
    nib.save(nib.Nifti1Image(rng.normal(size=(16, 18, 20)).astype("f4"), np.eye(4)), good / "v.nii")
    png, nifti = (good / "grey.png").read_bytes(), (good / "v.nii").read_bytes()
    for name, content in {
        "cut.dcm": CT[: len(CT) // 2],
        "header.dcm": CT[:1000],
        "wrong.nii": _with_dimensions(nifti, 3, 999, 18, 20, 1, 1, 1, 1),
        "negative.nii": _with_dimensions(nifti, 3, -16, 18, 20, 1, 1, 1, 1),
        "many.nii": _with_dimensions(nifti, 9, 16, 18, 20, 1, 1, 1, 1),
        "huge.nii": _with_dimensions(nifti, 3, 32767, 32767, 32767, 1, 1, 1, 1),
        "text.png": b"this is no picture\n",
        "cut.png": png[: len(png) // 2],
        "bomb.png": _png_of(200_000),
        "empty.png": b"",
        "latin.tsv": f"{HEAD}\n{ROW}".replace("What", "Für").encode("latin-1"),
        "utf16.tsv": f"{HEAD}\n{ROW}\n".encode("utf-16"),
    }.items():
        (bad / name).write_bytes(content)
    (bad / "folder.png").mkdir()
    (place / "none").mkdir()
    np.save(bad / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.save(bad / "nan.npy", np.full((32, 32), np.nan))
    for name, lines in {
        "good/questions.tsv": [HEAD, ROW],
        "bad/missing.tsv": [HEAD, ROW, ROW.replace("1\tgrey", "2\tgone")],
        "bad/twice.tsv": [HEAD, ROW, ROW],
        "bad/answer.tsv": [HEAD, ROW.replace("\tA\t", "\tC\t")],
        "bad/modality.tsv": [HEAD, ROW.replace("xray", "harp")],
        "bad/columns.tsv": ["a\tb", "1\t2"],
        "bad/short.tsv": [HEAD, "1\tgrey.png"],
        "bad/rows.tsv": [HEAD],
        "bad/notimage.tsv": [HEAD, ROW.replace("grey.png", "../bad/text.png")],
        "bad/review.tsv": ["index\tdegradation\tkeep", "1\tgaussian_blur\tmaybe"],
        "bad/torn.jsonl": ['{"item": "a", "text": "A"}', '{"item": '],
        "bad/twice.jsonl": ['{"item": "a", "text": "A"}'] * 2,
        "bad/nothing.jsonl": ['{"item": "a"}'],
        "bad/record.json": ['{"key": "gaussian_noise"}'],
        "bad/levels.json": ['{"levels": {}}'],
        "bad/torn.json": ["{"],
        "bad/script.json": ['{"answer": "A"}'],
    }.items():
        (place / name).write_text("\n".join(lines) + "\n")
    return place


@pytest.fixture
def osler(
    tmp_path: Path,
    shelf: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Run the command line in an empty folder; ``@`` in a word stands for the shelf."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("OSLER_BACKOFF_S", "0.001")
    monkeypatch.setenv("OSLER_OFFLINE", "false")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    def run(*words: object) -> Said:
        argv = ["osler", *(str(word).replace("@", f"{shelf}/") for word in words)]
        monkeypatch.setattr(sys, "argv", argv)
        code: object = 0
        try:
            main.run()
        except SystemExit as end:
            code = end.code or 0
        said = capsys.readouterr()
        assert isinstance(code, int)
        return code, said.out, said.err

    return run


def _held(folder: Path) -> dict[str, str]:
    """Every path below ``folder``, files with a hash."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for path in sorted(folder.rglob("*"))
    }


def _one_sentence(said: Said, *parts: str) -> None:
    code, out, err = said
    assert code == 2, (out, err)
    assert err.startswith("osler: "), err
    assert err.count("\n") == 1, f"more than one line: {err}"
    assert "Traceback" not in out + err
    for part in parts:
        assert part in err, f"{part!r} is not said in: {err}"


NOISE = "--kind gaussian_noise --level 1"
CASES = {
    # reading
    "truncated DICOM": (f"degrade @bad/cut.dcm -o x.dcm {NOISE}", "cut.dcm: ", "truncated", "copy"),
    "truncated DICOM into a folder": (f"degrade @bad/cut.dcm -o out {NOISE}", "cut.dcm: ", "copy"),
    "DICOM cut in its header": (f"degrade @bad/header.dcm -o x.dcm {NOISE}", "without pixels"),
    "truncated DICOM de-identified": ("images deid @bad/cut.dcm -o x.dcm", "cut off", "copy"),
    "NIfTI with wrong dimensions": (
        f"degrade @bad/wrong.nii -o x.nii {NOISE}",
        "wrong.nii: its header states 999 x 18 x 20 voxels",
        "export it again",
    ),
    "NIfTI with negative dimensions": (f"degrade @bad/negative.nii -o x.nii {NOISE}", "(-16, 18"),
    "NIfTI of nine dimensions": ("images info @bad/many.nii", "NIfTI allows 1 to 7"),
    "NIfTI of petabytes": (f"degrade @bad/huge.nii -o x.nii {NOISE}", "beyond the cap", "crop"),
    "broken NIfTI de-identified": ("images deid @bad/wrong.nii -o x.nii", "cut off or its header"),
    "a PNG that is a text file": (
        f"degrade @bad/text.png -o x.png {NOISE}",
        "text.png: is named like a PNG but holds text",
        "Osler reads DICOM",
    ),
    "its facts": ("images info @bad/text.png", "is named like a PNG but holds text"),
    "it converted": ("images convert @bad/text.png -o x.nii", "is named like a PNG but"),
    "it compared": ("images compare @good/grey.png @bad/text.png", "is named like a PNG but"),
    "it calibrated on": (
        "degrade calibrate @bad/text.png -o t.json --kind jpeg --target 1:psnr=20..30",
        "is named like a PNG but",
    ),
    "a cut PNG": (f"degrade @bad/cut.png -o x.png {NOISE}", "truncated", "again"),
    "a small PNG that states a huge size": ("images info @bad/bomb.png", "beyond the cap", "crop"),
    "an empty file": (f"degrade @bad/empty.png -o x.png {NOISE}", "is empty (0 bytes)"),
    "a pickle in an NPY": (f"degrade @bad/objects.npy -o x.npy {NOISE}", "never loaded"),
    "NaN": (f"degrade @bad/nan.npy -o x.npy {NOISE}", "NaN or infinity", "replace them"),
    "a folder with nothing in it": (f"degrade @none -o out {NOISE}", "there is no image in"),
    "a folder named like a picture": (f"degrade @bad/folder.png -o out {NOISE}", "no image in"),
    "no such file": (f"degrade @good/gone.png -o x.png {NOISE}", "gone.png: there is no such file"),
    # degradations
    "unknown degradation": (
        "degrade @good/grey.png -o out --kind gausian_nose --level 1",
        "unknown degradation 'gausian_nose'; did you mean gaussian_noise",
        "osler degrade list",
    ),
    "ghosting of a CT": (
        "degrade @good/ct.dcm -o x.dcm --kind ghosting --level 1",
        "ghosting makes no physical sense for ct (it is made for mri)",
        "--force",
    ),
    "ghosting of a CT into a folder": (
        "degrade @good/ct.dcm -o out --kind ghosting --level 1",
        "makes no physical sense for ct",
    ),
    "ghosting of who knows what": (
        "degrade @good/grey.png -o out --kind ghosting --level 1",
        "is not stated; state it (--modality)",
    ),
    "level out of range": (
        "degrade @good/grey.png -o out --kind jpeg --level 7",
        "level 7 of jpeg is out of range; use one of 0, 1, 2, 3",
    ),
    "negative level": ("degrade @good/grey.png -o out --kind jpeg --level -1", "out of range"),
    "unknown modality": (f"degrade @good/grey.png -o out {NOISE} --modality harp", "known: ang"),
    "parameters that are no JSON": (f"degrade @good/grey.png -o out {NOISE} --params {{", "JSON"),
    "parameters that are a list": (f"degrade @good/grey.png -o out {NOISE} --params [1]", "object"),
    "unknown parameter": (
        f'degrade @good/grey.png -o out {NOISE} --params {{"sgima":1}}',
        "unknown parameter of gaussian_noise 'sgima'; did you mean sigma?",
    ),
    "a text for a number": (
        f'degrade @good/grey.png -o out {NOISE} --params {{"sigma":"x"}}',
        "is a number, not 'x'",
    ),
    "null for a number": (f'degrade @good/grey.png -o out {NOISE} --params {{"sigma":null}}', "gi"),
    "a list for a number": (
        f'degrade @good/grey.png -o out {NOISE} --params {{"sigma":[1]}}',
        "is a number",
    ),
    "infinity": (f'degrade @good/grey.png -o out {NOISE} --params {{"sigma":1e999}}', "finite"),
    "a number out of all proportion": (
        'degrade @good/grey.png -o out --kind gaussian_blur --level 1 --params {"sigma":1e9}',
        "grey.png: gaussian_blur cannot work with sigma=1000000000.0",
        "stay near the values",
    ),
    "levels that are none": (
        f"degrade @good/grey.png -o out {NOISE} --levels @bad/levels.json",
        "levels.json: is no table of levels",
    ),
    "output into the input": (f"degrade @good -o @good {NOISE}", "is an input itself; choose"),
    "output onto the input": (f"degrade @good/ct.dcm -o @good/ct.dcm {NOISE}", "the input itself"),
    "a file in place of the output folder": (
        f"degrade @good/ct.dcm -o @good/grey.png {NOISE} --kind jpeg",
        "grey.png is a file; give a folder",
    ),
    "a file above the output folder": (
        f"degrade @good/ct.dcm @good/mr.dcm -o @good/grey.png/out {NOISE}",
        "grey.png is a file; give a folder",
    ),
    "unknown suffix": (f"degrade @good/ct.dcm -o x.xyz {NOISE}", "unknown suffix '.xyz'; use one"),
    "HU into a JPEG": (f"degrade @good/ct.dcm -o x.jpg {NOISE}", "do not fit a JPG"),
    "a record that is none": ("degrade replay @bad/record.json @good/ct.dcm -o x.dcm", "record.js"),
    "a torn record": ("degrade replay @bad/torn.json @good/ct.dcm -o x.dcm", "torn.json: "),
    "no record": ("degrade replay @gone.json @good/ct.dcm -o x.dcm", "gone.json: cannot be read"),
    "a target that is none": (
        "degrade calibrate @good/ct.dcm -o t.json --kind jpeg --target 1:psnr",
        "write 1:psnr=28..30",
    ),
    "a target out of reach": (
        "degrade calibrate @good/ct.dcm -o t.json --kind gaussian_noise --target 1:psnr=900..901",
        "cannot reach psnr 900 to 901",
        "choose a band within",
    ),
    # images
    "a volume as a PNG": ("images convert @good/v.nii -o x.png", "choose a plane with --view"),
    "no such plane": ("images convert @good/v.nii -o x.png --view axial --index 99", "use 0 to 19"),
    "no such frame": ("images convert @good/ct.dcm -o x.png --frame 4", "has 1 frame(s)"),
    "a window of one number": ("images convert @good/ct.dcm -o x.png --window 4", "center,width"),
    "the original overwritten": ("images convert @good/ct.dcm -o @good/ct.dcm", "is the original"),
    "its de-identified copy too": ("images deid @good/ct.dcm -o @good/ct.dcm", "is the original"),
    "two shapes compared": ("images compare @good/ct.dcm @good/mr.dcm", "bring them to one grid"),
    "a peak of zero": ("images compare @good/ct.dcm @good/ct.dcm --peak 0", "positive number"),
    "unknown option to keep": ("images deid @good/ct.dcm -o x.dcm --keep datse", "did you mean da"),
    "another format": ("images deid @good/ct.dcm -o x.png", "keeps the format", "another suffix"),
    "no secret": ("images deid @good/ct.dcm -o x.dcm --secret-file @gone", "No such file"),
    # building
    "missing image in a table": (
        "build medq-deg --data @bad/missing.tsv --images @good -o set",
        "missing.tsv, line 3: its image",
        "gone.png does not exist; check --images",
    ),
    "duplicate ids": (
        "build medq-deg --data @bad/twice.tsv --images @good -o set",
        "twice.tsv, line 3: index '1' is also at line 2; make it unique",
    ),
    "an answer that is no option": (
        "build medq-deg --data @bad/answer.tsv --images @good -o set",
        "answer.tsv, line 2: ",
        "answer 'C' is not among the options A, B",
    ),
    "unknown modality in a table": (
        "build medq-deg --data @bad/modality.tsv --images @good -o set",
        "line 2: modality 'harp' is not known",
    ),
    "no such columns": ("build medq-deg --data @bad/columns.tsv -o set", "line 1: columns a, b"),
    "a row too short": ("build medq-deg --data @bad/short.tsv --images @good -o set", "7 columns"),
    "no rows": ("build medq-deg --data @bad/rows.tsv --images @good -o set", "no usable question"),
    "an image that is none": (
        "build medq-deg --data @bad/notimage.tsv --images @good -o set",
        "line 2: its image",
    ),
    "a table in Latin-1": ("build medq-deg --data @bad/latin.tsv --images @good -o set", "UTF-8"),
    "a table in UTF-16": ("build medq-deg --data @bad/utf16.tsv --images @good -o set", "UTF-8"),
    "an image as the table": ("build medq-deg --data @good/grey.png -o set", "is no table; .tsv"),
    "a folder as the table": ("build medq-deg --data @good -o set", "is a folder; give a table"),
    "no table": ("build medq-deg --data @gone.tsv -o set", "gone.tsv does not exist; give a table"),
    "mini with a table": ("build medq-deg --data mini --data @good/questions.tsv -o set", "alone"),
    "a review that decides nothing": (
        "build medq-deg --data @good/questions.tsv --review @bad/review.tsv -o set",
        "line 2: keep is 'maybe'; write yes or no",
    ),
    "no such level": ("build medq-deg --data @good/questions.tsv --level 5 -o set", "out of range"),
    "no such kind": ("build medq-deg --data @good/questions.tsv --kind jpge -o set", "mean jpeg"),
    "no such modality": (
        "build medq-deg --data @good/questions.tsv --modality harp -o set",
        "unknown modality 'harp'",
    ),
    "a range backwards": (
        "build medq-deg --data @good/questions.tsv --per-item 3,1 -o set",
        "3,1 is no range",
    ),
    "a full folder": ("build medq-deg --data @good/questions.tsv -o @bad", "is not empty"),
    "a file as the dataset": ("build medq-deg --data @good/questions.tsv -o @bad/cut.png", "file"),
    # evaluating
    "no benchmark": ("eval", "name a benchmark", "osler eval --list"),
    "no model": ("eval medq-deg", "name a model by --model"),
    "unknown benchmark": ("eval medq-dge --model fake:", "did you mean medq-deg"),
    "unknown model": ("eval medq-deg --data {set} --model foo/bar", "unknown model 'foo/bar'"),
    "a model near one": ("eval medq-deg --data {set} --model osler/prob", "mean osler/probe"),
    "a prefix alone": ("eval medq-deg --data {set} --model vllm/", "write it as vllm/NAME"),
    "no key": ("eval medq-deg --data {set} --model openai/gpt-4o", "set the environment variable"),
    "no address": ("eval medq-deg --data {set} --model x --base-url host", "http://HOST:PORT/v1"),
    "offline": (
        "eval medq-deg --data {set} --model x --base-url http://host.invalid/v1 --offline",
        "is not this machine",
    ),
    "unknown option of the benchmark": (
        "eval medq-deg --data {set} --model fake: --set limt=3",
        "did you mean limit",
    ),
    "an option without a value": ("eval medq-deg --data {set} --model fake: --set seed", "NAME=VA"),
    "unknown option of the model": (
        "eval medq-deg --data {set} --model fake: --option device=cpu",
        "unknown option of a fake 'device'",
    ),
    "answers that are torn": (
        "eval medq-deg --data {set} --model file:@bad/torn.jsonl",
        "torn.jsonl line 2: is not JSON",
    ),
    "answers given twice": (
        "eval medq-deg --data {set} --model file:@bad/twice.jsonl",
        "line 2: a second answer to 'a'",
    ),
    "answers without text": (
        "eval medq-deg --data {set} --model file:@bad/nothing.jsonl",
        'write {"item": ID',
    ),
    "answers that are a picture": (
        "eval medq-deg --data {set} --model file:@good/grey.png",
        "grey.png",
    ),
    "a script that is none": (
        "eval medq-deg --data {set} --model fake:@bad/script.json",
        "did you mean answers",
    ),
    "a table with duplicate ids": (
        "eval medq-deg --data @bad/twice.tsv --set images=@good --model fake:",
        "index '1' is also at line 2",
    ),
    "no dataset": ("eval medq-deg --data @none --model fake:", "holds no dataset.json"),
    "a full run folder": ("eval medq-deg --data {set} --model fake: --out @good", "not empty"),
    "a file as the run folder": (
        "eval medq-deg --data {set} --model fake: --out @good/ct.dcm",
        "is a file; give a folder as --out",
    ),
    "a rate of zero": ("eval medq-deg --data {set} --model fake: --rpm 0", "greater than 0"),
    # reports and the rest
    "no run": ("report @none", "give the folder that holds run.json"),
    "no runs": ("report @none @gone", "give the folder that holds run.json"),
    "unknown command": ("evl medq-deg", "unknown command 'evl'; did you mean eval or serve?"),
}


@pytest.fixture(scope="module")
def dataset(shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small dataset folder, built once."""
    from osler.evaluate.benchmarks.medq_deg.sources import build

    out = tmp_path_factory.mktemp("data") / "set"
    build(shelf / "good" / "questions.tsv", out, keys=["jpeg", "gaussian_blur"], seed=1)
    return out


@pytest.mark.parametrize("what", CASES)
def test_one_sentence_and_nothing_written(
    what: str, osler: Run, shelf: Path, dataset: Path
) -> None:
    line, *parts = CASES[what]
    before = _held(shelf), _held(dataset)
    said = osler(*(word.replace("{set}", str(dataset)) for word in line.split(" ")))
    _one_sentence(said, *parts)
    assert _held(Path()) == {}, "nothing may be left"
    assert (_held(shelf), _held(dataset)) == before, "the inputs must stay as they were"


USAGE = (
    "degrade @good/grey.png -o out --kind jpeg",
    "degrade @good/grey.png -o out --kind jpeg --level two",
    "degrade @good/grey.png -o out --kind jpeg --level 1 --jobs 0",
    "degrade @good/grey.png --kind jpeg --level",
    "images frobnicate",
    "build medq",
    "eval medq-deg --model fake: --trials 0",
    "eval medq-deg --model fake: --temperature nan",
    "doctor now",
    "report",
)


@pytest.mark.parametrize("line", USAGE)
def test_usage_errors_are_told_with_exit_code_2(line: str, osler: Run) -> None:
    code, out, err = osler(*line.split(" "))
    assert code == 2
    assert "Error" in err
    assert "Traceback" not in out + err
    assert _held(Path()) == {}


def test_an_unset_variable_of_the_shell_is_told(osler: Run) -> None:
    said = osler("degrade", "", "-o", "out", "--kind", "jpeg", "--level", "1")
    _one_sentence(said, "an argument is empty")
    assert _held(Path()) == {}


def test_what_makes_no_sense_is_done_when_forced(osler: Run) -> None:
    words = ("degrade", "@good/ct.dcm", "-o", "x.dcm", "--kind", "ghosting", "--level", "1")
    assert osler(*words, "--force")[0] == 0
    assert sorted(_held(Path())) == ["x.dcm", "x.dcm.record.json"]


def test_any_whole_number_is_a_seed(osler: Run) -> None:
    words = ("degrade", "@good/ct.dcm", "--kind", "gaussian_noise", "--level", "1")
    assert osler(*words, "-o", "a.dcm", "--seed", "-1")[0] == 0
    assert osler(*words, "-o", "b.dcm", "--seed", "1")[0] == 0
    assert Path("a.dcm").read_bytes() != Path("b.dcm").read_bytes()


def test_the_good_files_of_a_folder_are_done_and_each_bad_one_is_told(osler: Run) -> None:
    code, _, err = osler("degrade", "@bad", "@good", "-o", "out", "--kind", "jpeg", "--level", "1",
                         "--modality", "xray")  # fmt: skip
    assert code == 2
    told = err.splitlines()
    assert all(line.startswith("osler: ") for line in told)
    for name in ("cut.dcm", "wrong.nii", "text.png", "empty.png", "bomb.png", "objects.npy"):
        assert sum(name in line for line in told) == 1, name
    written = set(_held(Path("out"))) - {"records.jsonl"}
    assert written == {"ct.dcm", "mr.dcm", "grey.png", "v.nii"}
    lines = Path("out/records.jsonl").read_text().splitlines()
    assert {json.loads(line)["output"] for line in lines} == written


def test_a_hostile_name_stays_one_printable_line(osler: Run, tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31m\nosler: all is well.png"
    path.write_text("text")
    _, _, err = said = osler("degrade", path, "-o", "x.png", "--kind", "jpeg", "--level", "1")
    _one_sentence(said, "holds text")
    assert "\x1b" not in err


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0,
    reason="the superuser may read and write everything",
)
def test_rights(osler: Run, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(_png_of(8))
    (tmp_path / "secret.png").chmod(0)
    words = ("--kind", "jpeg", "--level", "1")
    _one_sentence(osler("degrade", tmp_path / "secret.png", "-o", "x.png", *words), "Permission")
    (tmp_path / "closed").mkdir(mode=0o500)
    said = osler("degrade", "@good/grey.png", "-o", tmp_path / "closed" / "x.png", *words)
    _one_sentence(said, "Permission denied; choose another place")
    assert _held(Path()) == {}


# Endpoints. A run that cannot go on keeps its journal, says so in run.json, and can be resumed;
# there is no summary, table of scores or report of it.


def _stopped(folder: Path) -> None:
    names = set(_held(folder))
    assert names <= {"run.json", "journal.sqlite", "journal.lock"}, names
    assert json.loads((folder / "run.json").read_text())["sessions"][-1]["state"] == "stopped"


def test_endpoint_down(osler: Run, dataset: Path) -> None:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{door.getsockname()[1]}/v1"
    said = osler("eval", "medq-deg", "--data", dataset, "-m", "vllm/m", "--base-url", url,
                 "--out", "run")  # fmt: skip
    _one_sentence(said, f"vllm/m: cannot connect to {url}", "start the server or check --base-url")
    _stopped(Path("run"))


def test_wrong_key(osler: Run, dataset: Path) -> None:
    with serve(Script(faults={"auth": 1.0})) as server:
        words = ("eval", "medq-deg", "--data", dataset, "-m", "vllm/m", "--base-url", server.url,
                 "--out", "run", "--trials", "1")  # fmt: skip
        _one_sentence(osler(*words), "refuses the key (401", "--api-key-env")
        _stopped(Path("run"))
        server.script = Script()
        assert osler(*words)[0] == 0, "the same command goes on once the key is right"
    assert "report.html" in _held(Path("run"))


# Files that a crash or a hand has damaged.


def _damaged(name: str, folder: Path) -> None:
    items, info = folder / "items.jsonl", folder / "dataset.json"
    picture = next((folder / "images").rglob("*.png"))
    if name == "torn line":
        items.write_bytes(items.read_bytes()[:-40])
    elif name == "lines gone":
        items.write_text("".join(items.read_text().splitlines(keepends=True)[:-1]))
    elif name == "no text":
        items.write_bytes(b"\xff\xfe\x00")
    elif name == "same id twice":
        items.write_text(items.read_text() + items.read_text().splitlines()[0] + "\n")
    elif name == "no such answer":
        items.write_text(items.read_text().replace('"answer": "A"', '"answer": "Z"', 1))
    elif name == "picture gone":
        picture.unlink()
    elif name == "picture changed":
        picture.write_bytes(_png_of(8))
    elif name == "out of the folder":
        items.write_text(items.read_text().replace('"image": "', '"image": "../../../etc/', 1))
    elif name == "description torn":
        info.write_text("{")
    else:
        info.unlink()


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("torn line", "is no item"),
        ("lines gone", "dataset.json states"),
        ("no text", "is no UTF-8 text"),
        ("same id twice", "is also on line 1"),
        ("no such answer", "answer 'Z'"),
        ("picture gone", "is missing"),
        ("picture changed", "has changed since the build"),
        ("out of the folder", "is not valid"),
        ("description torn", "dataset.json: is no JSON"),
        ("description gone", "holds no dataset.json"),
    ],
)
def test_damaged_dataset(name: str, part: str, osler: Run, dataset: Path, tmp_path: Path) -> None:
    copy = tmp_path / "set"
    shutil.copytree(dataset, copy)
    _damaged(name, copy)
    said = osler("eval", "medq-deg", "--data", copy, "--model", "fake:", "--out", "run")
    _one_sentence(said, str(copy), part, "build")
    assert "summary.json" not in _held(Path())


def test_damaged_journal(osler: Run, dataset: Path) -> None:
    words = ("eval", "medq-deg", "--data", dataset, "--model", "fake:", "--trials", "1", "--out")
    assert osler(*words, "run")[0] == 0
    whole = Path("run/journal.sqlite").read_bytes()
    for number, content in enumerate(
        (b"garbage" * 99, whole[: len(whole) // 2], whole[:4096] + b"\xa5" * (len(whole) - 4096))
    ):
        folder = Path(f"run{number}")
        shutil.copytree("run", folder)
        (folder / "journal.sqlite").write_bytes(content)
        before = _held(folder)
        _one_sentence(osler(*words, folder), "journal.sqlite", "give another --out")
        after = _held(folder)
        changed = {name for name in after if after[name] != before.get(name)}
        assert changed <= {"journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"}
    Path("run/run.json").write_text("{")
    _one_sentence(osler(*words, "run"), "run.json")


def test_damaged_run_is_not_reported(osler: Run) -> None:
    Path("run").mkdir()
    for name, content in (("run.json", "{"), ("run.json", "[]"), ("run.json", "{}")):
        Path("run", name).write_text(content)
        before = _held(Path())
        _one_sentence(osler("report", "run"), "run/")
        assert _held(Path()) == before


# A full disk. The limit on the size of a file gives the same refusals in the same places.


@contextlib.contextmanager
def _small_disk(limit: int) -> Iterator[None]:
    resource = pytest.importorskip("resource", reason="limits of file size are POSIX")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    "line",
    [
        "degrade @good/ct.dcm -o out/x.dcm --kind jpeg --level 1",
        "degrade @good/v.nii -o out/x.nii.gz --kind gaussian_noise --level 1",
        "degrade @good/grey.png -o out --kind gaussian_noise --level 1",
        "degrade calibrate @good/ct.dcm -o out/t.json --kind jpeg --target 1:psnr=25..40",
        "images convert @good/ct.dcm -o out/deep/x.nii",
        "images convert @good/ct.dcm -o out/x.tif",
        "images convert @good/ct.dcm -o out/x.npz",
        "images convert @good/ct.dcm -o out/x.npy",
        "images convert @good/ct.dcm -o out/x.png",
        "images deid @good/ct.dcm -o out/x.dcm",
    ],
)
def test_disk_full(line: str, osler: Run) -> None:
    with _small_disk(100):
        said = osler(*line.split(" "))
    _one_sentence(said, "cannot write out/", "free some space or choose another place")
    assert _held(Path()) == {}, "no file, no folder, no temporary file"


def test_disk_full_keeps_the_file_that_was_there(osler: Run) -> None:
    Path("x.npy").write_text("precious")
    with _small_disk(100):
        said = osler("images", "convert", "@good/ct.dcm", "-o", "x.npy")
    _one_sentence(said, "cannot write x.npy")
    assert _held(Path()).keys() == {"x.npy"}
    assert Path("x.npy").read_text() == "precious"


def test_disk_full_while_building_is_resumed(osler: Run, shelf: Path) -> None:
    words = ("build", "medq-deg", "--data", "@good/questions.tsv", "--jobs", "1", "-o")
    with _small_disk(1000):
        _one_sentence(osler(*words, "set"), "cannot write set/", "free some space")
    kept = {name for name, what in _held(Path("set")).items() if what != "folder"}
    assert not any(Path(name).name.startswith(".") for name in kept), "no temporary file"
    said = osler("eval", "medq-deg", "--data", "set", "--model", "fake:")
    _one_sentence(said, "holds no dataset.json")
    assert osler(*words, "set")[0] == 0
    assert osler(*words, "fresh")[0] == 0
    assert _held(Path("set")) == _held(Path("fresh"))


def test_disk_full_while_asking_is_resumed(osler: Run, dataset: Path) -> None:
    words = ("eval", "medq-deg", "--data", dataset, "--model", "fake:", "--trials", "1")
    with _small_disk(3000):
        _one_sentence(osler(*words, "--out", "run"), "cannot write run/", "free some space")
    left = set(_held(Path("run"))) if Path("run").exists() else set()
    assert not left & {"summary.json", "scores.parquet", "report.html"}
    assert osler(*words, "--out", "run")[0] == 0
    assert "report.html" in _held(Path("run"))


def test_a_process_of_its_own_ends_the_same_way(shelf: Path, tmp_path: Path) -> None:
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100));"
        "from osler.cli.main import run; run()"
    )
    pytest.importorskip("resource", reason="limits of file size are POSIX")
    done = subprocess.run(
        [sys.executable, "-B", "-c", script, "images", "convert", shelf / "good" / "ct.dcm", "-o",
         "out/x.dcm"],
        capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path,
    )  # fmt: skip
    _one_sentence((done.returncode, done.stdout, done.stderr), "cannot write out/x.dcm: File too l")
    assert _held(tmp_path) == {}
