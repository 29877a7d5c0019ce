"""No mode of the SDK opens a socket, writes to a file, or logs what it hears and sees: held by the kernel."""

import gc
import json
import signal
import sys
import weakref

import numpy as np
import pytest
from sandboxed import run_sandboxed

from mer_sdk.runtimes.native_log import HARMLESS

# Every use of the SDK in one process. It prints how many estimates each gave, and nothing else.
MODES = """
import json, signal, sys
import numpy as np
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
sys.path.insert(0, sys.argv[4])
from loud_speech import Loudness
from mer_sdk import Conversation, ConversationOptions, EmotionSensor, FaceOptions, LiveConversation, LiveOptions
from mer_sdk import LiveSensor, Smoothing, UtteranceOptions, VoiceOptions
from mer_sdk.live.sources import Capture, Playback

window, talk, clip = sys.argv[1:4]
rng = np.random.default_rng(0)

class Faces:
    def detect(self, rgb):
        return [(10, 10, 60, 60, 1.0), (80, 20, 50, 50, 0.9)]

found = {}
faces = FaceOptions(faces=2, remember_seconds=600.0)
with EmotionSensor.open(window, faces=faces, smoothing=Smoothing()) as sensor:
    found["file"] = len(list(sensor.stream(clip)))
    sensor.reset()
    sensor.baseline.reset()
source = Playback(clip)
with LiveSensor.open(window, options=LiveOptions(streams=source.streams)) as live, Capture(live, [source]):
    found["live"] = len(list(live))
frame = rng.integers(0, 256, (120, 160, 3), np.uint8)
with EmotionSensor.open(window, detector=Faces(), faces=faces) as sensor:
    pushed = []
    for step in range(4):
        pushed += sensor.push_frame(frame, step * 0.25)
        pushed += sensor.push_audio(rng.uniform(-0.5, 0.5, 4000).astype(np.float32), 16000, step * 0.25)
    found["several persons"] = len(pushed + sensor.flush())
with Conversation.open(talk, detector=Faces()) as talked:
    sound = rng.uniform(-0.5, 0.5, 8000).astype(np.float32)
    talked.push_utterance("anna", "what I say is mine alone", (sound, 16000), [(frame, 0.1)], 0.5)
    talked.push_utterance("ben", "so is mine", time=1.0)
    found["conversation"] = len(talked.timeline())
sound = rng.uniform(-0.02, 0.02, 64000).astype(np.float32)
sound[16000:40000] *= 45
spoken = UtteranceOptions(VoiceOptions(0.1, 0.32), minimum=0.1, longest=3.0, pre_roll=0.2)
options = ConversationOptions(utterance=spoken, stale_seconds=1e9, patience=1.0)
with LiveConversation(Conversation.open(talk, detector=Faces()), options, voice=Loudness,
                      recognise=lambda samples, rate: "what I say is mine alone") as live:
    live.push_audio(sound, 16000, 0.0)
    live.finish()
    found["live conversation"] = len(list(live))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def talk(tmp_path_factory, tiny_dialogue):
    """A dialogue bundle that reads text, sound and faces."""
    return tiny_dialogue.write_dialogue_bundle(tmp_path_factory.mktemp("talk"), ("text", "audio", "face"))


@pytest.fixture
def clip(write_media, tmp_path):
    pytest.importorskip("av")
    pytest.importorskip("cv2")
    return write_media(tmp_path / "clip.mp4", 1.0)


def test_the_seal_holds(tmp_path):
    socket = run_sandboxed([sys.executable, "-c", "import socket; socket.socket()"], tmp_path / "home")
    assert socket.returncode == -signal.SIGSYS
    for write in ("open('x', 'w').write('x')", "import os; os.write(os.open('x', 65), b'x')"):
        code = (
            f"import os, signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\ntry: {write}\nfinally: os.remove('x')"
        )
        with pytest.raises(AssertionError):
            run_sandboxed([sys.executable, "-c", code], tmp_path / "home")
        (tmp_path / "home" / "x").unlink()


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_every_mode_writes_nothing_sends_nothing_and_logs_nothing(target, request, talk, clip, tmp_path):
    window = request.getfixturevalue(f"tiny_{target}")
    helpers = str(request.path.parent)
    command = [sys.executable, "-c", MODES, str(window), str(talk), str(clip), helpers]
    done = run_sandboxed(command, tmp_path / "home")
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    found = json.loads(done.stdout)
    # Lines of a runtime about itself, such as which kernels it took.
    assert all(HARMLESS.fullmatch(line) for line in done.stderr.encode().splitlines()), done.stderr
    assert found.keys() == {"file", "live", "several persons", "conversation", "live conversation"}
    assert all(count >= 1 for count in found.values()), found


def mer(*arguments):
    return [sys.executable, "-m", "mer_sdk.cli", *map(str, arguments)]


def test_commands_write_what_they_are_asked_for_alone(tiny_onnx, talk, clip, write_media, tmp_path):
    home = tmp_path / "home"
    run = run_sandboxed(mer("run", tiny_onnx, clip, "--json"), home)
    assert run.returncode == 0, run.stderr[-2000:]
    estimates = [json.loads(line) for line in run.stdout.splitlines()]
    # Numbers and names of emotions: no path, no sample, no pixel.
    allowed = {*estimates[0], "audio", "face"}
    assert len(estimates) == 4
    assert all(set(estimate) <= allowed and len(json.dumps(estimate)) < 1500 for estimate in estimates)
    dialogue = tmp_path / "dialogue.csv"
    dialogue.write_text("Speaker,Utterance\nanna,what I say is mine alone\nben,so is mine\n")
    talked = run_sandboxed(mer("run", talk, dialogue, "--json"), home)
    assert talked.returncode == 0, talked.stderr[-2000:]
    # Words are in what was asked for, and nowhere else.
    assert [json.loads(line)["speaker"] for line in talked.stdout.splitlines()] == ["anna", "ben"]
    assert "mine alone" not in talked.stderr
    for label in ("happy", "sad"):
        (tmp_path / "clips" / label).mkdir(parents=True)
        write_media(tmp_path / "clips" / label / "one.wav", 1.0, video=False)
    scored = run_sandboxed(mer("evaluate", tiny_onnx, "--data", f"clips:{tmp_path / 'clips'}", "--json"), home)
    assert scored.returncode == 0, scored.stderr[-2000:]
    assert json.loads(scored.stdout)
    assert sorted(path.name for path in (tmp_path / "clips").rglob("*")) == ["happy", "one.wav", "one.wav", "sad"]


class Face:
    """Somebody is there as long as the picture is bright."""

    def detect(self, rgb):
        return [(10.0, 10.0, 60.0, 60.0, 1.0)] if rgb.mean() > 60 else []


def test_whose_face_is_out_of_sight_is_forgotten_in_time(tiny_onnx):
    from mer_sdk import EmotionSensor, FaceOptions

    rng = np.random.default_rng(2)
    bright, empty = rng.integers(80, 256, (120, 160, 3), np.uint8), rng.integers(0, 60, (120, 160, 3), np.uint8)
    sound = rng.uniform(-0.5, 0.5, 4000).astype(np.float32)

    def steps(sensor, begin, count, frame):
        for step in range(begin, begin + count):
            if frame is not None:
                sensor.push_frame(frame, step * 0.25)
            sensor.push_audio(sound, 16000, step * 0.25)

    with EmotionSensor.open(tiny_onnx, detector=Face(), faces=FaceOptions(remember_seconds=3.0)) as sensor:
        steps(sensor, 0, 4, bright)
        assert sensor._steps.watch.remembered == (0,)
        steps(sensor, 4, 8, empty)
        assert sensor._steps.watch.remembered == (0,)
        # No other face comes, and then no picture either.
        steps(sensor, 12, 30, None)
        assert sensor._steps.watch.remembered == ()
    with EmotionSensor.open(tiny_onnx, detector=Face()) as sensor:
        steps(sensor, 0, 4, bright)
        assert sensor._steps.watch.remembered == (0,)
        sensor.forget()
        assert sensor._steps.watch.remembered == ()
        steps(sensor, 4, 4, bright)
        assert sensor._steps.watch.remembered == (1,)
        closed, watch = sensor._steps, weakref.ref(sensor._steps.watch)
    assert closed.watch is None
    gc.collect()
    assert watch() is None


def test_what_is_kept_is_what_the_documentation_says(tiny_onnx, tmp_path):
    """A saved baseline is sums and counts of features: as many numbers as the graphs give, however long the stream."""
    from mer_sdk import EmotionSensor

    with EmotionSensor.open(tiny_onnx) as sensor:
        sensor.push_audio(np.random.default_rng(1).uniform(-0.5, 0.5, 160000).astype(np.float32), 16000)
        sensor.flush()
        sensor.baseline.save(tmp_path / "anna.json")
        kept = json.loads((tmp_path / "anna.json").read_text())
        sensor.baseline.reset()
        assert set(sensor.baseline.steps.values()) == {0}
    assert kept.keys() == {"mer_baseline", "encoders", "modalities"}
    assert {name: (len(one["sum"]), one.keys()) for name, one in kept["modalities"].items()} == {
        "audio": (6, {"sum", "steps"}),
        "face": (5, {"sum", "steps"}),
    }
