"""What questions ask for, on a small catalogue whose answers are known."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from osler.core import InputError, UnknownNameError
from osler.curate.catalog.search import Filters, Index, facet_counts, read_query, search

LIVERS = ["liver-both", "liver-ct", "liver-mr"]
EVERYTHING = [
    "chest-x",
    "fundus-dr",
    "keyhole",
    "liver-both",
    "liver-ct",
    "liver-mr",
    "scope-polyp",
]

ANSWERS = {
    # one facet, its names
    "CT": ["liver-both", "liver-ct"],
    "magnetic resonance": ["liver-both", "liver-mr"],
    "liver": LIVERS,
    "hepatic": LIVERS,
    "x-rays": ["chest-x"],
    "videos": ["keyhole", "scope-polyp"],
    "segmentation": ["liver-ct", "liver-mr"],
    # together
    "liver CT segmentation": ["liver-ct"],
    "outlines of liver tumours on CT scans": ["liver-ct"],
    "photos of the back of the eye": ["fundus-dr"],
    "chest infection on x-rays": ["chest-x"],
    "bowel growths seen by camera": ["scope-polyp"],
    "gallbladder keyhole surgery steps": ["keyhole"],
    "eye damage from diabetes": ["fundus-dr"],
    # negation
    "liver, not CT": ["liver-mr"],
    "liver without MRI": ["liver-ct"],
    "liver data except CT or MR": [],
    "endoscopy, no surgery videos": ["scope-polyp"],
    "non-CT liver": ["liver-mr"],
    "non-contrast CT of the liver": ["liver-both", "liver-ct"],
    "without contrast, liver CT": ["liver-both", "liver-ct"],
    "3D images excluding hepatocellular carcinoma": ["liver-ct", "liver-mr"],
    "retina or liver but not MR": ["fundus-dr", "liver-ct"],
    "liver, neither CT nor MRI": [],
    "liver data, CT excluded": ["liver-mr"],
    "I don't need CT. Liver.": ["liver-mr"],
    "anything except CT for liver": ["liver-mr"],
    "no CT, I want MRI, liver": ["liver-mr"],
    "liver, segmentation not needed": LIVERS,
    # years
    "liver since 2019": ["liver-both", "liver-ct"],
    "liver after 2019": ["liver-ct"],
    "liver before 2019": ["liver-mr"],
    "liver until 2019": ["liver-both", "liver-mr"],
    "liver 2014-2019": ["liver-both", "liver-mr"],
    "liver between 2015 and 2020": ["liver-both"],
    "liver from 2019": ["liver-both"],
    "liver in the 2010s": ["liver-both", "liver-mr"],
    "liver, nothing before 2019": ["liver-both", "liver-ct"],
    "liver but not 2019": ["liver-ct", "liver-mr"],
    # sizes
    "liver with more than 100 volumes": ["liver-both", "liver-ct"],
    "liver, fewer than 100 cases": ["liver-mr"],
    "liver with at least 200 volumes": ["liver-both", "liver-ct"],
    "2D with over 100,000 images": ["chest-x"],
    "more than 100 liver volumes": ["liver-both", "liver-ct"],
    "2D with 1k-2k images": ["fundus-dr"],
    # licence, access, host, labels
    "liver for commercial use": ["liver-ct"],
    "permissive licence": ["chest-x", "liver-ct"],
    "liver CC BY": ["liver-ct"],
    "CC0": ["chest-x"],
    "non-commercial licence liver": ["liver-mr"],
    "liver without registration": ["liver-ct"],
    "liver on Kaggle": ["liver-mr"],
    "liver not on Kaggle": ["liver-both", "liver-ct"],
    "unlabelled liver": ["liver-both"],
    # Chinese
    "肝脏 CT 分割": ["liver-ct"],
    "核磁共振 肝": ["liver-both", "liver-mr"],
    "非CT的肝脏数据": ["liver-mr"],
    "不含MRI的肝脏影像": ["liver-ct"],
    "CT以外的肝脏数据": ["liver-mr"],
    "除了CT和MRI之外的肝脏数据": [],
    "不要CT，要MRI，肝脏": ["liver-mr"],
    "2019年以后的肝脏": ["liver-both", "liver-ct"],
    "超过100例的肝脏": ["liver-both", "liver-ct"],
    "眼底 糖尿病视网膜病变": ["fundus-dr"],
    "无需注册的胸片": ["chest-x"],
    "可商用 肝脏": ["liver-ct"],
    # told by signs
    "germs inside the lungs, x-rays": ["chest-x"],
    "sugar that harms the retina": ["fundus-dr"],
    "bumps in the intestine": ["scope-polyp"],
    # slips of the pen
    "livr segmentaton": ["liver-ct", "liver-mr"],
    "colonscopy polips": ["scope-polyp"],
    "pnuemonia xray": ["chest-x"],
    "liverct": ["liver-ct"],
    # names
    "FundusDR": ["fundus-dr"],
    "fundus dr": ["fundus-dr"],
    "eye sugar": ["fundus-dr"],
    "key hole 50": ["keyhole"],
    # nothing
    "chicken soup recipes": [],
    "satellite images of crops": [],
    "EEG of the liver": [],
    "liver CT from 2030": [],
    "dermoscopy": [],
    "股票 走势": [],
    "liver CT of cats": [],
}


@pytest.mark.parametrize("text", ANSWERS)
def test_full_answers(full: Callable[..., list[str]], text: str) -> None:
    assert full(text) == ANSWERS[text]


def test_no_text_is_everything(full: Callable[..., list[str]]) -> None:
    assert full("") == full("  ") == EVERYTHING
    assert full("medical imaging datasets") == EVERYTHING


@pytest.mark.parametrize(
    ("limits", "wanted"),
    [
        ({"modalities": ("CT",)}, ["liver-both", "liver-ct"]),
        ({"modalities": ("CT", "CFP")}, ["fundus-dr", "liver-both", "liver-ct"]),
        ({"exclude": ("modality:CT", "modality:MR")}, ["chest-x", "fundus-dr", "keyhole",
                                                       "scope-polyp"]),
        ({"structures": ("liver",), "years": (2015, None)}, ["liver-both", "liver-ct"]),
        ({"years": (None, 2016)}, ["fundus-dr", "liver-mr"]),
        ({"licences": ("permissive",)}, ["chest-x", "liver-ct"]),
        ({"licences": ("CC-BY-*",)}, ["liver-ct"]),
        ({"licences": ("unknown",)}, ["fundus-dr", "keyhole", "liver-both", "scope-polyp"]),
        ({"access": ("anonymous",)}, ["chest-x", "liver-ct"]),
        ({"publishers": ("Kaggle",)}, ["chest-x", "liver-mr"]),
        ({"min_count": 1000}, ["chest-x", "fundus-dr"]),
        ({"max_count": 60}, ["liver-mr", "scope-polyp"]),
        ({"labelled": False}, ["liver-both"]),
        ({"tasks": ("detection",)}, ["scope-polyp"]),
        ({"dims": ("video",)}, ["keyhole", "scope-polyp"]),
    ],
)  # fmt: skip
def test_filters(full: Callable[..., list[str]], limits: dict, wanted: list[str]) -> None:
    assert full("", **limits) == wanted


def test_filters_and_text_both_hold(full: Callable[..., list[str]]) -> None:
    assert full("liver", modalities=("MR",)) == ["liver-both", "liver-mr"]
    assert full("liver, not CT", modalities=("CT",)) == []


def test_a_filter_is_hard_for_near_misses_and_names(small: Index) -> None:
    found = search(small, "liver CT segmentation", filters=Filters(modalities=("XR",)), limit=None)
    assert {hit.id for hit in found.hits} <= {"chest-x"}
    assert not search(small, "FundusDR", filters=Filters(years=(2020, None))).hits


def test_bad_exclusions_are_refused(small: Index) -> None:
    with pytest.raises(InputError, match="FACET:VALUE"):
        search(small, "", filters=Filters(exclude=("CT",)))
    with pytest.raises(UnknownNameError, match="modality"):
        search(small, "", filters=Filters(exclude=("modalty:CT",)))


def test_near_misses_come_last_and_say_what_they_fail(small: Index) -> None:
    hits = search(small, "liver CT segmentation").hits
    assert hits[0].id == "liver-ct"
    assert {hit.id for hit in hits[1:]} == {"liver-both", "liver-mr"}
    assert hits[0].failed == ()
    assert all(len(hit.failed) == 1 for hit in hits[1:])
    failed = {hit.id: hit.failed[0] for hit in hits[1:]}
    assert "classification" in failed["liver-both"]
    assert "MR" in failed["liver-mr"]
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= one <= 1 for one in scores)


def test_why_names_what_answers(small: Index) -> None:
    hit, *_ = search(small, "hepatic CT since 2020, not Kaggle").hits
    assert hit.id == "liver-ct"
    text = " | ".join(hit.why)
    assert "CT" in text
    assert "liver" in text
    assert "2021" in text
    assert "not publisher: kaggle" in text


def test_without_hits_it_says_what_to_drop(small: Index) -> None:
    found = search(small, "dermoscopy of the liver")
    assert found.hits == ()
    assert any("dermoscopy" in one and "3" in one for one in found.drop)
    found = search(small, "liver CT before 1990")
    assert found.drop[0].startswith("year 'before 1990' (then 2)")
    assert "xylograph" in search(small, "xylograph").drop[0]


def test_total_counts_what_the_limit_hides(small: Index) -> None:
    found = search(small, "", limit=2)
    assert (len(found.hits), found.total) == (2, 7)


def test_reading_is_told(small: Index) -> None:
    query = read_query("fundos imagse of the livr on Kaggle since 2016, not CT", small)
    assert dict(query.corrections) == {"fundos": "fundus", "imagse": "image", "livr": "liver"}
    facets = query.facets()
    assert facets["modality"] == ("CFP",)
    assert facets["structure"] == ("liver",)
    assert facets["publisher"] == ("Kaggle",)
    assert facets["not modality"] == ("CT",)
    (year,) = [one for one in query.constraints if one.facet == "year"]
    assert (year.low, year.high) == (2016, None)


def test_facet_counts_equal_sql(small: Index) -> None:
    for text in ("", "liver", "liver, not CT", "videos", "chicken soup"):
        rows = [
            row
            for row, one in enumerate(small.catalog.datasets)
            if one.id in {hit.id for hit in search(small, text, limit=None).hits}
        ]
        listed = ",".join(map(str, rows)) or "NULL"
        counted: dict[str, dict[str, int]] = {}
        for facet, value, n in small.connection.execute(
            "SELECT facet, value, count(DISTINCT row) FROM facet "
            f"WHERE row IN ({listed}) GROUP BY facet, value"
        ):
            counted.setdefault(facet, {})[value] = n
        counts = facet_counts(small, text)
        assert {facet: values for facet, values in counts.items() if values} == counted


def test_facet_counts_are_ordered(small: Index) -> None:
    counts = facet_counts(small)
    assert next(iter(counts["structure"].items())) == ("liver", 3)
    assert list(counts["year"]) == sorted(counts["year"], reverse=True)
