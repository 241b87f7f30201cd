"""osler-mini: whole, honest, repeatable."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from osler.evaluate.benchmarks.medq_deg.mini import ABOUT, NAME, mini_facts, mini_questions


@pytest.fixture(scope="module")
def questions():
    return mini_questions()


def test_at_least_what_was_promised(questions) -> None:
    pictures = Counter(q.extra["picture"] for q in questions)
    assert len(pictures) >= 20
    assert min(pictures.values()) >= 4
    assert len({q.modality for q in questions}) >= 5
    assert len({q.index for q in questions}) == len(questions)
    assert {2, 3, 4, 5} == {len(q.options) for q in questions}
    assert all(q.licence.startswith(("MIT", "BSD", "Apache")) and q.patient for q in questions)
    assert "smoke" in ABOUT
    assert NAME == "osler-mini"


def test_one_patient_key_a_source(questions) -> None:
    assert len({q.patient for q in questions}) == 7


def test_the_answer_is_the_fact(questions) -> None:
    facts = {(row["picture"], row["question"]): row for row in mini_facts()}
    assert len(facts) == len(questions)
    for q in questions:
        row = facts[q.extra["picture"], q.question]
        assert q.options[q.answer] == row["answer"]
        assert row["evidence"]


def test_letters_are_shuffled_by_the_seed(questions) -> None:
    letters = Counter(q.answer for q in questions)
    assert letters.most_common(1)[0][1] < 0.5 * len(questions)
    again, other = mini_questions(), mini_questions(seed=1)
    assert [q.options for q in again] == [q.options for q in questions]
    assert [q.options for q in other] != [q.options for q in questions]
    assert all(
        a.options[a.answer] == b.options[b.answer] for a, b in zip(questions, other, strict=True)
    )


def test_images_are_planes_of_eight_bits(questions) -> None:
    for q in questions:
        assert q.image.axes in ("yx", "yxc")
        assert q.image.unit == "8-bit"
        assert q.image.pixels.dtype == np.uint8
        assert q.image.patient == q.patient
    assert sum(q.roi is not None for q in questions) == 1


def test_text_tells_little(questions) -> None:
    """Knowing the question alone, the commonest answer of its kind is far from enough."""
    by_family: dict[str, Counter] = {}
    for q in questions:
        by_family.setdefault(q.question, Counter())[q.options[q.answer]] += 1
    best = sum(counts.most_common(1)[0][1] for counts in by_family.values()) / len(questions)
    print(f"commonest answer of each kind of question: {best:.3f}")
    assert best < 0.65


def test_shared_data_is_never_used() -> None:
    code = (
        "import os; os.environ.pop('OSLER_SHARED', None)\n"
        "from osler.evaluate.benchmarks.medq_deg.mini import mini_questions\n"
        "import sys; print(len(mini_questions()), 'torch' in sys.modules, 'nilearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, torch, nilearn = done.stdout.split()
    assert int(count) >= 80
    assert (torch, nilearn) == ("False", "False")
