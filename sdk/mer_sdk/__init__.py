"""mer-edge's SDK: emotion estimates from audio, faces and text, on the device.

Importing it loads numpy and the standard library; a runtime is loaded when a bundle is opened.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mer_sdk.contract.bundle import Bundle
    from mer_sdk.contract.estimate import EmotionEstimate, UtteranceEstimate
    from mer_sdk.dialogue.conversation import Conversation
    from mer_sdk.dialogue.options import ConversationOptions
    from mer_sdk.dialogue.utterances import UtteranceOptions
    from mer_sdk.frontends.face_tracks import FaceOptions
    from mer_sdk.frontends.voice_activity import VoiceOptions
    from mer_sdk.live.conversation import LiveConversation
    from mer_sdk.live.sensor import LiveSensor
    from mer_sdk.live.step_queue import LiveOptions
    from mer_sdk.window.baseline import PersonalBaseline
    from mer_sdk.window.sensor import EmotionSensor
    from mer_sdk.window.smoothing import Smoothing

__all__ = [
    "Bundle",
    "Conversation",
    "ConversationOptions",
    "EmotionEstimate",
    "EmotionSensor",
    "FaceOptions",
    "LiveConversation",
    "LiveOptions",
    "LiveSensor",
    "PersonalBaseline",
    "Smoothing",
    "UtteranceEstimate",
    "UtteranceOptions",
    "VoiceOptions",
    "__version__",
]
__version__ = "0.1.0"

_HOMES = {
    "Bundle": "mer_sdk.contract.bundle",
    "Conversation": "mer_sdk.dialogue.conversation",
    "ConversationOptions": "mer_sdk.dialogue.options",
    "EmotionEstimate": "mer_sdk.contract.estimate",
    "EmotionSensor": "mer_sdk.window.sensor",
    "FaceOptions": "mer_sdk.frontends.face_tracks",
    "LiveConversation": "mer_sdk.live.conversation",
    "LiveOptions": "mer_sdk.live.step_queue",
    "LiveSensor": "mer_sdk.live.sensor",
    "PersonalBaseline": "mer_sdk.window.baseline",
    "Smoothing": "mer_sdk.window.smoothing",
    "UtteranceEstimate": "mer_sdk.contract.estimate",
    "UtteranceOptions": "mer_sdk.dialogue.utterances",
    "VoiceOptions": "mer_sdk.frontends.voice_activity",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mer_sdk' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
