"""Read the tensors of a PyTorch ``.pth`` file without PyTorch and without executing anything.

A ``.pth`` file is a pickle, and a pickle is a program. This module never runs it: it walks over
the opcodes with a small interpreter that knows only the data-building ones, and that knows three
things by name: an ordered dictionary, a rebuilt tensor and the typed storages. Any other name,
any other call and any other opcode is refused. Formats: the zip archive of PyTorch 1.6 and
later, and the older stream of pickles followed by raw storages ("legacy"); see
``torch/serialization.py``.
"""

from __future__ import annotations

import io
import math
import pickletools
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from osler.core import BadFileError

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_LARGEST = 1 << 31
"""Files above 2 GiB are refused: no embedded weight is near."""

_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "?",
}


class _Refused(Exception):
    """The program asks for something that plain tensors do not need."""


@dataclass(frozen=True, slots=True)
class _Name:
    module: str
    name: str


@dataclass(frozen=True, slots=True)
class _Storage:
    kind: str
    key: str
    count: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


_MARK = _Name("", "mark")
_ORDERED_DICT = _Name("collections", "OrderedDict")
_REBUILD = _Name("torch._utils", "_rebuild_tensor_v2")


def read_torch_weights(path: str | Path) -> dict[str, NDArray[Any]]:
    """The tensors of a state dictionary saved by ``torch.save``.

    Parameters
    ----------
    path
        A ``.pth`` or ``.pt`` file that holds a dictionary from names to tensors.

    Returns
    -------
    dict
        Name to array, in the file's order; bfloat16 becomes float32, other types stay.

    Raises
    ------
    BadFileError
        The file is truncated, is no such dictionary, or asks for anything but plain tensors.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _LARGEST:
            raise _Refused("larger than 2 GiB")
        with path.open("rb") as file:
            zipped = file.read(4) == b"PK\x03\x04"
            file.seek(0)
            found, storages = _from_zip(file) if zipped else _from_stream(file)
        if not isinstance(found, dict) or not all(
            isinstance(k, str) and isinstance(v, _Tensor) for k, v in found.items()
        ):
            raise _Refused("not a dictionary from names to tensors")
        return {name: _array(tensor, storages) for name, tensor in found.items()}
    except _Refused as error:
        raise BadFileError(path, f"refused as weights: {error}", "use another file") from error
    except FileNotFoundError as error:
        raise BadFileError(path, "no such file") from error
    except (
        OSError,
        EOFError,
        ValueError,  # what pickletools raises, UnicodeDecodeError included
        KeyError,
        IndexError,
        TypeError,
        struct.error,
        zipfile.BadZipFile,
        MemoryError,  # an opcode that announces exabytes
        NotImplementedError,  # zipfile: an unknown compression
    ) as error:
        raise BadFileError(
            path, f"truncated or not a PyTorch weight file ({error})", "fetch it again"
        ) from error


def _from_zip(file: IO[bytes]) -> tuple[Any, dict[str, bytes]]:
    with zipfile.ZipFile(file) as archive:
        names = {info.filename: info for info in archive.infolist()}
        if any(info.compress_type != zipfile.ZIP_STORED for info in names.values()):
            raise _Refused("its archive is compressed, which torch.save never does")
        if sum(info.file_size for info in names.values()) > _LARGEST:
            raise _Refused("its archive unpacks to more than 2 GiB")
        program = [name for name in names if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(program) != 1:
            raise _Refused("its archive has no data.pkl")
        root = program[0].removesuffix("data.pkl")
        if names.get(root + "byteorder") and archive.read(root + "byteorder") != b"little":
            raise _Refused("its storages are big-endian")
        found = _interpret(io.BytesIO(archive.read(program[0])))
        prefix = root + "data/"
        storages = {
            name.removeprefix(prefix): archive.read(name)
            for name in names
            if name.startswith(prefix)
        }
    return found, storages


def _from_stream(file: IO[bytes]) -> tuple[Any, dict[str, bytes]]:
    if _interpret(file) != _MAGIC or _interpret(file) != _PROTOCOL:
        raise _Refused("it does not begin as torch.save writes")
    system = _interpret(file)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise _Refused("its storages are big-endian")
    found = _interpret(file)
    kinds = _kinds(found)
    storages = {}
    for key in _interpret(file):
        if not isinstance(key, str):  # also: a tuple nested sixty times in itself hashes for ever
            raise _Refused("a storage whose key is no text")
        (count,) = struct.unpack("<q", file.read(8))
        storage = kinds.get(key)
        if storage is None or storage.count != count:
            raise _Refused(f"storage {key!r} does not fit its tensors")
        size = count * np.dtype(_DTYPES[storage.kind]).itemsize
        if size > _LARGEST:
            raise _Refused(f"storage {key!r} is larger than 2 GiB")
        storages[key] = file.read(size)
    return found, storages


def _kinds(found: Any) -> dict[str, _Storage]:
    tensors = found.values() if isinstance(found, dict) else ()
    return {t.storage.key: t.storage for t in tensors if isinstance(t, _Tensor)}


def _array(tensor: _Tensor, storages: dict[str, bytes]) -> NDArray[Any]:
    dtype = np.dtype(_DTYPES[tensor.storage.kind])
    data = storages[tensor.storage.key]
    if len(data) != tensor.storage.count * dtype.itemsize:
        raise _Refused(f"storage {tensor.storage.key!r} has {len(data)} bytes, not as announced")
    flat = np.frombuffer(data, dtype)
    if math.prod(tensor.shape) == 0:
        view = np.zeros(tensor.shape, dtype)
    else:
        last = tensor.offset + sum(
            (n - 1) * step for n, step in zip(tensor.shape, tensor.stride, strict=True)
        )
        if last >= flat.size or math.prod(tensor.shape) > flat.size:
            raise _Refused("a tensor reaches beyond its storage")
        steps = [step * dtype.itemsize for step in tensor.stride]
        view = np.ndarray(tensor.shape, dtype, data, tensor.offset * dtype.itemsize, steps)
    if tensor.storage.kind == "BFloat16Storage":
        return (view.astype(np.uint32) << 16).view(np.float32)
    return view.copy()


def _persistent(saved: Any) -> _Storage:
    """('storage', type, key, place, count[, None]): the only reference torch.save writes."""
    if not (isinstance(saved, tuple) and len(saved) in (5, 6) and saved[0] == "storage"):
        raise _Refused("a reference that is no storage")
    _, kind, key, _place, count, *view = saved
    if any(part is not None for part in view):
        raise _Refused("a view on a storage")
    if not (isinstance(kind, _Name) and isinstance(key, str) and _natural(count)):
        raise _Refused("a malformed storage")
    return _Storage(kind.name, key, count)


def _natural(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST


def _call(function: Any, arguments: Any) -> Any:
    """The two calls a file of tensors needs, done here as data."""
    if function == _ORDERED_DICT and arguments in ((), ([],)):
        return {}
    if function == _REBUILD and isinstance(arguments, tuple) and len(arguments) in (6, 7):
        storage, offset, shape, stride = arguments[:4]
        plain = isinstance(shape, tuple) and isinstance(stride, tuple)
        if not (isinstance(storage, _Storage) and _natural(offset) and plain):
            raise _Refused("a malformed tensor")
        if len(shape) != len(stride) or not all(_natural(n) for n in (*shape, *stride)):
            raise _Refused("a malformed tensor")
        return _Tensor(storage, offset, shape, stride)
    raise _Refused("it calls something")


def _global(text: str) -> _Name:
    module, _, name = text.partition(" ")
    found = _Name(module, name)
    if found in (_ORDERED_DICT, _REBUILD) or (module == "torch" and name in _DTYPES):
        return found
    raise _Refused(f"it asks for {module}.{name}")


def _interpret(file: IO[bytes]) -> Any:
    """Run one pickle as data; the file is left right behind its STOP."""
    machine = _Machine([], {})
    for opcode, argument, _position in pickletools.genops(file):
        if opcode.name == "STOP":
            return machine.stack.pop()
        step = _STEPS.get(opcode.name)
        if step is None:
            raise _Refused(f"its opcode {opcode.name} is not needed for tensors")
        step(machine, argument)
    raise EOFError("no end")


@dataclass(slots=True)
class _Machine:
    stack: list[Any]
    memo: dict[int, Any]

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self, count: int) -> list[Any]:
        if count > len(self.stack):
            raise IndexError("stack is too short")
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return taken

    def pop_to_mark(self) -> list[Any]:
        taken = []
        while (value := self.stack.pop()) is not _MARK:
            taken.append(value)
        return taken[::-1]

    def set_items(self, pairs: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict or len(pairs) % 2:
            raise _Refused("it sets items of something that is no dictionary")
        if not all(isinstance(key, str) for key in pairs[::2]):
            raise _Refused("a dictionary whose keys are no text")
        target.update(zip(pairs[::2], pairs[1::2], strict=True))

    def extend(self, values: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise _Refused("it appends to something that is no list")
        self.stack[-1].extend(values)

    def build(self) -> None:
        (_state,) = self.pop(1)  # the `_metadata` of a state dictionary: of no use here
        if type(self.stack[-1]) is not dict:
            raise _Refused("it sets the state of something that is no dictionary")


_Step = Callable[[_Machine, Any], None]


def _tuple(count: int) -> _Step:
    return lambda m, _: m.push(tuple(m.pop(count)))


def _constant(make: Callable[[], Any]) -> _Step:
    return lambda m, _: m.push(make())


def _value(machine: _Machine, argument: Any) -> None:
    machine.push(argument)


def _nothing(_machine: _Machine, _argument: Any) -> None:
    return None


def _put(machine: _Machine, index: int) -> None:
    machine.memo[index] = machine.stack[-1]


def _reduce(machine: _Machine, _argument: Any) -> None:
    function, arguments = machine.pop(2)
    machine.push(_call(function, arguments))


_STEPS: dict[str, _Step] = {
    "PROTO": _nothing,
    "FRAME": _nothing,
    **dict.fromkeys(
        ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"),
        _value,
    ),
    "NONE": _constant(lambda: None),
    "NEWTRUE": _constant(lambda: True),
    "NEWFALSE": _constant(lambda: False),
    "EMPTY_TUPLE": _constant(tuple),
    "EMPTY_LIST": _constant(list),
    "EMPTY_DICT": _constant(dict),
    "MARK": _constant(lambda: _MARK),
    "TUPLE": lambda m, _: m.push(tuple(m.pop_to_mark())),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "SETITEM": lambda m, _: m.set_items(m.pop(2)),
    "SETITEMS": lambda m, _: m.set_items(m.pop_to_mark()),
    "APPEND": lambda m, _: m.extend(m.pop(1)),
    "APPENDS": lambda m, _: m.extend(m.pop_to_mark()),
    "BINPUT": _put,
    "LONG_BINPUT": _put,
    "BINGET": lambda m, i: m.push(m.memo[i]),
    "LONG_BINGET": lambda m, i: m.push(m.memo[i]),
    "MEMOIZE": lambda m, _: _put(m, len(m.memo)),
    "GLOBAL": lambda m, text: m.push(_global(text)),
    "BINPERSID": lambda m, _: m.push(_persistent(m.pop(1)[0])),
    "REDUCE": _reduce,
    "BUILD": lambda m, _: m.build(),
}
