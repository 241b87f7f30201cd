"""Adding images: what goes in, what is passed over, what a kill and a full disk leave behind."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pool_thumbnail import picture, save

from osler.core import BadFileError, InputError, MissingError, UnknownNameError
from osler.curate.pool import (
    Processes,
    Stated,
    add,
    append,
    broken_shards,
    load_encoder,
    open_pool,
    phash,
    read_record,
    top_k,
)

DICOM = Path(pydicom.__file__).parent / "data" / "test_files"


def _folder(root: Path, count: int = 12) -> Path:
    for n in range(count):
        save(root / f"p{n % 3}" / f"{n:03d}.png", picture(n))
    return root


def test_records_say_what_was_added(tmp_path: Path, encoder: str) -> None:
    images = _folder(tmp_path / "images")
    stated = Stated("X-Ray", "CC-BY-4.0", "ours", "folder")
    done = add(tmp_path / "pool", [images], stated=stated, encoder=encoder, shard_rows=5)
    assert (done.added, done.duplicates, done.broken, done.shards) == (12, 0, 0, 3)
    pool = open_pool(tmp_path / "pool")
    assert [shard.rows for shard in pool.shards] == [5, 5, 2]
    (record,) = pool.records([7])
    path = Path(record["path"])
    assert path == sorted(images.rglob("*.png"))[7]
    assert record["patient"] == path.parent.name
    assert (record["modality"], record["licence"], record["source"]) == (
        "xray",
        "CC-BY-4.0",
        "ours",
    )
    assert (record["width"], record["height"]) == (64, 64)
    assert record["phash"] == phash(read_record(record).grey)
    wanted = load_encoder(encoder).embed([picture(int(path.stem))])
    assert top_k(pool, wanted, 1).row.tolist() == [7]
    assert np.isfinite(pool.features()).all()
    assert broken_shards(pool) == []


def test_the_same_again_adds_nothing_and_copies_are_passed_over(
    tmp_path: Path, encoder: str
) -> None:
    images = _folder(tmp_path / "images")
    shutil.copy(images / "p0" / "000.png", images / "copy.png")
    first = add(tmp_path / "pool", [images], encoder=encoder)
    assert (first.added, first.duplicates) == (12, 1)
    before = (tmp_path / "pool" / "pool.json").read_bytes()
    again = add(tmp_path / "pool", [images])
    assert (again.added, again.duplicates, again.shards) == (0, 13, 0)
    assert (tmp_path / "pool" / "pool.json").read_bytes() == before


def test_processes_give_the_same_pool_as_one(tmp_path: Path, encoder: str) -> None:
    images = _folder(tmp_path / "images", 9)
    add(tmp_path / "one", [images], encoder=encoder, shard_rows=2)
    add(tmp_path / "two", [images], encoder=encoder, shard_rows=2, executor=Processes(2))
    one, two = open_pool(tmp_path / "one"), open_pool(tmp_path / "two")
    assert one.shards == two.shards  # names, rows and checksums


def test_broken_files_are_skipped_and_listed(tmp_path: Path, encoder: str) -> None:
    images = _folder(tmp_path / "images", 3)
    (images / "cut.png").write_bytes((images / "p0" / "000.png").read_bytes()[:300])
    (images / "text.jpg").write_text("no image")
    (images / "notes.txt").write_text("passed over")
    done = add(tmp_path / "pool", [images], encoder=encoder)
    assert (done.added, done.broken) == (3, 2)
    lines = (tmp_path / "pool" / "errors.jsonl").read_text().splitlines()
    assert [Path(json.loads(line)["path"]).name for line in lines] == ["cut.png", "text.jpg"]
    add(tmp_path / "pool", [images])
    assert (tmp_path / "pool" / "errors.jsonl").read_text().splitlines() == lines
    only = tmp_path / "only"
    only.mkdir()
    shutil.copy(images / "cut.png", only)
    assert add(tmp_path / "other", [only], encoder=encoder).broken == 1
    assert len(open_pool(tmp_path / "other")) == 0


def test_tables_and_dicomdirs(tmp_path: Path, encoder: str) -> None:
    images = _folder(tmp_path / "images", 2)
    table = tmp_path / "images" / "list.tsv"
    table.write_text("image_path\tpatient\tmodality\np0/000.png\tA\tCT\np1/001.png\tB\t\n")
    stated = Stated(modality="mri", patient_from="column")
    add(tmp_path / "pool", [table], stated=stated, encoder=encoder)
    found = open_pool(tmp_path / "pool").columns("patient", "modality")
    assert found["patient"].tolist() == ["A", "B"]
    assert found["modality"].tolist() == ["ct", "mri"]
    done = add(
        tmp_path / "dicom",
        [DICOM / "dicomdirtests" / "DICOMDIR"],
        encoder=encoder,
        stated=Stated(patient_from="dicom"),
    )
    pool = open_pool(tmp_path / "dicom")
    assert done.added == len(pool) > 10
    patients = set(pool.columns("patient")["patient"])
    assert len(patients) == 2
    assert not patients & {"", "77654033", "98890234", "98892001"}  # keys, never the real numbers
    assert {"ct", "mri"} & set(pool.columns("modality")["modality"])
    bad = tmp_path / "bad.csv"
    bad.write_text("name\nx\n")
    with pytest.raises(InputError, match="no column of paths"):
        add(tmp_path / "new", [bad], encoder=encoder)
    assert images.is_dir()
    assert not (tmp_path / "new").exists()


def test_what_cannot_be_added_is_refused_before_anything_is_made(
    tmp_path: Path, encoder: str
) -> None:
    with pytest.raises(BadFileError, match="no such file"):
        add(tmp_path / "pool", [tmp_path / "nowhere"], encoder=encoder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no image in"):
        add(tmp_path / "pool", [tmp_path / "empty"], encoder=encoder)
    images = _folder(tmp_path / "images", 1)
    with pytest.raises(UnknownNameError, match="encoder"):
        add(tmp_path / "pool", [images], encoder="eficientnet-lite0")
    with pytest.raises(MissingError, match="cannot be loaded"):
        add(tmp_path / "pool", [images], encoder="no_such_module:load")
    with pytest.raises(UnknownNameError, match="modality"):
        add(tmp_path / "pool", [images], encoder=encoder, stated=Stated(modality="ctt"))
    assert not (tmp_path / "pool").exists()
    with pytest.raises(InputError, match="is no pool"):
        add(images, [images], encoder=encoder)


def test_a_pool_of_another_encoder_is_refused(tmp_path: Path, encoder: str) -> None:
    images = _folder(tmp_path / "images", 2)
    add(tmp_path / "pool", [images], encoder=encoder)
    manifest = tmp_path / "pool" / "pool.json"
    manifest.write_text(manifest.read_text().replace("thumbnail-1", "thumbnail-0"))
    with pytest.raises(InputError, match="vectors of thumbnail-0"):
        add(tmp_path / "pool", [images])
    with pytest.raises(InputError, match="dim 49"):
        append(open_pool(tmp_path / "pool"), [{"sha256": "0", "path": ""}], np.ones((1, 5)))


def test_a_changed_file_behind_a_hash_is_not_used(tmp_path: Path, encoder: str) -> None:
    images = _folder(tmp_path / "images", 2)
    add(tmp_path / "pool", [images], encoder=encoder)
    (record, other) = open_pool(tmp_path / "pool").records()
    save(Path(record["path"]), picture(77))
    with pytest.raises(BadFileError, match="has changed since"):
        read_record(record)
    Path(other["path"]).unlink()
    with pytest.raises(BadFileError, match="cannot be read"):
        read_record(other)


def test_a_shard_that_is_not_its_checksum_is_named(tmp_path: Path, encoder: str) -> None:
    add(tmp_path / "pool", [_folder(tmp_path / "images", 4)], encoder=encoder, shard_rows=2)
    pool = open_pool(tmp_path / "pool")
    place = tmp_path / "pool" / "shards" / "00001" / "vectors.npy"
    content = bytearray(place.read_bytes())
    content[-1] ^= 1
    place.write_bytes(content)
    assert broken_shards(pool) == ["00001/vectors.npy"]
    shutil.rmtree(place.parent)
    with pytest.raises(BadFileError, match="is gone"):
        open_pool(tmp_path / "pool")
    with pytest.raises(BadFileError, match="is no pool"):
        open_pool(tmp_path)


def test_a_full_disk_keeps_finished_shards(
    tmp_path: Path, encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = _folder(tmp_path / "images", 6)
    real = np.save

    def full(path: Path, values: np.ndarray) -> None:
        if "00002" in str(path):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, values)

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(InputError, match="No space left"):
        add(tmp_path / "pool", [images], encoder=encoder, shard_rows=2)
    monkeypatch.undo()
    assert sorted(os.listdir(tmp_path / "pool" / "shards")) == ["00000", "00001"]
    load_encoder.cache_clear()


def test_killed_in_the_middle_it_goes_on(tmp_path: Path, encoder: str) -> None:
    images = _folder(tmp_path / "images", 300)
    code = (
        "import sys; from osler.curate.pool import add\n"
        "add(sys.argv[1], [sys.argv[2]], encoder=sys.argv[3], shard_rows=20)"
    )
    pool = tmp_path / "pool"
    process = subprocess.Popen([sys.executable, "-c", code, str(pool), str(images), encoder])
    until = time.monotonic() + 60
    while not (pool / "shards" / "00002").exists() and time.monotonic() < until:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = {p: p.stat().st_mtime_ns for p in (pool / "shards").glob("[0-9]*/vectors.npy")}
    before = len(open_pool(pool))
    assert 60 <= before < 300
    done = add(pool, [images], shard_rows=20)
    assert (done.added, done.duplicates) == (300 - before, before)
    assert {p: p.stat().st_mtime_ns for p in finished} == finished
    digests = open_pool(pool).columns("sha256")["sha256"]
    assert len(digests) == len(set(digests)) == 300
    assert not list((pool / "shards").glob(".*"))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="sees processes in /proc")
def test_workers_end_when_the_one_that_started_them_is_killed(tmp_path: Path, encoder: str) -> None:
    """Workers that lived on would wait for ever, and write where the next call begins."""
    images = _folder(tmp_path / "images", 400)
    code = (
        "import sys; from osler.curate.pool import Processes, add\n"
        "if __name__ == '__main__':\n"
        "    add(sys.argv[1], [sys.argv[2]], encoder=sys.argv[3], shard_rows=20,\n"
        "        executor=Processes(2))"
    )
    pool, script = tmp_path / "pool", tmp_path / "adds.py"
    script.write_text(code)
    process = subprocess.Popen(
        [sys.executable, str(script), str(pool), str(images), encoder], start_new_session=True
    )
    until = time.monotonic() + 60
    while not list((pool / "shards").glob("[0-9]*")) and time.monotonic() < until:
        time.sleep(0.002)
    assert len(_session(process.pid)) >= 3
    process.send_signal(signal.SIGKILL)
    process.wait()
    while _session(process.pid) and time.monotonic() < until:
        time.sleep(0.02)
    assert not _session(process.pid)
    before = len(open_pool(pool))
    assert 20 <= before < 400
    assert add(pool, [images], shard_rows=20).added == 400 - before


def _session(leader: int) -> list[int]:
    """Processes, not zombies, of the session that ``leader`` began."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def test_two_calls_do_not_add_at_once(tmp_path: Path, encoder: str) -> None:
    import fcntl

    images = _folder(tmp_path / "images", 2)
    add(tmp_path / "pool", [images], encoder=encoder)
    with (tmp_path / "pool" / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another call"):
            add(tmp_path / "pool", [images])
