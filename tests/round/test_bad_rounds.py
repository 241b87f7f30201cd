"""Bad input to a round costs one sentence and exit code 2, and leaves nothing half-written.

Every case runs the command line as a user types it, in an empty folder, and looks at what the
folders hold before and after. What is typed wrong must be told before anybody is asked.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from drawn_world import World

from osler.cli import main
from osler.core import sha256_hex
from osler.evaluate.benchmarks.folder import image_path
from osler.improve.round.preflight import check_start

Said = tuple[int, str, str]
Run = Callable[..., Said]
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def osler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Run:
    """Run the command line in an empty folder."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("OSLER_BACKOFF_S", "0.001")
    monkeypatch.setenv("OSLER_OFFLINE", "false")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    def run(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["osler", *map(str, words)])
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
        str(path.relative_to(folder)): sha256_hex(path.read_bytes()) if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
    }


def _one_sentence(said: Said, *parts: str) -> None:
    code, out, err = said
    assert code == 2, (out, err)
    told = [line for line in err.splitlines() if not line.endswith("...")]  # what is being done
    assert len(told) == 1, f"not one line: {err}"
    assert told[0].startswith("osler: ")
    assert "Traceback" not in out + err
    for part in parts:
        assert part in told[0], f"{part!r} is not said in: {told[0]}"


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _plan(world: World, path: Path, changes: Mapping[str, Any]) -> Path:
    """The world's plan as TOML, with ``changes``; ``@`` in a text stands for the world."""
    whole = {**asdict(world.plan), **changes}
    lines = [f"{name} = {_toml(value)}" for name, value in whole.items() if value is not None]
    path.write_text("\n".join(lines).replace("@", f"{world.folder}/") + "\n", encoding="utf-8")
    return path


NAN, INF = float("nan"), float("inf")
PLANS: dict[str, tuple[dict[str, Any], str]] = {
    "text for a number": ({"budget": "many"}, "budget = 'many' cannot be used (a whole number"),
    "a fraction": ({"budget": 1.5}, "a whole number is needed"),
    "NaN images": ({"budget": NAN}, "a whole number is needed"),
    "no images": ({"budget": 0}, "budget is 0; it must be at least 1"),
    "fewer than none": ({"budget": -3}, "at least 1"),
    "more than there are": ({"budget": 91}, "larger than the pool of 90 images; lower --budget"),
    "absurdly many": ({"budget": 10**30}, "at most 1e+09"),
    "NaN share": ({"rho": NAN}, "rho is nan; it is a share from 0 to 1"),
    "infinite share": ({"rho": INF}, "a share from 0 to 1"),
    "negative share": ({"gold": -0.1}, "a share from 0 to 1"),
    "whole floor": ({"floor": 1.0}, "floor is 1; "),
    "NaN temperature": ({"temperature": NAN}, "temperature is nan"),
    "hot": ({"temperature": 1e300}, "at most 2"),
    "endless trials": ({"trials": 999_999_999}, "trials is 999999999; it must be at most 1000"),
    "NaN alpha": ({"alpha": NAN}, "alpha is nan"),
    "negative alpha": ({"alpha": -2.0}, "alpha is -2.0; it must be at least 0"),
    "impossible agreement": ({"agreement": 7.0}, "agreement is 7.0"),
    "NaN cosine": ({"cosine": NAN}, "a threshold lies from -1"),
    "nobody": ({"raters": 0}, "raters is 0"),
    "half a seed": ({"seed": 1.5}, "seed = 1.5 cannot be used"),
    "a text for a list": ({"strata": "concept"}, "a list of texts is needed"),
    "numbers as tags": ({"strata": [1]}, "a list of texts is needed"),
    "no strata": ({"strata": []}, "at least one tag"),
    "a typo in a tag": ({"strata": ["concpet"]}, "no tag 'concpet' to make strata of; they have"),
    "another": ({"trust": ["modalty"]}, "no tag 'modalty'"),
    "sizes that fall": ({"curve": [30, 10]}, "whole numbers that rise"),
    "a list as text": ({"training": "penalty"}, "a table of NAME = VALUE is needed"),
    "unknown field": ({"budgets": 1}, "did you mean budget"),
    "the option's name": ({"data": "@dev"}, "the field for --data is called dev"),
    "unknown policy": ({"policy": "lenient"}, "unknown policy 'lenient'; known: observed, proven"),
    "unknown person": ({"annotator": "me"}, "neither people nor simulated:RATE"),
    "NaN errors": ({"annotator": "simulated:nan"}, "write it as simulated:0.05"),
    # the student
    "no student": ({"model": ""}, "states no model (--model)"),
    "a number as the student": ({"model": 3}, "text is needed"),
    "an endpoint": ({"model": "openai/gpt-4o"}, "openai/gpt-4o cannot be trained here; a student"),
    "stored answers": ({"model": "file:answers.jsonl"}, "cannot be trained here"),
    "a typo in the student": ({"model": "osler/prob"}, "cannot be trained here"),
    "unknown option": ({"options": {"head": "x"}}, "unknown option of osler/probe 'head'; did you"),
    "no heads": ({"options": {"heads": "gone"}}, "there are no trained heads at gone; give"),
    "threads": ({"options": {"threads": "x"}}, "option threads must be a whole number from 1"),
    "unknown setting": ({"training": {"penatly": "1"}}, "'penatly'; did you mean penalty?"),
    "setting of a kind": ({"training": {"penalty": "x"}}, "penalty = 'x' is no number"),
    "setting out of range": ({"training": {"replay": "7"}}, "give 0 to 1"),
    "settings of others": (
        {"model": "osler/vlm-tiny", "options": {}, "training": {"penalty": "1"}},
        "unknown setting of fine-tuning 'penalty'",
    ),
    # the oracle
    "unknown oracle": ({"oracle": "foo/bar"}, "unknown model 'foo/bar'"),
    "oracle without a key": ({"oracle": "openai/gpt-4o"}, "set the environment variable OPENAI_"),
    "oracle without answers": ({"oracle": "file:gone.jsonl"}, "gone.jsonl: No such file"),
    "option of the oracle": (
        {"oracle": "vllm/m", "oracle_options": {"base": "x"}},
        "unknown option of an endpoint 'base'; did you mean base_url?",
    ),
    # items, pool, truths, earlier work
    "unknown benchmark": ({"benchmark": "medq-bnech"}, "did you mean medq-bench"),
    "option of the benchmark": ({"benchmark_options": {"limt": "3"}}, "unknown option of medq-be"),
    "no dev": ({"dev": "gone"}, "gone is no table"),
    "no gate": ({"gate": "gone"}, "gone is no table"),
    "same patients": ({"gate": "@dev"}, "dev and gate share 3 patients (subject-0, ...)"),
    "no pool": ({"pool": "gone"}, "gone: is no pool (no pool.json); make one: osler pool add"),
    "items as the pool": ({"pool": "@dev"}, "is no pool"),
    "no truths": ({"truth": ""}, "name their file (--truth)"),
    "truths gone": ({"truth": "gone.jsonl"}, "gone.jsonl: cannot be read (No such file"),
    "truths that are pixels": ({"truth": "@pool-images/20-0.png"}, "cannot be read ("),
    "truths that are items": ({"truth": "@dev/items.jsonl"}, "line 1: is no object with sha256"),
    "no earlier examples": ({"replay": ["gone"]}, "gone is no training set"),
    "no earlier round": ({"earlier": ["@dev"]}, "is no round that chose images; leave it out"),
}


@pytest.mark.parametrize("what", PLANS)
def test_a_wrong_plan_is_told_before_anybody_is_asked(
    what: str, osler: Run, world: World, tmp_path: Path
) -> None:
    changes, part = PLANS[what]
    plan = _plan(world, tmp_path / "plan ü.toml", changes)
    _one_sentence(osler("round", "run", "--plan", plan, "--out", "round", "--jobs", "1"), part)
    assert _held(Path()) == {}, "nothing may be left"


FILES: dict[str, tuple[bytes, str]] = {
    "no TOML": (b"benchmark = ", "cannot be read as a plan"),
    "no text": (b"\xff\xfe\x00", "cannot be read as a plan"),
    "nothing": (b"", "states no benchmark (--benchmark)"),
    "a list": (b"[1, 2]", "cannot be read as a plan"),
    "twice": (b'dev = "a"\ndev = "b"', "cannot be read as a plan"),
    "a table": (b"[benchmark]\na = 1", "text is needed"),
}


@pytest.mark.parametrize("what", FILES)
def test_files_that_are_no_plan(what: str, osler: Run, tmp_path: Path) -> None:
    content, part = FILES[what]
    (tmp_path / "plan.toml").write_bytes(content)
    said = osler("round", "run", "--plan", tmp_path / "plan.toml", "--out", "round")
    _one_sentence(said, "plan.toml", part)
    assert _held(Path()) == {}


WORDS = {
    "round run --out r": "the command line states no benchmark (--benchmark)",
    "round run --benchmark medq-bench --out r": "states no dev (--data)",
    "round run --plan gone.toml --out r": "gone.toml: cannot be read (No such file or directory)",
    "round run --plan . --out r": "name a TOML file (--plan)",
    "round run --plan x.toml --mini --out r": "give one",
    "round run --out r --set rho": "must be written NAME=VALUE",
    "round run --out r --set rhoo=1": "did you mean rho",
    "round run --out r --set rho=x": "--set rho=x",
    "round run --out r --option heads": "must be written NAME=VALUE",
    "round status gone": "gone holds no round; start one with osler round run",
    "round resume gone": "gone holds no round",
    "labels status gone": "gone is not there; give a queue.sqlite or the folder of a round",
    "labels export gone x.jsonl": "gone is not there",
    "labels export gone x.csv": "x.csv does not end in .jsonl",
    "serve gone": "gone is not there",
    "pool stats gone": "is no pool",
    "pool export gone out": "is no pool",
}


@pytest.mark.parametrize("line", WORDS)
def test_wrong_words(line: str, osler: Run) -> None:
    _one_sentence(osler(*line.split()), WORDS[line])
    assert _held(Path()) == {}


OF_A_POOL = {
    "search @pool gone.png": "gone.png: there is no such file",
    "search @pool text": "text: holds text, not an image",
    "dedup @pool --min-cos 7": "",
    "overlap @pool": "there is nothing to compare with",
    "overlap @pool gone": "there is no such file or folder",
    "overlap @pool text": "holds text, not an image",
    "overlap @pool @pool-images/20-0.png --patients gone": "gone cannot be read as text",
    "export @pool out --rows text": "cannot be read as JSON",
    "export @pool @dev": "not empty; choose a new folder",
    "export @pool text": "choose a new folder",
    "add @dev @pool-images/20-0.png": "is there and is no pool; choose a new folder",
    "add text @pool-images/20-0.png": "is there and is no pool",
    "add new gone": "there is no such file or folder; check the path",
    "add new @pool-images/20-0.png --encoder clip": "unknown encoder 'clip'",
    "add new @pool.tsv --patient-from x": "patients come from none, folder, column, dicom",
}


@pytest.mark.parametrize("line", OF_A_POOL)
def test_wrong_words_to_a_pool(line: str, osler: Run, world: World) -> None:
    Path("text").write_text("{")
    before = _held(Path()), _held(world.folder / "dev")
    words = [word.replace("@", f"{world.folder}/") for word in line.split()]
    code, out, err = osler("pool", *words)
    if OF_A_POOL[line]:
        _one_sentence((code, out, err), OF_A_POOL[line])
    else:
        assert code == 2
        assert "Invalid value" in err
    assert (_held(Path()), _held(world.folder / "dev")) == before


def test_a_pool_of_files_that_are_no_images(osler: Run) -> None:
    Path("text").write_text("{")
    said = osler("pool", "add", "new", "text")
    _one_sentence(said, "none of the 1 files could be read", "new/errors.jsonl")
    assert Path("new/errors.jsonl").is_file()


def test_places_that_hold_something_else(osler: Run, world: World, tmp_path: Path) -> None:
    plan = _plan(world, tmp_path / "plan.toml", {})
    Path("file").write_text("x")
    Path("full").mkdir()
    Path("full/thesis.txt").write_text("mine")
    Path("empty").write_text("")
    before = _held(Path())
    for out, part in (("file", "file is a file"), ("file/r", "is a file"), ("full", "not empty")):
        _one_sentence(osler("round", "run", "--plan", plan, "--out", out), part)
    for verb in (("round", "status"), ("round", "resume")):
        _one_sentence(osler(*verb, "file"), "holds no round")
    for verb in (("labels", "status"), ("serve",)):
        _one_sentence(osler(*verb, "file"), "is no review queue")
        _one_sentence(osler(*verb, "empty"), "empty is empty")
        _one_sentence(osler(*verb, "full"), "has no review queue yet")
    assert _held(Path()) == before, "a short file must not become a database"


TRUTHS: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "without an image": (lambda rows: rows[1:], "knows nothing of the pool image"),
    "without many": (lambda rows: rows[:50], "and 39 more; a simulated annotator needs"),
    "torn": (lambda rows: [*rows[:-1], rows[-1][:-20]], "line 90: is no object with sha256"),
    "of nothing": (lambda rows: [], "states no truth"),
    "with a list": (
        lambda rows: ['{"sha256": "a", "answers": [1]}', *rows],
        "line 1: answers are no object",
    ),
    "of other questions": (
        lambda rows: [row.replace("How strong", "How weak") for row in rows],
        "answers none of the questions that are asked, such as 'How strong is",
    ),
    "of other options": (
        lambda rows: [row.replace('"Mild"', "1").replace('"Severe"', "2").replace("Not v", "V")
                      for row in rows],
        "answers none of the questions",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", TRUTHS)
def test_truths_that_cannot_serve(what: str, osler: Run, world: World, tmp_path: Path) -> None:
    change, part = TRUTHS[what]
    rows = change((world.folder / "truth.jsonl").read_text().splitlines())
    (tmp_path / "truth.jsonl").write_text("\n".join(rows))
    plan = _plan(world, tmp_path / "plan.toml", {"truth": str(tmp_path / "truth.jsonl")})
    _one_sentence(osler("round", "run", "--plan", plan, "--out", "round"), "truth.jsonl", part)
    assert _held(Path()) == {}


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


POOLS: dict[str, tuple[Callable[[Path], object], str]] = {
    "manifest torn": (lambda p: (p / "pool.json").write_text("{"), "pool.json: is broken; restore"),
    "manifest a list": (lambda p: (p / "pool.json").write_text("[]"), "is broken"),
    "shard gone": (lambda p: shutil.rmtree(p / "shards" / "00000"), "is gone"),
    "vectors cut": (
        lambda p: _cut(p / "shards/00000/vectors.npy"),
        "is missing, cut off or broken",
    ),
    "vectors gone": (lambda p: (p / "shards/00000/vectors.npy").unlink(), "is missing, cut off"),
    "records cut": (lambda p: _cut(p / "shards/00000/records.parquet"), "is missing or broken"),
    "another encoder": (
        lambda p: (p / "pool.json").write_text(
            (p / "pool.json").read_text().replace("efficientnet-lite0-", "other-")
        ),
        "holds vectors of other-",
    ),
    "an encoder of others": (
        lambda p: (p / "pool.json").write_text(
            (p / "pool.json").read_text().replace('"efficientnet-lite0"', '"clip"')
        ),
        "unknown encoder 'clip'",
    ),
}


@pytest.mark.parametrize("what", POOLS)
def test_pools_that_are_damaged(what: str, osler: Run, world: World, tmp_path: Path) -> None:
    change, part = POOLS[what]
    shutil.copytree(world.folder / "pool", tmp_path / "pool")
    change(tmp_path / "pool")
    plan = _plan(world, tmp_path / "plan.toml", {"pool": str(tmp_path / "pool")})
    _one_sentence(osler("round", "run", "--plan", plan, "--out", "round"), part)
    assert _held(Path()) == {}


# A round that waits for people, and what a crash or a hand does to its files.


@pytest.fixture(scope="module")
def waiting(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A round that waits for people."""
    from dataclasses import replace

    from osler.improve.round import run_round

    plan = replace(world.plan, annotator="people")
    place = tmp_path_factory.mktemp("waiting") / "round"
    assert run_round(plan, place).outcome == "waiting"
    return place


@pytest.fixture
def copy(waiting: Path, tmp_path: Path) -> Path:
    """A copy of it in another place, as if it had been moved."""
    return Path(shutil.copytree(waiting, tmp_path / "moved hier" / "rönd"))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "3", '{"plan": {}}'])
def test_a_damaged_round_is_told_and_can_be_mended(text: str, osler: Run, copy: Path) -> None:
    (copy / "round.json").write_text(text)
    before = _held(copy)
    for verb in ("status", "resume"):
        _one_sentence(osler("round", verb, copy), "round.json")
    assert _held(copy) == before


def test_a_lost_round_json_is_written_again(
    osler: Run, copy: Path, world: World, tmp_path: Path
) -> None:
    (copy / "round.json").unlink()
    _one_sentence(osler("round", "resume", copy), "holds no round")
    plan = _plan(world, tmp_path / "plan.toml", {"annotator": "people"})
    stages = {p: p.stat().st_mtime_ns for p in copy.glob("*/stage.json")}
    code, out, _ = osler("round", "run", "--plan", plan, "--out", copy, "--json")
    assert (code, json.loads(out)["outcome"]) == (0, "waiting")
    assert {p: p.stat().st_mtime_ns for p in copy.glob("*/stage.json")} == stages


@pytest.mark.parametrize("text", ["{", "[]", '{"outputs": 3}', '{"outputs": {}, "inputs": {}}'])
def test_a_damaged_record_of_a_stage_is_no_record(text: str, osler: Run, copy: Path) -> None:
    (copy / "route" / "stage.json").write_text(text)
    code, out, _ = osler("round", "status", copy, "--json")
    assert (code, json.loads(out)["stages"]["route"]["state"]) == (0, "to do")


@pytest.mark.parametrize("what", ["garbage", "cut", "middle", "other", "short"])
def test_a_damaged_queue_is_told_and_kept(what: str, osler: Run, copy: Path) -> None:
    file = copy / "label" / "queue.sqlite"
    whole = file.read_bytes()
    content = {"garbage": b"garbage" * 999, "cut": whole[:5000], "short": b"x",
               "middle": whole[:4096] + b"\xa5" * (len(whole) - 4096)}  # fmt: skip
    if what == "other":
        file.unlink()
        with sqlite3.connect(file) as db:
            db.execute("CREATE TABLE a (b)")
        db.close()
    else:
        file.write_bytes(content[what])
    before = file.read_bytes()
    for words in (("labels", "status"), ("serve", "--port", "0"), ("round", "resume")):
        _one_sentence(osler(*words, copy), "queue.sqlite", "no review queue")
    assert file.read_bytes() == before


def test_pages_without_images_are_not_served(osler: Run, copy: Path) -> None:
    shutil.copy(copy / "label" / "queue.sqlite", "queue.sqlite")
    _one_sentence(osler("serve", "queue.sqlite"), "none of the", "name their folder (--images)")


def test_a_moved_round_says_where_it_is(osler: Run, copy: Path) -> None:
    code, out, _ = osler("round", "status", copy)
    assert code == 0
    assert f"osler serve {shlex.quote(str(copy))}" in out.splitlines()[-1]


def test_a_moved_pool_is_known_by_what_it_holds(
    osler: Run, copy: Path, world: World, tmp_path: Path
) -> None:
    shutil.copytree(world.folder / "pool", tmp_path / "elsewhere")
    changes = {"annotator": "people", "pool": str(tmp_path / "elsewhere")}
    plan = _plan(world, tmp_path / "plan.toml", changes)
    stages = {p: p.stat().st_mtime_ns for p in copy.glob("*/stage.json")}
    assert osler("round", "run", "--plan", plan, "--out", copy)[0] == 0
    assert {p: p.stat().st_mtime_ns for p in copy.glob("*/stage.json")} == stages
    shutil.rmtree(tmp_path / "elsewhere")
    before = _held(copy)
    _one_sentence(osler("round", "resume", copy), "is no pool")
    assert _held(copy) == before, "a pool that is gone must not cost what was done"


def test_a_moved_round_takes_its_student_along(done: Any, tmp_path: Path) -> None:
    from osler.improve.round import read_round, resume_round

    place = Path(shutil.copytree(done.path, tmp_path / "moved"))
    heads = str(place / "train" / "student")
    assert read_round(place)["student"]["options"]["heads"] == heads
    assert resume_round(place).options["heads"] == heads


def test_a_round_that_was_killed_says_so(osler: Run, copy: Path) -> None:
    body = json.loads((copy / "round.json").read_text())
    (copy / "round.json").write_text(json.dumps({**body, "outcome": "running", "says": ""}))
    assert "stopped: it ended without a word" in osler("round", "status", copy)[1]


def test_two_at_once(osler: Run, copy: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    handle = os.open(copy, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        _one_sentence(osler("round", "resume", copy), "another process is at work", "wait for it")
    finally:
        os.close(handle)


def test_a_lost_image_is_told_by_the_stage_that_needs_it(world: World, copy: Path) -> None:
    from osler.core import BadFileError, ImageRef
    from osler.improve.round import read_round
    from osler.improve.round.context import Round

    round_ = Round(copy, read_round(copy)["plan"])
    check_start(round_)
    row = json.loads((copy / "retrieve" / "selection.jsonl").read_text().splitlines()[0])
    ref = ImageRef(**row["image"])
    image_path(copy, ref).write_bytes(b"")
    with pytest.raises(BadFileError, match="has changed"):
        round_.read_image(ref)


# Processes of their own: Ctrl-C and a full disk.


def _process(words: list[object], cwd: Path, before: str = "") -> subprocess.Popen[str]:
    script = f"{before}\nfrom osler.cli.main import run; run()"
    return subprocess.Popen(
        [sys.executable, "-B", "-c", script, *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd,
    )  # fmt: skip


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_ctrl_c_costs_a_sentence_and_the_round_goes_on(
    osler: Run, world: World, tmp_path: Path
) -> None:
    plan = _plan(world, tmp_path / "plan.toml", {"annotator": "people"})
    child = _process(["round", "run", "--plan", plan, "--out", "round", "--jobs", "1"], Path.cwd())
    assert child.stderr is not None
    for line in child.stderr:
        if line.startswith("student on candidates"):
            child.send_signal(signal.SIGINT)
            break
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert err.count("osler: interrupted") == 1
    assert "Traceback" not in err
    assert "stopped: interrupted" in osler("round", "status", "round")[1]


def test_a_full_disk(world: World, tmp_path: Path) -> None:
    pytest.importorskip("resource", reason="limits of file size are POSIX")
    plan = _plan(world, tmp_path / "plan.toml", {})
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))"
    words = ["round", "run", "--plan", plan, "--out", "round", "--jobs", "1"]
    child = _process(words, tmp_path, limit)
    out, err = child.communicate(timeout=60)
    _one_sentence((child.returncode, out, err), "cannot write ", "free some space")
    assert not list((tmp_path / "round").rglob(".*")), "no temporary file"
    assert not list((tmp_path / "round").rglob("stage.json"))


def test_an_oracle_that_is_down(osler: Run, world: World, tmp_path: Path) -> None:
    changes = {"annotator": "people", "oracle": "vllm/m", "trials": 2,
               "oracle_options": {"base_url": "http://127.0.0.1:9/v1"}}  # fmt: skip
    plan = _plan(world, tmp_path / "plan.toml", changes)
    said = osler("round", "run", "--plan", plan, "--out", "round", "--jobs", "1")
    _one_sentence(said, "vllm/m: cannot connect to http://127.0.0.1:9/v1", "start the server")
    assert "stopped: vllm/m: cannot connect" in osler("round", "status", "round")[1]
    assert not Path("round/ask/stage.json").exists()
