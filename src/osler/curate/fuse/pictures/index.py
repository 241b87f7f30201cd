"""The images of a folder as tables name them: by path, by name, or by name without suffix."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from ..faults import LayoutError
from ..volumes.files import inside
from .listing import DICOM, PICTURES, files_below

_VARIANTS = ("_downsampled", "_superpixels", "_segmentation")
"""By-products beside an image; only the first may stand for it."""


class PictureIndex:
    """The images of a folder by path, name and name without suffix, and which were asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = list(files_below(folder, PICTURES | DICOM))
        self.used: set[Path] = set()
        self.by_name: dict[str, list[Path]] = defaultdict(list)
        for path in self.paths:
            self.by_name[path.name].append(path)
            self.by_name[path.stem].append(path)
        self.known = set(self.paths)

    def find(self, name: str, table: Path, case: str) -> tuple[Path, str]:
        """The image that a row names, and the variant that it is (``downsampled``), if one."""
        wanted = inside(self.folder, name, table, case).relative_to(self.folder)
        depth = len(wanted.parts)
        for n in range(depth):  # a table may begin its paths with the set's own name
            part = Path(*wanted.parts[n:])
            if part in self.known:
                self.used.add(part)
                return part, ""
        fits = [p for p in self.by_name.get(wanted.name, ()) if p.parts[-depth:] == wanted.parts]
        if depth > 1 and fits:
            return self._only(fits, name, table, case), ""
        # A path with folders never falls back to its last name: that may be another patient's.
        names = (wanted.name, wanted.stem) if depth == 1 else ()
        for key in dict.fromkeys(names):
            if key in self.by_name:
                return self._only(sorted(set(self.by_name[key])), name, table, case), ""
        for variant in _VARIANTS[:1] if depth == 1 else ():
            if other := self.by_name.get(wanted.name + variant):
                return self._only(other, name, table, case), variant.strip("_")
        raise LayoutError(
            "file-missing", table, f"names {name[:80]!r}, which is not there", "fetch it", case=case
        )

    def _only(self, fits: list[Path], name: str, table: Path, case: str) -> Path:
        if len(fits) > 1:
            raise LayoutError(
                "table-row",
                table,
                f"names {name[:80]!r}, which may be {fits[0]} or {fits[1]}",
                "name it with its folder and suffix",
                case=case,
            )
        self.used.add(fits[0])
        return fits[0]

    def unused(self) -> list[Path]:
        """Images that no row named, without the variants of such as a row named."""
        named = {path.stem for path in self.used}
        return [
            path
            for path in self.paths
            if path not in self.used
            and not any(
                path.stem.endswith(v) and path.stem.removesuffix(v) in named for v in _VARIANTS
            )
        ]
