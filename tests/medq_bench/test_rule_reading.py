"""What rules read in a text on image quality, and the points they give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osler.degrade import degradations
from osler.evaluate.benchmarks.medq_bench.rubric import AXES, Truth, axes
from osler.evaluate.benchmarks.medq_bench.rules import Reading, read_text
from osler.evaluate.benchmarks.medq_bench.vocabulary import CONCEPTS, concept_of

FOUND = [
    ("There is severe noise and mild blur.", {"noise": "severe", "blur": "mild"}),
    ("The picture looks grainy.", {"noise": ""}),
    ("Noise is heavily present.", {"noise": "severe"}),
    ("The image is not sharp.", {"blur": ""}),
    ("Edges lack sharpness.", {"blur": ""}),
    ("Slight out-of-focus look; strong streaks.", {"blur": "mild", "streaks": "severe"}),
    ("Salt-and-pepper noise is visible.", {"impulse": ""}),
    ("Ghosting and ring artifacts appear.", {"ghosting": "", "rings": ""}),
    ("Ringing at edges.", {"ringing": ""}),
    ("Marked motion blur.", {"motion": "severe"}),
    ("Low contrast, uneven illumination.", {"contrast": "", "uneven": ""}),
    ("Loss of contrast.", {"contrast": ""}),
    ("The contrast is somewhat reduced.", {"contrast": "moderate"}),
    ("The slide is overstained and has a tissue fold.", {"stain": "", "fold": ""}),
    ("Not only noise but also heavy blur.", {"noise": "", "blur": "severe"}),
    ("No noise and mild blur.", {"blur": "mild"}),
    ("No noise, but streaks are visible.", {"streaks": ""}),
    ("Without blur, yet very noisy.", {"noise": "severe"}),
    ("There is no severe noise, only mild noise.", {"noise": "mild"}),
    ("No noise, blur or streaks are visible.", {}),
    ("Noise is absent and blur is not visible.", {}),
    ("The image is free of noise.", {}),
    ("Noise-free, sharp, with good contrast.", {}),
    ("There isn't any blur.", {}),
    ("The liver is enlarged.", {}),
    ("", {}),
]


@pytest.mark.parametrize(("text", "found"), FOUND)
def test_findings_with_strength_and_negation(text: str, found: dict[str, str]) -> None:
    assert dict(read_text(text).found) == found


@pytest.mark.parametrize(
    ("text", "denied"),
    [
        ("No noise, blur or streaks are visible.", {"noise", "blur", "streaks"}),
        ("Sharp image, noise is absent.", {"blur", "noise"}),
        ("No noise at first sight. On a closer look there is noise.", set()),
    ],
)
def test_denials(text: str, denied: set[str]) -> None:
    assert read_text(text).denied == denied


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Overall the image is good.", "good"),
        ("Verdict: **usable**.", "usable"),
        ("It should be rejected.", "reject"),
        ("The image is unusable.", "reject"),
        ("Not usable.", "reject"),
        ("Good contrast. In sum, reject.", "reject"),
        ("Say good, usable, or reject.", None),
        ("Poor quality overall.", "reject"),
        ("This is not good, merely acceptable.", "usable"),
        ("Nothing else.", None),
    ],
)
def test_verdicts(text: str, verdict: str | None) -> None:
    assert read_text(text).verdict == verdict


@pytest.mark.parametrize(
    ("text", "better"),
    [
        ("Image A is better.", "A"),
        ("The second image is better than the first.", "B"),
        ("Image A is worse than image B.", "B"),
        ("better: A", "A"),
        ("The better image is B.", "B"),
        ("B looks fine. Overall, image B has the higher quality.", "B"),
        ("Say which image is better, A or B.", None),
        ("Neither image A nor image B is better.", None),
        ("They are equal.", None),
    ],
)
def test_the_better_image(text: str, better: str | None) -> None:
    assert read_text(text).better == better


def test_findings_belong_to_the_image_they_are_said_of() -> None:
    said = read_text("Image A is sharp, while image B shows severe blur. Image A is better.")
    assert said.by_image == {"A": 0, "B": 3}
    assert read_text("Image A has less noise than image B.").by_image == {"A": 0}


def test_every_degradation_has_a_concept_and_every_concept_reads_its_own_title() -> None:
    assert {concept_of(key).name for key in degradations()} == {c.name for c in CONCEPTS}
    for concept in CONCEPTS:
        assert set(read_text(f"There is {concept.title}.").found) == {concept.name}, concept.title
        assert read_text(f"There is no {concept.title}.").denied == {concept.name}, concept.title


@given(st.text(max_size=500))
def test_any_text_can_be_read(text: str) -> None:
    said = read_text(text)
    for truth in (Truth({"noise": "mild"}, verdict="usable", closed=True), Truth({}, better="A")):
        for paired in (False, True):
            for form in axes(said, truth, paired):
                assert set(form) == set(AXES)
                assert all(0 <= v <= 2 for v in form.values())


NOISY = Truth({"noise": "severe"}, verdict="reject", closed=True)
CLEAN = Truth({}, verdict="good", closed=True)


def points(
    text: str, truth: Truth = NOISY, paired: bool = False
) -> tuple[list[float], list[float]]:
    compat, robust = axes(read_text(text), truth, paired)
    return [compat[a] for a in AXES], [robust[a] for a in AXES]


def test_a_right_text_gets_all_points() -> None:
    assert points("Severe noise, nothing else. Reject.") == ([2, 2, 2, 2], [2, 2, 2, 2])
    assert points("No artefacts, no noise. The image is good.", CLEAN) == ([2] * 4, [2] * 4)
    pair = Truth({"noise": "severe"}, better="B", closed=True)
    text = "Image A shows severe noise. Image B shows mild noise. Image B is better."
    assert points(text, pair, True) == ([2] * 4, [2] * 4)


def test_partly_right_texts_get_parts() -> None:
    compat, robust = points("Mild noise. The image is usable.")
    assert compat == [2, 2, 2, 1]
    assert robust == [1.0, 1.0, 2, 0]
    compat, robust = points("Severe noise and severe blur. Reject.")
    assert compat == [2, 1, 2, 2]
    assert robust == [pytest.approx(4 / 3), 1.0, 2, 2]


def test_what_is_gained_without_looking_in_compat_is_lost_in_robust() -> None:
    everything = "Severe " + ", ".join(c.title for c in CONCEPTS) + ". Reject."
    compat, robust = points(everything)
    assert compat[0] == 2
    assert robust[0] < 0.15
    assert robust[1] < 0.15
    assert points("")[0] == [0, 2, 0, 0]
    assert points("")[1] == [0, 0, 0, 0]
    assert points("The image is good.", CLEAN)[0][2:] == [2, 2]
    assert points("The image is good.", CLEAN)[1] == [0, 0, 0, 2]
    assert points("No noise. The image is good.")[1] == [0, 0, 0, 0]
    assert points("Some blur. It is usable.")[0][3] == 1
    assert points("Some blur. Usable.")[1][3] == 0


def test_a_verdict_against_its_own_findings_is_inconsistent() -> None:
    assert points("Severe noise. The image is good.")[0][2] == 0
    assert points("Severe noise. The image is usable.")[0][2] == 1
    assert points("Severe noise.")[0][2] == 0
    pair = Truth({"noise": "severe"}, better="B", closed=True)
    against = "Image A shows severe noise. Image B shows mild noise. Image A is better."
    assert points(against, pair, True)[0][2:] == [0, 0]


def test_a_reference_text_is_an_open_truth() -> None:
    truth = Truth.of_reference(read_text("Mild blur, no noise. Usable."))
    assert dict(truth.found) == {"blur": "mild"}
    assert truth.denied == {"noise"}
    assert truth.verdict == "usable"
    assert points("Mild blur and streaks. Usable.", truth)[0] == [2, 2, 2, 2]  # streaks: not known
    assert points("Mild blur, noisy. Usable.", truth)[0][1] == 1
    assert Reading().worst == "none"
