"""What `EmotionSensor` and `Conversation` say of a small film, from pixels and samples to estimates, for other
sensors to be held to: faces searched for and followed, several persons, who speaks, voice activity, smoothing,
enrolment, texts.

A film is stored as backgrounds and pictures laid over them, so that the other side draws the same frames.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import onnx

from mer_converters.emit.golden.spoken import Loud
from mer_converters.emit.golden.tracks import texture
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import to_json
from mer_sdk.contract.estimate import EmotionEstimate
from mer_sdk.dialogue.conversation import Conversation
from mer_sdk.dialogue.options import ConversationOptions
from mer_sdk.dialogue.utterances import UtteranceOptions
from mer_sdk.frontends.face_crop import Detection
from mer_sdk.frontends.face_tracks import FaceOptions
from mer_sdk.frontends.voice_activity import VoiceActivity, VoiceOptions
from mer_sdk.live.conversation import LiveConversation, Recogniser
from mer_sdk.window import step_estimator
from mer_sdk.window.sensor import EmotionSensor
from mer_sdk.window.smoothing import Smoothing

HEIGHT, WIDTH, SIDE, RATE, FPS = 120, 180, 48, 44100, 8
SECONDS = 14
# (begin, end) of speech, seconds; between them a little noise, and digital silence in QUIET.
SPEECH, QUIET = ((2.2, 5.0), (6.4, 9.7)), (10.5, 12.5)
# Sound is not recorded here, and the camera gives no picture here, seconds.
DEAF, BLIND = (5.5, 6.0), (7.0, 7.6)
# The scene changes, all goes on after a long pause, seconds.
CUT, PAUSE = 11.0, 16.25
TEXTS = (
    ("Anna", "I'm so happy, really!"),
    ("Ben", ""),
    (None, "No... NO!!!! Why?? \u2014 don\u2019t"),
    ("Anna", "\u00c4rger \u00fcber \u0130stanbul, na\u00efve caf\u00e9 \ufb01ne"),
    ("Cem", "\U0001f600\U0001f44d\U0001f3fd great"),
    ("Dora", "rock'n'roll"),
    ("Anna", "bye"),
)


class Scripted:
    """A detector that knows where the faces of the film are: the number of a frame is in its first pixel."""

    def __init__(self, detections: list[list[Detection]]) -> None:
        self._detections = detections

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """See `FaceDetector.detect`."""
        return self._detections[int(rgb[0, 0, 0])]


def film(arrays: dict[str, np.ndarray]) -> tuple[np.ndarray, list[list[Detection]], np.ndarray]:
    """Frames, what a detector finds in each, and the sound; its parts are stored."""
    random = np.random.default_rng(31)
    count = SECONDS * FPS
    backgrounds = np.stack([texture(random, HEIGHT, WIDTH, 24, 40, 90 + 60 * scene) for scene in range(2)])
    pictures = np.stack([texture(random, SIDE, SIDE, 6, 90, 128) for _ in range(3)])
    # Where the mouth is, another texture is laid over the face while it speaks.
    mouths = np.stack([texture(random, 12, 20, 3, 90, 128) for _ in range(3)])
    scenes = (np.arange(count) / FPS >= CUT).astype(int)
    places, open_ = _places(count), np.zeros((count, 3), int)
    frames, detections = [], []
    for index in range(count):
        time = index / FPS
        speaks = any(begin <= time < end for begin, end in SPEECH)
        open_[index, 1 if time > 6 else 0] = int(speaks) * (index % 2)
        frame = backgrounds[scenes[index]].copy()
        for person, (left, top) in enumerate(places[index]):
            if left >= 0:
                frame[top : top + SIDE, left : left + SIDE] = pictures[person]
                if open_[index, person]:
                    frame[top + 33 : top + 45, left + 14 : left + 34] = mouths[person]
        frame[0, 0] = index
        frames.append(frame)
        detections.append(_found(random, index, places[index]))
    arrays |= {
        "film_backgrounds": backgrounds,
        "film_pictures": pictures,
        "film_mouths": mouths,
        "film_scenes": scenes.astype(np.float32),
        "film_places": places.astype(np.float32),
        "film_open": open_.astype(np.float32),
        "film_pcm": _sound(random),
    }
    return np.stack(frames), detections, arrays["film_pcm"]


def sensor_run(arrays: dict[str, np.ndarray], path: Path) -> dict[str, object]:
    """The events of a stream, and the estimates of the sensor with every option."""
    frames, detections, pcm = film(arrays)
    events: list[dict[str, object]] = []
    estimates: list[EmotionEstimate] = []
    with patch.object(step_estimator, "VoiceActivity", lambda options: VoiceActivity(options, Loud())):
        sensor = EmotionSensor.open(
            path,
            detector=Scripted(detections),
            smoothing=Smoothing(0.4, 0.05),
            faces=FaceOptions(faces=2),
            voice=VoiceOptions(0.3, 0.6),
        )
    for index, frame in enumerate(frames):
        time = index / FPS
        stamp = time + (PAUSE if time >= 12.5 else 0.0)
        begin, end = index * RATE // FPS, (index + 1) * RATE // FPS
        if index == 2 * FPS:
            sensor.enrol(1.0)
            events.append({"kind": "enrol", "seconds": 1.0})
        if index == 9 * FPS:
            sensor.forget()
            events.append({"kind": "forget"})
        if not BLIND[0] <= time < BLIND[1]:
            estimates += sensor.push_frame(frame, stamp)
            events.append({"kind": "frame", "index": index, "time": stamp})
        if not DEAF[0] <= time < DEAF[1]:
            heard = pcm[begin:end] if index % 3 else pcm[begin:end, :1]
            at = begin / RATE + (stamp - time)
            estimates += sensor.push_audio(heard, RATE, at)
            events.append({"kind": "sound", "begin": begin, "end": end, "channels": heard.shape[1], "time": at})
    estimates += sensor.flush()
    watch = sensor._steps.watch
    assert watch is not None
    baselines = {
        who: {name: sensor.baseline_of(who).mean(name) for name in ("audio", "face")} for who in sensor.persons
    }
    return {
        "rate": RATE,
        "detections": detections,
        "events": events,
        "estimates": [one.to_json() for one in estimates],
        "searches": watch.searches,
        "baselines": {who: {name: mean.tolist() for name, mean in means.items()} for who, means in baselines.items()},
    }


def profile(path: Path, folder: Path) -> str:
    """A profile that Python saved, after some steps."""
    with EmotionSensor.open(path) as sensor:
        sensor.push_audio(np.random.default_rng(3).uniform(-0.4, 0.4, 6 * 16000).astype(np.float32), 16000)
        sensor.flush()
        sensor.baseline.save(folder / "profile.json")
    return (folder / "profile.json").read_text()


def conversation_run(path: Path, arrays: dict[str, np.ndarray]) -> dict[str, object]:
    """Utterances of words, sound and faces, more than the window holds, and the estimates."""
    frames, detections, pcm = film({})
    talk = Conversation.open(Bundle.open(path), detector=Scripted(detections))
    utterances: list[dict[str, object]] = []
    made = []
    for number, (speaker, text) in enumerate(TEXTS):
        first = 8 * number
        sound = pcm[(2 * number + 1) * RATE : (2 * number + 2) * RATE, 0]
        with_sound, with_faces = number % 3 != 1, number % 2 == 0
        seen = [(frames[first + index], index / FPS) for index in range(8)] if with_faces else None
        estimate = talk.push_utterance(
            speaker, text=text, audio=(sound, RATE) if with_sound else None, frames=seen, time=float(number)
        )
        utterances.append({"speaker": speaker, "text": text, "first": first, "sound": with_sound, "faces": with_faces})
        made.append(to_json(estimate))
    return {"utterances": utterances, "estimates": made}


# What is said live: (words, begin, end, speaker, when the recogniser tells it).
HEARD = (
    ("I did not see you", 2.3, 3.4, "Anna", 4.0),
    ("coming, really!", 3.5, 5.0, "Anna", 5.25),
    ("never mind", 8.0, 10.5, "Ben", 11.0),
    ("typed", 6.0, None, "Cem", 6.0),
)
# Ben's microphone hears the film's sound so much later.
LATER = 5.5


def live_run(path: Path) -> dict[str, object]:
    """What two microphones, a camera and a recogniser give, and the estimates: with texts pushed, and of sound alone
    with texts recognised."""
    events = _live_events()
    heard = [event for event in events if event[1]["kind"] == "sound"]
    pushed, counts = _live_estimates(path, events, None)
    recognised, _ = _live_estimates(path, heard, lambda sound, rate: f"{len(sound)} of {rate}")
    return {"events": [event for _, event in events], "estimates": pushed, "counts": counts, "recognised": recognised}


def _live_events() -> list[tuple[float, dict[str, object]]]:
    events: list[tuple[float, dict[str, object]]] = []
    for index in range(SECONDS * FPS):
        begin, end, time = index * RATE // FPS, (index + 1) * RATE // FPS, index / FPS
        for name, later in (("Anna", 0.0), ("Ben", LATER)):
            sound = {"kind": "sound", "begin": begin, "end": end, "time": begin / RATE + later, "stream": name}
            events.append((time + later, sound))
        events.append((time, {"kind": "frame", "index": index, "time": time}))
    for words, begin, end, speaker, when in HEARD:
        events.append((when, {"kind": "text", "text": words, "time": begin, "end": end, "speaker": speaker}))
    return sorted(events, key=lambda event: event[0])


def _live_estimates(
    path: Path, events: list[tuple[float, dict[str, object]]], recognise: Recogniser | None
) -> tuple[list[dict[str, object]], dict[str, int]]:
    frames, detections, pcm = film({})
    options = ConversationOptions(
        utterance=UtteranceOptions(VoiceOptions(0.3, 0.5)), streams=("Anna", "Ben"), patience=1.0, frames=128
    )
    talk = Conversation.open(path, detector=Scripted(detections))
    # The wall's clock stands still: nothing is stale.
    with LiveConversation(talk, options, recognise, voice=Loud, now=lambda: 0.0) as live:
        for _, event in events:
            given: Any = event
            if given["kind"] == "sound":
                heard = pcm[given["begin"] : given["end"]]
                live.push_audio(heard, RATE, given["time"], given["stream"])
            elif given["kind"] == "frame":
                live.push_frame(frames[given["index"]], given["time"])
            else:
                live.push_text(given["text"], given["time"], given["speaker"], given["end"])
        live.finish()
        estimates = [to_json(one) for one in live]
        counts = {"dropped": live.dropped, "droppedFrames": live.dropped_frames, "late": live.late, "short": live.short}
    return estimates, counts


def write_loud(path: Path) -> None:
    """`Loud` as a file with the inputs and outputs of Silero VAD, for sensors that open one."""
    helper, tensor = onnx.helper, onnx.TensorProto
    nodes = [
        # Of what came before the piece nothing is heard.
        helper.make_node("Slice", ["input", "begin", "end", "axis"], ["piece"]),
        helper.make_node("Abs", ["piece"], ["size"]),
        helper.make_node("ReduceMean", ["size"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["mean", "five"], ["loud"]),
        helper.make_node("Min", ["loud", "one"], ["output"]),
        helper.make_node("Identity", ["state"], ["stateN"]),
    ]
    numbers = {"begin": [64], "end": [576], "axis": [1]}
    constants = [helper.make_tensor(name, tensor.INT64, [1], value) for name, value in numbers.items()]
    constants += [helper.make_tensor(name, tensor.FLOAT, [1], [value]) for name, value in (("five", 5.0), ("one", 1.0))]
    given = [("input", tensor.FLOAT, [1, 576]), ("state", tensor.FLOAT, [2, 1, 128]), ("sr", tensor.INT64, [])]
    told = [("output", tensor.FLOAT, [1, 1]), ("stateN", tensor.FLOAT, [2, 1, 128])]
    graph = helper.make_graph(
        nodes,
        "loud",
        [helper.make_tensor_value_info(*one) for one in given],
        [helper.make_tensor_value_info(*one) for one in told],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _places(count: int) -> np.ndarray:
    """Left and top of each picture in each frame, [count, 3, 2]; -1 where it is not there."""
    places = np.full((count, 3, 2), -1)
    for index in range(count):
        time = index / FPS
        if 1.0 <= time < 10.0:
            places[index, 0] = 6 + int(3 * time) % 20, 10 + int(5 * time) % 50
        if 3.0 <= time < 5.5 or time >= 6.0:
            places[index, 1] = 70 + int(7 * time) % 12, 40
        if 8.0 <= time < CUT + 1.5:
            places[index, 2] = 126, 20 + 2 * (index % 3)
        if time >= CUT:
            places[index, 0] = 20, 60
    return places


def _found(random: np.random.Generator, index: int, places: np.ndarray) -> list[Detection]:
    found: list[Detection] = []
    for person, (left, top) in enumerate(places):
        # The first face is missed for a while, as a turned one is.
        if left >= 0 and not (person == 0 and 30 <= index < 40):
            x, y = (np.array([left, top]) + np.round(random.uniform(-1, 1, 2) * 4) / 4).tolist()
            found.append((x, y, float(SIDE), float(SIDE), 1.0))
    if index in (33, 57):
        found.append((10.0, 70.0, 30.0, 30.0, 1.0))
    return found


def _sound(random: np.random.Generator) -> np.ndarray:
    """Float32 [n, 2]: a tone with noise where somebody speaks; the second channel is dead from the middle on."""
    time = np.arange(SECONDS * RATE) / RATE
    loud = np.full(len(time), 0.004)
    for begin, end in SPEECH:
        place = (time >= begin) & (time < end)
        loud[place] = 0.35 * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time[place]))
    loud[(time >= QUIET[0]) & (time < QUIET[1])] = 0.0
    voice = loud * (np.sin(2 * np.pi * 180 * time) + random.uniform(-0.5, 0.5, len(time)))
    other = np.where(time < SECONDS / 2, 0.5 * voice, 0.0)
    return np.round(np.stack([voice, other], axis=1) * 32767).astype(np.float32) / np.float32(32768)
