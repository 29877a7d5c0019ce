"""What the sensor says at one step: plain values, ready for `json.dumps`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mer_sdk.contract.codec import to_json

UNKNOWN = "unknown"
# The modality state of a window that holds nothing.
NOTHING = "none"


def state_of(present: Iterable[str]) -> str:
    """The modality state of what is present, in the order of the fusion graph's inputs: "audio+face", or "none"."""
    return "+".join(present) or NOTHING


@dataclass(frozen=True)
class FaceView:
    """The face an estimate looked at: `box` (x, y, width, height) in pixels of the frame, `id` stable per track."""

    id: int
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class LiveState:
    """How well a live stream keeps up, as of one estimate; see `mer_sdk.LiveSensor`.

    Attributes:
        dropped: steps that were left out since the estimate before this one, because the device or the consumer was
            slower than the streams.
        late: pieces of sound and frames that came too late since the estimate before this one, and were left out.
        stale: streams ("audio", "video") that had given nothing for `LiveOptions.stale_seconds`, so that this step was
            made without them.
    """

    dropped: int = 0
    late: int = 0
    stale: tuple[str, ...] = ()


@dataclass(frozen=True)
class EmotionEstimate:
    """One step's estimate.

    Where the sensor smooths (`mer_sdk.Smoothing`), emotion, confidence, probabilities, valence and arousal are the
    smoothed ones, and `raw_probabilities` is what the window says by itself; otherwise both are the same.

    Attributes:
        time: seconds since the stream began, at the step's end.
        emotion: the likeliest label, or "unknown" below the abstention threshold or with no modality present. With a
            margin, the label that holds: another one may be ahead of it by less than the margin.
        confidence: the calibrated probability of that label, 0-1.
        probabilities: label -> probability; sums to 1.
        valence, arousal: -1 to 1.
        va_source: "regression" where a head was trained, else "circumplex": expectation over affect norms.
        state: which modalities the window holds, joined by "+": "audio+face", "audio", "face" or "none".
        reliance: modality -> share of the decision, from the model's own router; sums to 1, or all 0 in state "none".
        face: the face of this step, or None where there was none.
        latency_ms: time spent in the graphs and the SDK for this step, without decoding and face detection.
        raw_probabilities: label -> probability of this step's window alone, before smoothing.
        live: how well a live stream keeps up; None where the estimate is not from a `LiveSensor`.
        speech: whether somebody spoke in this step, so that its sound counts; None where voice activity is off or there
            is no sound.
        others: what the faces of further persons say, by themselves and without the sound, where more than one face is
            followed (`FaceOptions.faces`).
        enrolling: seconds of sound or face that an enrolment (`EmotionSensor.enrol`) still wanted after this step; 0
            where there was none.
    """

    time: float
    emotion: str
    confidence: float
    probabilities: dict[str, float]
    valence: float
    arousal: float
    va_source: str
    state: str
    reliance: dict[str, float] = field(default_factory=dict)
    face: FaceView | None = None
    latency_ms: float = 0.0
    raw_probabilities: dict[str, float] = field(default_factory=dict)
    live: LiveState | None = None
    speech: bool | None = None
    others: tuple[EmotionEstimate, ...] = ()
    enrolling: float = 0.0

    def to_json(self) -> dict[str, object]:
        """The plain JSON object that `mer run --json` prints."""
        # Not by `codec.to_json`, which looks at every value: a step is too short for that.
        return {
            **vars(self),
            "probabilities": dict(self.probabilities),
            "reliance": dict(self.reliance),
            "face": None if self.face is None else {"id": self.face.id, "box": list(self.face.box)},
            "raw_probabilities": dict(self.raw_probabilities),
            "live": None if self.live is None else to_json(self.live),
            "others": [other.to_json() for other in self.others],
        }


@dataclass(frozen=True)
class UtteranceEstimate:
    """The estimate of one utterance of a dialogue, made when it was the newest one.

    Attributes:
        index: of the utterance in the dialogue, from 0.
        time: seconds, as it was given; None where none was.
        speaker: the name, as it was given; None where none was.
        text: the words, as they were given; None where none were.
        emotion: the likeliest label, or "unknown" below the abstention threshold or with no modality present.
        confidence: the calibrated probability of the likeliest label, 0-1.
        probabilities: label -> probability; sums to 1.
        valence, arousal: -1 to 1.
        va_source: see `EmotionEstimate`.
        state: which modalities this utterance has, joined by "+", such as "text+audio", or "none".
        reliance: modality -> share of the decision; sums to 1, or all 0 in state "none".
        latency_ms: time spent in the graphs and the SDK for this utterance, without face detection.
    """

    index: int
    time: float | None
    speaker: str | None
    text: str | None
    emotion: str
    confidence: float
    probabilities: dict[str, float]
    valence: float
    arousal: float
    va_source: str
    state: str
    reliance: dict[str, float] = field(default_factory=dict)
    latency_ms: float = 0.0

    def to_json(self) -> dict[str, object]:
        """The plain JSON object that `mer run --json` prints."""
        return dict(to_json(self))
