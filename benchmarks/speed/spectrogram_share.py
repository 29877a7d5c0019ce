"""How much of a step the log-mel spectrogram takes, and how much of it a ring of frames would save.

    python -m benchmarks.speed.spectrogram_share bundles/grjca-tflite-fp32.mer bundles/grjca-onnx-fp32.mer

The front end of the audio graph alone is exported to each bundle's target, for the chunk's frames and for the 20 that a
step adds, and measured beside a whole step in one interleaved run. In int8 it stays float and costs the same.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.speed.parts import timed
from mer_converters.targets import find_target
from mer_converters.targets.registry import ExportJob
from mer_quantization.schemes import find_scheme
from mer_sdk.bench.steps import TimedStep
from mer_sdk.bench.timing import Runner, measure
from mer_sdk.contract.bundle import Bundle
from mer_sdk.runtimes import load_graph
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec

HOP, STEP_FRAMES, MELS = 200, 20, 64


def front_end(target_name: str, frames: int, folder: Path) -> Runner:
    """A run of the front end alone, over so many frames."""
    import torch

    from mer_fusion.encoders.audio import LogMel

    target, samples = find_target(target_name), HOP * (frames + 1)
    path = folder / f"{target_name}-{frames}{target.suffix}"
    inputs, outputs = (TensorSpec("pcm", (1, samples)),), (TensorSpec("mel", (1, frames, MELS)),)
    spec = GraphSpec(path.name, "fp32", inputs, outputs)
    scheme = find_scheme("fp32", target.schemes, target.name)
    target.export(ExportJob(LogMel(MELS).eval(), (torch.zeros(1, samples),), spec, scheme), path)
    graph = load_graph(target.runtime, path, spec)
    pcm = np.random.default_rng(0).uniform(-0.3, 0.3, (1, samples)).astype(np.float32)
    return timed(lambda: graph.run({"pcm": pcm}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", nargs="+", help="bundles in fp32, one a target")
    parser.add_argument("--rounds", type=int, default=400)
    options = parser.parse_args()
    parts: dict[str, Runner] = {}
    with tempfile.TemporaryDirectory(prefix="mer-spectrogram-") as folder:
        for path in options.bundle:
            bundle = Bundle.open(path)
            target, chunk = bundle.manifest.target, bundle.manifest.audio.chunk_samples // HOP - 1
            parts[f"{target} step"] = TimedStep(bundle)
            for frames in (chunk, STEP_FRAMES):
                parts[f"{target} log-mel of {frames} frames"] = front_end(target, frames, Path(folder))
        times = measure(parts, options.rounds)
    print(f"medians of {options.rounds} interleaved rounds, one core, ms")
    for name, one in times.items():
        print(f"{name:32}", "  ".join(f"{stage} {value.p50:.3f}" for stage, value in one.quantiles().items()))


if __name__ == "__main__":
    main()
