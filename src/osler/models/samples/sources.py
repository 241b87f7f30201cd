"""The image files inside installed packages that the pictures are cut from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from osler.core import MissingError
from osler.images import Image, Modality

from ..embedded import package_folder


@dataclass(frozen=True, slots=True)
class Source:
    """One image file of an installed package.

    ``patient`` is the key of the person (or template) it shows: equal keys, same subject.
    ``split`` says whether test or training pictures are cut from it; never both.
    """

    key: str
    package: str
    module: str
    file: str
    patient: str
    modality: Modality
    licence: str
    split: str
    about: str


_PYDICOM = "MIT (pydicom; its test-file note knows of no restriction)"
_SKIMAGE = "BSD-3-Clause (scikit-image; no known restriction on the image)"
_NIBABEL = "MIT (nibabel)"


def _pydicom(
    key: str, file: str, patient: str, modality: Modality, split: str, about: str
) -> Source:
    path = f"data/test_files/{file}"
    return Source(key, "pydicom", "pydicom", path, patient, modality, _PYDICOM, split, about)


def _nibabel(key: str, file: str, patient: str, about: str) -> Source:
    return Source(key, "nibabel", "nibabel", file, patient, "mri", _NIBABEL, "train", about)


def _skimage(
    key: str, file: str, patient: str, modality: Modality, split: str, about: str
) -> Source:
    path = f"data/{file}"
    return Source(key, "scikit-image", "skimage", path, patient, modality, _SKIMAGE, split, about)


SOURCES: tuple[Source, ...] = (
    # --- test -------------------------------------------------------------------------------
    Source(
        "mni-t1",
        "nilearn",
        "nilearn",
        "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz",
        "mni152",
        "mri",
        "BSD-3-Clause (nilearn), MNI notice",
        "test",
        "T1 template of 152 brains, left-right symmetric, skull removed, 1 mm",
    ),
    _pydicom("ct-head", "J2K_pixelrep_mismatch.dcm", "JXD191021006", "ct", "test",
             "one slice through the base of the skull; BodyPartExamined HEAD"),
    _pydicom("mr-abdomen", "examples_overlay.dcm", "021234567", "mri", "test",
             "t1_vibe_fs_tra_bh_dyn of the liver with contrast, a lesion marked by overlay"),
    _pydicom("us-heart", "examples_ybr_color.dcm", "us-204", "ultrasound", "test",
             "cine of 30 frames, ImageType EPICARDIAL"),
    _pydicom("bone-scan", "JPEG2000.dcm", "8NM1", "nuclear", "test",
             "whole-body bone scan, blurred by lossy compression"),
    _skimage("fundus-left-eye", "retina.jpg", "wikimedia-left-eye", "fundus", "test",
             "photograph of a normal left eye"),
    _skimage("colon-ihc", "ihc.png", "cmmi-colon", "pathology", "test",
             "colonic glands, FHL2 shown by DAB, haematoxylin counterstain"),
    # --- training ---------------------------------------------------------------------------
    _pydicom("ct-chest", "CT_small.dcm", "1CT1", "ct", "train",
             "slice through a thoracic vertebra and the aorta"),
    _pydicom("mr-detail", "MR_small.dcm", "4MR1", "mri", "train", "spin echo, small field"),
    _pydicom("us-node", "examples_rgb_color.dcm", "13US1", "ultrasound", "train",
             "power Doppler of a lymph node"),
    _pydicom("us-obstetric", "examples_palette.dcm", "us-ob", "ultrasound", "train",
             "obstetric scan, curved probe, mostly dark"),
    _skimage("fundus-detail", "microaneurysms.png", "hrf-07-dr", "fundus", "train",
             "green channel of a fundus photograph, 102 px"),
    Source("skin-he", "wsidicom-data", "wsidicom_data", "data/test_tile.png", "sectra-skin",
           "pathology", "Apache-2.0 (wsidicom-data)", "train", "H&E tile of skin, 240 px"),
    _nibabel("epi-brain", "tests/data/example4d.nii.gz", "nibabel-example4d",
             "echo-planar volumes of a brain, 24 axial slices"),
    _nibabel("t1-deep-brain", "tests/data/anatomical.nii", "nibabel-anatomical",
             "T1 of the middle of a brain, 2 mm, spatially normalised"),
    _nibabel("neck-angiogram", "nicom/tests/data/slicethickness_empty_string.dcm",
             "nibabel-tof", "time-of-flight angiogram, maximum projection"),
)  # fmt: skip
"""All sources. 693_J2KI of pydicom is left out on purpose: its data set is non-commercial; the
grey and white matter maps of nilearn too: they show the same template as ``mni-t1``; pydicom's
DICOMDIR samples as well: 16 x 16 pixels show nothing."""

_BY_KEY = {source.key: source for source in SOURCES}


def source_named(key: str) -> Source:
    """The source called ``key``."""
    return _BY_KEY[key]


def source_path(source: Source) -> Path:
    """The file on this machine, found without importing its package.

    Raises
    ------
    MissingError
        The package is not installed or no longer ships the file.
    """
    home = package_folder(source.module)
    path = None if home is None else home / source.file
    if path is None or not path.is_file():
        raise MissingError(
            f"the picture {source.key} needs {source.file} of the package {source.package}, which "
            'is not here; install it with: pip install "osler[demo]"'
        )
    return path


def missing_packages() -> list[str]:
    """Packages of sources that are not installed."""
    packages = {source.package: source.module for source in SOURCES}
    return [name for name, module in packages.items() if package_folder(module) is None]


@lru_cache(maxsize=8)
def load_source(key: str) -> Image:
    """The whole image of a source: a plane, a cine or a volume; values as the file states them.

    Raises
    ------
    MissingError
        Its package is not installed.
    """
    source = source_named(key)
    path = source_path(source)
    from osler.images import read

    image = read(path)
    return image.with_pixels(
        image.pixels,
        modality=source.modality,
        source=f"{source.package}: {source.file}",
        licence=source.licence,
        patient=source.patient,
    )
