"""Where in a clip the page began to listen and to look, so that the Python sensor can be begun there too.

A fake camera and a fake microphone each play their file from when the browser opens them, which is some hundredths of a
second before the page's clock starts, and not the same for both.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile

from mer_sdk import EmotionSensor
from mer_sdk.contract.estimate import EmotionEstimate
from mer_sdk.media.decode import AudioPiece, MediaFile

RATE = 16000
ROWS, COLUMNS = 27, 48

# Run before the page: keeps what it hears, and of what it sees some points, with the times on its clock, whose second 0
# is what it reads first from the audio context.
RECORD = f"""
window.begun = {{ origin: null, sound: [], frames: [] }};
let now = 0;
const clock = Object.getOwnPropertyDescriptor(BaseAudioContext.prototype, "currentTime");
Object.defineProperty(BaseAudioContext.prototype, "currentTime", {{
  ...clock,
  get() {{
    now = clock.get.call(this);
    begun.origin ??= now;
    return now;
  }},
}});
window.AudioWorkletNode = class extends AudioWorkletNode {{
  constructor(...given) {{
    super(...given);
    this.port.addEventListener("message", ({{ data }}) => begun.sound.push([data.time, Array.from(data.samples)]));
  }}
}};
const grab = CanvasRenderingContext2D.prototype.getImageData;
CanvasRenderingContext2D.prototype.getImageData = function (...given) {{
  const image = grab.apply(this, given);
  const points = [];
  for (let row = 0; row < {ROWS}; row++) {{
    const y = Math.floor(((row + 0.5) * image.height) / {ROWS});
    for (let column = 0; column < {COLUMNS}; column++) {{
      points.push(image.data[4 * (y * image.width + Math.floor(((column + 0.5) * image.width) / {COLUMNS})) + 1]);
    }}
  }}
  begun.frames.push([now - begun.origin, points]);
  return image;
}};
"""


@dataclass(frozen=True)
class Begin:
    """Seconds into the clip's sound and into its pictures at the page's second 0."""

    sound: float
    pictures: float


def begin_of(begun: dict[str, Any], clip: Path, wav: Path) -> Begin:
    """From what RECORD kept: the place in the clip of the sound, and of the pictures in the middle."""
    pcm, rate = soundfile.read(wav, dtype="float32")
    heard = np.concatenate([np.array(samples) for _, samples in begun["sound"]])
    whole = pcm[:: rate // RATE]
    size = 1 << (len(whole) + len(heard)).bit_length()
    match = np.fft.irfft(np.fft.rfft(whole, size) * np.conj(np.fft.rfft(heard, size)), size)[: len(whole)]
    first = max(0.0, begun["sound"][0][0] - begun["origin"])
    with av.open(str(clip)) as container:
        shown = [(frame.time, _points(frame)) for frame in container.decode(video=0)]
    away = []
    for time, points in begun["frames"]:
        seen = np.array(points, np.float32)
        away.append(min(shown, key=lambda one: float(np.abs(one[1] - seen).mean()))[0] - time)
    return Begin(int(match.argmax()) / RATE - first, float(np.median(away)))


def estimates_from(sensor: EmotionSensor, clip: Path, begin: Begin) -> list[EmotionEstimate]:
    """What the sensor says of a clip that begins there."""
    sensor.reset()
    found: list[EmotionEstimate] = []
    with MediaFile(clip) as media:
        for item in media.read():
            if isinstance(item, AudioPiece):
                cut = max(0, round((begin.sound - item.time) * item.sample_rate))
                if cut < len(item.pcm):
                    time = max(0.0, item.time - begin.sound)
                    found += sensor.push_audio(item.pcm[cut:], item.sample_rate, time)
            elif item.time >= begin.pictures:
                found += sensor.push_frame(item.rgb(), item.time - begin.pictures)
    return found + sensor.flush()


def _points(frame: av.VideoFrame) -> np.ndarray:
    green = frame.to_ndarray(format="rgb24")[:, :, 1].astype(np.float32)
    rows = ((np.arange(ROWS) + 0.5) * green.shape[0] / ROWS).astype(np.intp)
    columns = ((np.arange(COLUMNS) + 0.5) * green.shape[1] / COLUMNS).astype(np.intp)
    return green[rows[:, None], columns[None, :]].ravel()
