"""Free text of DICOM headers, less all that may name somebody.

Technicians write what they like into descriptions of series: names, dates, numbers of orders. A
fused set is passed on, so only words that are known to tell how a series was taken are kept (PS3.15
Table E.1-1 asks to clean or remove these attributes); all else is left out, not replaced.
"""

from __future__ import annotations

import re

from ..concepts import concept_for

_KNOWN = frozenset(
    """
    2d 3d 4d abd abdomen abdominal adc aorta apex arterial attenuation ax axial b0 b1000 b50 b500
    b800 bladder blade body bold bone brain bravo breast breath bssfp cardiac cart ce cerebral
    chest cine contrast cor coronal corrected ct cta cube dce deep delayed diffusion dixon dti
    dual dwi dynamic early echo enhanced ep epi excretory fa fast fat fatsat fb fbp fdg feet fgre
    fiesta fl2d fl3d flair flash free fs fse gated gd gradient gre hap haste head heart hepatic
    hip ideal image in inphase inspiration ir iterative kernel kidney knee late lava liver lung
    lungs map mdc mean medium mip mp2rage mpr mprage mr mra mri nac native navigated neck no non
    opposed out outphase pancreas parallel pca pd pdw pelvis perfusion pet phase plain portal post
    pre prone prostate psma pv pvp pw recon resp rest sag sagittal scan scout sense shoulder slice
    soft space spair spgr spin spine spir spleen standard ste stir stress subtraction supine
    susceptibility swan swi t1 t1w t2 t2w tfe thick thin thoracic thorax tirm tissue tof tra
    transverse true trufi tse turbo ultrafast vascular venous vibe volume water wb whole wholebody
    with without
    """.split()  # noqa: SIM905
)


def series_words(text: str) -> str:
    """The known words of a description, in lower case and in order; empty if there is none.

    Examples
    --------
    >>> series_words("T1_SE_AX FS post Gd, Dr. Smith 2019-03-12")
    't1 ax fs post gd'
    """
    words = re.findall(r"[a-z0-9]+", text.lower())
    return " ".join(word for word in words if word in _KNOWN)


def body_part_of(text: str) -> str:
    """A body part as stated, if it is the name of one (BodyPartExamined may be typed by hand)."""
    return text if concept_for(text).key else ""


_AGENTS = frozenset(
    """
    barium contrast dotarem eovist gadavist gadobenate gadobutrol gadodiamide gadolinium
    gadopentetate gadoterate gadoteric gadoteridol gadovist gadoxetate gd iodinated iodine
    iodixanol iohexol iomeprol iomeron iopamidol iopromide ioversol isovue iv magnevist multihance
    omnipaque omniscan optiray oral primovist prohance ultravist visipaque
    """.split()  # noqa: SIM905
)


def agent_of(text: str) -> str:
    """The known words of a contrast agent; ``stated`` where there is text of none of them."""
    words = [word for word in re.findall(r"[a-z]+", text.lower()) if word in _AGENTS]
    return " ".join(dict.fromkeys(words)) or ("stated" if text.strip() else "")


_TRACERS = re.compile(
    r"(18f|f[ -]?18|68ga|ga[ -]?68|11c|c[ -]?11|13n|n[ -]?13|82rb|rb[ -]?82|64cu|cu[ -]?64|89zr|"
    r"99m?tc|tc[ -]?99m?|fdg|fluorodeoxyglucose|psma|dotatate|dotatoc|dotanoc|choline|methionine|"
    r"flt|fluorothymidine|fmiso|naf|sodium fluoride|fet|fapi|florbetapir|florbetaben|flutemetamol|"
    r"ammonia|water|acetate|sestamibi|mdp|glucose)",
    re.I,
)


def tracer_of(text: str) -> str:
    """The parts of a tracer's name that are known; empty if there is none.

    Examples
    --------
    >>> tracer_of("F-18 FDG (order 4711, J. Doe)"), tracer_of("Fluorodeoxyglucose")
    ('F-18 FDG', 'Fluorodeoxyglucose')
    """
    return " ".join(one.group() for one in _TRACERS.finditer(text))
