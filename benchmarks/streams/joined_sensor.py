"""A sensor for long recordings joined of clips: its graphs compute nothing twice, and its engine keeps what it said."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from mer_sdk import EmotionSensor, VoiceOptions
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.estimate import FaceView
from mer_sdk.contract.manifest import FaceContract
from mer_sdk.evaluation.features import track_box
from mer_sdk.frontends.face_crop import crop_face
from mer_sdk.frontends.face_detection import Detection
from mer_sdk.frontends.face_tracks import FaceTracks, Frame, TrackedFace
from mer_sdk.frontends.voice_activity import SileroModel, VoiceActivity
from mer_sdk.runtimes import Graph
from mer_sdk.window.baseline import PersonalBaseline
from mer_sdk.window.engine import StepEngine
from mer_sdk.window.step import StepFeatures, StepOutput


class CutOut(FaceTracks):
    """One face in every step that shows a picture, whose crop is the picture."""

    def __init__(self, contract: FaceContract) -> None:
        super().__init__(Nobody(), contract)
        self._own = contract
        self._crops: dict[int, tuple[np.ndarray, TrackedFace]] = {}

    def look(self, frames: Sequence[Frame], chunk: np.ndarray | None = None) -> tuple[TrackedFace, ...]:
        """See `FaceTracks.look`."""
        image = frames[-1][1]()
        if id(image) not in self._crops:
            box = track_box(image, self._own, 1.0)
            crop = crop_face(image, box, self._own)
            assert crop is not None  # black pictures were left out
            # The picture is kept with it, so that its id is nobody else's.
            self._crops[id(image)] = (image, TrackedFace(crop, FaceView(0, box)))
        return (self._crops[id(image)][1],)


class Nobody:
    """A detector that is not asked."""

    def detect(self, rgb: np.ndarray) -> list[Detection]:
        """See `FaceDetector`."""
        return []


class Remembered:
    """An encoder that computes each input once, as several runs see the same ones."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._known: dict[bytes, dict[str, np.ndarray]] = {}

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """See `Graph.run`."""
        key = hashlib.sha1(b"".join(np.ascontiguousarray(value).tobytes() for value in inputs.values())).digest()
        if key not in self._known:
            self._known[key] = {name: np.array(value) for name, value in self._graph.run(inputs).items()}
        return self._known[key]


class RememberedVoice:
    """Silero VAD that hears each stream once: what it says depends on the pieces since its beginning alone."""

    def __init__(self) -> None:
        self._model = SileroModel()
        self._known: dict[bytes, float] = {}
        self.reset()

    def reset(self) -> None:
        """See `SpeechModel.reset`."""
        self._past, self._behind = b"", list[np.ndarray]()
        self._model.reset()

    def __call__(self, piece: np.ndarray) -> float:
        """See `SpeechModel`."""
        self._past = hashlib.sha1(self._past + piece.tobytes()).digest()
        self._behind.append(piece)
        if self._past not in self._known:
            # What was known before is heard now, as this stream goes on where no other did.
            found = [self._model(one) for one in self._behind]
            self._known[self._past], self._behind = found[-1], []
        return self._known[self._past]


class Watched(StepEngine):
    """An engine that keeps what the window said at every step."""

    said: list[StepOutput]

    def reset(self, baseline: PersonalBaseline | None = None) -> None:
        """See `StepEngine.reset`."""
        super().reset(baseline)
        self.said = []

    def advance(
        self, features: StepFeatures, person: int | None = None, others: Mapping[int, np.ndarray] | None = None
    ) -> StepOutput:
        """See `StepEngine.advance`."""
        self.said.append(super().advance(features, person, others))
        return self.said[-1]


def sensor_of(bundle: Bundle, voice: VoiceOptions, cold: bool, heard: RememberedVoice) -> tuple[EmotionSensor, Watched]:
    """A sensor, and its engine."""
    baseline = PersonalBaseline(bundle.manifest.baseline, fixed=cold)
    engine = Watched(bundle, baseline=baseline)
    sensor = EmotionSensor(bundle, engine, Nobody(), baseline, voice=voice)
    sensor._steps.watch = CutOut(bundle.manifest.face)
    assert sensor._steps.voice is not None  # it was asked for
    sensor._steps.voice = VoiceActivity(voice, heard)
    return sensor, engine
