"""What each peer offers, as functions of one image, with the strength that ours is given.

Each entry is (work, key of ours, our parameters, a function that does the peer's work). Lengths
are pixels of a 512 px image, as fractions. A peer that cannot be imported gives a reason instead.
"""

from __future__ import annotations

import importlib
import sys
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

Work = Callable[[Any], Any]


@dataclass(frozen=True)
class Duel:
    """One kind of work, ours by ``key`` and ``params``, theirs by ``run``."""

    work: str
    key: str
    params: dict[str, Any]
    run: Work
    plane: str = "rgb"  # rgb: uint8 colour; grey: float32 plane
    note: str = ""


@dataclass(frozen=True)
class Peer:
    """A peer with its duels, or the reason why there are none."""

    name: str
    version: str
    duels: tuple[Duel, ...] = ()
    missing: str = ""


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _peer(name: str, build: Callable[[], list[Duel]]) -> Peer:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Peer(name, _version(name), tuple(build()))
    except Exception as error:  # noqa: BLE001  a peer may fail in any way while it loads
        return Peer(name, _version(name), missing=f"{type(error).__name__}: {error}"[:200])


NOISE = ("gaussian noise", "gaussian_noise", {"sigma": 0.08})
SHOT = ("shot (Poisson) noise", "poisson_noise", {"photons": 60.0})
SPECKLE = ("multiplicative noise", "multiplicative_noise", {"sigma": 0.35})
IMPULSE = ("salt and pepper", "salt_pepper", {"amount": 0.09})
BLUR = ("gaussian blur", "gaussian_blur", {"sigma": 3.18 / 512})
MOTION = ("motion blur", "motion_blur", {"length": 7 / 512})
DEFOCUS = ("defocus", "defocus", {"radius": 3 / 512})
DARK = ("brightness", "adjust_brightness", {"offset": -0.3})
CONTRAST = ("contrast", "reduce_contrast", {"slope": 0.65})
GAMMA = ("gamma", "exposure", {"gamma": 1.45, "offset": 0.0, "direction": "under"})
JPEG = ("JPEG", "jpeg", {"quality": 15})
PIXELS = ("pixelate", "low_resolution", {"side": 1, "least": 4.0})
TURN = ("rotate", "rotation", {"angle": 18.0, "sign": 1})


def imagecorruptions() -> Peer:
    """ImageNet-C as a package, severity 3."""

    def build() -> list[Duel]:
        corrupt = importlib.import_module("imagecorruptions").corrupt

        def duel(ours: tuple[str, str, dict[str, Any]], name: str, note: str = "") -> Duel:
            return Duel(*ours, lambda x: corrupt(x, corruption_name=name, severity=3), note=note)

        return [
            duel(NOISE, "gaussian_noise"),
            duel(SHOT, "shot_noise"),
            duel(SPECKLE, "speckle_noise"),
            duel(IMPULSE, "impulse_noise", "theirs hits channels one by one"),
            duel(BLUR, "gaussian_blur"),
            duel(MOTION, "motion_blur"),
            duel(DEFOCUS, "defocus_blur"),
            duel(DARK, "brightness", "theirs in HSV"),
            duel(CONTRAST, "contrast"),
            duel(JPEG, "jpeg_compression"),
            duel(PIXELS, "pixelate"),
        ]

    return _peer("imagecorruptions", build)


def medmnistc() -> Peer:
    """MedMNIST-C; wand (ImageMagick) and torchvision are needed by two corruptions left out."""

    def build() -> list[Duel]:
        for name, names in (
            ("wand", ()),
            ("wand.image", ("Image",)),
            ("wand.api", ("library",)),
            ("torchvision", ()),
            ("torchvision.transforms", ()),
            ("torchvision.transforms.functional", ()),
        ):
            try:
                importlib.import_module(name)
            except Exception:  # noqa: BLE001  wand raises ImportError, OSError, ...
                module = types.ModuleType(name)
                for attribute in names:
                    setattr(module, attribute, object)
                sys.modules[name] = module
        load = importlib.import_module
        noise, enhance = load("medmnistc.corruptions.noise"), load("medmnistc.corruptions.enhance")
        pack, spots = (
            load("medmnistc.corruptions.compression"),
            load("medmnistc.corruptions.microscopy"),
        )
        focus = load("medmnistc.corruptions.filter")
        from PIL import Image

        def duel(ours: tuple[str, str, dict[str, Any]], made: Any, note: str = "") -> Duel:
            made.rng = np.random.default_rng(0)
            return Duel(*ours, lambda x: made.apply(Image.fromarray(x), 0), note=note)

        return [
            duel(NOISE, noise.GaussianNoise([0.08])),
            duel(SHOT, noise.ShotNoise([60])),
            duel(SPECKLE, noise.SpeckleNoise([0.35])),
            duel(IMPULSE, noise.ImpulseNoise([0.09]), "theirs hits channels one by one"),
            duel(DEFOCUS, focus.DefocusBlur([(3, 0.1)])),
            duel(DARK, enhance.Brightness([0.7])),
            duel(CONTRAST, enhance.Contrast([0.65])),
            duel(GAMMA, enhance.GammaCorrection([1.45])),
            duel(JPEG, pack.JPEGCompression([15])),
            duel(PIXELS, pack.Pixelate([0.25])),
            duel(
                ("bubbles", "bubble", {"count": 8, "size": 9 / 512}),
                spots.Bubble([(15, 12)]),
                "theirs: 7 to 12 flat discs of 3 to 15 px; ours: 8 of about 9 px, blurred inside",
            ),
            duel(
                ("dark spots", "dark_spots", {"count": 2, "size": 12 / 512}),
                spots.StainDeposit([3]),
                "theirs: 1 to 3 stored shapes of 24 px; ours: 2 ragged blobs of that size",
            ),
        ]

    return _peer("medmnistc", build)


def albumentations() -> Peer:
    """albumentations 2.0, every transform with probability 1 and fixed strength."""

    def build() -> list[Duel]:
        import cv2

        A = importlib.import_module("albumentations")

        def duel(ours: tuple[str, str, dict[str, Any]], made: Any, note: str = "") -> Duel:
            return Duel(*ours, lambda x: made(image=x)["image"], note=note)

        level = {"brightness_limit": (0, 0), "contrast_limit": (0, 0), "p": 1}
        return [
            duel(NOISE, A.GaussNoise(std_range=(0.08, 0.08), per_channel=True, p=1)),
            duel(SHOT, A.ShotNoise(scale_range=(0.1, 0.1), p=1)),
            duel(
                SPECKLE,
                A.MultiplicativeNoise(
                    multiplier=(0.4, 1.6), per_channel=True, elementwise=True, p=1
                ),
                "theirs is uniform",
            ),
            duel(IMPULSE, A.SaltAndPepper(amount=(0.09, 0.09), p=1)),
            duel(
                BLUR,
                A.GaussianBlur(blur_limit=0, sigma_limit=(3.18, 3.18), p=1),
                "same sigma in pixels at 512",
            ),
            duel(MOTION, A.MotionBlur(blur_limit=(7, 7), p=1)),
            duel(DEFOCUS, A.Defocus(radius=(3, 3), alias_blur=(0.1, 0.1), p=1)),
            duel(DARK, A.RandomBrightnessContrast(**{**level, "brightness_limit": (-0.3, -0.3)})),
            duel(
                (CONTRAST[0], CONTRAST[1], {**CONTRAST[2], "pivot": 0.0}),
                A.RandomBrightnessContrast(**{**level, "contrast_limit": (-0.35, -0.35)}),
                "both scale about 0",
            ),
            duel(
                ("contrast about the mean", *CONTRAST[1:]),
                A.RandomBrightnessContrast(**{**level, "contrast_limit": (-0.35, -0.35)}),
                "theirs scales about 0: not the same work",
            ),
            duel(GAMMA, A.RandomGamma(gamma_limit=(145, 145), p=1)),
            duel(JPEG, A.ImageCompression(quality_range=(15, 15), p=1)),
            duel(
                PIXELS,
                A.Downscale(
                    scale_range=(0.25, 0.25),
                    interpolation_pair={
                        "downscale": cv2.INTER_NEAREST,
                        "upscale": cv2.INTER_NEAREST,
                    },
                    p=1,
                ),
            ),
            duel(TURN, A.Rotate(limit=(18, 18), p=1, border_mode=cv2.BORDER_CONSTANT)),
            duel(
                ("stain shift", "stain_shift", {"scale": 0.12, "shift": 0.02}),
                A.HEStain(method="preset", preset="ruifrok", p=1),
            ),
        ]

    return _peer("albumentations", build)


def torchio() -> Peer:
    """TorchIO on one grey slice as a volume of depth 1."""

    def build() -> list[Duel]:
        torch, tio = importlib.import_module("torch"), importlib.import_module("torchio")
        torch.set_num_threads(1)

        def duel(ours: tuple[str, str, dict[str, Any]], made: Any, note: str = "") -> Duel:
            return Duel(*ours, lambda x: made(torch.from_numpy(x)[None, :, :, None]), "grey", note)

        motion = {"degrees": 10.0, "shift": 0.045, "calm": 0.05}
        return [
            duel(NOISE, tio.RandomNoise(std=(20.4, 20.4))),
            duel(BLUR, tio.RandomBlur(std=(3.18, 3.18, 3.18, 3.18, 0, 0))),
            duel(GAMMA, tio.RandomGamma(log_gamma=(0.37, 0.37))),
            duel(
                PIXELS,
                tio.RandomAnisotropy(axes=(0,), downsampling=(4, 4)),
                "theirs along one axis, linear up",
            ),
            duel(("MRI motion", "random_motion", motion), tio.RandomMotion()),
            duel(
                ("MRI ghosting", "ghosting", {"every": 6, "gain": 1.5}),
                tio.RandomGhosting(axes=(0,), num_ghosts=(6, 6), intensity=(0.5, 0.5)),
            ),
            duel(
                ("MRI spike", "spike", {"intensity": 0.5}),
                tio.RandomSpike(num_spikes=(1, 1), intensity=(0.5, 0.5)),
            ),
            duel(("MRI bias field", "bias_field", {"spread": 0.35}), tio.RandomBiasField()),
        ]

    return _peer("torchio", build)


def scikit_image() -> Peer:
    """scikit-image's radon and iradon, 180 views over 180 degrees."""

    def build() -> list[Duel]:
        transform = importlib.import_module("skimage.transform")
        theta = np.arange(180.0)

        def both(x: Any) -> Any:
            views = transform.radon(x, theta=theta, circle=False)
            return transform.iradon(views, theta=theta, circle=False, output_size=len(x))

        return [Duel("CT, 180 views and back", "sparse_view", {"views": 180}, both, "grey")]

    return _peer("scikit-image", build)


PEERS: dict[str, Callable[[], Peer]] = {
    "albumentations": albumentations,
    "torchio": torchio,
    "imagecorruptions": imagecorruptions,
    "medmnistc": medmnistc,
    "scikit-image": scikit_image,
}
