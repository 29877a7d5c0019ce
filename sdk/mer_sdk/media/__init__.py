"""Media files: whatever a container holds, as clean, ordered and described pieces of sound and pictures."""

from mer_sdk.media.file import MediaFile
from mer_sdk.media.pieces import AudioPiece, MediaInfo, VideoFrame

__all__ = ["AudioPiece", "MediaFile", "MediaInfo", "VideoFrame"]
