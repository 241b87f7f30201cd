"""What a PET image states about its activity, and the factor that makes it SUV.

SUVbw (g/mL) is activity concentration (Bq/mL) times body weight (g) over the dose that is left of
the injection at the time to which the image is decay corrected. Method: QIBA FDG-PET/CT profile
and its vendor-neutral pseudo-code, DICOM PS3.3 C.8.9.1 (PET Series, Units, Decay Correction).
Dates and times are used here and not kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydicom import Dataset

from .dicom_tags import numbers, raw, text

_PHILIPS = ("Philips PET Private Group", 0x7053, {"suv": 0x00, "activity": 0x09})
_LEAST_DOSE_BQ = 1e5
_MOST_WEIGHT_KG = 700.0
_MOST_HALF_LIVES = 20.0


@dataclass(slots=True)
class _Facts:
    """Collects what is missing, in the words of the standard."""

    missing: list[str] = field(default_factory=list)

    def positive(self, ds: Dataset | None, name: str) -> float:
        found = None if ds is None else numbers(ds, name)
        if not found or not math.isfinite(found[0]) or found[0] <= 0:
            self.missing.append(name)
            return math.nan
        return found[0]


def pet_facts(ds: Dataset) -> dict[str, str]:
    """What is worth keeping of a PET image, as text.

    ``pet_units``, ``suv_type``, ``decay_correction``, ``tracer`` and ``nuclide`` as stated;
    ``suv_factor``, by which its values become SUVbw; or ``suv_missing``, the attributes that are
    missing or senseless.
    """
    dose = _administered(ds)
    found = {
        "pet_units": text(ds, "Units") or "not stated",
        "suv_type": text(ds, "SUVType") or "",
        "decay_correction": text(ds, "DecayCorrection") or "not stated",
        "tracer": (text(dose, "Radiopharmaceutical") or "") if dose else "",
        "nuclide": _nuclide(dose),
    }
    factor, missing = suv_factor(ds)
    if missing:
        found["suv_missing"] = ", ".join(missing)
    else:
        found["suv_factor"] = f"{factor:.12g}"
    return {key: value for key, value in found.items() if value}


def suv_factor(ds: Dataset) -> tuple[float, list[str]]:
    """Factor from the values of a PET image (after its rescale) to SUVbw, and what it lacks.

    ``GML`` with SUV Type BW (or none): 1. ``CNTS``: the factor that Philips writes for SUV, or its
    factor to Bq/mL. ``BQML``: weight, dose, half-life and times, by Decay Correction: ``ADMIN``
    needs no decay, ``START`` decays to the start of the scan, ``NONE`` to the mean time of this
    acquisition.

    Returns
    -------
    tuple
        The factor (NaN if anything is missing) and the names of what is missing or impossible.
    """
    units = text(ds, "Units")
    if units == "GML":
        kind = text(ds, "SUVType") or "BW"
        return (1.0, []) if kind == "BW" else (math.nan, [f"SUVType BW (it is {kind})"])
    if units == "CNTS":
        direct, activity = _philips(ds, "suv"), _philips(ds, "activity")
        if direct:
            return direct, []
        if not activity:
            return math.nan, ["Philips scale factor (7053,1000) or (7053,1009)"]
        factor, missing = _from_activity(ds)
        return factor * activity, missing
    if units == "BQML":
        return _from_activity(ds)
    return math.nan, [f"Units BQML, GML or CNTS (it is {units or 'not stated'})"]


def _administered(ds: Dataset) -> Dataset | None:
    items = raw(ds, "RadiopharmaceuticalInformationSequence")
    return items[0] if items else None


def _nuclide(dose: Dataset | None) -> str:
    codes = raw(dose, "RadionuclideCodeSequence") if dose else None
    return (text(codes[0], "CodeMeaning") or "") if codes else ""


def _philips(ds: Dataset, which: str) -> float | None:
    """A private factor of Philips, or None where there is none or it is 0."""
    creator, block, elements = _PHILIPS
    try:
        value = ds.private_block(block, creator)[elements[which]].value
        found = float(value)
    except (KeyError, TypeError, ValueError):
        return None
    return found if math.isfinite(found) and found > 0 else None


def _from_activity(ds: Dataset) -> tuple[float, list[str]]:
    facts, dose = _Facts(), _administered(ds)
    weight = facts.positive(ds, "PatientWeight")
    injected = facts.positive(dose, "RadionuclideTotalDose")
    if weight > _MOST_WEIGHT_KG:
        facts.missing.append(f"PatientWeight in kg (it is {weight:g})")
    if injected < _LEAST_DOSE_BQ:
        facts.missing.append(f"RadionuclideTotalDose in Bq (it is {injected:g})")
    correction = text(ds, "DecayCorrection")
    if correction == "ADMIN":
        elapsed, half_life = 0.0, 1.0
    elif correction in ("START", "NONE"):
        half_life = facts.positive(dose, "RadionuclideHalfLife")
        elapsed = _elapsed(ds, dose, half_life, correction, facts)
    else:
        facts.missing.append("DecayCorrection START, ADMIN or NONE")
        elapsed, half_life = math.nan, math.nan
    if facts.missing:
        return math.nan, list(dict.fromkeys(facts.missing))
    return weight * 1000.0 / (injected * 2.0 ** (-elapsed / half_life)), []


def _elapsed(
    ds: Dataset, dose: Dataset | None, half_life: float, correction: str, facts: _Facts
) -> float:
    """Seconds from the injection to the time that the image's activity refers to."""
    acquired = _moment(ds, "AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime")
    series = _moment(ds, "SeriesDate", "SeriesTime")
    if correction == "NONE":
        if acquired is None:
            facts.missing.append("AcquisitionTime")
            return math.nan
        scan: datetime | None = acquired + timedelta(seconds=_mean_time(ds, half_life))
    else:
        scan = _start(ds, series, acquired, half_life, facts)
    injection = _injection(dose, scan or series, facts)
    if scan is None or injection is None:
        return math.nan
    elapsed = (scan - injection).total_seconds()
    if elapsed < 0 or (half_life > 0 and elapsed > _MOST_HALF_LIVES * half_life):
        facts.missing.append(
            f"an injection before the scan (it is {elapsed / 3600:.2f} h before it)"
        )
    return elapsed


def _start(
    ds: Dataset,
    series: datetime | None,
    acquired: datetime | None,
    half_life: float,
    facts: _Facts,
) -> datetime | None:
    """Start of the scan: the series time, unless it was set anew after the acquisition.

    Then it follows from the frame reference time, which counts from the start of the scan to the
    mean time of the frame.
    """
    if series is None:
        facts.missing.append("SeriesTime")
        return None
    if acquired is None or series <= acquired:
        return series
    reference = numbers(ds, "FrameReferenceTime")
    if not reference:
        facts.missing.append("FrameReferenceTime (SeriesTime is later than AcquisitionTime)")
        return None
    mean = _mean_time(ds, half_life)
    return acquired + timedelta(seconds=mean - reference[0] / 1000.0)


def _mean_time(ds: Dataset, half_life: float) -> float:
    """Seconds from the start of a frame to when its activity equals the mean over the frame."""
    frame = (numbers(ds, "ActualFrameDuration") or [0.0])[0] / 1000.0
    if not frame > 0 or not half_life > 0:
        return 0.0
    rate = math.log(2.0) / half_life
    return math.log(rate * frame / -math.expm1(-rate * frame)) / rate


def _injection(dose: Dataset | None, scan: datetime | None, facts: _Facts) -> datetime | None:
    """Time of the injection: with its date, else on the day of the scan or the day before."""
    if dose is None:
        facts.missing.append("RadiopharmaceuticalInformationSequence")
        return None
    stated = _parsed(text(dose, "RadiopharmaceuticalStartDateTime"))
    if stated is not None:
        return stated
    time = text(dose, "RadiopharmaceuticalStartTime")
    if scan is None and time:
        return None
    found = _parsed(f"{scan:%Y%m%d}{time}") if scan and time else None
    if found is None:
        facts.missing.append("RadiopharmaceuticalStartTime")
    elif scan is not None and found > scan:
        found -= timedelta(days=1)
    return found


def _moment(ds: Dataset, date: str, time: str, both: str = "") -> datetime | None:
    day, hour = text(ds, date), text(ds, time)
    if day and hour:
        return _parsed(day + hour)
    return _parsed(text(ds, both)) if both else None


def _parsed(stated: str | None) -> datetime | None:
    """A DICOM date and time (YYYYMMDDHHMMSS.FFFFFF); an offset from UTC is left out."""
    if not stated:
        return None
    plain = stated.replace(":", "").split("+")[0].split("-")[0].strip()
    whole, _, part = plain.partition(".")
    try:
        found = datetime.strptime(whole[:14].ljust(14, "0"), "%Y%m%d%H%M%S")
        return found + timedelta(seconds=float(f"0.{part}") if part else 0.0)
    except ValueError:
        return None


def joined_factors(metas: Sequence[dict[str, str]]) -> dict[str, str]:
    """Facts of a series from those of its slices, in their order in the volume.

    One ``suv_factor`` where all slices share it, else ``suv_factors``, one a slice; the attributes
    that any of them lacks.
    """
    missing = dict.fromkeys(
        name for meta in metas for name in meta.get("suv_missing", "").split(", ") if name
    )
    if missing:
        return {"suv_missing": ", ".join(missing)}
    factors = [meta["suv_factor"] for meta in metas if "suv_factor" in meta]
    if len(factors) < len(metas) or len(set(factors)) == 1:
        return {}
    return {"suv_factor": "", "suv_factors": " ".join(factors)}
