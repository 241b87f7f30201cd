"""The encoder against the network's own PyTorch code (golden numbers) and against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from osler.core import BadFileError, InputError
from osler.models.efficientnet_onnx import efficientnet_onnx, encoder_graph
from osler.models.embedded import EFFICIENTNET_LITE0, find_embedded
from osler.models.encoder import Encoder, preprocess
from osler.models.torch_weights import read_torch_weights

# Computed once by efficientnet-lite-pytorch 0.1.0 on torch 2.13.0 from `pattern`.
GOLDEN_FEATURES = {
    113: 5.1372, 176: 1.1089, 245: 1.6174, 287: 2.3950, 328: 1.1578, 423: 2.1871, 455: 3.0151,
    468: 2.8226, 577: 1.3563, 745: 1.1268, 747: 1.4862, 897: 3.7550, 930: 2.9111, 1167: 1.5088,
    1226: 1.0748, 1277: 2.5259,
}  # fmt: skip
GOLDEN_SUM = 78.57298
GOLDEN_LOGITS = {844: 2.8324, 149: 2.7598, 701: 2.6689, 437: 2.5794}
GOLDEN_TOP_ROW = [4.3111, 5.6375, 5.2429, 4.7655, 4.4337, 5.1374, 4.0060]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder()


def pattern() -> np.ndarray:
    y, x = np.mgrid[:224, :224]
    return np.stack([x * 255 // 223, y * 255 // 223, (x // 16 + y // 16) % 2 * 200], -1).astype(
        np.uint8
    )


def test_golden_features(encoder: Encoder) -> None:
    (found,) = encoder.embed([pattern()])
    assert found.shape == (1280,)
    assert found.dtype == np.float32
    np.testing.assert_allclose(
        found[list(GOLDEN_FEATURES)], list(GOLDEN_FEATURES.values()), atol=1e-3
    )
    assert found.sum() == pytest.approx(GOLDEN_SUM, abs=1e-2)


def test_golden_grid_and_logits(encoder: Encoder) -> None:
    grid = encoder.grids([pattern()])
    assert grid.shape == (1, 1280, 7, 7)
    np.testing.assert_allclose(grid[0, 113, 0], GOLDEN_TOP_ROW, atol=1e-3)
    np.testing.assert_allclose(grid.mean((2, 3)), encoder.embed([pattern()]), atol=1e-4)
    logits = encoder.logits([pattern()])[0]
    assert list(np.argsort(-logits)[:4]) == list(GOLDEN_LOGITS)
    np.testing.assert_allclose(logits[list(GOLDEN_LOGITS)], list(GOLDEN_LOGITS.values()), atol=1e-3)


def test_knows_a_cat_and_a_cup(encoder: Encoder) -> None:
    from skimage import data

    cat, cup = encoder.logits([data.chelsea(), data.coffee()])
    assert 281 <= cat.argmax() <= 285  # ImageNet: the domestic cats
    assert cup.argmax() in (504, 967, 968)  # coffee mug, espresso, cup


def test_order_and_batches_do_not_matter(encoder: Encoder) -> None:
    rng = np.random.default_rng(3)
    planes = [rng.integers(0, 256, (40 + i, 60), dtype=np.uint8) for i in range(19)]
    together = encoder.embed(planes)
    np.testing.assert_allclose(together[::-1], encoder.embed(planes[::-1]), atol=1e-4)
    np.testing.assert_allclose(together[18:], encoder.embed(planes[18:]), atol=1e-4)
    assert encoder.embed([]).shape == (0, 1280)


def test_preprocessing_keeps_the_aspect_ratio_and_the_scale() -> None:
    wide = preprocess(np.full((56, 112), 255, np.uint8))
    assert wide.shape == (3, 224, 224)
    white, black = (1 - 0.498) / 0.502, -0.498 / 0.502
    np.testing.assert_allclose(wide[:, 56:168], white, atol=1e-5)
    np.testing.assert_allclose(wide[:, :56], black, atol=1e-5)
    np.testing.assert_allclose(wide[:, 168:], black, atol=1e-5)
    coloured = preprocess(np.full((224, 224, 3), (255, 0, 127), np.uint8))
    np.testing.assert_allclose(coloured[:, 5, 5], [white, black, 0.0], atol=1e-3)


@pytest.mark.parametrize(
    "plane",
    [
        np.zeros((8, 8), np.float32),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((0, 8), np.uint8),
        np.zeros(8, np.uint8),
    ],
)
def test_refuses_what_is_no_8_bit_plane(plane: np.ndarray) -> None:
    with pytest.raises(InputError):
        preprocess(plane)


def test_a_missing_or_misshapen_tensor_is_named() -> None:
    weights = read_torch_weights(find_embedded(EFFICIENTNET_LITE0).path)
    with pytest.raises(BadFileError, match=r"_conv_head\.weight is missing"):
        efficientnet_onnx({k: v for k, v in weights.items() if k != "_conv_head.weight"})
    with pytest.raises(BadFileError, match=r"_fc\.bias is of shape \(3,\)"):
        efficientnet_onnx({**weights, "_fc.bias": np.zeros(3, np.float32)})


def test_the_graph_is_kept_and_valid() -> None:
    onnx = pytest.importorskip("onnx")
    path = encoder_graph()
    assert path == encoder_graph()
    onnx.checker.check_model(onnx.load(str(path)))


def test_a_broken_copy_in_the_cache_is_made_again(encoder: Encoder) -> None:
    path = encoder_graph()
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    assert encoder_graph().read_bytes() == whole
