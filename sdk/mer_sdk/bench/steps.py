"""A step of a bundle (of a dialogue model: an utterance) with the time of every part of it.

The input is seeded noise in the shapes that an app gives; neither graphs nor front ends have data-dependent work.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter, process_time

import numpy as np

from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.estimate import EmotionEstimate, FaceView
from mer_sdk.contract.manifest import Manifest
from mer_sdk.dialogue.engine import DialogueEngine, UtteranceFeatures
from mer_sdk.frontends.audio import AudioFrontend
from mer_sdk.frontends.face_crop import crop_face
from mer_sdk.frontends.text import TextFrontend
from mer_sdk.runtimes import Graph
from mer_sdk.window.decision import DecidedLabel, decide
from mer_sdk.window.engine import StepEngine
from mer_sdk.window.postprocessing import postprocess
from mer_sdk.window.smoothing import Smoother, Smoothing

# What a phone or a webcam gives: stereo at 48 kHz, 1280 x 720, a face of a third of the height.
RATE, CHANNELS = 48000, 2
FRAME = (720, 1280, 3)
BOX = (520.0, 240.0, 240.0, 240.0)
WORDS, LETTERS = 12, (2, 9)


class TimedStep:
    """Call it to run one step (or utterance).

    Stages, in this order: "front_end" (a step's sound brought to the contract's rate and cut into the chunk, the face
    cropped, a text hashed), every graph by its name, "sdk" (the rest: features, window, personal baseline, decision,
    the values of the estimate), "cpu" (CPU time of graphs and SDK, of all threads: what other programs take of a core
    is not in it), and last "step" (or "utterance"), which is the graphs and the SDK together, as
    `EmotionEstimate.latency_ms` counts. A graph that a step does not run is no stage.

    Args:
        bundle: an open bundle.
        runtime: see `Bundle.load_graphs`.
        threads: CPU threads of each graph.
        seed: of the input.
        source: the input, where it was made before.

    Raises:
        RuntimeUnavailable: this machine cannot run the bundle.
        OptionError: as `Bundle.load_graphs`.
    """

    def __init__(
        self,
        bundle: Bundle,
        runtime: str | None = None,
        threads: int = 1,
        seed: int = 0,
        source: StepInput | None = None,
    ) -> None:
        self.manifest = bundle.manifest
        self.said: EmotionEstimate | DecidedLabel | None = None
        self._spent: list[tuple[str, float]] = []
        graphs: dict[str, Graph] = {
            name: _TimedGraph(name, graph, self._spent) for name, graph in bundle.load_graphs(runtime, threads).items()
        }
        timed = Bundle(self.manifest, bundle.path, lambda _: graphs, self._text_encoder(bundle))
        self._input = source or StepInput(self.manifest, seed)
        self._steps = None if self.manifest.dialogue else StepEngine(timed, threads=threads)
        self._talk = DialogueEngine(timed, threads=threads) if self.manifest.dialogue else None
        self._smoother = Smoother(Smoothing())
        self._view = FaceView(0, BOX) if "face" in self.manifest.graphs else None
        self._turn = 0

    def __call__(self) -> dict[str, float]:
        """One step: stage -> milliseconds."""
        self._spent.clear()
        begun = perf_counter()
        raw = self._input.raw()
        # The process's clock is asked outside of what the other one measures: that takes a call of the system.
        busy, ready = process_time(), perf_counter()
        self.said = self._window(raw, ready) if self._steps else self._utterance(raw)
        done, idle = perf_counter(), process_time()
        whole, cpu = (done - ready) * 1000, (idle - busy) * 1000
        spent = {name: 0.0 for name in (*self.manifest.graphs, "text") if name in dict(self._spent)}
        for name, seconds in self._spent:
            spent[name] += seconds * 1000
        rest = {"sdk": whole - sum(spent.values()), "cpu": cpu, "step" if self._steps else "utterance": whole}
        return {"front_end": (ready - begun) * 1000, **spent, **rest}

    def _window(self, raw: Mapping[str, np.ndarray], begun: float) -> EmotionEstimate:
        assert self._steps is not None
        self._turn += 1
        output = self._steps.step(raw.get("audio"), raw.get("face"), self._view.id if self._view else None)
        end = self._turn * self.manifest.clock.step_ms / 1000
        return postprocess(output, self.manifest, self._smoother, end, self._view, begun)

    def _utterance(self, raw: Mapping[str, np.ndarray]) -> DecidedLabel:
        assert self._talk is not None
        rows = {name: self._talk.encode(name, [value]) for name, value in raw.items()}
        if "text" in self.manifest.modalities and "text" not in rows:
            # The text encoder of a checkpoint is no graph and takes the words themselves.
            rows["text"] = self._talk.read(self._input.text)  # type: ignore[assignment]  # there are words
        self._turn += 1
        output = self._talk.advance(UtteranceFeatures(rows), f"speaker {self._turn % 2}")
        return decide(output.probabilities.tolist(), self.manifest, output.state)

    def _text_encoder(self, bundle: Bundle):  # type: ignore[no-untyped-def]  # a TextEncoder, or None
        encode, spent = bundle.encode_text, self._spent
        if encode is None:
            return None

        def timed(text: str) -> np.ndarray:
            begun = perf_counter()
            result = encode(text)
            spent.append(("text", perf_counter() - begun))
            return result

        return timed


class StepInput:
    """Seeded sound, picture and words, and the front ends that make a bundle's raw input of them."""

    def __init__(self, manifest: Manifest, seed: int) -> None:
        rng = np.random.default_rng(seed)
        wanted = [name for name in manifest.modalities if name in manifest.graphs]
        self._audio = AudioFrontend(manifest.audio, manifest.clock) if "audio" in wanted else None
        samples = RATE * manifest.clock.step_ms // 1000
        self._pcm = rng.uniform(-0.5, 0.5, (samples, CHANNELS)).astype(np.float32)
        self._face = manifest.face if "face" in wanted else None
        self._frame = rng.integers(0, 256, FRAME, np.uint8) if self._face else None
        words = (rng.integers(ord("a"), ord("z") + 1, size) for size in rng.integers(*LETTERS, WORDS))
        self.text = " ".join("".join(map(chr, letters)) for letters in words)
        self._text = TextFrontend(manifest.text) if manifest.text and "text" in wanted else None
        if self._audio:
            # The resampler holds some samples back; from now on every piece completes a step.
            self._audio.push(self._pcm, RATE)

    def raw(self) -> dict[str, np.ndarray]:
        """Modality -> raw input of one encoder: the ids, the chunk, the crop."""
        found: dict[str, np.ndarray] = {}
        if self._text is not None:
            found["text"] = self._text.ids(self.text)
        if self._audio is not None:
            found["audio"] = self._audio.push(self._pcm, RATE)[-1][0]
        if self._face is not None and self._frame is not None:
            crop = crop_face(self._frame, BOX, self._face)
            assert crop is not None  # noise is not black
            found["face"] = crop
        return found


class _TimedGraph:
    """A graph that notes the seconds of its runs in a shared list, which takes the step less time than a table."""

    def __init__(self, name: str, graph: Graph, spent: list[tuple[str, float]]) -> None:
        self._name, self._graph, self._spent = name, graph, spent

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        begun = perf_counter()
        result = self._graph.run(inputs)
        self._spent.append((self._name, perf_counter() - begun))
        return result
