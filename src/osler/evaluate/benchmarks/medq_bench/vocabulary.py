"""Words for image degradations: the one table behind questions, references and rule scoring.

A concept is what a reader can name ("noise"), often several degradations of :mod:`osler.degrade`
(Gaussian, Rician, low dose). Order matters: a specific concept takes its words before a general
one can ("salt-and-pepper noise" is not also "noise").
"""

# ruff: noqa: E501 - a table of patterns is read row by row
from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from osler.core import UnknownNameError


@dataclass(frozen=True, slots=True)
class Concept:
    """``title`` as questions and references write it; ``terms`` say that it is there (a regular
    expression), ``opposites`` that it is not; ``keys`` are the degradations that make it.
    """

    name: str
    title: str
    keys: tuple[str, ...]
    terms: str
    opposites: str = ""


def _c(name: str, title: str, keys: str, terms: str, opposites: str = "") -> Concept:
    return Concept(name, title, tuple(keys.split()), terms, opposites)


CONCEPTS = (
    _c("speckle", "speckle", "us_speckle oct_speckle", r"speckl\w*"),
    _c("impulse", "salt-and-pepper noise", "salt_pepper",
       r"salt[- ]and[- ]pepper(?: noise)?|impulse noise|stuck pixels?"),
    _c("motion", "motion artefact", "motion_blur xray_motion_blur random_motion ct_motion "
       "interlace oct_jitter",
       r"motion(?:[- ]blur\w*| art[ei]facts?| smear\w*)?|movement|smear\w*|jitter\w*|interlac\w*"
       r"|comb(?:ing)? art[ei]facts?"),
    _c("ghosting", "ghost images", "ghosting oct_mirror", r"ghost\w*(?: images?)?|mirror (?:image|art[ei]fact)"),
    _c("reverberation", "reverberation", "us_reverberation", r"reverberat\w*|repeated echoes"),
    _c("compression", "compression blocks", "jpeg",
       r"jpeg(?: \w*compress\w*)?|compression(?: blocks?| art[ei]facts?)?|block(?:ing|iness)|block art[ei]facts?"),
    _c("low_resolution", "low resolution (coarse pixels)", "low_resolution",
       r"low(?:[- ]|er )resolution(?: \(coarse pixels\))?|poor resolution|pixel(?:l?at\w+)"
       r"|coarse pixels|blocky|resolution (?:is|looks|seems) (?:low|poor|coarse)",
       r"high[- ]resolution|good resolution"),
    _c("banding", "banding of grey levels", "quantise",
       r"banding(?: of grey levels)?|posteri[sz]\w*|too few gr[ea]y levels|quanti[sz]\w*"),
    _c("wrap", "wrap-around", "wrap_around", r"wrap\w*(?:[- ]around)?|fold[- ]?over"),
    _c("undersampling", "aliasing from undersampling", "undersampling",
       r"(?:aliasing from )?undersampl\w*|alias\w*|zero[- ]?fill\w*"),
    _c("ringing", "ringing at edges", "gibbs", r"ringing(?: at edges)?|gibbs\w*|truncation art[ei]facts?"),
    _c("rings", "ring artefact", "ring", r"rings?\b(?: art[ei]facts?)?|circular art[ei]facts?"),
    _c("chemical_shift", "chemical shift", "chemical_shift", r"chemical[- ]shift|shifted fat"),
    _c("distortion", "geometric distortion", "susceptibility",
       r"(?:geometric )?distort\w*|suscept\w*|warp\w*|signal pile[- ]?up"),
    _c("streaks", "streaks", "sparse_view limited_angle metal",
       r"(?:metal )?streak\w*|metal\w* art[ei]facts?|limited[- ]angle|missing (?:views|angles|wedge)"
       r"|(?:too few|sparse) views"),
    _c("stripes", "stripes", "spike zipper xray_grid_lines",
       r"strip(?:es?|ed|ing)\b|herringbone|corduroy|spike art[ei]facts?|zipper\w*|grid lines?"),
    _c("shadow", "shadow bands", "us_shadow oct_shadow", r"(?:acoustic )?shadow\w*(?: bands?)?"),
    _c("scatter", "shading from scatter or beam hardening", "beam_hardening scatter_ct xray_scatter",
       r"shading(?: from scatter or beam hardening)?|cupping|beam[- ]hardening|scatter\w*"),
    _c("uneven", "uneven brightness", "bias_field vignetting fundus_illumination us_gain "
       "pet_attenuation_mismatch",
       r"bias[- ]field|inhomogene\w*|non-?uniform\w*|uneven(?:ly)?(?: \w+)?|vignett\w*|hot spot",
       r"homogeneous|uniform(?:ly)?|even(?:ly)? (?:lit|illuminat\w+|brightness|illumination)"),
    _c("light_leak", "light leak", "fundus_light_leak", r"light leaks?\w*"),
    _c("exposure", "wrong exposure", "adjust_brightness exposure xray_saturation",
       r"(?:over|under)-?expos\w*|(?:wrong|poor|bad|incorrect|inadequate) exposure|too (?:dark|bright)"
       r"|(?:wrong|abnormal|low|excessive) brightness|(?:over|under)-?illuminat\w*|saturat\w*|darken\w*",
       r"well[- ]exposed|(?:good|correct|adequate|appropriate|proper) (?:exposure|brightness)"),
    _c("contrast", "low contrast", "reduce_contrast",
       r"(?:low|poor|reduced|weak|flat|diminished|lower|insufficient) contrast|contrast (?:is |looks "
       r"|seems |appears )?(?:\w+ )?(?:low|poor|reduced|weak|flat|lost|insufficient)|(?:loss|lack) of contrast|faded|washed[- ]out",
       r"(?:good|high|clear|strong|adequate|sufficient|excellent|normal) contrast"
       r"|contrast (?:is |looks )?(?:good|high|clear|adequate|sufficient)"),
    _c("haze", "haze", "endo_haze fundus_cataract us_clutter", r"haz[ey]\w*|fogg?\w*|smok[ey]\w*|milky|cataract\w*|clutter\w*"),
    _c("fringes", "colour fringes", "chroma_shift", r"colou?r fring\w*|chromatic aberration\w*|chroma shift"),
    _c("specular", "specular highlights", "endo_specular", r"specular(?: \w+)?|glare|highlights?"),
    _c("bubbles", "bubbles", "bubble endo_bubbles", r"(?:air )?bubbl\w*|foam\w*"),
    _c("blood", "blood over the picture", "blood_cell endo_blood",
       r"(?:red )?blood(?: cells?| veil| over the picture)?|erythrocyt\w*|red cells"),
    _c("spots", "spots of dirt", "dark_spots fundus_spots", r"(?:dark )?spots?(?: of dirt)?\b|dirt\w*|dust|debris|blobs?"),
    _c("fold", "tissue fold", "tissue_fold", r"(?:tissue )?folds?\b|folded tissue"),
    _c("stain", "abnormal staining", "stain_shift overstain understain",
       r"(?:over|under)-?stain\w*|(?:abnormal|uneven|poor|pale|weak|wrong) stain\w*|stain(?:ing)? "
       r"(?:shift|variation|is (?:\w+ )?(?:abnormal|pale|weak|dark))|colou?r (?:cast|shift)"),
    _c("seam", "stitching seam", "stitching_seam", r"(?:stitching )?seams?\b|stitch\w*"),
    _c("marks", "marks over the image", "pen_mark text_overlay",
       r"(?:pen |ink )?marks?(?: over the image)?\b|marker pen|burned-?in text|text overlay|lettering"),
    _c("hidden", "hidden or cut-off parts", "occlusion crop_border xray_collimator",
       r"hidden(?: or cut-off parts)?|occlu\w*|cut[- ]off|crop(?:ped|ping)|collimat\w*|black (?:box|rectangle)\w*"),
    _c("position", "wrong position", "rotation mispositioning crop",
       r"rotat(?:ed|ion)|tilt\w*|mis-?position\w*|misalign\w*|(?:wrong|poor) position\w*"),
    _c("blur", "blur", "gaussian_blur defocus us_blur fundus_blur partial_fourier",
       r"blur\w*|unsharp\w*|(?:out[- ]of[- ]|poor |de-?)focus\w*|soft edges",
       r"sharp(?:ness|ly)?\b|crisp\w*|(?:in|well|good) focus\w*|well[- ]defined (?:edges|details?)"),
    _c("noise", "noise", "gaussian_noise rician_noise poisson_noise low_dose pet_low_counts "
       "multiplicative_noise oct_low_snr xray_mottle",
       r"nois(?:e|y|i)\w*|grain[sy]?\b|graininess|mottl\w*", r"noise-?free|noiseless"),
)  # fmt: skip

SEVERITY = {
    "mild": r"mild(?:ly)?|slight(?:ly)?|minor|subtle|subtly|faint(?:ly)?|minimal(?:ly)?|light(?:ly)?"
    r"|weak(?:ly)?|a little|little|low levels? of|small amounts? of",
    "moderate": r"moderate(?:ly)?|noticeabl[ey]|some(?:what)?",
    "severe": r"severe(?:ly)?|heav(?:y|ily)|strong(?:ly)?|marked(?:ly)?|extreme(?:ly)?|pronounced"
    r"|substantial(?:ly)?|serious(?:ly)?|major|considerabl[ey]|significant(?:ly)?|very|badly"
    r"|high levels? of|excessive(?:ly)?",
}
"""Words for how strong, by the level they stand for."""

VERDICTS = ("reject", "usable", "good")
"""The overall verdicts, worst first."""

VERDICT_OF = {"none": "good", "mild": "usable", "moderate": "usable", "severe": "reject"}
"""The verdict that the strongest degradation calls for."""


@cache
def concept_named(name: str) -> Concept:
    """The concept called ``name``."""
    found = {concept.name: concept for concept in CONCEPTS}
    if name not in found:
        raise UnknownNameError("quality concept", name, found)
    return found[name]


@cache
def concept_of(key: str) -> Concept:
    """The concept that the degradation ``key`` makes visible."""
    found = {k: concept for concept in CONCEPTS for k in concept.keys}
    if key not in found:
        raise UnknownNameError("degradation in the quality vocabulary", key, found)
    return found[key]


@cache
def pattern(words: str) -> re.Pattern[str]:
    """``words`` as whole words, case ignored."""
    return re.compile(rf"\b(?:{words})", re.I)


@cache
def pattern_whole(words: str) -> re.Pattern[str]:
    """``words`` with a word boundary at both ends."""
    return re.compile(rf"\b(?:{words})\b", re.I)
