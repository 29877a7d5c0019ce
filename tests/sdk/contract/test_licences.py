"""The table of licences: what is known of each that a data set here has, and which one decides."""

import json
from pathlib import Path

import pytest

from mer_sdk.contract.licences import ALLOWED, FORBIDDEN, UNCLEAR, commercial_use, terms_of
from mer_sdk.contract.manifest import DataSource

CHECKPOINTS = sorted((Path(__file__).parents[3] / "fusion" / "mer_fusion" / "checkpoints").glob("*.json"))


@pytest.mark.parametrize(
    ("licence", "verdict", "terms"),
    [
        ("CC BY-NC-SA 4.0", FORBIDDEN, "non-commercial use only"),
        ("for Non-Commercial use", FORBIDDEN, "non-commercial use only"),
        ("labels MIT; pixels collected from the web, research only", FORBIDDEN, "research use only"),
        ("GPL-3.0 (annotations); dialogue of a TV series: research use", FORBIDDEN, "research use only"),
        ("MIT (features); CMU-MOSI is for research only", FORBIDDEN, "research use only"),
        ("CC BY-ND 4.0", FORBIDDEN, "no derived works"),
        ("no licence stated", FORBIDDEN, "no licence was given"),
        ("the owner's", UNCLEAR, "clips of whoever trained it, whose terms are not told"),
        ("a licence of its own", UNCLEAR, "a licence that is not in the table"),
        ("", UNCLEAR, "a licence that is not in the table"),
        ("GPL-3.0", ALLOWED, "its source and licence go along"),
        ("ODbL 1.0 and DbCL 1.0", ALLOWED, "shared alike, with its name"),
        ("CC BY-SA 4.0", ALLOWED, "shared alike, with its name"),
        ("CC BY 2.0", ALLOWED, "with its name"),
        ("MIT", ALLOWED, "with its notice"),
        ("Apache-2.0", ALLOWED, "with its notice"),
        ("CC0 1.0", ALLOWED, "without terms"),
        # Letters inside other words say nothing.
        ("Franconian terms", UNCLEAR, "a licence that is not in the table"),
    ],
)
def test_what_each_licence_says(licence, verdict, terms):
    assert terms_of(licence) == (verdict, terms)


def source(name, licence):
    return DataSource(name, licence, "training")


def test_the_strictest_licence_decides_and_is_named():
    free, bound, odd = source("A", "MIT"), source("B", "CC BY-NC 4.0"), source("C", "ask")
    found = commercial_use([free, bound, odd])
    assert found.sentence == "not allowed: B (CC BY-NC 4.0: non-commercial use only)"
    assert commercial_use([free, odd]).verdict == UNCLEAR
    assert commercial_use([free]).sentence == "allowed: A (MIT: with its notice)"
    assert commercial_use([]).sentence == "unclear: no data set is named"


@pytest.mark.parametrize("card", CHECKPOINTS, ids=lambda path: path.stem)
def test_the_table_knows_every_licence_of_the_shipped_weights(card):
    data = [DataSource(**one) for one in json.loads(card.read_text())["data"]]
    assert data
    assert all(terms_of(one.licence)[0] != UNCLEAR for one in data)
    # The README and the docs say so of the shipped weights.
    assert commercial_use(data).verdict == FORBIDDEN
