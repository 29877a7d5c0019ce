import json

import numpy as np
import pytest

from mer_sdk import Conversation, EmotionSensor, PersonalBaseline
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.golden import load_golden
from mer_sdk.dialogue.engine import speaker_numbers
from mer_sdk.errors import OptionError, SignalError
from mer_sdk.frontends.text import TextFrontend
from mer_sdk.parity.golden import run_case, wrong_texts
from mer_sdk.window.decision import softmax

RATE = 16000
ROWS = 4


class FixedDetector:
    def detect(self, rgb):
        return [(10, 10, 40, 40, 1.0)]


class Nobody:
    def detect(self, rgb):
        return []


class Recorder:
    """A fusion graph that keeps what it was given, and answers with the number of utterances."""

    def __init__(self, modalities):
        self.modalities = modalities

    def run(self, inputs):
        self.seen = {name: np.array(value) for name, value in inputs.items()}
        logits = np.tile(np.arange(4, dtype=np.float32), (1, ROWS, 1))
        return {"logits": logits, "reliance": np.full((1, ROWS, self.modalities), 1 / self.modalities, np.float32)}


@pytest.fixture
def talk(tiny_talk):
    with Conversation.open(tiny_talk) as opened:
        yield opened


@pytest.fixture
def watched(tiny_dialogue):
    """A conversation of three modalities whose fusion graph is a recorder: (conversation, recorder)."""
    names = ("text", "audio", "face")
    recorder = Recorder(3)
    graphs = tiny_dialogue.torch_graphs(names) | {"fusion": recorder}
    bundle = Bundle(tiny_dialogue.manifest(names, "torch", None), loader=lambda threads: graphs)
    return Conversation.open(bundle, detector=FixedDetector()), recorder


def sound(seconds=0.5, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, int(seconds * RATE)).astype(np.float32)


def film(count=4, seed=0):
    random = np.random.default_rng(seed)
    return [(random.integers(0, 256, (80, 100, 3), np.uint8), 0.125 * i) for i in range(count)]


def test_an_estimate_is_the_graphs_on_the_contracts_input(tiny_talk, talk):
    """The second utterance of a dialogue, computed from the manifest's words alone."""
    manifest = talk.manifest
    graphs = Bundle.open(tiny_talk).load_graphs()
    first, second = talk.push_text("Hello there!", "anna", 1.5), talk.push_text("Who is it?", "ben", 2.0)
    frontend = TextFrontend(manifest.text)
    inputs = {
        "text": np.zeros((1, ROWS, 7), np.float32),
        "text_mask": np.array([[0, 0, 1, 1]], np.float32),
        "speakers": np.array([[0, 0, 0, 1]], np.float32),
    }
    for row, text in ((2, "Hello there!"), (3, "Who is it?")):
        inputs["text"][0, row] = graphs["text"].run({"ids": frontend.ids(text)[None]})["text_features"][0]
    logits = graphs["fusion"].run(inputs)["logits"][0]
    np.testing.assert_allclose(list(second.probabilities.values()), softmax(logits[3]), atol=1e-6)
    # Row 2 of a causal network is what it said before the second utterance came.
    np.testing.assert_allclose(list(first.probabilities.values()), softmax(logits[2]), atol=1e-6)
    assert (second.index, second.time, second.speaker, second.text) == (1, 2.0, "ben", "Who is it?")
    assert second.emotion == manifest.labels[int(logits[3].argmax())]
    assert (second.state, second.reliance, second.va_source) == ("text", {"text": 1.0}, "circumplex")
    assert talk.timeline() == (first, second)
    assert json.loads(json.dumps(second.to_json()))["speaker"] == "ben"


@pytest.mark.parametrize("name", ["tiny_talk", "tiny_senses"])
def test_a_conversation_says_what_the_golden_cases_say(request, name):
    bundle = Bundle.open(request.getfixturevalue(name))
    for case in load_golden(bundle):
        found = run_case(bundle.load_graphs(), bundle.manifest.graphs, bundle.manifest.baseline, case.given)
        np.testing.assert_allclose(found.logits, case.answer.logits, atol=1e-5)
        assert wrong_texts(case, bundle.manifest) == ()
    if name == "tiny_talk":
        case = load_golden(bundle)[0]
        with Conversation.open(bundle) as talk:
            for text, speaker in zip(case.given.texts, case.given.names, strict=True):
                talk.push_text(text, speaker)
            np.testing.assert_allclose(talk.last_output.logits, case.answer.logits, atol=1e-5)


def test_a_dialogue_longer_than_the_window_slides(tiny_talk, talk):
    lines = [("anna", "one"), ("ben", "two"), ("anna", "three"), ("cem", "four"), ("dora", "five"), ("anna", "six")]
    for speaker, text in lines:
        talk.push_text(text, speaker)
    assert [estimate.index for estimate in talk.timeline()] == list(range(6))
    with Conversation.open(tiny_talk) as late:
        for speaker, text in lines[-ROWS:]:
            late.push_text(text, speaker)
    assert late.timeline() == ()
    with Conversation.open(tiny_talk) as late:
        for speaker, text in lines[-ROWS:]:
            last = late.push_text(text, speaker)
    assert last.probabilities == talk.timeline()[-1].probabilities


def test_speakers_are_numbered_by_first_appearance_in_the_window(watched):
    talk, recorder = watched
    for speaker in ("ben", "anna", "ben", ("any", "hashable")):
        talk.push_text("well", speaker)
    assert recorder.seen["speakers"].tolist() == [[0, 1, 0, 2]]
    talk.push_text("well", "anna")
    assert recorder.seen["speakers"].tolist() == [[0, 1, 2, 0]]
    assert talk.timeline()[3].speaker == "('any', 'hashable')"


def test_more_speakers_than_the_network_knows_share_the_last_number():
    assert speaker_numbers(["a", "b", "c", "d", "a", "e"], 3) == (0, 1, 2, 2, 0, 2)
    assert speaker_numbers([], 3) == ()


def test_unknown_speakers_count_as_one_person(watched):
    talk, recorder = watched
    for speaker in ("anna", None, "anna", None):
        estimate = talk.push_text("well", speaker)
    assert recorder.seen["speakers"].tolist() == [[0, 1, 0, 1]]
    assert estimate.speaker is None


@pytest.mark.parametrize("text", ["", "   ", "\u200b\n"])
def test_text_without_a_word_is_missing(talk, text):
    talk.push_text("Hello", "anna")
    estimate = talk.push_text(text, "ben")
    assert (estimate.state, estimate.emotion, estimate.reliance) == ("none", "unknown", {"text": 0.0})
    assert (estimate.valence, estimate.arousal) == (0.0, 0.0)
    assert set(estimate.probabilities.values()) == {0.25}
    assert talk.push_text("fine", "ben").state == "text"


def test_an_empty_dialogue_is_unknown(talk):
    assert talk.push_text("").emotion == "unknown"


def test_bytes_must_be_utf8(talk):
    assert talk.push_text("Grüße".encode()).text == "Grüße"
    with pytest.raises(SignalError, match=r"not UTF-8 \(byte 2 is 0xfc\)"):
        talk.push_text("Grüße".encode("cp1252"))
    with pytest.raises(SignalError, match="half of a surrogate pair"):
        talk.push_text("\ud800")
    with pytest.raises(SignalError, match="text is a int"):
        talk.push_text(3)
    assert len(talk.timeline()) == 1  # what was refused is not in the dialogue


def test_bad_utterances_are_refused_and_leave_the_dialogue_alone(talk):
    talk.push_text("Hello", "anna", 3.0)
    with pytest.raises(OptionError, match="reads text, no audio"):
        talk.push_utterance("anna", text="x", audio=(sound(), RATE))
    with pytest.raises(OptionError, match="reads text, no face"):
        talk.push_utterance("anna", frames=film())
    with pytest.raises(OptionError, match="speaker is an array; give a name that is hashable"):
        talk.baseline([])
    with pytest.raises(OptionError, match="hashable"):
        talk.push_text("x", ["anna"])
    with pytest.raises(SignalError, match=r"came after one at 3.000 s"):
        talk.push_text("x", "anna", 2.0)
    with pytest.raises(SignalError, match="at nan s"):
        talk.push_text("x", "anna", float("nan"))
    for time, shown in (("4", "'4'"), ([4.0], "an array"), (4j, "a complex"), (True, "true"), (10**400, "a number of")):
        with pytest.raises(SignalError, match=f"an utterance at {shown}.*: give a number of seconds"):
            talk.push_text("x", "anna", time)
    with pytest.raises(SignalError, match=r"an utterance at 1e\+300 s: give seconds; divide milliseconds"):
        talk.push_text("x", "anna", 1e300)
    assert len(talk.timeline()) == 1
    assert talk.push_text("x").time is None


def test_sound_and_faces_are_the_mean_over_the_steps_of_an_utterance(watched, tiny_dialogue):
    talk, recorder = watched
    estimate = talk.push_utterance("anna", text="hi", audio=(sound(0.75), RATE), frames=film(6))
    assert estimate.state == "text+audio+face"
    features = talk.last_features.rows
    assert {name: len(rows) for name, rows in features.items()} == {"text": 1, "audio": 3, "face": 3}
    chunk = np.zeros(6000, np.float32)
    chunk[-4000:] = sound(0.75)[:4000]
    graph = tiny_dialogue.torch_graphs(("text", "audio", "face"))["audio"]
    np.testing.assert_allclose(features["audio"][0], graph.run({"pcm": chunk[None]})["audio_features"][0], atol=1e-6)
    np.testing.assert_allclose(recorder.seen["audio"][0, -1], features["audio"].mean(axis=0) - 0.1, atol=1e-6)
    np.testing.assert_allclose(recorder.seen["face"][0, -1], features["face"].mean(axis=0) + 0.05, atol=1e-6)
    # Text has no population mean, so nothing is taken off.
    np.testing.assert_allclose(recorder.seen["text"][0, -1], features["text"][0], atol=1e-6)


def test_missing_modalities_have_mask_0(watched):
    talk, recorder = watched
    talk.push_utterance("anna", audio=(sound(), RATE))
    assert talk.push_utterance("ben", frames=film(2)).state == "face"
    for name, mask in (("text", [0, 0]), ("audio", [1, 0]), ("face", [0, 1])):
        assert recorder.seen[f"{name}_mask"][0, -2:].tolist() == mask
        assert not recorder.seen[name][0, :2].any()
    assert talk.push_utterance("ben", audio=(np.zeros(0, np.float32), RATE)).state == "none"
    assert talk.push_utterance("ben").emotion == "unknown"


def test_no_face_in_the_frames(tiny_senses):
    with Conversation.open(tiny_senses, detector=Nobody()) as talk:
        assert talk.push_utterance("anna", text="hi", frames=film()).state == "text"
        assert talk.push_utterance("anna", text="hi", frames=[]).state == "text"
        with pytest.raises(SignalError, match="give frames in order"):
            talk.push_utterance("anna", frames=film()[::-1])


def test_each_speaker_has_a_baseline_of_utterances_that_left_the_window(watched, tmp_path):
    talk, recorder = watched
    talk.push_utterance("anna", audio=(sound(1.0), RATE))
    first = talk.last_features.rows["audio"]
    for number in range(ROWS - 1):
        talk.push_utterance("ben", audio=(sound(seed=number), RATE))
    assert talk.baseline("anna").steps == {"audio": 0, "face": 0}
    talk.push_utterance("anna", audio=(sound(seed=9), RATE))
    assert talk.baseline("anna").steps == {"audio": 4, "face": 0}
    assert talk.baseline("ben").steps == {"audio": 0, "face": 0}
    mean = (4 * 0.1 + first.sum(axis=0)) / (4 + 4)
    newest = talk.last_features.rows["audio"].mean(axis=0)
    np.testing.assert_allclose(recorder.seen["audio"][0, -1], newest - mean, atol=1e-6)
    talk.baseline("anna").save(tmp_path / "anna.json")
    talk.reset()
    assert talk.baseline("anna").steps["audio"] == 0
    talk.baseline("anna").load(tmp_path / "anna.json")
    assert talk.baseline("anna").steps["audio"] == 4
    assert isinstance(talk.baseline("anna"), PersonalBaseline)


def test_reset_and_close(talk):
    first = talk.push_text("Hello", "anna", 5.0)
    talk.push_text("Bye", "ben")
    talk.reset()
    assert talk.timeline() == ()
    again = talk.push_text("Hello", "anna", 1.0)
    assert again.probabilities == first.probabilities
    talk.close()
    talk.close()
    with pytest.raises(OptionError, match="the conversation is closed"):
        talk.push_text("x")


def test_each_kind_of_bundle_names_the_other(tiny_onnx, tiny_talk):
    with pytest.raises(OptionError, match=r"dialogue model.*mer_sdk.Conversation"):
        EmotionSensor.open(tiny_talk)
    with pytest.raises(OptionError, match=r"window model.*mer_sdk.EmotionSensor"):
        Conversation.open(tiny_onnx)
    with EmotionSensor.open(tiny_onnx) as sensor, pytest.raises(OptionError, match=r"no text.*Conversation"):
        sensor.push_text("hello")


def test_text_features_from_another_encoder(tiny_dialogue):
    names = ("text",)
    graphs = {"fusion": tiny_dialogue.torch_graphs(names)["fusion"]}
    contract = tiny_dialogue.manifest(names, "torch", None)
    bare = type(contract)(**{**contract.__dict__, "graphs": {"fusion": contract.graphs["fusion"]}, "text": None})
    calls = []

    def encode(text):
        calls.append(text)
        return np.ones(7, np.float32)

    with Conversation.open(Bundle(bare, loader=lambda threads: graphs, encode_text=encode)) as talk:
        assert talk.push_text("hello", "a").state == "text"
        assert talk.push_text(" ", "a").state == "none"
    assert calls == ["hello"]
    with (
        Conversation.open(Bundle(bare, loader=lambda threads: graphs)) as talk,
        pytest.raises(OptionError, match="no text graph"),
    ):
        talk.push_text("hello")
    wrong = Bundle(bare, loader=lambda threads: graphs, encode_text=lambda text: np.ones(96, np.float32))
    with Conversation.open(wrong) as talk, pytest.raises(OptionError, match=r"gives 96 values a text, .* reads 7"):
        talk.push_text("hello")
