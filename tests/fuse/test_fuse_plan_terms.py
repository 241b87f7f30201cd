"""What a plan takes a dataset's terms to be, where the catalogue knows them of a part only."""

from __future__ import annotations

from osler.curate.catalog import load_catalog
from osler.curate.fuse.candidates import terms_of
from osler.curate.licences import UNKNOWN


def test_a_licence_of_the_slides_alone_is_none_for_the_scans() -> None:
    record = load_catalog().by_id()["tcga-gbm"]
    assert record.licences  # of what Imaging Data Commons holds, which is no MRI
    assert terms_of(record).image == (UNKNOWN,)


def test_a_licence_of_the_whole_counts() -> None:
    assert UNKNOWN not in terms_of(load_catalog().by_id()["4d-lung"]).image
