"""PNG, JPEG, BMP, TIFF, NPY and NPZ: against Pillow, scikit-image and tifffile; broken files."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import stat
import struct
import zipfile
import zlib
from pathlib import Path

import cv2
import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from osler.core import BadFileError, InputError
from osler.images import Image, Window, find_images, format_of, read, read_bytes, read_folder, write

SKIMAGE = ["retina.jpg", "microaneurysms.png", "ihc.png", "cell.png", "phantom.png"]
_here = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("name", SKIMAGE)
def test_equals_pillow_on_the_images_of_scikit_image(name: str) -> None:
    skimage = pytest.importorskip("skimage")
    path = Path(skimage.__file__).parent / "data" / name
    if not path.exists():
        pytest.skip(f"{name} is not in this wheel")
    image = read(path)
    truth = np.asarray(Pillow.open(path))
    truth = truth[..., :3] if truth.ndim == 3 else truth
    np.testing.assert_array_equal(image.pixels, truth)
    assert image.unit == "8-bit"
    assert (image.modality, image.spacing, image.window) == (None, None, None)


def test_all_shared_pictures_are_read(shared: Path) -> None:
    folder = shared / "images"
    found = [p for p in find_images(folder) if p.suffix == ".png"]
    assert len(found) > 40
    for path in found:
        truth = Pillow.open(path)
        image = read(path)
        assert image.shape[:2] == truth.size[::-1]
        np.testing.assert_array_equal(
            image.pixels, np.asarray(truth.convert("RGB" if image.has_colour else "L"))
        )


@_here
@given(
    pixels=st.one_of(
        hnp.arrays(
            st.sampled_from([np.uint8, np.uint16]), hnp.array_shapes(min_dims=2, max_dims=2)
        ),
        hnp.arrays(
            st.sampled_from([np.uint8, np.uint16]),
            st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)),
        ),
    )
)
def test_png_round_trip(pixels: np.ndarray, tmp_path: Path) -> None:
    image = Image(pixels, "yxc" if pixels.ndim == 3 else "yx")
    path = write(image, tmp_path / "a.png")
    found = read(path)
    assert found.pixels.dtype == pixels.dtype
    assert found.axes == image.axes
    assert found.unit == ("8-bit" if pixels.dtype == np.uint8 else "16-bit")
    np.testing.assert_array_equal(found.pixels, pixels)
    np.testing.assert_array_equal(read_bytes(path.read_bytes()).pixels, pixels)


@_here
@given(
    pixels=hnp.arrays(
        st.sampled_from([np.uint8, np.int16, np.uint16, np.int32, np.float32]),
        hnp.array_shapes(min_dims=2, max_dims=3, min_side=2, max_side=9),
        elements={"allow_nan": False},
    )
)
def test_tiff_npy_npz_round_trip(pixels: np.ndarray, tmp_path: Path) -> None:
    image = Image(pixels, "yx" if pixels.ndim == 2 else "tyx", unit="a.u.")
    for name in ("a.tif", "a.npz"):
        found = read(write(image, tmp_path / name))
        assert found.axes == image.axes
        assert found.pixels.dtype == pixels.dtype
        np.testing.assert_array_equal(found.pixels, pixels)
    np.testing.assert_array_equal(read(write(image, tmp_path / "a.npy")).pixels, pixels)


def test_npz_keeps_everything(tmp_path: Path) -> None:
    image = Image(
        np.arange(24, dtype=np.int16).reshape(2, 3, 4), "xyz", "ct", "HU", (1.0, 2.0, 3.0),
        np.diag([1.0, 2, 3, 1]), Window(40, 400), "there", "CC0-1.0", "abc", {"view": "axial"},
    )  # fmt: skip
    found = read(write(image, tmp_path / "a.npz"))
    for name in ("axes", "modality", "unit", "spacing", "window", "licence", "patient", "meta"):
        assert getattr(found, name) == getattr(image, name)
    np.testing.assert_array_equal(found.affine, image.affine)
    first = (tmp_path / "a.npz").read_bytes()
    assert write(image, tmp_path / "b.npz").read_bytes() == first


def test_sixteen_bit_colour_and_alpha(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rgba = rng.integers(0, 65536, (5, 7, 4), np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), rgba[..., [2, 1, 0, 3]])
    found = read(tmp_path / "a.png")
    truth = np.rint(rgba[..., :3].astype(float) * rgba[..., 3:] / 65535)
    assert np.abs(found.pixels - truth).max() <= 1
    assert found.meta["alpha"] == "multiplied onto black"
    rgba[..., 3] = 65535
    cv2.imwrite(str(tmp_path / "a.png"), rgba[..., [2, 1, 0, 3]])
    np.testing.assert_array_equal(read(tmp_path / "a.png").pixels, rgba[..., :3])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_modes_of_png(mode: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    if mode == "I;16":
        source = Pillow.fromarray(rng.integers(0, 65536, (9, 8), np.uint16))
    else:
        source = Pillow.fromarray(rng.integers(0, 256, (9, 8, 3), np.uint8)).convert(mode)
    source.save(tmp_path / "a.png")
    found = read(tmp_path / "a.png")
    if mode == "I;16":
        np.testing.assert_array_equal(found.pixels, np.asarray(source))
    else:
        kind = "L" if mode in ("1", "L", "LA") else "RGB"
        np.testing.assert_array_equal(found.pixels, np.asarray(source.convert(kind)))


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[:20, :30] = 250
    exif = Pillow.Exif()
    exif[0x0112] = 6  # turn 90 degrees clockwise to show
    Pillow.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif, quality=98)
    found = read(tmp_path / "a.jpg")
    assert found.shape == (60, 40, 3)
    assert found.pixels[5, 35].min() > 200
    assert found.pixels[5, 5].max() < 50
    assert found.meta["exif"] == "orientation applied"


def test_cmyk_jpeg_and_bmp(tmp_path: Path) -> None:
    rgb = Pillow.new("RGB", (32, 32), (200, 30, 60))
    rgb.convert("CMYK").save(tmp_path / "a.jpg", quality=98)
    found = read(tmp_path / "a.jpg").pixels.astype(int)
    assert np.abs(found - (200, 30, 60)).max() < 8
    rgb.save(tmp_path / "a.bmp")
    assert (read(tmp_path / "a.bmp").pixels == (200, 30, 60)).all()
    image = read(tmp_path / "a.bmp")
    assert (read(write(image, tmp_path / "b.bmp")).pixels == image.pixels).all()
    jpeg = read(write(image, tmp_path / "b.jpg")).pixels.astype(int)
    assert np.abs(jpeg - image.pixels).max() <= 3


@pytest.mark.parametrize(
    ("options", "shape", "axes"),
    [
        ({}, (8, 9), "yx"),
        ({"photometric": "rgb"}, (8, 9, 3), "yxc"),
        ({"photometric": "rgb", "planarconfig": "separate"}, (3, 8, 9), "yxc"),
        ({"compression": "zlib"}, (4, 8, 9), "tyx"),
        ({"photometric": "rgb"}, (4, 8, 9, 3), "tyxc"),
        ({"imagej": True}, (4, 8, 9), "tyx"),
        ({"bigtiff": True}, (8, 9), "yx"),
        ({"byteorder": ">"}, (8, 9), "yx"),
    ],
)
def test_kinds_of_tiff(options: dict, shape: tuple, axes: str, tmp_path: Path) -> None:
    dtype = np.uint8 if "photometric" in options else np.uint16
    pixels = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    if not options.get("photometric") and not options.get("imagej"):
        options = {**options, "photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "a.tif", pixels, **options)
    found = read(tmp_path / "a.tif")
    truth = np.moveaxis(pixels, 0, -1) if options.get("planarconfig") else pixels
    assert found.axes == axes
    np.testing.assert_array_equal(found.pixels, truth)
    if axes.startswith("t"):
        np.testing.assert_array_equal(read(tmp_path / "a.tif", frame=2).pixels, pixels[2])
        with pytest.raises(InputError, match=r"4 pages|4 frame"):
            read(tmp_path / "a.tif", frame=4)


@pytest.mark.parametrize("compression", ["tiff_lzw", "jpeg", "packbits", "tiff_adobe_deflate"])
def test_compressed_tiff_of_other_programs(compression: str, tmp_path: Path) -> None:
    ramp = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    Pillow.fromarray(ramp).save(tmp_path / "a.tif", compression=compression)
    found = read(tmp_path / "a.tif").pixels.astype(int)
    assert np.abs(found - ramp).max() <= (3 if compression == "jpeg" else 0)
    rgb = np.stack([ramp, ramp[::-1], ramp[:, ::-1]], -1)
    Pillow.fromarray(rgb).save(tmp_path / "b.tif", compression="tiff_lzw")
    np.testing.assert_array_equal(read(tmp_path / "b.tif").pixels, rgb)


def test_tiff_min_is_white_and_palette(tmp_path: Path) -> None:
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="miniswhite")
    np.testing.assert_array_equal(read(tmp_path / "a.tif").pixels, 255 - pixels)
    source = Pillow.fromarray(np.random.default_rng(1).integers(0, 256, (8, 8, 3), np.uint8))
    table = source.convert("P")
    table.save(tmp_path / "p.tif")
    np.testing.assert_array_equal(read(tmp_path / "p.tif").pixels, np.asarray(table.convert("RGB")))


def test_content_decides_not_the_name(tmp_path: Path) -> None:
    image = Image(np.arange(12, dtype=np.uint8).reshape(3, 4), "yx")
    write(image, tmp_path / "a.png").rename(tmp_path / "a.tif")
    assert format_of(tmp_path / "a.tif") == "png"
    np.testing.assert_array_equal(read(tmp_path / "a.tif").pixels, image.pixels)


def test_bad_files_get_one_clear_sentence(tmp_path: Path) -> None:
    good = write(Image(np.random.default_rng(0).integers(0, 255, (50, 50), np.uint8), "yx"),
                 tmp_path / "good.png").read_bytes()  # fmt: skip
    cases = {
        "text.png": (b"this is a text file, no picture\n" * 9, "named like a PNG but holds text"),
        "empty.png": (b"", "is empty"),
        "cut.png": (good[:-30], "truncated or broken"),
        "cut2.png": (good[:200], "truncated or broken"),
        "head.png": (good[:20], "truncated or broken|cannot be read"),
        "noise.jpg": (b"\xff\xd8\xff" + bytes(range(256)) * 4, "cannot be read|broken"),
        "cut.tif": (b"II*\0\xff\xff\0\0" + b"\0" * 64, "truncated or broken TIFF"),
        "cut.npy": (b"\x93NUMPY\x01\0", "broken NPY header"),
        "a.npz": (b"PK\x03\x04" + b"junk" * 50, "broken NPZ"),
        "random.bin": (
            bytes(np.random.default_rng(0).integers(128, 256, 600, np.uint8)),
            "unknown",
        ),
    }
    for name, (content, message) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadFileError, match=message) as caught:
            read(tmp_path / name)
        assert str(caught.value).startswith(str(tmp_path / name))
        assert "\n" not in str(caught.value)
        assert caught.value.exit_code == 2
    with pytest.raises(BadFileError, match="no such file"):
        read(tmp_path / "missing.png")


@_here
@given(data=st.binary(max_size=600), start=st.sampled_from(
    [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\0", b"MM\0*", b"\x93NUMPY\x01\0", b"BM",
     b"\0" * 128 + b"DICM", b"\x1f\x8b\x08", b"\x08\0\x05\0CS", b"PK\x03\x04",
     b"\x5c\x01\0\0" + b"\0" * 340 + b"n+1\0"]))  # fmt: skip
def test_junk_never_escapes_as_another_error(data: bytes, start: bytes, tmp_path: Path) -> None:
    path = tmp_path / "junk.npz"
    path.write_bytes(start + data)
    with contextlib.suppress(InputError):
        read(path)


def test_decompression_bombs_are_refused(tmp_path: Path) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    (tmp_path / "bomb.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 10000)) + chunk(b"IEND", b"")
    )  # fmt: skip
    with pytest.raises(BadFileError, match=r"beyond the cap|bomb|exceeds"):
        read(tmp_path / "bomb.png")
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f8", "fortran_order": False, "shape": (60000, 60000, 1000)}
    )
    (tmp_path / "bomb.npy").write_bytes(head.getvalue())
    with pytest.raises(BadFileError, match="beyond the cap"):
        read(tmp_path / "bomb.npy")


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    np.save(tmp_path / "a.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    (tmp_path / "b.npy").write_bytes(pickle.dumps(Trap()))
    np.savez(tmp_path / "c.npz", pixels=np.array([Trap()], dtype=object))
    for name in ("a.npy", "b.npy", "c.npz"):
        with pytest.raises(BadFileError):
            read(tmp_path / name)
    assert not (tmp_path / "owned").exists()


def test_npz_of_others(tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", image=np.zeros((3, 4), np.uint8))
    assert read(tmp_path / "one.npz").axes == "yx"
    np.savez(tmp_path / "two.npz", a=np.zeros(3), b=np.zeros(3))
    with pytest.raises(BadFileError, match="holds: a, b"):
        read(tmp_path / "two.npz")
    with zipfile.ZipFile(tmp_path / "none.npz", "w") as archive:
        archive.writestr("x.txt", "x")
    with pytest.raises(BadFileError, match="none"):
        read(tmp_path / "none.npz")


def test_writing_refuses_what_does_not_fit(tmp_path: Path) -> None:
    signed = Image(np.zeros((4, 4), np.int16), "yx", unit="HU")
    volume = Image(np.zeros((4, 4, 4), np.uint8), "xyz")
    for image, name, message in (
        (signed, "a.png", "int16"),
        (Image(np.zeros((4, 4), np.uint16), "yx"), "a.jpg", "uint16"),
        (volume, "a.png", "one plane"),
        (volume, "a.tif", "geometry of a volume"),
        (signed, "a.xyz", "unknown suffix"),
        (Image(np.zeros((2, 4, 4), np.uint8), "tyx"), "a.nii", "no volume"),
        (Image(np.full((4, 4), np.nan, np.float32), "yx"), "a.dcm", "not finite"),
    ):
        with pytest.raises(InputError, match=message):
            write(image, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_nothing_half_written_where_writing_is_forbidden(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(InputError, match="cannot write"):
        write(Image(np.zeros((4, 4), np.uint8), "yx"), tmp_path / "a.png")


def test_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(Image(np.zeros((4, 4), np.uint8), "yx"), tmp_path / "a.png")
    before = path.read_bytes()

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        write(Image(np.ones((4, 4), np.uint8), "yx"), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_find_images_and_read_folder(tmp_path: Path) -> None:
    image = Image(np.zeros((4, 4), np.uint8), "yx")
    for name in ("b/2.png", "a/1.png", "c.npy", ".hidden/3.png"):
        write(image, tmp_path / name)
    (tmp_path / "readme.txt").write_text("no image")
    (tmp_path / "empty").touch()
    found = find_images(tmp_path)
    assert [str(p.relative_to(tmp_path)) for p in found] == ["a/1.png", "b/2.png", "c.npy"]
    assert [i.source for i in read_folder(tmp_path)] == [str(p) for p in found]
    assert find_images(found[0]) == [found[0]]
    with pytest.raises(BadFileError, match="no such file or folder"):
        find_images(tmp_path / "nowhere")


def test_a_broken_promise_of_a_name_is_listed_not_passed_over(tmp_path: Path) -> None:
    write(Image(np.zeros((4, 4), np.uint8), "yx"), tmp_path / "a.png")
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.dcm").write_text("no image")
    assert [p.name for p in find_images(tmp_path)] == ["a.png", "empty.png", "text.dcm"]


def test_caller_may_state_what_the_file_does_not(tmp_path: Path) -> None:
    path = write(Image(np.zeros((4, 4), np.uint8), "yx"), tmp_path / "a.png")
    image = read(path, window=(40, 400), modality="ct", unit="HU")
    assert (image.window, image.modality, image.unit) == (Window(40, 400), "ct", "HU")
