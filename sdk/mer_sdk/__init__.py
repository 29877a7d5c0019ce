"""mer-edge's SDK: emotion estimates from audio, faces and text, on the device.

Importing it loads numpy and the standard library; a runtime is loaded when a bundle is opened.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mer_sdk.baseline import PersonalBaseline
    from mer_sdk.bundle import Bundle
    from mer_sdk.conversation import Conversation
    from mer_sdk.conversation_options import ConversationOptions
    from mer_sdk.estimate import EmotionEstimate, UtteranceEstimate
    from mer_sdk.frontends.voice import VoiceOptions
    from mer_sdk.live import LiveSensor
    from mer_sdk.live_conversation import LiveConversation
    from mer_sdk.live_queue import LiveOptions
    from mer_sdk.sensor import EmotionSensor
    from mer_sdk.smoothing import Smoothing
    from mer_sdk.utterance_cutter import UtteranceOptions

__all__ = [
    "Bundle",
    "Conversation",
    "ConversationOptions",
    "EmotionEstimate",
    "EmotionSensor",
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
    "Bundle": "mer_sdk.bundle",
    "Conversation": "mer_sdk.conversation",
    "ConversationOptions": "mer_sdk.conversation_options",
    "EmotionEstimate": "mer_sdk.estimate",
    "EmotionSensor": "mer_sdk.sensor",
    "LiveConversation": "mer_sdk.live_conversation",
    "LiveOptions": "mer_sdk.live_queue",
    "LiveSensor": "mer_sdk.live",
    "PersonalBaseline": "mer_sdk.baseline",
    "Smoothing": "mer_sdk.smoothing",
    "UtteranceEstimate": "mer_sdk.estimate",
    "UtteranceOptions": "mer_sdk.utterance_cutter",
    "VoiceOptions": "mer_sdk.frontends.voice",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mer_sdk' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
