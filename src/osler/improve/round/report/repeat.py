"""Where a round stands, and how to do it again: stages, plan, versions, hashes."""

from __future__ import annotations

from osler.evaluate.report.markup import Safe, foreign, join, paragraphs, tag
from osler.evaluate.report.numbers import duration
from osler.evaluate.report.provenance import everything
from osler.evaluate.report.tables import Cell, Column, details, facts, table

from .folder import RoundFolder, mapping
from .verdict import named

STATES = {"done": "ok", "waiting": "mixed", "refused": "bad"}


def stages_table(found: RoundFolder) -> Safe:
    """Each stage that has begun: its state, how long it took, what it says."""
    body = []
    for name, stage in found.stages.items():
        state = str(stage.get("state") or "")
        seconds = stage.get("seconds", mapping(found.records.get(name)).get("seconds"))
        says = stage.get("says") or mapping(found.records.get(name)).get("says")
        body.append(
            [
                foreign(name, 40),
                tag("span", foreign(state, 40), class_=STATES.get(state, "quiet")),
                Cell(duration(seconds), seconds),
                foreign(says or "", 400),
            ]
        )
    heads: list[Column | str] = [Column("Stage", False), Column("state", False), "took"]
    heads.append(Column("in a sentence", False))
    return table("The stages of the round, in order.", heads, body)


def repeat_section(found: RoundFolder) -> Safe:
    """The plan, the students, versions, seconds and hashes."""
    plan = found.plan
    versions = sorted({str(r["osler"]) for r in found.records.values() if r.get("osler")})
    return join(
        [
            paragraphs(
                "The same plan on the same data gives the same round. Finished stages are kept; a "
                "stage is done again only when something that it depends on has changed."
            ),
            facts(
                [
                    (
                        "Osler",
                        foreign(", ".join(versions) or found.round.get("osler", "not recorded")),
                    ),
                    ("Seed", foreign(plan.get("seed", "not recorded"))),
                    ("Student", foreign(named(found.round.get("student")))),
                    ("New student", foreign(named(found.trained.get("model")))),
                ]
            ),
            stages_table(found),
            details("The plan", everything("What the round was asked to do.", plan)),
            details("Training", everything("What training recorded.", found.trained))
            if found.trained
            else None,
            _hashes(found),
        ]
    )


def _hashes(found: RoundFolder) -> Safe | None:
    body = [
        [foreign(name, 40), foreign(file, 200), tag("code", foreign(digest, 80))]
        for name, record in sorted(found.records.items())
        for file, digest in sorted(mapping(record.get("outputs")).items())
    ]
    if not body:
        return None
    heads = [Column(name, False) for name in ("Stage", "file", "SHA-256")]
    return details("Files and their hashes", table("What each stage left.", heads, body))
