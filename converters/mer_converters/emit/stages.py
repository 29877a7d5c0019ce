"""The stages of the pipeline that code in Kotlin and in Swift has a file each for."""

from __future__ import annotations

from mer_converters.emit.naming import code_conditions
from mer_converters.emit.source_bundle import SourceBundle

_FINDER = ("face/Resize", "finder/FaceFinder")
_ESTIMATES = ("window/Estimate", "window/PersonalBaseline")
_SOUND = ("audio/AudioChunker", "audio/AudioFrontend", "audio/Downmix", "audio/Resampler")
_FACE = (
    "face/FaceCrop",
    "face/Correlation",
    "face/FaceTracker",
    "face/FaceIdentity",
    "face/ActiveSpeaker",
    "face/FaceTracks",
    "face/FaceSquare",
    "face/Resize",
)
_WINDOW = (
    "window/FeatureWindow",
    "window/StepEngine",
    "window/Smoother",
    "window/Alignment",
    "window/Sensor",
    "window/Session",
)
_DIALOGUE = ("dialogue/DialogueEngine", "dialogue/Conversation")


def stage_templates(source: SourceBundle) -> tuple[str, ...]:
    """FOLDER/NAME of the templates, without the language's suffix, of the stages that a bundle needs."""
    if source.kind == "finder":
        return _FINDER
    holds = code_conditions(source)
    shared = (
        *_ESTIMATES,
        *(_SOUND if "sound" in holds else ()),
        *(("audio/VoiceActivity",) if "audio" in holds else ()),
        *(_FACE if "face" in holds else ()),
    )
    if source.kind == "window":
        return (*shared, *_WINDOW)
    return (
        *shared,
        *_DIALOGUE,
        *(("dialogue/TextFrontend",) if "text" in holds else ()),
        *(("dialogue/Utterances",) if "audio" in holds else ()),
    )
