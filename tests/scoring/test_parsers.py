"""The two parsers on a table of replies (spec check 12)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osler.evaluate.scoring import parse_choice, parse_choice_compat

BLUR = {"A": "Noise", "B": "Ghosting", "C": "Mild blur", "D": "Low contrast"}
FIVE = {
    "A": "Viral pneumonia",
    "B": "Pneumonia",
    "C": "Hepatitis B",
    "D": "Not enough information",
    "E": "Normal",
}
TWO = {"A": "Yes", "B": "No"}

COUNT = {"A": "1", "B": "2", "C": "3", "D": "4"}

# reply, options, robust letter, robust status, compat letter
TABLE = [
    ("C", BLUR, "C", "ok", "C"),
    ("c", BLUR, "C", "ok", "C"),
    ("I have no idea", TWO, None, "unparsed", None),
    ("No doubt: yes", TWO, "A", "ok", None),
    ("a", BLUR, "A", "ok", "A"),
    (" (C) ", BLUR, "C", "ok", "C"),
    ("C.", BLUR, "C", "ok", "C"),
    ("**C**", BLUR, "C", "ok", "C"),
    ("C. Mild blur", BLUR, "C", "ok", "C"),
    ("C) Mild blur", BLUR, "C", "ok", "C"),
    ("(D) Low contrast, because the histogram is narrow.", BLUR, "D", "ok", "D"),
    ("C: mild blur", BLUR, "C", "ok", "C"),
    ("C - the edges are soft", BLUR, "C", "ok", "C"),
    ("a mild blur is visible at the edges, answer: C", BLUR, "C", "ok", "C"),
    ("There is a mild blur.", BLUR, "C", "ok", "A"),
    ("Mild blur", BLUR, "C", "ok", None),
    ("mild  blur.", BLUR, "C", "ok", None),
    ("The answer is C.", BLUR, "C", "ok", "C"),
    ("The correct answer is (C).", BLUR, "C", "ok", "C"),
    ("The correct option is **B**", BLUR, "B", "ok", "B"),
    ("Answer: A because the grain is strong", BLUR, "A", "ok", "A"),
    ("Answer: A mild blur", BLUR, "C", "ok", "A"),
    ("The answer is a mild blur", BLUR, "C", "ok", "A"),
    ("First I thought A. Wait. The final answer is B.", BLUR, "B", "ok", "B"),
    ("The answer is A. On reflection, the answer is D.", BLUR, "D", "ok", "A"),
    ("It is not B. The answer is D", BLUR, "D", "ok", "D"),
    ("The answer is not B", BLUR, None, "unparsed", "B"),
    ("B is incorrect, D fits best", BLUR, "D", "ok", "B"),
    ("Answer: B or C", BLUR, None, "unparsed", "B"),
    ("A, B and C are all possible", BLUR, None, "unparsed", "A"),
    ("A. Noise\nB. Ghosting\nC. Mild blur\nD. Low contrast", BLUR, None, "unparsed", "A"),
    ("A. Noise\nB. Ghosting\nC. Mild blur\nD. Low contrast\nAnswer: D", BLUR, "D", "ok", "A"),
    ("C. Ghosting", BLUR, None, "unparsed", "C"),
    ("\\boxed{C}", BLUR, "C", "ok", "C"),
    ("$\\boxed{\\text{C}}$", BLUR, "C", "ok", "C"),
    ('{"answer": "C", "confidence": 0.8}', BLUR, "C", "ok", "C"),
    ('```json\n{"reason": "A line", "answer": "D. Low contrast"}\n```', BLUR, "D", "ok", "A"),
    ("<think>A or B? maybe A</think>C", BLUR, "C", "ok", "A"),
    ("<think>A or B? I should look at the", BLUR, None, "unparsed", "A"),
    ("<answer>B</answer>", BLUR, "B", "ok", "B"),
    ("答案是C。", BLUR, "C", "ok", None),
    ("答案：（B）", BLUR, "B", "ok", "B"),
    ("应选D", BLUR, "D", "ok", None),
    ("抱歉，我无法回答这个问题。", BLUR, None, "refused", None),
    ("Ｃ", BLUR, "C", "ok", None),
    ("I'm sorry, but I can't assist with that.", BLUR, None, "refused", None),
    ("As an AI, I cannot provide a medical diagnosis.", BLUR, None, "refused", "A"),
    ("I cannot determine whether there is ghosting.", BLUR, None, "refused", None),
    ("I'm sorry, I am no doctor. However, the answer is B.", BLUR, "B", "ok", "B"),
    ("", BLUR, None, "unparsed", None),
    ("It looks fine to me.", BLUR, None, "unparsed", None),
    ("I think it is a good image", BLUR, None, "unparsed", "A"),
    ("Ghosting, not noise", BLUR, "B", "ok", None),
    ("E", FIVE, "E", "ok", "E"),
    ("I would choose E", FIVE, "E", "ok", "E"),
    ("The findings suggest viral pneumonia", FIVE, "A", "ok", None),
    ("The findings suggest pneumonia", FIVE, "B", "ok", None),
    ("This is hepatitis B", FIVE, "C", "ok", "B"),
    ("There is not enough information", FIVE, "D", "ok", None),
    ("No evidence of pneumonia, so normal", FIVE, "E", "ok", None),
    ("Vitamin C deficiency", FIVE, None, "unparsed", "C"),
    ("Yes, there is a fracture.", TWO, "A", "ok", "A"),
    ("No", TWO, "B", "ok", None),
    ("F", TWO, None, "unparsed", None),
    ("option c", BLUR, "C", "ok", "C"),
    ("It can't be A, so B", BLUR, "B", "ok", "A"),
    ("A: noise - no. B: ghosting - no. C: mild blur - yes. So C.", BLUR, "C", "ok", "A"),
    ("C. mild blur or D. low contrast", BLUR, None, "unparsed", "C"),
    ("Either B or D", BLUR, None, "unparsed", "B"),
    ("I can't see any fracture. No.", TWO, "B", "ok", None),
    ("I cannot view the image.", TWO, None, "refused", None),
    ("Neither A nor B. C.", BLUR, "C", "ok", "A"),
    ("D D D", BLUR, "D", "ok", "D"),
    ("So a mild blur it is", BLUR, "C", "ok", "A"),
    # Listing letters is no answer, however it is dressed.
    ("A or B", BLUR, None, "unparsed", "A"),
    ("A. B. C. D.", BLUR, None, "unparsed", "A"),
    ("A: 10%, B: 70%, C: 10%, D: 10%", BLUR, None, "unparsed", "A"),
    ('{"answer": "A"} {"answer": "B"}', BLUR, None, "unparsed", "A"),
    ("Options:\nA. noise\nB. ghosting\nC. mild blur\nD. low contrast", BLUR, None, "unparsed", "A"),
    # Thoughts whose opening tag is missing or lies beyond what is kept.
    ("The answer is A? Hmm.\n</think>\n\nB", BLUR, "B", "ok", "A"),
    ("<think>" + "The answer is A. " * 1000 + "</think>B", BLUR, "B", "ok", "A"),
    ("<think>" + "The answer is A. " * 1000 + "</think>Hard to say.", BLUR, None, "unparsed", "A"),
    ("Looking at options A, B, C and D, the most suitable is C.", BLUR, "C", "ok", "A"),
    ("A 45-year-old man with noise.", BLUR, "A", "ok", "A"),
    ("A 45-year-old man with ghosting.", BLUR, "B", "ok", "A"),
    ("C because of the edges; A would show grain.", BLUR, "C", "ok", "C"),
    # Counting questions: the options are digits.
    ("There are 3 lesions.", COUNT, "C", "ok", None),
    ("The answer is 4", COUNT, "D", "ok", None),
    ("Slice 2 shows 4", COUNT, None, "unparsed", None),
    ("1. I look closely\n2. So 4", COUNT, "D", "ok", None),
    ("3 lesions at 1.5 T", COUNT, "C", "ok", None),
]


@pytest.mark.parametrize(("reply", "options", "letter", "status", "compat"), TABLE)
def test_reply(
    reply: str, options: dict[str, str], letter: str | None, status: str, compat: str | None
) -> None:
    assert parse_choice(reply, options) == (letter, status)
    assert parse_choice_compat(reply, "".join(options)) == compat


def test_table_is_large_enough() -> None:
    assert len(TABLE) >= 40


@given(st.text(max_size=200))
def test_any_text_gives_an_option_or_a_reason(text: str) -> None:
    choice = parse_choice(text, BLUR)
    assert (choice.letter in BLUR) == (choice.status == "ok")
    assert parse_choice_compat(text, "ABCD") in {*BLUR, None}


@given(st.sampled_from("ABCDE"), st.sampled_from(["{}", "({})", "Answer: {}", "The answer is {}."]))
def test_plain_answers_are_read_alike_by_both(letter: str, form: str) -> None:
    assert parse_choice(form.format(letter), FIVE).letter == letter
    assert parse_choice_compat(form.format(letter)) == letter


def test_hostile_lengths_do_not_hang() -> None:
    import time

    began = time.process_time()
    for text in (
        "not " * 20_000,
        "{" * 50_000,
        "answer is " * 20_000,
        "A or " * 20_000,
        "a " * 100_000,
    ):
        parse_choice(text, BLUR)
    assert time.process_time() - began < 1
