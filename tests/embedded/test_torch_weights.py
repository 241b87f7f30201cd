"""The restricted weight reader: equal to torch where it may read, refusing where it may not."""

from __future__ import annotations

import builtins
import operator
import os
import pickle
import random
import struct
import subprocess
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from osler.core import BadFileError
from osler.models.embedded import EFFICIENTNET_LITE0, find_embedded
from osler.models.torch_weights import read_torch_weights

torch = pytest.importorskip("torch")


def sample_state() -> OrderedDict:
    generator = torch.Generator().manual_seed(1)
    base = torch.randn(6, 5, 4, generator=generator)
    return OrderedDict(
        whole=base,
        part=base[2:4, 1:, ::2],
        turned=base.permute(2, 0, 1),
        half=base.half(),
        brain=base[:3].bfloat16(),
        counts=torch.arange(7),
        flags=torch.tensor([True, False]),
        scalar=torch.tensor(3.5, dtype=torch.float64),
        empty=torch.zeros(0, 4),
    )


@pytest.mark.parametrize("zipped", [True, False])
def test_equal_to_torch(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "state.pth"
    torch.save(sample_state(), path, _use_new_zipfile_serialization=zipped)
    ours, theirs = read_torch_weights(path), torch.load(path, weights_only=True)
    assert list(ours) == list(theirs)
    for name, tensor in theirs.items():
        wanted = tensor.float().numpy() if tensor.dtype == torch.bfloat16 else tensor.numpy()
        assert ours[name].dtype == wanted.dtype
        np.testing.assert_array_equal(ours[name], wanted)


def test_embedded_weights_equal_to_torch() -> None:
    path = find_embedded(EFFICIENTNET_LITE0).path
    ours, theirs = read_torch_weights(path), torch.load(path, weights_only=True)
    assert list(ours) == list(theirs)
    assert len(ours) == 296
    assert all(np.array_equal(ours[name], tensor.numpy()) for name, tensor in theirs.items())


class Planted:
    """Unpickling this calls ``call`` with ``arguments``."""

    def __init__(self, call: object, *arguments: object) -> None:
        self.reduced = (call, arguments)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.reduced


def hostile_programs(mark: Path) -> dict[str, bytes]:
    touch = f"touch {mark}"
    planted = {
        "system": Planted(os.system, touch),
        "eval": Planted(builtins.eval, f"__import__('os').system({touch!r})"),
        "exec": Planted(builtins.exec, f"open({str(mark)!r}, 'w')"),
        "getattr": Planted(getattr, "x", "upper"),
        "popen": Planted(subprocess.check_call, ["touch", str(mark)]),
        "attrgetter": Planted(operator.attrgetter, "system"),
        "bytearray": Planted(bytearray, 10),
    }
    programs = {
        f"{name}-{protocol}": pickle.dumps({"weight": thing}, protocol)
        for name, thing in planted.items()
        for protocol in (0, 1, 2, 4)
    }
    text = touch.encode()
    programs["inst"] = b"(S'" + text + b"'\nios\nsystem\n."
    programs["obj"] = b"(cos\nsystem\nS'" + text + b"'\no."
    programs["newobj"] = b"\x80\x02ccollections\nOrderedDict\n)\x81."
    programs["stack-global"] = b"\x80\x04\x8c\x02os\x8c\x06system\x93" + b"\x8c\x04true\x85R."
    programs["dotted-name"] = b"\x80\x04ctorch\nFloatStorage.__init__.__globals__\n)R."
    programs["call-a-storage"] = b"\x80\x02ctorch\nFloatStorage\n)R."
    programs["build-on-a-name"] = b"\x80\x02ctorch\nFloatStorage\n}b."
    programs["extension"] = b"\x80\x02\x82\x01."
    return programs


@pytest.mark.parametrize("name", sorted(hostile_programs(Path("unused"))))
@pytest.mark.parametrize("zipped", [True, False])
def test_hostile_programs_are_refused_and_never_run(
    tmp_path: Path, name: str, zipped: bool
) -> None:
    mark = tmp_path / "mark"
    program = hostile_programs(mark)[name]
    path = tmp_path / "hostile.pth"
    if zipped:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", program)
    else:
        head = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
        path.write_bytes(b"".join(pickle.dumps(part, 2) for part in head) + program)
    with pytest.raises(BadFileError, match=r"hostile\.pth"):
        read_torch_weights(path)
    assert not mark.exists()


def test_the_planted_program_would_have_run(tmp_path: Path) -> None:
    """The plants above are live: plain pickle runs them."""
    mark = tmp_path / "mark"
    pickle.loads(hostile_programs(mark)["system-2"])
    assert mark.exists()


def tensor_program(shape: str, stride: str, offset: int = 0) -> bytes:
    """{'w': tensor} over a storage of 4 floats, with freely chosen geometry."""
    return (
        b"\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n"
        b"((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
        b"K\x04tQ" + b"J" + struct.pack("<i", offset) + pack_tuple(shape) + pack_tuple(stride)
        + b"\x89}tRs."
    )  # fmt: skip


def pack_tuple(text: str) -> bytes:
    numbers = [int(part) for part in text.split()]
    return b"(" + b"".join(b"J" + struct.pack("<i", n) for n in numbers) + b"t"


@pytest.mark.parametrize(
    ("shape", "stride", "offset"),
    [
        ("5", "1", 0),
        ("2 2", "2 4", 0),
        ("4", "1", 1),
        ("2", "-1", 3),
        ("1000000 1000000", "0 0", 0),
        ("-1", "1", 0),
        ("4", "1", -1),
        ("2 2", "2", 0),
    ],
)
def test_geometry_that_leaves_the_storage_is_refused(
    tmp_path: Path, shape: str, stride: str, offset: int
) -> None:
    path = tmp_path / "geometry.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", tensor_program(shape, stride, offset))
        archive.writestr("a/data/0", np.arange(4, dtype="<f4").tobytes())
    with pytest.raises(BadFileError):
        read_torch_weights(path)


def test_the_hand_written_program_is_read_when_it_fits(tmp_path: Path) -> None:
    path = tmp_path / "geometry.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", tensor_program("2 2", "1 2"))
        archive.writestr("a/data/0", np.arange(4, dtype="<f4").tobytes())
    np.testing.assert_array_equal(read_torch_weights(path)["w"], [[0, 2], [1, 3]])


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("keep", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_truncated_files(tmp_path: Path, zipped: bool, keep: float) -> None:
    path = tmp_path / "state.pth"
    torch.save(sample_state(), path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(BadFileError, match=r"state\.pth"):
        read_torch_weights(path)


@pytest.mark.parametrize("content", [b"", b"hello, world", b"PK\x03\x04", b"\x80\x02K\x01."])
def test_files_that_are_something_else(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.pth"
    path.write_bytes(content)
    with pytest.raises(BadFileError):
        read_torch_weights(path)


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}.")
        archive.writestr("a/data/0", bytes(1_000_000))
    with pytest.raises(BadFileError, match="compressed"):
        read_torch_weights(path)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="no such file"):
        read_torch_weights(tmp_path / "nothing.pth")


def test_mutated_files_are_read_or_refused(tmp_path: Path) -> None:
    """No byte turns the reader into anything but arrays or one kind of error."""
    torch = pytest.importorskip("torch")
    state, path = {"a": torch.ones(3, 4), "b": torch.arange(5)}, tmp_path / "x.pth"
    refused = 0
    for zipped in (True, False):
        torch.save(state, path, _use_new_zipfile_serialization=zipped)
        whole = path.read_bytes()
        for seed in range(400):
            draw, changed = random.Random(seed), bytearray(whole)
            for _ in range(draw.choice([1, 2, 8])):
                changed[draw.randrange(draw.choice([len(changed), 400]))] = draw.randrange(256)
            path.write_bytes(changed[: draw.choice([len(changed), draw.randrange(len(changed))])])
            try:
                read_torch_weights(path)
            except BadFileError:
                refused += 1
    assert refused > 400


@pytest.mark.parametrize(
    "program", [b"\x8e" + b"\xff" * 7 + b"\x00.", b"\x8d" + b"\xff" * 6 + b"\x0f\x00."]
)
def test_an_opcode_that_announces_exabytes_is_refused(tmp_path: Path, program: bytes) -> None:
    path = tmp_path / "x.pth"
    path.write_bytes(b"\x80\x04" + program)
    with pytest.raises(BadFileError, match=r"x\.pth"):
        read_torch_weights(path)


def test_a_key_that_would_hash_for_ever_is_refused(tmp_path: Path) -> None:
    """A tuple that holds itself twice, sixty times over: small to write, endless to hash."""
    head = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    nested = b"\x80\x02)" + b"q\x00h\x00\x86" * 60 + b"q\x01]q\x02h\x01a."
    path = tmp_path / "x.pth"
    path.write_bytes(b"".join(pickle.dumps(p, 2) for p in head) + b"\x80\x02}." + nested)
    with pytest.raises(BadFileError, match="key"):
        read_torch_weights(path)
