"""Dialogues as windows of fixed size, and training of dialogue networks on them."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mer_fusion.models.amb_dsgdn import AmbDsgdn, AmbDsgdnConfig  # noqa: E402
from mer_fusion.models.amb_dsgdn_objective import AmbDsgdnObjective, AmbDsgdnOptions  # noqa: E402
from mer_fusion.training.dialogue.task import (  # noqa: E402
    DialogueLearning,
    DialogueTask,
    dialogue_logits,
    dialogue_predictions,
    dialogue_set,
)
from mer_fusion.training.loop import LoopOptions, fit  # noqa: E402
from mer_sdk.errors import DataError, OptionError  # noqa: E402
from mer_sdk.evaluation.datasets.published.features import FeatureDialogue  # noqa: E402


def talk(length, name="0", start=1.0, speakers=None, audio=False):
    rows = np.arange(start, start + length, dtype=np.float32)[:, None]
    features = {"text": np.hstack((rows, -rows))}
    if audio:
        features["audio"] = rows.copy()
    who = np.array(speakers if speakers is not None else [4] * length)
    return FeatureDialogue(name, features, who, np.arange(length) % 3)


def test_short_dialogues_end_in_the_last_row():
    data = dialogue_set([talk(3, speakers=[7, 2, 7]), talk(1)], ("text",), utterances=5, speakers=4)
    assert data.masks[0].tolist() == [[0, 0, 1, 1, 1], [0, 0, 0, 0, 1]]
    assert data.features[0][0, :, 0].tolist() == [0, 0, 1, 2, 3]
    assert data.speakers.tolist() == [[0, 0, 0, 1, 0], [0] * 5]
    assert data.labels.tolist() == [[-1, -1, 0, 1, 2], [-1, -1, -1, -1, 0]]
    labels, owners = data.judged
    assert (labels.tolist(), owners.tolist()) == ([0, 1, 2, 0], [0, 0, 0, 1])


@pytest.mark.parametrize(("length", "utterances"), [(11, 4), (9, 4), (4, 4), (5, 4), (3, 1), (2, 3)])
def test_every_label_of_a_long_dialogue_is_in_one_window(length, utterances):
    data = dialogue_set([talk(length)], ("text",), utterances, speakers=2)
    judged = data.features[0][..., 0][data.labels >= 0]
    assert judged.tolist() == list(range(1, length + 1))
    assert data.judged[0].tolist() == [i % 3 for i in range(length)]
    if length > utterances > 1:  # later windows bring what was said before
        assert (data.labels[1:] < 0).any(dim=1).all()


def test_speakers_beyond_the_table_share_the_last_number():
    data = dialogue_set([talk(4, speakers=[9, 8, 7, 6])], ("text",), 4, speakers=3)
    assert data.speakers.tolist() == [[0, 1, 2, 2]]


def test_rows_of_zeros_are_missing():
    dialogue = talk(3, audio=True)
    dialogue.features["audio"][1] = 0.0
    data = dialogue_set([dialogue], ("text", "audio"), 3, speakers=2)
    assert data.masks[0].tolist() == [[1, 1, 1]]
    assert data.masks[1].tolist() == [[1, 0, 1]]


def test_data_that_does_not_fit_is_refused():
    with pytest.raises(DataError, match="no dialogues"):
        dialogue_set([], ("text",), 3, 2)
    with pytest.raises(DataError, match="has no face; it has text"):
        dialogue_set([talk(2)], ("text", "face"), 3, 2)
    with pytest.raises(OptionError, match="noise"):
        DialogueLearning(noise=-1.0)


def made_dialogues(count, seed):
    """Each utterance's class is that of the utterance before it, which alone its features do not tell."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        said = rng.integers(0, 2, 6)
        features = {"text": (2.0 * said[:, None] - 1 + 0.3 * rng.standard_normal((6, 4))).astype(np.float32)}
        yield FeatureDialogue(str(number), features, np.arange(6) % 2, np.concatenate(([0], said[:-1])))


def trained(tmp_path, past, options=None, teacher=None, name="dialogue"):
    torch.manual_seed(0)
    config = AmbDsgdnConfig(
        names=("text",),
        dims=(4,),
        utterances=6,
        classes=2,
        hidden=16,
        attention_heads=2,
        past=past,
        causal=True,
        dropout=0.0,
        graph_dropout=0.0,
    )
    learning = dialogue_set(list(made_dialogues(80, 1)), ("text",), 6, 2)
    tuning = dialogue_set(list(made_dialogues(40, 2)), ("text",), 6, 2)
    objective = AmbDsgdnObjective(AmbDsgdn(config), AmbDsgdnOptions(unimodal_weight=0.0))
    task = DialogueTask(objective, learning, options or DialogueLearning(batch=16), tuning, teacher, name)
    loop = LoopOptions(epochs=15, learning_rate=5e-3, precision="no", warmup_epochs=1.0, average=0.9)
    return objective.network, tuning, fit(task, loop, tmp_path, quiet=True)


def test_the_graph_learns_what_was_said_before(tmp_path):
    network, tuning, history = trained(tmp_path, past=2)
    assert history.epochs[-1]["accuracy"] > 0.9
    assert history.epochs[-1]["weighted_f1"] > 0.9
    predictions = dialogue_predictions(network, tuning)
    assert (predictions == tuning.judged[0]).mean() == pytest.approx(history.epochs[-1]["accuracy"])
    _, _, alone = trained(tmp_path / "alone", past=0)
    assert alone.epochs[-1]["accuracy"] < 0.75  # an utterance by itself does not tell


def test_a_student_follows_its_teacher(tmp_path):
    learning = dialogue_set(list(made_dialogues(80, 1)), ("text",), 6, 2)
    wrong = torch.nn.functional.one_hot(1 - learning.labels.clamp(min=0), 2) * 8.0  # the opposite of the labels
    options = DialogueLearning(batch=16, teacher_weight=1.0, noise=0.1)
    _, _, history = trained(tmp_path, past=2, options=options, teacher=wrong)
    assert history.epochs[-1]["accuracy"] < 0.1


def test_modalities_are_taken_away_one_at_a_time():
    dialogues = [talk(6, str(i), audio=True) for i in range(50)]
    data = dialogue_set(dialogues, ("text", "audio"), 6, 2)
    data.masks[1][:, 0], data.features[1][:, 0] = 0.0, 0.0
    config = AmbDsgdnConfig(("text", "audio"), (2, 1), utterances=6, classes=3, hidden=8, attention_heads=2)
    task = DialogueTask(AmbDsgdnObjective(AmbDsgdn(config)), data, DialogueLearning(batch=50, drop=0.4))
    (batch,) = task.epoch(torch.Generator().manual_seed(0), (0, 1))
    text, audio = batch["input2"], batch["input3"]
    assert (text + audio).min() == 1  # never both
    assert text[:, 0].min() == 1  # what has one modality keeps it
    lost = 2 - (text + audio)[:, 1:]
    assert lost.mean().item() == pytest.approx(0.4, abs=0.1)
    assert text[:, 1:].mean().item() == pytest.approx(0.8, abs=0.1)
    assert (batch["input0"][text == 0] == 0).all()


def test_logits_do_not_depend_on_the_batch():
    config = AmbDsgdnConfig(("text",), (2,), utterances=6, classes=3, hidden=8, attention_heads=2)
    torch.manual_seed(0)
    network = AmbDsgdn(config).eval()
    data = dialogue_set([talk(4), talk(6), talk(9)], ("text",), 6, 2)
    torch.testing.assert_close(dialogue_logits(network, data, batch=1), dialogue_logits(network, data))
