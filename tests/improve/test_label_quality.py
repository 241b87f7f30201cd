"""Agreement against published examples; lints, duplicates, planted label errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osler.core import InputError
from osler.improve import (
    Label,
    check_label,
    class_balance,
    confident_learning,
    contradictions,
    duplicate_images,
    duplicate_texts,
    gold_results,
    incoherence,
    stated_verdict,
    tf_idf,
)


def test_contradictions_and_places() -> None:
    assert len(contradictions("The edges are sharp throughout. Marked blur is seen.")) == 1
    assert contradictions("Sharp in the centre. Blurred in the left corner.") == []
    assert contradictions("Free of noise, but mild blur.") == []
    assert contradictions("") == []


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Noise is high. Overall, the quality is good.", "good"),
        ("Overall the scan should be rejected.", "reject"),
        ("Overall it is not usable.", "reject"),
        ("Good contrast.", ""),
        ("", ""),
    ],
)
def test_stated_verdicts(text: str, verdict: str) -> None:
    assert stated_verdict(text) == verdict


@pytest.mark.parametrize(
    ("verdict", "text", "says"),
    [
        ("good", "Severe streaks.", "severe streaks"),
        ("good", "Mild noise. Overall good.", ""),
        ("usable", "Moderate blur. Overall the image is usable.", ""),
        ("usable", "Moderate blur. Overall quality: reject.", "says reject"),
        ("reject", "No noise. It is sharp.", "nothing wrong"),
        ("reject", "Slight blur.", "mild blur"),
        ("reject", "Heavy ghosting.", ""),
    ],
)
def test_verdicts_fit_their_descriptions(verdict: str, text: str, says: str) -> None:
    told = incoherence(verdict, text)
    assert len(told) == bool(says)
    assert not says or says in told[0]


def test_labels_are_checked() -> None:
    options = {"A": "noise", "B": "blur"}
    fine = Label("1", "A", options, "usable", "Mild noise. Overall usable.")
    assert check_label(fine) == []
    bad = Label("2", "C", {"A": "x", "B": " X"}, "fine", "Severe blur.")
    assert [f.check for f in check_label(bad)] == ["schema"] * 3
    assert all(f.severity == "error" for f in check_label(bad))
    said = check_label(Label("3", verdict="good", description="Severe streaks. Overall usable."))
    assert [f.check for f in said] == ["verdict", "verdict"]
    assert "severe streaks" in said[1].message
    rejected = check_label(Label("4", verdict="reject", description="No noise. It is sharp."))
    assert "nothing wrong" in rejected[0].message
    assert check_label(Label(""))[0].severity == "error"


def test_duplicate_images_are_all_pairs_within_six_bits() -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**63, 60).astype(np.uint64)
    hashes[10] = hashes[3] ^ np.uint64(0b111111)
    hashes[20] = hashes[4] ^ np.uint64(0b1111111)
    found = duplicate_images(hashes)
    brute = [
        (i, j)
        for i in range(60)
        for j in range(i + 1, 60)
        if (int(hashes[i]) ^ int(hashes[j])).bit_count() <= 6
    ]
    assert [(i, j) for i, j, _ in found.pairs] == brute == [(3, 10)]
    assert np.flatnonzero(~found.kept).tolist() == [10]


def test_tf_idf_equals_scikit_learn_and_finds_near_copies() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = [
        "Mild motion blur of the liver, contrast preserved",
        "Severe streak artefacts from metal near the hip",
        "mild motion blur of the liver; contrast preserved.",
        "Mild motion blur of the spleen with grain",
        "",
        "",
    ]
    theirs = TfidfVectorizer().fit_transform(texts)
    assert (tf_idf(texts) @ tf_idf(texts).T).toarray() == pytest.approx(
        (theirs @ theirs.T).toarray()
    )
    found = duplicate_texts(texts)
    assert [(i, j) for i, j, _ in found.pairs] == [(0, 2)]
    assert found.kept.tolist() == [True, True, False, True, True, True]


@settings(deadline=None, max_examples=20)
@given(st.lists(st.text("ab c", max_size=12), min_size=1, max_size=12))
def test_kept_texts_are_no_duplicates_of_each_other(texts: list[str]) -> None:
    found = duplicate_texts(texts)
    assert not [(i, j) for i, j, _ in found.pairs if found.kept[i] and found.kept[j]]
    dropped = {j for i, j, _ in found.pairs if found.kept[i]}
    assert set(np.flatnonzero(~found.kept)) == dropped


def test_class_balance_and_gold() -> None:
    skewed = class_balance(["a"] * 9 + ["b"], ["a", "b", "c"])
    assert skewed.majority == 0.9
    assert len(skewed.findings) == 2
    assert class_balance(["a", "b"]).findings == ()
    raters = ["x"] * 10 + ["y"] * 10 + ["z"] * 2
    right = [True] * 9 + [False] + [True, False] * 5 + [True] * 2
    results = gold_results(raters, right)
    assert {g.rater: g.verdict for g in results} == {"x": "passed", "y": "failed", "z": "too few"}
    assert results[0].rater == "y"


def test_confident_learning_finds_planted_label_errors() -> None:
    rng = np.random.default_rng(0)
    n, k = 3000, 4
    truth = rng.integers(0, k, n)
    logits = rng.normal(size=(n, k)) + 5.0 * np.eye(k)[truth]
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    flipped = rng.random(n) < 0.1
    given_labels = np.where(flipped, (truth + 1) % k, truth)
    found = confident_learning(given_labels, probs)
    hit = found.suspect & flipped
    assert hit.sum() / flipped.sum() > 0.85
    assert hit.sum() / found.suspect.sum() > 0.6
    assert (found.suggested[hit] == truth[hit]).mean() > 0.95
    assert found.joint.sum(axis=1) == pytest.approx(np.bincount(given_labels))
    share = found.joint[np.arange(k), (np.arange(k) - 1) % k].sum() / n
    assert abs(share - 0.1) < 0.03
    worst = np.argsort(found.quality)[: flipped.sum()]
    assert flipped[worst].mean() > 0.8
    with pytest.raises(InputError, match="class 3"):
        confident_learning([0, 1, 2], np.full((3, 4), 0.25))


def test_confident_learning_thresholds_by_hand() -> None:
    probs = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7]])
    found = confident_learning([0, 0, 0, 1, 1, 1], probs)
    # Thresholds: class 0 mean(.9,.7,.2) = .6, class 1 mean(.2,.9,.7) = .6.
    assert found.suspect.tolist() == [False, False, True, True, False, False]
    assert found.joint.tolist() == [[2, 1], [1, 2]]
