"""The text front end: published hash vectors, the rules of splitting, what fills the slots, and bad input."""

import unicodedata
from itertools import pairwise

import numpy as np
import pytest

from mer_sdk.contract.manifest import TextContract
from mer_sdk.errors import OptionError, SignalError
from mer_sdk.frontends import text as frontend
from mer_sdk.frontends.text import TextFrontend, fnv1a_32, split_words

SMALL = TextContract(words=4, slots=4, buckets=1000, ngrams=(3, 4))


@pytest.mark.parametrize(
    ("data", "value"),
    [(b"", 0x811C9DC5), (b"a", 0xE40C292C), (b"b", 0xE70C2DE5), (b"foobar", 0xBF9CF968)],
)
def test_hash_has_the_published_values(data: bytes, value: int) -> None:
    assert fnv1a_32(data) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("I DON'T know.", ["i", "don't", "know", "."]),
        ("don’t ‘quote’ goin’", ["don't", "'", "quote", "'", "goin", "'"]),
        ("rock 'n' roll''s", ["rock", "'", "n", "'", "roll", "''", "s"]),
        ("Café naïve Ünï", ["cafe", "naive", "uni"]),
        ("Cafe\u0301", ["cafe"]),
        ("what?! No!!!!!! wait…", ["what", "?", "!", "no", "!!!", "wait", "..."]),
        ("uh-huh — yes–no", ["uh", "-", "huh", "-", "yes", "-", "no"]),
        ("“so”", ['"', "so", '"']),
        ("ok👍🏽👍 ❤️ 👩\u200d💻", ["ok", "👍👍", "❤", "👩", "💻"]),
        ("ﬁne ＡＢＣ １２ ½", ["fine", "abc", "12", "1", "⁄", "2"]),
        ("İstanbul ΣΑΣ STRASSE straße", ["istanbul", "σασ", "strasse", "straße"]),
        ("你好，世界", ["你好", ",", "世界"]),
        ("tab\tline\nnbsp\u00a0zero\u200bwidth\x00nul", ["tab", "line", "nbsp", "zerowidth", "nul"]),
        ("\ufeffbom", ["bom"]),
        ("a_b c&d 5€", ["a", "_", "b", "c", "&", "d", "5", "€"]),
        ("", []),
        (" \t\r\n\u2003\u200b", []),
        ("a" * 100 + "!" * 100, ["a" * 24, "!!!"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert split_words(text) == words
    assert split_words(text.encode()) == words


def test_the_ranges_are_in_order_and_apart() -> None:
    for ranges in (frontend._DROPPED, frontend._SPACES, frontend._MARKS):
        assert all(low <= high for low, high in ranges)
        assert all(one[1] < two[0] for one, two in pairwise(ranges))


def test_letters_of_all_scripts_are_letters_and_punctuation_is_not() -> None:
    for number in range(0x20, 0x250):
        point = chr(number)
        if unicodedata.category(point) in ("Ll", "Lu", "Nd"):
            # As step 2 leaves it: the micro sign becomes a Greek letter.
            assert frontend._kind(unicodedata.normalize("NFKD", point)[0]) == "letter", hex(number)
        elif unicodedata.category(point) in ("Pd", "Ps", "Pe", "Po", "Sc", "Sm"):
            assert frontend._kind(point) == "mark", hex(number)


def test_slots_hold_the_word_and_ngrams_spread_over_it() -> None:
    front = TextFrontend(SMALL)
    assert front.subwords("a") == ["<a>"]
    assert front.subwords("at") == ["<at>", "<at", "at>"]
    # 5 + 4 n-grams of "<hello>" in the order of their start; 3 of 9: first, middle, last.
    assert front.subwords("hello") == ["<hello>", "<he", "ell", "lo>"]
    assert TextFrontend(TextContract(slots=2)).subwords("hello") == ["<hello>", "<he"]
    assert TextFrontend(TextContract(slots=1)).subwords("hello") == ["<hello>"]
    everything = TextFrontend(TextContract(slots=50, ngrams=(3, 4))).subwords("hello")
    assert everything == ["<hello>", "<he", "<hel", "hel", "hell", "ell", "ello", "llo", "llo>", "lo>"]


def test_ids_are_hashes_and_zero_fills_the_rest() -> None:
    found = TextFrontend(SMALL).ids("At a")
    assert found.shape == (4, 4)
    assert found.dtype == np.int32
    expected = np.zeros((4, 4), np.int32)
    expected[0, :3] = [1 + fnv1a_32(part) % 999 for part in (b"<at>", b"<at", b"at>")]
    expected[1, 0] = 1 + fnv1a_32(b"<a>") % 999
    assert np.array_equal(found, expected)


def test_ids_stay_in_the_table_and_long_texts_are_cut() -> None:
    front = TextFrontend(TextContract(words=24, slots=8, buckets=64))
    many = " ".join(f"word{i}ß" for i in range(3000))
    found = front.ids(many)
    assert found.shape == (24, 8)
    assert (found[:, 0] >= 1).all()
    assert found.max() <= 63
    assert np.array_equal(found, front.ids(" ".join(many.split()[:24])))


def test_text_without_a_word_is_missing() -> None:
    front = TextFrontend(TextContract())
    for text in ("", "   ", b"", "\n\u200b"):
        assert not front.ids(text).any()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"it\x92s cp1252", "byte 2 is 0x92"),
        (b"\xff\xfeh\x00i\x00", "not UTF-8"),
        ("half \ud83d pair", "surrogate pair at position 5"),
        (None, "NoneType"),
        (7, "int"),
    ],
)
def test_what_is_no_text_is_refused(text: object, message: str) -> None:
    with pytest.raises(SignalError, match=message):
        TextFrontend(TextContract()).ids(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "contract",
    [
        TextContract(hash="md5"),
        TextContract(words=0),
        TextContract(slots=0),
        TextContract(buckets=1),
        TextContract(ngrams=(5, 3)),
        TextContract(ngrams=(0, 3)),
    ],
)
def test_contracts_that_make_no_sense_are_refused(contract: TextContract) -> None:
    with pytest.raises(OptionError, match="text contract"):
        TextFrontend(contract)
