"""Free text of headers does not reach a fused set: only words that tell how a series was taken."""

from __future__ import annotations

import pytest

from osler.curate.fuse.pictures.conventions import age_band
from osler.curate.fuse.volumes.series_words import agent_of, body_part_of, series_words, tracer_of
from osler.curate.fuse.volumes.tables import demographics


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("T1_SE_AX FS post Gd, Dr. Smith 2019-03-12", "t1 ax fs post gd"),
        ("DOE JOHN MRN 4711 t2_tse_sag", "t2 tse sag"),
        ("Accession A1234567", ""),
        ("PORTAL VENOUS 3D", "portal venous 3d"),
    ],
)
def test_series_descriptions(text: str, kept: str) -> None:
    assert series_words(text) == kept


def test_agents_body_parts_and_tracers() -> None:
    assert agent_of("Omnipaque 350, given by Nurse Miller") == "omnipaque"
    assert agent_of("80 ml as ordered by J. Doe") == "stated"
    assert agent_of("") == ""
    assert (body_part_of("ABDOMEN"), body_part_of("JOHN DOE")) == ("ABDOMEN", "")
    assert tracer_of("F-18 FDG for J. Doe") == "F-18 FDG"


def test_great_ages_share_one_band() -> None:
    bands = {demographics(age, "F")["age_band"] for age in (90, "097Y", 104)}
    assert bands == {"90+"} == {age_band("91"), age_band("103")}
    assert demographics("089Y", "")["age_band"] == "80-89"
