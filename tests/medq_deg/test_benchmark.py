"""MedQ-Deg as a benchmark: what every benchmark must keep, and what this one promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from osler.core import Answer, Benchmark, Case, Failure, Gold, InputError, Item, Reply
from osler.evaluate import benchmarks as room
from osler.evaluate.benchmarks import Card, benchmark_card, list_benchmarks, load_benchmark
from osler.evaluate.benchmarks.medq_deg.baseline import baseline_answers, text_prior
from osler.evaluate.benchmarks.medq_deg.benchmark import MedQDeg
from osler.evaluate.benchmarks.medq_deg.compose import compose
from osler.evaluate.benchmarks.medq_deg.questions import SourceQuestion
from osler.evaluate.benchmarks.medq_deg.score import score_case
from osler.images import Image


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> MedQDeg:
    rng = np.random.default_rng(0)
    questions = [
        SourceQuestion(
            index=f"q{i}",
            image=Image(rng.integers(0, 255, (32, 32), dtype=np.uint8), "yx", "mri", "8-bit"),
            question="Which side is the secret lesion on?",
            options={"A": "left", "B": "right", "C": "both", "D": "neither"},
            answer="ABCD"[i],
            modality="mri",
            capability="sides",
            dataset="toy",
            patient=f"p{i}",
        )
        for i in range(4)
    ]
    return MedQDeg(compose(questions, tmp_path_factory.mktemp("b") / "set"))


def ask(benchmark: MedQDeg, say: Callable[[Case], str], trials: int = 3) -> list[Answer]:
    return [
        benchmark.parse(case.item, Reply(text=say(case)), trial)
        for case in benchmark.cases()
        for trial in range(trials)
    ]


def means(benchmark: MedQDeg, answers: list[Answer]) -> tuple[float, float]:
    cases = benchmark.cases()
    summary = benchmark.summarise(cases, answers, benchmark.baselines(cases, 3), 0)
    return summary["headline"]["compat"]["value"], summary["headline"]["robust"]["value"]


def test_is_a_benchmark(benchmark: MedQDeg) -> None:
    assert isinstance(benchmark, Benchmark)
    assert benchmark.version == benchmark_card("medq-deg").version


def test_truth_scores_top_and_junk_bottom(benchmark: MedQDeg) -> None:
    assert means(benchmark, ask(benchmark, lambda c: c.gold.answer)) == (1.0, 1.0)
    assert means(benchmark, ask(benchmark, lambda c: c.gold.aliases[0]))[1] == 1.0
    for junk in ("", "!!!", "I'm sorry, I cannot help with that.", "A, B, C and D"):
        assert means(benchmark, ask(benchmark, lambda c, j=junk: j))[1] == 0.0


def test_article_games_the_published_parser_only(benchmark: MedQDeg) -> None:
    """A reply that says nothing, in a sentence with an article, collects every answer A."""
    compat, robust = means(benchmark, ask(benchmark, lambda c: "This is a difficult case."))
    assert compat == pytest.approx(0.25, abs=0.15)
    assert compat > robust == 0.0


def test_prompt_shows_image_question_options_and_no_gold(benchmark: MedQDeg) -> None:
    for case in benchmark.cases():
        prompt = benchmark.prompt(case.item)
        assert prompt.system == ""
        assert prompt.images == case.item.images
        assert "A. left\nB. right\nC. both\nD. neither" in prompt.text
        for hidden in ("clean", "p0", case.item.id, *filter(None, [case.item.tags["record"]])):
            assert hidden not in prompt.text
        degradation = case.item.tags["degradation"]
        assert degradation not in prompt.text


def test_braces_in_a_question_are_no_template(benchmark: MedQDeg) -> None:
    item = Item("x", "Is {options} in {question}?", (), {"A": "{0}", "B": "no"})
    text = benchmark.prompt(item).text
    assert "Is {options} in {question}?" in text
    assert "A. {0}\nB. no" in text


def test_failed_call_is_no_answer(benchmark: MedQDeg) -> None:
    case = benchmark.cases()[0]
    failed = benchmark.parse(case.item, Reply(error=Failure("timeout", "late")), 0)
    assert failed.status == "model_error"
    right = benchmark.parse(case.item, Reply(text=case.gold.answer), 1)
    assert score_case(case, [failed]).status == "model_error"
    partial = score_case(case, [failed, right])
    assert partial.status == "partial"
    assert partial.compat is None
    assert partial.robust is None
    assert score_case(case, []).status == "model_error"


def test_score_parts(benchmark: MedQDeg) -> None:
    case = replace(benchmark.cases()[0], gold=Gold("B"))
    texts = ["B", "B", "the answer is C", "This is a hard one"]
    probs = {"A": 0.1, "B": 0.6, "C": 0.2, "D": 0.1}
    answers = [
        benchmark.parse(case.item, Reply(text=t, option_probs=probs), i)
        for i, t in enumerate(texts)
    ]
    score = score_case(case, answers)
    assert score.robust == 0.5
    assert score.compat == 0.5
    assert score.parts["votes"] == "B2 C1"
    assert score.parts["mode"] == "B"
    assert score.parts["mode_hit"] == 1.0
    assert score.parts["unparsed"] == 1.0
    assert score.parts["max_vote"] == pytest.approx((2 + 0.25) / 4)
    # compat reads the article as a vote for A: 1, 2, 1, 0 of 4.
    assert score.parts["entropy_confidence"] == pytest.approx(1 - 1.5 * np.log(2) / np.log(4))
    assert score.parts["model_confidence"] == pytest.approx(0.6)
    assert score.parts["model_letter"] == "B"


def test_text_prior_learns_from_other_groups_only() -> None:
    def case(n: int, group: str, gold: str, options: dict[str, str]) -> Case:
        item = Item(f"i{n}", f"Which organ is in slice {n}?", (), options, group, {"level": "0"})
        return Case(item, Gold(gold))

    straight, turned = {"A": "lung", "B": "liver"}, {"A": "liver", "B": "lung"}
    cases = [case(n, f"g{n}", "A", straight) for n in range(3)]
    cases.append(case(3, "g3", "A", turned))  # the truth here is liver, all others say lung
    prior = text_prior(cases)
    assert prior["i3"] == "B"
    assert prior["i0"] == "A"
    alone = [case(n, "one", "B", straight) for n in range(5)]
    assert set(text_prior(alone).values()) == {"A"}  # nothing can be learnt inside the group


def test_baselines_are_seeded_by_item(benchmark: MedQDeg) -> None:
    cases = benchmark.cases()
    one, two = baseline_answers(cases, 3), baseline_answers(cases[::-1], 3)
    for name in one:
        a = {(x.item_id, x.trial): x.value for x in one[name]}
        assert a == {(x.item_id, x.trial): x.value for x in two[name]}
        assert len(a) == 3 * len(cases)


def test_cards(monkeypatch: Any) -> None:
    assert "medq-deg" in {card.name for card in list_benchmarks()}
    assert benchmark_card("medq_deg") is benchmark_card("medq-deg")
    with pytest.raises(InputError, match="did you mean medq-deg"):
        load_benchmark("medqdeg")


class _Entry:
    name, value = "other", "other_package:card"

    def __init__(self, card: Any) -> None:
        self._card = card

    def load(self) -> Any:
        return self._card


def test_benchmarks_of_other_packages(monkeypatch: Any) -> None:
    mine = Card("other", "Other", "1", "json:loads", default_data='{"data": "theirs"}')
    for given in (mine, lambda: mine):
        room._cards.cache_clear()
        monkeypatch.setattr(room, "entry_points", lambda group, g=given: [_Entry(g)])
        assert load_benchmark("other") == {"data": "theirs"}
    for wrong, sentence in ((3.5, "no benchmark card"), (replace(mine, name="medq-deg"), "two")):
        room._cards.cache_clear()
        given = wrong if isinstance(wrong, Card) else (lambda w=wrong: w)
        monkeypatch.setattr(room, "entry_points", lambda group, g=given: [_Entry(g)])
        with pytest.raises(InputError, match=sentence):
            list_benchmarks()
    monkeypatch.undo()
    room._cards.cache_clear()


def test_listing_imports_no_benchmark(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from osler.evaluate.benchmarks import list_benchmarks; list_benchmarks();"
        "print([m for m in sys.modules if 'medq_deg' in m or m in ('cv2', 'scipy', 'numpy')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
