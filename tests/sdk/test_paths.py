"""What an app gives as a path is one, wherever it is taken."""

import numpy as np
import pytest

from mer_sdk import Bundle, Conversation, EmotionSensor
from mer_sdk.batch.clips import find_clips
from mer_sdk.contract.manifest import BaselineContract
from mer_sdk.contract.signature import trusted_keys
from mer_sdk.dialogue.dialogue_file import read_dialogues
from mer_sdk.errors import OptionError
from mer_sdk.evaluation.runs import read_run
from mer_sdk.frontends.face_detection import YuNetDetector, open_detector
from mer_sdk.live.sources.playback import Playback
from mer_sdk.media.names import check_file
from mer_sdk.phone.devices import read_devices
from mer_sdk.report.results import read_measurements
from mer_sdk.window.baseline import PersonalBaseline

COLD = PersonalBaseline(BaselineContract(20.0, {"audio": (0.1, 0.2)}))
TAKEN = {
    "Bundle.open": Bundle.open,
    "EmotionSensor.open": EmotionSensor.open,
    "Conversation.open": Conversation.open,
    "save": COLD.save,
    "load": COLD.load,
    "read_dialogues": read_dialogues,
    "read_run": read_run,
    "read_measurements": read_measurements,
    "read_devices": read_devices,
    "find_clips": lambda path: find_clips([path]),
    "trusted_keys": lambda path: trusted_keys([path]),
    "YuNetDetector": YuNetDetector,
    "check_file": check_file,
    "Playback": Playback,
}


@pytest.mark.parametrize("name", TAKEN)
@pytest.mark.parametrize("value", [None, 5, b"x", True, np.zeros(2)], ids=lambda value: type(value).__name__)
def test_what_is_no_path_is_refused(name, value):
    given = {
        "NoneType": "is None",
        "int": "is 5",
        "bytes": "is a bytes",
        "bool": "is true",
        "ndarray": "is a ndarray",
    }
    with pytest.raises(OptionError, match=f"{given[type(value).__name__]}; give "):
        TAKEN[name](value)


@pytest.mark.parametrize("value", [5, b"x", True, []])
def test_names_and_lists_of_another_kind_are_refused(tiny_onnx, value):
    with pytest.raises(OptionError, match=r"the face detector is .*; give 'finder', 'haar', or a path"):
        open_detector(value)
    with pytest.raises(OptionError, match=r"trust (is .*|names no key); give"):
        Bundle.open(tiny_onnx, trust=value)
    with pytest.raises(OptionError, match=r"the bundle is .*; give the path of a bundle"):
        Bundle.open([value])
    if value != []:
        with pytest.raises(OptionError, match="the inputs are no list; give a list of files"):
            find_clips(value)


def test_a_profile_of_an_impossible_name_is_refused(tmp_path):
    with pytest.raises(OptionError, match=r"cannot be written .* give another place"):
        COLD.save(f"{tmp_path}/\0")
    assert list(tmp_path.iterdir()) == []


def test_files_may_be_named_by_strings(tmp_path):
    (tmp_path / "d.csv").write_text("Speaker,Utterance\na,hello\n")
    (talk,) = read_dialogues(str(tmp_path / "d.csv"))
    assert talk.utterances[0].text == "hello"
    (tmp_path / "devices.json").write_text("[]")
    assert read_devices(str(tmp_path / "devices.json")) == []
    assert read_measurements(str(tmp_path / "devices.json")) == ()
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    ((clip,), _) = find_clips([tmp_path / "a.wav"])
    assert clip.name == str(tmp_path / "a.wav")
