"""What is no number, no name or no flag is refused by every option, in a sentence; numpy's numbers are numbers."""

import json
import math
from dataclasses import fields

import numpy as np
import pytest

from mer_sdk import ConversationOptions, FaceOptions, LiveOptions, Smoothing
from mer_sdk.bench.result import Options
from mer_sdk.contract.codec import from_json, to_json
from mer_sdk.dialogue.utterances import UtteranceOptions
from mer_sdk.errors import OptionError
from mer_sdk.evaluation.scores import EvaluationOptions
from mer_sdk.frontends.voice_activity import VoiceOptions
from mer_sdk.limits import check_names, check_number, check_threads
from mer_sdk.report.run import RunOptions

OPTIONS = (Smoothing, FaceOptions, VoiceOptions, LiveOptions, UtteranceOptions, ConversationOptions)
NUMBERS = [(kind, field.name) for kind in OPTIONS for field in fields(kind) if field.type.startswith(("int", "float"))]
WHOLE = [(kind, name) for kind, name in NUMBERS if isinstance(getattr(kind(), name), int)]
NO_NUMBERS = [None, "1", True, False, math.nan, -math.inf, 10**400, 1e300, [1.0], 1j, np.array([1.0]), np.bool_(True)]


@pytest.mark.parametrize(("kind", "name"), NUMBERS)
def test_what_is_no_number_is_refused_in_a_sentence(kind, name):
    for value in NO_NUMBERS:
        if (kind, name, value) == (VoiceOptions, "pause", None):
            continue
        with pytest.raises(OptionError, match=rf"{name}|the time constant .*such as 1.0"):
            kind(**{name: value})


@pytest.mark.parametrize(("kind", "name"), WHOLE)
def test_counts_are_whole(kind, name):
    for value in (1.5, 2.0, math.inf, 0, -1):
        with pytest.raises(OptionError, match=f"{name} is {value}; .*whole number"):
            kind(**{name: value})
    assert getattr(kind(**{name: np.int64(3)}), name) == 3


def test_numbers_of_numpy_are_numbers():
    assert Smoothing(np.float32(0.5), np.float64(0.25)) == Smoothing(0.5, 0.25)
    assert VoiceOptions(hangover=np.int64(1)) == VoiceOptions(hangover=1)
    assert LiveOptions(stale_seconds=math.inf).stale_seconds == math.inf
    check_threads(np.int32(2))
    check_number("x", np.uint8(1), "", least=1, most=1, whole=True)


def test_a_message_shows_what_was_given_and_never_pages_of_it():
    for value, said in (
        (None, "the hangover is None; allowed is 0 or more"),
        (-1, "the hangover is -1 s; allowed"),
        ("2 s", "the hangover is '2 s'; allowed"),
        (10**400, "the hangover is a number of 1329 bits s; allowed"),
        ({1.0}, "the hangover is a set; allowed"),
    ):
        with pytest.raises(OptionError, match=said):
            VoiceOptions(hangover=value)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Options(rounds=0), "rounds is 0; give a whole number of at least 1"),
        (lambda: Options(warm_up=-1), "warm_up is -1; give a whole number of at least 0"),
        (lambda: Options(starts=0.5), "starts is 0.5; give a whole number"),
        (lambda: Options(minutes=math.nan), "minutes is nan; allowed is 0"),
        (lambda: Options(seed=None), "seed is None; give a whole number from 0"),
        (lambda: Options(runtime=5), "runtime is 5; give its name"),
        (lambda: RunOptions(protocols=("hot",)), "protocol 'hot' is unknown"),
        (lambda: RunOptions(actors=("x",)), "an actor is 'x'; give whole numbers from 1"),
        (lambda: RunOptions(orders=0), "orders is 0; give a whole number of at least 1"),
        (lambda: RunOptions(worst=-1), "worst is -1; give a whole number of at least 0"),
    ],
)
def test_options_of_measurements_are_checked(make, said):
    with pytest.raises(OptionError, match=said):
        make()


def test_options_of_numpy_are_written_and_those_that_were_read_are_checked():
    written = to_json(EvaluationOptions(orders=np.int64(2), track_scale=np.float32(0.5)))
    assert json.loads(json.dumps(written)) == to_json(EvaluationOptions(orders=2, track_scale=0.5))
    with pytest.raises(ValueError, match="EvaluationOptions: orders is 0; give a whole number of at least 1"):
        from_json(EvaluationOptions, written | {"orders": 0})


@pytest.mark.parametrize("kind", [LiveOptions, ConversationOptions])
def test_streams_are_names_each_once(kind):
    for value, said in (
        ("audio", r"streams is 'audio'; give names in a tuple, such as \('"),
        (None, "streams is None; give names"),
        (5, "streams is 5; give names"),
        (("audio", None), "streams holds None; give names"),
        ((math.nan,), "streams holds nan; give names"),
        (([],), "streams holds an array; give names"),
        (("audio", "audio"), "streams has the stream 'audio' twice; give each once"),
    ):
        with pytest.raises(OptionError, match=said):
            kind(streams=value)
    assert kind(streams=["audio"]).streams == ["audio"]


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(OptionError, match=r"stream 'vidoe' is unknown; did you mean video\? Allowed: audio, video"):
        check_names("streams", ("vidoe",), ("audio", "video"), what="stream", example="")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ConversationOptions(utterance=5), "utterance is 5; give an UtteranceOptions"),
        (lambda: ConversationOptions(utterance=None), "utterance is None; give an UtteranceOptions"),
        (lambda: UtteranceOptions(voice="x"), "voice is 'x'; give a VoiceOptions"),
        (lambda: FaceOptions(prefer_speaking="no"), "prefer_speaking is 'no'; give True or False"),
        (lambda: FaceOptions(prefer_speaking=None), "prefer_speaking is None; give True or False"),
        (lambda: check_threads(True), "threads is true; allowed are whole numbers from 1 to"),
    ],
)
def test_other_kinds_of_options_are_refused(make, said):
    with pytest.raises(OptionError, match=said):
        make()
