"""From labelled dialogues to a checkpoint of a dialogue model, on a few made-up dialogues."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from mer_fusion.checkpoint import Checkpoint, load_checkpoint, save_checkpoint  # noqa: E402
from mer_fusion.encoders.text import TextEncoder, TextEncoderConfig  # noqa: E402
from mer_fusion.training.dialogue.recipe import (  # noqa: E402
    feature_dialogues,
    full_dialogue_recipe,
    small_encoder_features,
    student_dialogue_recipe,
    train_dialogue_network,
    tuning_split,
)
from mer_sdk.dialogue.dialogue_file import Dialogue, Utterance  # noqa: E402
from mer_sdk.errors import DataError  # noqa: E402

WORDS = {"neutral": "the door is there", "joy": "how great, yes", "anger": "stop that now"}
TEXT = TextEncoderConfig(words=6, slots=4, buckets=64, width=8, channels=8, blocks=0, features=12)


def dialogues(count=30):
    rng = np.random.default_rng(0)
    talks = []
    for number in range(count):
        labels = rng.choice(list(WORDS), size=rng.integers(2, 7))
        lines = [Utterance(WORDS[label], f"speaker {i % 2}", None, str(label)) for i, label in enumerate(labels)]
        talks.append(Dialogue(str(number), tuple(lines)))
    return talks


def vectors(texts):
    """Stand-in of the sentence encoder: a fixed vector per length of the text."""
    return np.stack([np.random.default_rng(len(text)).standard_normal(384).astype(np.float32) for text in texts])


def tiny(recipe):
    loop = replace(recipe.loop, epochs=6, learning_rate=1e-2, average=0.8)
    return replace(recipe, loop=loop, learning=replace(recipe.learning, batch=4)).with_fusion(
        replace(recipe.fusion, hidden=16)
    )


def test_full_precision_and_student_are_trained_and_saved(tmp_path):
    talks = dialogues()
    full = train_dialogue_network(tiny(full_dialogue_recipe(0)), talks, vectors, tmp_path / "full", quiet=True)
    assert full.card.results["dialogues held out of MELD train"]["accuracy"] > 0.9
    assert full.card.sentences == "all-MiniLM-L6-v2"
    assert full.card.dialogue.causal
    card = save_checkpoint(full.network, full.card, tmp_path / "amb_dsgdn-full.safetensors")
    teacher = load_checkpoint(tmp_path / "amb_dsgdn-full.safetensors")
    assert (teacher.card.dialogue, teacher.sha256) == (card.dialogue, card.weights_sha256)

    torch.manual_seed(0)
    encoder = TextEncoder(TEXT).eval()
    student = train_dialogue_network(
        tiny(student_dialogue_recipe(0, TEXT)),
        talks,
        small_encoder_features(encoder),
        tmp_path / "student",
        encoder,
        (teacher, vectors),
        quiet=True,
    )
    assert student.card.text == TEXT.contract
    assert student.card.sentences is None
    assert (student.card.results, student.card.decision.temperature) == ({}, 1.0)  # nothing was held out of its encoder
    assert student.card.training["teacher_sha256"] == card.weights_sha256
    for name, value in student.network.text.state_dict().items():  # used, not trained further
        torch.testing.assert_close(value, encoder.state_dict()[name])
    save_checkpoint(student.network, student.card, tmp_path / "amb_dsgdn-student.safetensors")
    again = load_checkpoint(tmp_path / "amb_dsgdn-student.safetensors")
    assert isinstance(again, Checkpoint)
    for name, value in again.network.state_dict().items():
        torch.testing.assert_close(value, student.network.state_dict()[name])


def test_features_speakers_and_labels_of_a_dialogue():
    lines = (
        Utterance("a", "Ross", None, "joy"),
        Utterance("b", "Joey", None, "fear"),
        Utterance("", "Ross", None, "joy"),
    )
    (talk,) = feature_dialogues([Dialogue("7", lines)], lambda texts: np.array([[len(t)] for t in texts], np.float32))
    assert talk.features["text"].tolist() == [[1], [1], [0]]
    assert talk.speakers.tolist() == [0, 1, 0]
    assert talk.labels.tolist() == [1, 4, 1]
    with pytest.raises(DataError, match="happy"):
        feature_dialogues([Dialogue("7", (Utterance("a", label="happy"),))], vectors)


def test_a_tenth_is_held_out_and_nothing_is_lost():
    talks = dialogues(50)
    learned, held = tuning_split(talks)
    assert len(held) == 5
    assert sorted(int(t.id) for t in learned + held) == list(range(50))
    assert tuning_split(talks)[1] == held
    assert tuning_split(talks, seed=1)[1] != held
