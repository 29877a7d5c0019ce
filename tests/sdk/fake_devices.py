"""In place of cameras and microphones: devices that go by a clock which the test moves."""

import time
import types

import numpy as np
from live_streams import noise


class Time:
    """A clock that a fake microphone moves on, and two devices that go by it."""

    def __init__(self, gone):
        self.at, self.gone = 0.0, gone
        self.seen, self.estimated = -1.0, 0.0

    def now(self):
        return self.at

    def all_have_followed(self):
        """Whether the camera has seen this time, where it is there, and the estimates wait for no more than a stream
        that is not yet stale, which takes a second."""
        return (self.seen == self.at or not self.camera_is_there) and self.estimated >= self.at - 1.75

    @property
    def camera_is_there(self):
        return not self.gone[0] <= self.at < self.gone[1]


class FakeVideo:
    """In place of cv2.VideoCapture: a frame per move of the time; larger after the camera was away."""

    time = None

    def __init__(self, number):
        self.number, self.seen = number, -1.0

    def isOpened(self):  # noqa: N802
        return self.time.camera_is_there

    def grab(self):
        end = time.monotonic() + 1.0
        while self.time.at == self.seen and time.monotonic() < end:
            time.sleep(0.001)
        self.seen = self.time.seen = self.time.at
        return self.time.camera_is_there

    def retrieve(self):
        size = (60, 80, 3) if self.seen < self.time.gone[0] else (120, 200, 3)
        return True, np.full(size, (30, 20, 10), np.uint8)

    def get(self, name):
        return 0.0

    def release(self):
        pass


class FakeSound(types.ModuleType):
    """In place of sounddevice: each opening plays a number of blocks at once and then stops."""

    class PortAudioError(Exception):
        pass

    def __init__(self, rates, blocks=30):
        super().__init__("sounddevice")
        self.rates, self.blocks, self.at, self.streams = list(rates), blocks, 100.0, []
        self.InputStream = lambda **given: FakeStream(self, **given)

    def now(self):
        return self.at

    def query_devices(self, device=None, kind=None):
        facts = {"name": "Headset", "max_input_channels": 2, "default_samplerate": 48000.0}
        if kind is None:
            return [{"name": "Speaker", "max_input_channels": 0}, facts]
        if device not in (None, "Headset"):
            raise ValueError(f"No input device matching {device!r}")
        if not self.rates:
            raise self.PortAudioError("Device unavailable")
        return {**facts, "default_samplerate": float(self.rates[0])}


class FakeStream:
    def __init__(self, sound, samplerate, blocksize, channels, callback, **_):
        self.sound, self.callback = sound, callback
        self.rate, self.size, self.channels = samplerate, blocksize, channels
        self.active = True
        sound.rates.pop(0)

    def start(self):
        for number in range(self.sound.blocks):
            self.sound.at += self.size / self.rate
            times = types.SimpleNamespace(currentTime=0.0, inputBufferAdcTime=0.0)
            status = types.SimpleNamespace(input_overflow=number == 0)
            pcm = noise(1.0, self.size * self.channels, number).reshape(-1, self.channels)
            self.callback(pcm, self.size, times, status)
        self.active = False

    def abort(self):
        self.active = False

    def close(self):
        self.active = False
