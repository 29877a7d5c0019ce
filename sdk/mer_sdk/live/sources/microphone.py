"""A microphone of this computer, by sounddevice (PortAudio)."""

from __future__ import annotations

import queue
import time as clock
from typing import Any

import numpy as np

from mer_sdk.errors import MediaError, MissingExtra
from mer_sdk.live.sources.source import Now, SampleClock, checked_device
from mer_sdk.media.decode import AudioPiece

PIECE_SECONDS = 0.05
# Pieces that may wait for the program: two seconds; what comes then is lost, and counted.
WAITING = 40
# A device that was unplugged often just falls silent: after this time without a piece it is taken as gone, seconds.
SILENT_SECONDS = 2.0
LOOK_SECONDS = 0.2


class Microphone:
    """See `Source`. Sound comes at the rate that the device has: the sensor resamples it.

    Args:
        device: name or part of it, or number, as sounddevice lists them; None takes the system's default.
        now: see `Source`.

    Raises:
        OptionError: a device that is neither a number from 0 nor a name.
    """

    streams: tuple[str, ...] = ("audio",)
    returns = True

    def __init__(self, device: int | str | None = None, now: Now = clock.monotonic) -> None:
        self.device = None if device is None else checked_device("microphone", device)
        self.name = "microphone" if device is None else f"microphone {device}"
        self.lost = 0
        self._now = now
        self._stamps = SampleClock()
        self._stream: Any = None
        self._rate = 0
        self._pieces: queue.Queue[tuple[np.ndarray, float]] = queue.Queue(WAITING)

    def open(self) -> None:
        """See `Source.open`."""
        sounddevice = _sounddevice()
        try:
            facts = sounddevice.query_devices(self.device, "input")
        except (ValueError, sounddevice.PortAudioError) as error:
            raise MediaError(f"there is no {self.name}; {_microphones(sounddevice)}") from error
        self._rate = int(facts["default_samplerate"])
        self._pieces = queue.Queue(WAITING)
        self._stamps = SampleClock()
        try:
            self._stream = sounddevice.InputStream(
                device=self.device,
                samplerate=self._rate,
                blocksize=round(self._rate * PIECE_SECONDS),
                # Some devices do not offer one channel alone; of more than two the first two are heard.
                channels=min(2, facts["max_input_channels"]),
                dtype="float32",
                callback=self._heard,
            )
            self._stream.start()
        except sounddevice.PortAudioError as error:
            self.close()
            raise MediaError(f"{self.name} cannot be opened ({error}); {_microphones(sounddevice)}") from error

    def read(self) -> AudioPiece | None:
        """See `Source.read`."""
        begin = clock.monotonic()
        while True:
            try:
                pcm, recorded = self._pieces.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                if not self._stream.active:
                    raise MediaError(f"{self.name} has stopped; it was unplugged, or another program took it") from None
                if clock.monotonic() - begin > SILENT_SECONDS:
                    raise MediaError(f"{self.name} has given nothing for {SILENT_SECONDS:g} s") from None
                continue
            return AudioPiece(pcm, self._rate, self._stamps.stamp(len(pcm), self._rate, recorded))

    def close(self) -> None:
        """See `Source.close`."""
        if self._stream is not None:
            self._stream.abort()
            self._stream.close()
            self._stream = None

    def _heard(self, pcm: np.ndarray, count: int, time: Any, status: Any) -> None:
        """Called by PortAudio on a thread of its own, which must not wait."""
        delay = time.currentTime - time.inputBufferAdcTime
        if not 0.0 < delay < 1.0:  # several systems do not say
            delay = count / self._rate
        self.lost += bool(status.input_overflow)
        try:
            self._pieces.put_nowait((pcm.copy(), self._now() - delay))
        except queue.Full:
            self.lost += 1


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise MissingExtra("listening to a microphone", "sounddevice", "live") from error
    except OSError as error:
        raise MediaError(
            "listening to a microphone needs the system's PortAudio, which is not installed: on Debian, Ubuntu and "
            "Raspberry Pi OS apt install libportaudio2; or pipe sound: arecord -f S16_LE -r 16000 | mer run BUNDLE -"
        ) from error
    return sounddevice


def listed_microphones(sounddevice: Any) -> list[str]:
    """The microphones that PortAudio lists, such as "2 (USB Audio)"; none is opened."""
    return [
        f"{number} ({facts['name']})"
        for number, facts in enumerate(sounddevice.query_devices())
        if facts["max_input_channels"] > 0
    ]


def _microphones(sounddevice: Any) -> str:
    """What there is, in words."""
    names = listed_microphones(sounddevice)
    return f"there are: {', '.join(names)}" if names else "no microphone was found"
