"""What the page gave its sensor, kept and given to Python's: the same sound and pictures, in the same order."""

from __future__ import annotations

import base64
import gzip
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mer_sdk.contract.bundle import Bundle
from mer_sdk.frontends.face_detection import open_detector
from mer_sdk.frontends.face_tracks import FaceOptions, FaceTracks
from mer_sdk.window.alignment import StreamAlignment
from mer_sdk.window.decision import decide
from mer_sdk.window.engine import StepEngine

# As demos/web/src/main.ts has it: seconds by which a stream may lag before a step does without it.
PATIENCE = 0.5

# Run before the page. Second 0 of the page's clock is what it reads first from the audio context; a picture has the
# time that was read last. Whole pictures are kept, without a loss, and packed when the run is over.
RECORD = """
window.given = [];
let now = 0;
let origin = null;
const clock = Object.getOwnPropertyDescriptor(BaseAudioContext.prototype, "currentTime");
Object.defineProperty(BaseAudioContext.prototype, "currentTime", {
  ...clock,
  get() {
    now = clock.get.call(this);
    origin ??= now;
    return now;
  },
});
window.AudioWorkletNode = class extends AudioWorkletNode {
  constructor(...given_) {
    super(...given_);
    this.port.addEventListener("message", ({ data }) =>
      given.push({ kind: "sound", time: data.time - origin, samples: Array.from(data.samples) }));
  }
};
const grab = CanvasRenderingContext2D.prototype.getImageData;
CanvasRenderingContext2D.prototype.getImageData = function (...given_) {
  const image = grab.apply(this, given_);
  given.push({ kind: "frame", time: Math.max(0, now - origin), image });
  return image;
};
window.recording = async () => {
  const [events, estimates] = [given.splice(0), got.slice()];
  const images = events.flatMap(({ image }) => (image ? [image] : []));
  const packed = new Blob(images.map(({ data }) => data)).stream().pipeThrough(new CompressionStream("gzip"));
  const reader = new FileReader();
  const read = new Promise((resolve) => (reader.onload = () => resolve(reader.result)));
  reader.readAsDataURL(await new Response(packed).blob());
  return {
    estimates,
    pixels: (await read).split(",")[1],
    events: events.map(({ image, ...event }) => (image ? { ...event, size: [image.height, image.width] } : event)),
  };
};
"""


@dataclass(frozen=True)
class Step:
    """One step, by the page and by Python: probabilities in the order of the bundle's labels, in [0, 1]."""

    time: float
    page: np.ndarray
    python: np.ndarray
    states: tuple[str, str]


def replayed(recording: dict[str, Any], bundle: Bundle, finder: Path) -> list[Step]:
    """The page's steps beside Python's. A step that the page left out, because it was late, is left out here too."""
    manifest = bundle.manifest
    alignment, engine = StreamAlignment(manifest), StepEngine(bundle)
    alignment.expected = {"audio", "video"}
    tracks = FaceTracks(open_detector(str(finder)), manifest.face, FaceOptions(detect_seconds=0))  # in every step
    estimates = {one["time"]: one for one in recording["estimates"]}
    pixels = np.frombuffer(gzip.decompress(base64.b64decode(recording["pixels"])), np.uint8)
    rate, steps, first, count, place = manifest.audio.sample_rate, [], None, 0, 0

    def take() -> None:
        given = alignment.take()
        time = (given.number + 1) * manifest.clock.step_ms / 1000
        if time not in estimates:
            engine.skip()
            return
        # Python shows a picture until the next one; the page has none in a step to which the camera gave none.
        frames = [one for one in given.frames if one[0] in shown]
        faces = tracks.look(frames, given.chunk) if frames else ()
        crop, person = (faces[0].crop, faces[0].view.id) if faces else (None, None)
        output = engine.step(given.chunk, crop, person)
        mine = decide(output.probabilities, manifest, output.state).probabilities
        page = estimates[time]
        both = (np.array([one[label] for label in manifest.labels]) for one in (page["probabilities"], mine))
        steps.append(Step(time, *both, (page["state"], output.state)))

    last, shown = max(estimates), {one["time"] for one in recording["events"] if one["kind"] == "frame"}
    for event in recording["events"]:
        if event["kind"] == "sound":
            # After the first piece, the samples themselves are the clock.
            first = max(0.0, event["time"]) if first is None else first
            alignment.add_audio(np.array(event["samples"], np.float32), rate, first + count / rate)
            count += len(event["samples"])
        else:
            height, width = event["size"]
            rgba = pixels[place : place + 4 * height * width].reshape(height, width, 4)
            place += rgba.size
            alignment.add_frame(partial(np.ascontiguousarray, rgba[:, :, :3]), event["time"])
        while alignment.ready(PATIENCE):
            if (alignment.done + 1) * manifest.clock.step_ms / 1000 > last:
                return steps
            take()
    return steps
