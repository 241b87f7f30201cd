"""How well-known tables of image labels name their columns and write what is not known.

Sources: the published headers of CheXpert (Irvin et al. 2019: 1 positive, 0 negative, -1 uncertain,
blank not mentioned), NIH ChestX-ray14 (Wang et al. 2017: labels joined by "|"), HAM10000 (Tschandl
et al. 2018: one column ``dx``, lesions with several images) and the ISIC challenges (one column of
0 and 1 a class).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from osler.core import InputError

from ..case import Source
from ..faults import LayoutError

Form = Literal["column", "list", "columns", "one-hot"]


@dataclass(frozen=True, slots=True)
class Convention:
    """What the columns of a table mean.

    ``form``: ``column`` one class in a column; ``list`` several joined by ``|``; ``columns`` one
    column of 1, 0, -1 or blank a label; ``one-hot`` one column a class of which exactly one is 1.
    ``labels`` are the columns of labels; empty: ``rest``, all that no other field names.
    """

    name: str
    form: Form
    image: str
    labels: tuple[str, ...] = ()
    patient: str = ""
    group: str = ""
    split: str = ""
    age: str = ""
    sex: str = ""
    view: str = ""
    nothing: str = ""
    """The name by which a list says that it is empty."""
    patient_part: int | None = None
    """The part of the image's path, from its end, that names the patient."""


CONVENTIONS: tuple[Convention, ...] = (
    Convention(
        "CheXpert",
        "columns",
        "Path",
        (
            *("No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity"),
            *("Lung Lesion", "Edema", "Consolidation", "Pneumonia", "Atelectasis"),
            *("Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture", "Support Devices"),
        ),
        age="Age",
        sex="Sex",
        view="Frontal/Lateral",
        patient_part=3,
    ),
    Convention(
        "NIH ChestX-ray14",
        "list",
        "Image Index",
        ("Finding Labels",),
        patient="Patient ID",
        age="Patient Age",
        sex="Patient Gender",
        view="View Position",
        nothing="No Finding",
    ),
    Convention("HAM10000", "column", "image_id", ("dx",), group="lesion_id", age="age", sex="sex"),
    Convention(
        "ISIC 2018/2019",
        "one-hot",
        "image",
        ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"),
        group="lesion_id",
    ),
    Convention(
        "ISIC 2019",
        "one-hot",
        "image",
        ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK"),
        group="lesion_id",
    ),
    Convention(
        "ISIC 2020",
        "column",
        "image_name",
        ("benign_malignant",),
        patient="patient_id",
        group="lesion_id",
        age="age_approx",
        sex="sex",
    ),
)

OPTIONS = {
    "form": "column, list, columns or one-hot: how labels are written",
    "image_column": "column with the name of the image",
    "label_columns": "columns of labels (a list of one or more names)",
    "patient_column": "column with the patient",
    "group_column": "column of what must not be split besides the patient (lesion, study)",
    "split_column": "column with the split",
    "age_column": "column with the age in years",
    "sex_column": "column with the sex",
    "nothing": "name by which a list of labels says that it is empty",
}

_FIELDS = {
    "image_column": "image",
    "patient_column": "patient",
    "group_column": "group",
    "split_column": "split",
    "age_column": "age",
    "sex_column": "sex",
    "nothing": "nothing",
}


def known_convention(columns: Sequence[str]) -> Convention | None:
    """The convention whose image and label columns a header has; the one with most labels."""
    fits = [
        c for c in CONVENTIONS if c.image in columns and all(one in columns for one in c.labels)
    ]
    return max(fits, key=lambda c: len(c.labels), default=None)


def convention_of(source: Source, columns: Sequence[str], path: Path) -> Convention:
    """What the columns of a table mean: by the options, else by a known convention.

    Columns that a convention names but the table lacks are left out.

    Raises
    ------
    LayoutError
        ``table-columns``: no convention fits and the options do not say, or a named column lacks.
    InputError
        An option of the wrong type.
    """
    given: Any = source.options
    known = known_convention(columns)
    labels = given.get("label_columns")
    if known is None and not ("image_column" in given and labels):
        raise LayoutError(
            "table-columns",
            path,
            f"has the columns {', '.join(list(columns)[:12])}, which fit no known convention",
            "say by the options image_column, label_columns and form what they mean",
        )
    found = known or Convention("options", "column", "")
    if labels is not None:
        labels = [labels] if isinstance(labels, str) else labels
        if not isinstance(labels, list) or not all(isinstance(one, str) for one in labels):
            raise InputError(f"source {source.dataset}: option 'label_columns' is no list of names")
        form: Form = "columns" if len(labels) > 1 else "column"
        found = replace(found, labels=tuple(labels), form=form, nothing="")
    changes = {field: given[name] for name, field in _FIELDS.items() if name in given}
    if not all(isinstance(value, str) for value in changes.values()):
        raise InputError(f"source {source.dataset}: options of columns are names, as texts")
    if "form" in given:
        changes["form"] = given["form"]
    found = replace(found, **changes)
    if found.form not in ("column", "list", "columns", "one-hot"):
        raise InputError(
            f"source {source.dataset}: option 'form' is {found.form!r}; give column, list, "
            "columns or one-hot"
        )
    named = {name: getattr(found, field) for name, field in _FIELDS.items() if field != "nothing"}
    wanted = [*found.labels, *(column for name, column in named.items() if name in given)]
    for column in [found.image, *wanted]:
        if column not in columns:
            raise LayoutError(
                "table-columns",
                path,
                f"has no column {column!r}; it has {', '.join(list(columns)[:12])}",
            )
    optional = ("patient", "group", "split", "age", "sex", "view")
    absent: dict[str, Any] = {f: "" for f in optional if getattr(found, f) not in columns}
    return replace(found, **absent)


_STATES: Mapping[str, int | None] = {
    **dict.fromkeys(("1", "1.0", "true", "yes", "positive", "present"), 1),
    **dict.fromkeys(("0", "0.0", "false", "no", "negative", "absent"), 0),
    **dict.fromkeys(("-1", "-1.0", "u", "uncertain", "possible"), -1),
    **dict.fromkeys(("", "nan", "none", "null", "na", "n/a", "not mentioned"), None),
}

UNCERTAIN = frozenset(
    {"u", "uncertain", "unknown", "unk", "possible", "-1", "-1.0", "?", "indeterminate"}
)
"""Words of a class column that are no class."""


def state_of(cell: str) -> int | None:
    """1, 0, -1 (uncertain) or None (not mentioned) for a cell of a label's own column.

    Raises
    ------
    ValueError
        It is none of these.
    """
    try:
        return _STATES[cell.strip().lower()]
    except KeyError:
        raise ValueError(f"{cell[:40]!r} is no 1, 0, -1 or blank") from None


def age_band(cell: str) -> str:
    """The decade of an age in years (``"58"``, ``"058Y"``, ``"58.0"``), empty if it tells none.

    From 90 years on there is one band, as 45 CFR 164.514(b) asks.

    Examples
    --------
    >>> age_band("058Y"), age_band("93"), age_band("414Y"), age_band("")
    ('50-59', '90+', '', '')
    """
    try:
        years = float(cell.strip().upper().removesuffix("Y"))
    except ValueError:
        return ""
    if not 0 <= years < 120:
        return ""
    decade = int(years // 10) * 10
    return f"{decade}-{decade + 9}" if decade < 90 else "90+"


def sex_of(cell: str) -> str:
    """``F``, ``M`` or ``O``; empty if the cell does not tell."""
    text = cell.strip().lower()
    if text in ("f", "female", "woman"):
        return "F"
    if text in ("m", "male", "man"):
        return "M"
    return "O" if text in ("o", "other", "x", "intersex") else ""
