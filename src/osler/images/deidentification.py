"""De-identification of DICOM data sets by PS3.15 Annex E, and of files without tags."""

from __future__ import annotations

import hmac
import re
import secrets
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydicom import DataElement, Dataset
from pydicom.errors import BytesLengthException
from pydicom.multival import MultiValue
from pydicom.pixels.utils import get_expected_length
from pydicom.sequence import Sequence

from osler import __version__
from osler.core import BadFileError, InputError, UnknownNameError, sha256_hex

from .dicom import read_dataset
from .dicom_text import blank_dataset
from .dicom_write import save_dataset
from .sniff import SUFFIXES, format_of, suffix_of, unknown_format
from .strip import strip_file
from .text import TextBox

KEEP: Mapping[str, tuple[str, str]] = {
    "uids": ("113110", "Retain UIDs Option"),
    "dates": ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    "shifted-dates": ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    "patient": ("113108", "Retain Patient Characteristics Option"),
    "device": ("113109", "Retain Device Identity Option"),
    "institution": ("113112", "Retain Institution Identity Option"),
}
"""Options of PS3.15 E.3 by our name: code and meaning. The default keeps none of these."""

_BASIC = ("113100", "Basic Application Confidentiality Profile")
_CLEAN_PIXELS = ("113101", "Clean Pixel Data Option")
_STANDARD_ROOT = "1.2.840.10008."
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_MAX_SHIFT_DAYS = 3650
_DATES = ("DA", "TM", "DT")
_UNCLEAR = (
    AttributeError,
    BytesLengthException,
    KeyError,
    NotImplementedError,
    OverflowError,
    TypeError,
    ValueError,
)
_ALWAYS_DUMMY = {"DA": "19000101", "TM": "000000", "DT": "19000101000000", "AS": "000Y"}


@dataclass(frozen=True, slots=True)
class Deidentified:
    """What was done: counts of elements by action, options kept, text found in the pixels.

    ``text`` holds the boxes that were blanked; ``text_left`` those still found afterwards.
    """

    removed: int
    emptied: int
    replaced: int
    remapped: int
    kept: tuple[str, ...]
    text: tuple[TextBox, ...] = ()
    text_left: tuple[TextBox, ...] = ()


@dataclass(slots=True)
class _Rules:
    secret: bytes
    keep: frozenset[str]
    patient: str = ""
    done: Counter[str] = field(default_factory=Counter)


def deidentify(
    source: str | Path | Dataset,
    out: str | Path,
    *,
    secret: str | bytes | None = None,
    keep: Iterable[str] = (),
    text: bool = False,
) -> Deidentified:
    """Write a de-identified copy of a file or a DICOM data set.

    Pictures and NIfTI files lose what they hold beside pixels and geometry (see ``strip``).
    DICOM follows the Basic Profile of PS3.15 Annex E (Table E.1-1 of 2026c, kept as data in
    ``ps315.tsv``), applied at every depth of nesting, with these choices where it leaves one:
    dummies rather than removal where an object may need the attribute; Patient ID becomes a
    keyed pseudonym; private elements, curves and overlays are removed; attributes that the table
    does not list are removed if they are person names, dates or of unknown type, and UIDs among
    them are remapped. Structured content (Content Sequence) is emptied. Text in the pixels is
    found and blanked only with ``text=True``, by OCR, which can miss some: look at the result.

    Parameters
    ----------
    source, out
        File or data set (left unchanged), and the file to write.
    secret
        Key of pseudonyms, UIDs and date shifts. The same key gives the same ones, so series and
        follow-ups stay linked; keep it as safe as the originals. None: a new random key.
    keep
        Names from :data:`KEEP`, the retain options of the standard.
    text
        Blank burned-in text; needs the extra ``ocr``.

    Raises
    ------
    BadFileError
        If the file is no image that can be read, or its pixel data are cut off.
    InputError
        If the suffix of ``out`` names another format.
    UnknownNameError
        If ``keep`` names no option.
    MissingError
        If ``text`` is asked for and no OCR is installed.
    """
    rules = _Rules(_secret(secret), _options(keep))
    if not isinstance(source, Dataset):
        kind = format_of(source)
        if kind is None:
            raise unknown_format(source)
        promised = SUFFIXES.get(suffix_of(out), kind)
        if promised != kind:
            raise InputError(
                f"{source} is a {kind.upper()} and de-identification keeps the format, so {out} "
                f"cannot be a {promised.upper()}; choose another suffix"
            )
        if kind != "dicom":
            key = pseudonym(Path(source).name, rules.secret)
            removed, found, left = strip_file(Path(source), kind, Path(out), key, text=text)
            return Deidentified(removed, 0, 0, 0, (), found, left)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = _copied(source)
        _check_whole(ds, _name(source))
        rules.patient = str(ds.get("PatientID") or "")
        _clean(ds, rules)
        blanked, left = blank_dataset(ds, _name(source)) if text else ((), ())
        _state(ds, rules, cleaned=text and not left)
        save_dataset(ds, out)
    count = rules.done
    kept = tuple(sorted(rules.keep))
    return Deidentified(count["X"], count["Z"], count["D"], count["U"], kept, blanked, left)


def _secret(secret: str | bytes | None) -> bytes:
    if secret is None:
        return secrets.token_bytes(32)
    key = secret.encode() if isinstance(secret, str) else secret
    if len(key) < 8:
        raise InputError("the secret of the de-identification is too short; use 8 bytes or more")
    return key


def _options(keep: Iterable[str]) -> frozenset[str]:
    names = frozenset(keep)
    for name in sorted(names):
        if name not in KEEP:
            raise UnknownNameError("option to keep", name, KEEP)
    if {"dates", "shifted-dates"} <= names:
        raise InputError("keep either dates or shifted-dates, not both")
    return names


def _name(source: str | Path | Dataset) -> str:
    return "data set" if isinstance(source, Dataset) else str(source)


def _check_whole(ds: Dataset, name: str) -> None:
    """Refuse pixel data that were cut off, where their length is stated (uncompressed)."""
    if "PixelData" not in ds or ds.file_meta.TransferSyntaxUID.is_compressed:
        return
    try:
        wanted = int(get_expected_length(ds))
    except _UNCLEAR:
        return  # what the header does not state cannot be checked
    found = len(ds.PixelData or b"")
    if found < wanted:
        raise BadFileError(
            name,
            f"its pixel data are cut off ({found:,} of {wanted:,} bytes)",
            "copy or export it again",
        )


def _copied(source: str | Path | Dataset) -> Dataset:
    if not isinstance(source, Dataset):
        return read_dataset(source)
    if not hasattr(source, "file_meta"):
        raise InputError("the data set has no file meta information; read it with dcmread")
    return deepcopy(source)


@cache
def profile() -> Mapping[int, tuple[str, str]]:
    """Tag -> (action, class of the retain option), from Table E.1-1 of PS3.15 2026c."""
    table = {}
    content = files("osler.images").joinpath("ps315.tsv").read_text("utf-8")
    for line in content.splitlines():
        if not line.startswith("#"):
            tag, _, action, option = line.split("\t")
            table[int(tag, 16)] = (action, option)
    return table


def _clean(ds: Dataset, rules: _Rules) -> None:
    """Apply the profile to a data set and all data sets inside it."""
    for tag in list(ds.keys()):
        number = int(tag)
        group = number >> 16
        if group % 2 or group & 0xFF00 == 0x5000 or group & 0xFF00 == 0x6000:
            _remove(ds, tag, rules)
            continue
        try:
            element = ds[tag]
            _apply(ds, element, _action(number, element, rules), rules)
        except _UNCLEAR:
            _remove(ds, tag, rules)  # what cannot be read or set cannot be cleared


def _action(number: int, element: DataElement, rules: _Rules) -> str:
    action, option = profile().get(number, ("", ""))
    if not action:
        action, option = _unlisted(element)
    if option in rules.keep:
        return "recurse" if element.VR == "SQ" else "keep"
    if option == "dates" and "shifted-dates" in rules.keep:
        return "shift"
    return action


def _unlisted(element: DataElement) -> tuple[str, str]:
    """For attributes outside the table: safe by type."""
    if element.VR in ("PN", "UN"):
        return "X", ""
    if element.VR in _DATES:
        return "X", "dates"
    if element.VR == "UI":  # classes and syntaxes say what an object is, not whose
        kind = element.keyword.endswith(("ClassUID", "SyntaxUID", "CodingSchemeUID"))
        return ("recurse", "") if kind else ("U", "uids")
    return "recurse", ""


def _apply(ds: Dataset, element: DataElement, action: str, rules: _Rules) -> None:
    tag = element.tag
    if action == "keep":
        return
    if action in ("recurse", "X/Z/U*") and element.VR == "SQ":
        for item in element.value or ():
            _clean(item, rules)
    elif action == "recurse":
        return
    elif action == "shift":
        _shift(ds, element, rules)
    elif tag == 0x00100020:  # Patient ID
        element.value = pseudonym(rules.patient, rules.secret) if rules.patient else ""
        rules.done["D"] += 1
    elif action == "U":
        _remap(element, rules)
    elif action == "X":
        _remove(ds, tag, rules)
    elif action in ("Z", "X/Z"):
        element.value = Sequence([]) if element.VR == "SQ" else None
        rules.done["Z"] += 1
    else:  # D, Z/D, X/D, X/Z/D: a dummy fits objects of any kind
        _dummy(ds, element, rules)


def _remove(ds: Dataset, tag: Any, rules: _Rules) -> None:
    if tag in ds:
        del ds[tag]
        rules.done["X"] += 1


def _dummy(ds: Dataset, element: DataElement, rules: _Rules) -> None:
    kind = element.VR
    if kind == "SQ":
        element.value = Sequence([])
    elif kind == "UI":
        _remap(element, rules)
        return
    elif kind in _ALWAYS_DUMMY:
        element.value = _ALWAYS_DUMMY[kind]
    elif kind in ("LO", "SH", "ST", "LT", "UT", "UC", "PN", "CS", "AE"):
        element.value = "REMOVED"
    elif kind in ("DS", "IS", "US", "SS", "UL", "SL", "FL", "FD"):
        element.value = 0
    else:
        _remove(ds, element.tag, rules)
        return
    rules.done["D"] += 1


def _texts(element: DataElement) -> list[str]:
    value = element.value
    if value is None or value == "":
        return []
    return [str(v) for v in value] if isinstance(value, MultiValue | list) else [str(value)]


def _set(element: DataElement, values: list[str]) -> None:
    element.value = values if len(values) > 1 else values[0]


def _remap(element: DataElement, rules: _Rules) -> None:
    values = _texts(element)
    found = [remapped_uid(value, rules.secret) for value in values]
    if found != values:
        _set(element, found)
        rules.done["U"] += 1


def remapped_uid(uid: str, secret: bytes) -> str:
    """A UID under 2.25 made from ``uid`` by HMAC-SHA256; those of the standard stay as they are."""
    if uid.startswith(_STANDARD_ROOT):
        return uid
    digest = hmac.digest(secret, b"uid:" + uid.encode(), "sha256")
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def pseudonym(patient: str, secret: bytes) -> str:
    """Sixteen hexadecimal digits for a patient, from the identifier by HMAC-SHA256."""
    return hmac.new(secret, b"patient:" + patient.encode(), "sha256").hexdigest()[:16]


def shift_days(patient: str, secret: bytes) -> int:
    """Days by which all dates of a patient move back, 1 to 3650, the same in every file."""
    digest = hmac.digest(secret, b"days:" + patient.encode(), "sha256")
    return 1 + int.from_bytes(digest[:8], "big") % _MAX_SHIFT_DAYS


def _shift(ds: Dataset, element: DataElement, rules: _Rules) -> None:
    """Move a date by the patient's days; times of day stay; what is no date is removed."""
    if element.VR == "TM" or not element.value:
        return
    days = timedelta(days=shift_days(rules.patient, rules.secret))
    moved = []
    for value in _texts(element):
        match = re.match(r"(\d{4})(\d{2})(\d{2})(.*)$", value.strip())
        try:
            parts = match.groups() if match else ("0", "0", "0", "")
            day = date(int(parts[0]), int(parts[1]), int(parts[2])) - days
        except (ValueError, OverflowError):
            _remove(ds, element.tag, rules)
            return
        moved.append(day.strftime("%Y%m%d") + parts[3])
    _set(element, moved)
    rules.done["D"] += 1


def _state(ds: Dataset, rules: _Rules, *, cleaned: bool) -> None:
    """Say in the data set what was done to it, and give the file a matching header."""
    codes = [_BASIC, *(KEEP[name] for name in sorted(rules.keep))]
    if cleaned:
        codes.append(_CLEAN_PIXELS)
        ds.BurnedInAnnotation = "NO"
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = f"Osler {__version__}, PS3.15 2026c Basic Profile"
    ds.DeidentificationMethodCodeSequence = Sequence([_code(*code) for code in codes])
    kept = "UNMODIFIED" if "dates" in rules.keep else "REMOVED"
    ds.LongitudinalTemporalInformationModified = (
        "MODIFIED" if "shifted-dates" in rules.keep else kept
    )
    ds.preamble = b"\0" * 128
    meta = ds.file_meta
    sop_class = ds.get("SOPClassUID") or meta.get("MediaStorageSOPClassUID") or _SECONDARY_CAPTURE
    if not ds.get("SOPInstanceUID"):  # a file without identity gets one from its content
        old = str(meta.get("MediaStorageSOPInstanceUID") or "")
        old = old or sha256_hex(bytes(ds.get("PixelData") or b"") + rules.patient.encode())
        ds.SOPInstanceUID = remapped_uid(old, rules.secret)
    for tag in list(meta.keys()):
        if int(tag) != 0x00020010:  # transfer syntax
            del meta[tag]
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item
