"""Drawing tokens: the distribution, the nucleus, the letters, the pictures."""

from __future__ import annotations

import io

import numpy as np
import pytest

from osler.core import InputError, Sampling

torch = pytest.importorskip("torch")

from osler.models.transformers_chat import picture  # noqa: E402
from osler.models.transformers_draw import (  # noqa: E402
    SeededDraw,
    cut_at_stop,
    letter_tokens,
    option_probabilities,
)

LOGITS = torch.tensor([2.0, 1.0, 0.0, -1.0])


def _draws(sampling: Sampling, n: int) -> np.ndarray:
    draw = SeededDraw([sampling] * n, range(n))
    return draw(None, LOGITS.repeat(n, 1)).argmax(-1).numpy()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_softmax(temperature: float) -> None:
    n = 4000
    counts = np.bincount(_draws(Sampling(temperature=temperature), n), minlength=4)
    expected = n * torch.softmax(LOGITS / temperature, 0).numpy()
    chi2 = float(((counts - expected) ** 2 / expected).sum())
    assert chi2 < 16.3  # 99.9 % point of chi-square with 3 degrees of freedom


def test_temperature_zero_is_argmax() -> None:
    assert set(_draws(Sampling(temperature=0), 50)) == {0}


def test_the_nucleus_keeps_the_smallest_sufficient_set() -> None:
    # softmax of LOGITS: 0.644, 0.237, 0.087, 0.032
    assert set(_draws(Sampling(top_p=0.6), 300)) == {0}
    assert set(_draws(Sampling(top_p=0.7), 300)) == {0, 1}
    assert set(_draws(Sampling(top_p=0.9), 900)) == {0, 1, 2}


def test_logprobs_are_of_the_untempered_distribution() -> None:
    draw = SeededDraw([Sampling(temperature=0, logprobs=1)], [0])
    draw(None, LOGITS[None])
    assert draw.logprobs() == [[pytest.approx(float(torch.log_softmax(LOGITS, 0)[0]))]]


def test_option_probabilities_add_up_the_variants() -> None:
    probs = option_probabilities(LOGITS, {"A": [0, 3], "B": [1]})
    a, b = np.exp(2) + np.exp(-1), np.exp(1)
    assert probs == {"A": pytest.approx(a / (a + b)), "B": pytest.approx(b / (a + b))}


def test_letters_that_are_not_tokens_are_refused() -> None:
    class Bytes:
        def encode(self, text: str, add_special_tokens: bool) -> list[int]:
            return list(text.encode())

        def decode(self, ids: list[int]) -> str:
            return bytes(ids).decode()

    assert letter_tokens(Bytes(), ["A", "B"]) == {"A": [65], "B": [66]}
    with pytest.raises(InputError, match="choose=false"):
        letter_tokens(Bytes(), ["A", "10"])


def test_cut_at_stop_takes_the_first_of_all() -> None:
    assert cut_at_stop("one two three", ("three", "two", "")) == ("one ", True)
    assert cut_at_stop("one", ("two",)) == ("one", False)


def test_sixteen_bit_pictures_are_scaled_not_clipped() -> None:
    from PIL import Image

    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    buffer = io.BytesIO()
    Image.fromarray(ramp).save(buffer, "PNG")
    shown = np.asarray(picture(buffer.getvalue()))
    assert shown.shape == (16, 16, 3)
    np.testing.assert_allclose(shown[..., 0].ravel(), np.arange(256), atol=1)


def test_transparent_pixels_are_black() -> None:
    from PIL import Image

    pixels = np.full((4, 4, 4), 200, np.uint8)
    pixels[..., 3] = 255
    pixels[:2, :, 3] = 0
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    shown = np.asarray(picture(buffer.getvalue()))
    assert shown[:2].max() == 0
    assert shown[2:].min() == 200
