"""Accuracy on dialogues: what is fed, what is scored, and how sure it is."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from mer_sdk.cli import main
from mer_sdk.contract.bundle import Bundle
from mer_sdk.dialogue.conversation import Conversation
from mer_sdk.dialogue.dialogue_file import Dialogue, Utterance
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.dialogues import LIVE, WHOLE, DialogueOptions, evaluate_dialogues, predict_dialogues
from mer_sdk.evaluation.metrics import bootstrap_interval, class_f1, log_softmax, macro_f1, weighted_f1

FEW = DialogueOptions(resamples=50)
SCRIPT = (
    ("7", "Phoebe", "Oh no, he's lost it.", "sadness"),
    ("7", "Monica", "What?", "neutral"),
    ("7", "Phoebe", "", "sadness"),
    ("7", "Monica", "Oh. Great!", "joy"),
    ("7", "Ross", "I am so angry", "anger"),
    ("7", "Phoebe", "Calm down", "neutral"),
    ("8", "Ross", "Hello", "joy"),
    ("8", "", "Hi", "neutral"),
)


@pytest.fixture
def dialogues():
    found: dict[str, list[Utterance]] = {}
    for name, speaker, text, label in SCRIPT:
        found.setdefault(name, []).append(Utterance(text, speaker or None, None, label))
    return tuple(Dialogue(name, tuple(lines)) for name, lines in found.items())


@pytest.fixture
def folder(tmp_path):
    lines = [f'{name},{speaker},"{text}",{label}' for name, speaker, text, label in SCRIPT]
    (tmp_path / "dev_sent_emo.csv").write_text("\n".join(["Dialogue_ID,Speaker,Utterance,Emotion", *lines]) + "\n")
    return tmp_path


def test_weighted_f1_weighs_classes_by_their_labels():
    labels, predictions = np.array([0, 0, 0, 1, 2]), np.array([0, 0, 1, 1, 0])
    # F1: class 0 2*2/(3+3), class 1 2*1/(1+2), class 2 0.
    assert class_f1(labels, predictions, 4)[:3] == pytest.approx([2 / 3, 2 / 3, 0.0])
    assert np.isnan(class_f1(labels, predictions, 4)[3])
    assert weighted_f1(labels, predictions) == pytest.approx((3 * 2 / 3 + 2 / 3 + 0) / 5)
    assert macro_f1(labels, predictions) == pytest.approx(4 / 9)


def test_utterances_of_a_dialogue_are_drawn_together():
    labels = np.zeros(200, int)
    groups = np.repeat(np.arange(10), 20)
    predictions = np.repeat([0, 1] * 5, 20)  # whole dialogues are right or wrong
    alone = bootstrap_interval(labels, predictions, "war")
    together = bootstrap_interval(labels, predictions, "war", groups=groups)
    assert together.high - together.low > 3 * (alone.high - alone.low)
    one = bootstrap_interval(labels, predictions, "war", groups=np.zeros(200, int))
    assert (one.low, one.high) == (0.5, 0.5)


def test_the_score_is_that_of_a_live_conversation(tiny_talk, dialogues):
    bundle = Bundle.open(tiny_talk)
    report = evaluate_dialogues(bundle, dialogues, FEW)
    truth, said, rows = [], [], []
    merged = {"sadness": "sad", "neutral": "neutral", "joy": "happy", "anger": "angry"}
    with Conversation.open(bundle) as talk:
        for dialogue in dialogues:
            talk.reset()
            for line in dialogue.utterances:
                talk.push_text(line.text, line.speaker)
                truth.append(report.labels.index(merged[line.label]))
                rows.append(talk.last_output.logits[-1])
    said = np.argmax(rows, axis=1)
    (result,) = report.results
    assert result.reading == LIVE
    assert result.war == pytest.approx(np.mean(np.array(truth) == said))
    assert result.weighted_f1 == pytest.approx(weighted_f1(np.array(truth), said))
    scores = log_softmax(np.array(rows, np.float64))
    assert result.nll == pytest.approx(-np.mean([row[label] for row, label in zip(scores, truth, strict=True)]))
    assert np.array(result.confusion).sum() == report.utterances == 8
    assert (report.dialogues, report.wordless, report.merged) == (2, 1, merged)
    assert report.support == {"neutral": 3, "happy": 2, "sad": 2, "angry": 1}
    assert result.war_interval.low <= result.war <= result.war_interval.high
    assert (report.runtime, report.note) == ("onnx", "")


def test_a_network_that_looks_ahead_is_also_read_when_the_dialogue_is_over(tiny_dialogue, dialogues):
    names = ("text",)
    graphs = tiny_dialogue.torch_graphs(names, causal=False)
    bundle = Bundle(tiny_dialogue.manifest(names, "torch", None, causal=False), loader=lambda threads: graphs)
    scores, wordless = predict_dialogues(bundle, dialogues, FEW)
    assert (list(scores), wordless) == ([LIVE, WHOLE], 1)
    assert scores[LIVE].shape == scores[WHOLE].shape == (8, 4)
    with Conversation.open(bundle) as talk:
        outputs = []
        for line in dialogues[0].utterances:
            talk.push_text(line.text, line.speaker)
            outputs.append(talk.last_output.logits)
    # Six utterances, four rows: the first two are read when they leave the window, the others at the end.
    late = np.concatenate([outputs[3][:1], outputs[4][:1], outputs[5]])
    np.testing.assert_allclose(scores[WHOLE][:6], log_softmax(late.astype(np.float64)), atol=1e-9)
    assert not np.allclose(scores[WHOLE][0], scores[LIVE][0])
    np.testing.assert_allclose(scores[WHOLE][5], scores[LIVE][5], atol=1e-9)
    report = evaluate_dialogues(bundle, dialogues, FEW)
    assert [result.reading for result in report.results] == [LIVE, WHOLE]


def test_what_cannot_be_scored(tiny_onnx, tiny_talk, dialogues):
    bundle = Bundle.open(tiny_talk)
    with pytest.raises(DataError, match="no dialogues"):
        evaluate_dialogues(bundle, ())
    with pytest.raises(DataError, match="dialogue 7 has no utterance; leave it out"):
        evaluate_dialogues(bundle, (*dialogues, Dialogue("7", ())))
    for change, said in (
        ({"classes": ("hapy",)}, r"class 'hapy' is unknown; did you mean happy\?"),
        ({"classes": ("sad",)}, "classes lacks .*, which dialogues are labelled with"),
        ({"classes": "sad"}, "classes is 'sad'; give names in a tuple"),
        ({"resamples": -1}, "resamples is -1; give a whole number of at least 1"),
        ({"seed": 0.5}, "seed is 0.5; give a whole number from 0"),
        ({"threads": "1"}, "threads is '1'"),
    ):
        with pytest.raises(OptionError, match=said):
            evaluate_dialogues(bundle, dialogues, replace(FEW, **change))
    for label in (None, "contempt"):
        bad = (Dialogue("3", (Utterance("a", "b", None, "neutral"), Utterance("a", "b", None, label))),)
        with pytest.raises(DataError, match=rf"utterance 1 of dialogue 3 is labelled {label!r}"):
            evaluate_dialogues(bundle, bad)
    with pytest.raises(OptionError, match="is a window model"):
        evaluate_dialogues(Bundle.open(tiny_onnx), (Dialogue("1", (Utterance("a", label="happy"),)),))


def mer(*arguments):
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return caught.value.code or 0


def test_the_command(tiny_talk, folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert mer("evaluate", tiny_talk, "--data", f"meld:{folder}", "--json", "--out", folder / "report.json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report == json.loads((folder / "report.json").read_text())
    assert (report["utterances"], len(report["results"])) == (8, 1)
    assert mer("evaluate", tiny_talk, "--data", f"meld:{folder}") == 0
    shown = capsys.readouterr().out
    for text in ("8 utterances of 2 dialogues, 1 without a word", "joy as happy", "weighted F1", "live"):
        assert text in shown


def test_bad_input_of_the_command(tiny_talk, tiny_onnx, folder, capsys):
    assert mer("evaluate", tiny_talk, "--data", f"meld:{folder}", "--split", "train") == 2
    assert "has no train_sent_emo.csv" in capsys.readouterr().err
    assert mer("evaluate", tiny_onnx, "--data", f"meld:{folder}") == 2
    assert "reads clips with sound and faces, and --data meld" in capsys.readouterr().err


def test_run_prints_a_line_an_utterance(tiny_talk, folder, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    script, plot = folder / "dev_sent_emo.csv", tmp_path / "talk.png"
    assert mer("run", tiny_talk, script, "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["dialogue"], line["index"]) for line in lines] == [("7", i) for i in range(6)] + [("8", 0), ("8", 1)]
    assert [line["speaker"] for line in lines[-2:]] == ["Ross", None]
    assert (lines[2]["state"], lines[2]["emotion"], lines[2]["text"]) == ("none", "unknown", "")
    assert mer("run", tiny_talk, script, "--plot", plot) == 0
    shown = capsys.readouterr().out
    for text in ("dialogue 7", "Phoebe: Calm down", "?: Hi", "8 utterances of 2 dialogues"):
        assert text in shown
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Speaker,Text\na,b\n", "missing: Utterance"),
        ("Speaker,Utterance\n", "a header and no utterance"),
    ],
)
def test_run_on_a_bad_file_is_one_sentence(tiny_talk, tmp_path, capsys, content, message):
    (tmp_path / "talk.csv").write_text(content)
    assert mer("run", tiny_talk, tmp_path / "talk.csv") == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_run_knows_which_file_a_bundle_reads(tiny_talk, tiny_onnx, folder, capsys):
    assert mer("run", tiny_onnx, folder / "dev_sent_emo.csv") == 2
    assert "is a csv file, and tiny reads audio and face" in capsys.readouterr().err
    assert mer("run", tiny_talk, folder / "dev_sent_emo.csv", "--detector", "haar") == 2
    assert "--detector is for sound and pictures, and a csv file holds text alone" in capsys.readouterr().err
