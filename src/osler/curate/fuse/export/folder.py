"""A new folder that appears whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from osler.core import InputError


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder beside ``out`` that gets its name when the block ends well.

    Raises
    ------
    InputError
        ``out`` is there and not an empty folder, or the system refuses to write.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is there already; name a new folder")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror}; choose another place") from error
    try:
        yield place
        os.chmod(place, 0o777 & ~_umask())
        if out.is_dir():
            out.rmdir()
        place.rename(out)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS}:
            raise InputError(f"cannot write {out}: {error.strerror}; free some space") from error
        raise
    finally:
        if place.exists():
            shutil.rmtree(place, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
