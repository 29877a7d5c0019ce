"""What an audio graph with a memory would save: time a step, state, and how far its features are from the present ones.

    python -m benchmarks.speed.kept_between_steps bundles/grjca-{tflite,onnx}-fp32.mer --clips *.mp4

A step adds 20 of a chunk's 64 frames. The encoder of `--model` is exported to the target of each bundle three times: as
it is, and with log-mel frames, then the first stage's output as inputs and outputs that a sensor would hand from step
to step. CPU time is measured, beside a whole step of the bundle in one interleaved run.
Features are compared in torch on the sound of the clips, one after the other without a pause, once the state is full.
Goes to docs/results/kept_between_steps.json and the page docs/ship/bench.md.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.results.result_tables import Json, prose, table, write_result
from benchmarks.speed.parts import count_cpu_time, timed
from mer_converters.pipeline.graphs import fold_batch_norms
from mer_converters.targets import find_target
from mer_converters.targets.registry import ExportJob
from mer_fusion.checkpoint import load_checkpoint, shipped_checkpoint
from mer_fusion.encoders.audio import HOP_SAMPLES, QUIETEST_LEVEL, AudioEncoder, above_level, log_mean
from mer_fusion.encoders.speech_embedding import BANDS
from mer_quantization.schemes import find_scheme
from mer_sdk.bench.steps import TimedStep
from mer_sdk.bench.timing import Runner, measure, ratio
from mer_sdk.cli.bench import this_machine
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import to_json
from mer_sdk.evaluation.datasets import Clip, load_audio_at
from mer_sdk.runtimes import load_graph
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec

OUT, PAGE = Path("docs/results/kept_between_steps.json"), Path("docs/ship/bench.md")
MARKERS = ("<!-- kept: written by benchmarks/speed/kept_between_steps.py -->", "<!-- end of kept -->")
STEP_FRAMES = 20
NEW_SAMPLES = HOP_SAMPLES * (STEP_FRAMES + 1)
# Frames that the first stage's convolutions of 3 x 3 and 3 x 1 reach back.
_REACH = 4
# Layers of the backbone up to its first pool: three convolutions with norm and activation.
_FIRST_STAGE = 10


class Kept(nn.Module):
    """An audio encoder that is given the state of the step before: (pcm, *state) -> (features, *state).

    `words` says what is kept, `samples` how much sound a step reads.
    """

    words = "nothing"

    def __init__(self, encoder: AudioEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.samples = encoder.config.chunk_samples if type(self) is Kept else NEW_SAMPLES

    def shapes(self) -> list[tuple[int, ...]]:
        """Of the state."""
        return []

    def forward(self, pcm: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        return (self.encoder(pcm),)


class KeptFrames(Kept):
    """Log-mel frames: of these a frame depends on its own samples alone."""

    words = "log-mel frames"

    def shapes(self) -> list[tuple[int, ...]]:
        return [(1, self.encoder.config.frames - STEP_FRAMES, BANDS)]

    def forward(self, pcm: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        frames = torch.cat([state[0], self.encoder.frontend(pcm)], dim=1)
        return self.encoder.encode_bands(frames), frames[:, STEP_FRAMES:]


class KeptStage(Kept):
    """The first stage's output, pooled. The last frames that its convolutions reach back to, and the energy of every
    frame, are needed beside it."""

    words = "the first stage's output"

    def shapes(self) -> list[tuple[int, ...]]:
        config = self.encoder.config
        old, rows = config.frames - STEP_FRAMES, (config.frames - _REACH - STEP_FRAMES) // 2
        return [(1, _REACH, BANDS), (1, old, 1), (1, config.channels[0], rows, BANDS // 2)]

    def forward(self, pcm: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        encoder = self.encoder
        frames = encoder.frontend(pcm)
        energies = torch.cat([state[1], log_mean(frames, (2,))], dim=1)
        level = log_mean(energies, (1,)).clamp(min=QUIETEST_LEVEL)
        near = torch.cat([state[0], frames], dim=1)
        # Nothing is padded in time, so the new rows are those of the whole chunk but for the level.
        rows = encoder.backbone[:_FIRST_STAGE]((above_level(near, level) + encoder.correction).unsqueeze(1))
        maps = torch.cat([state[2], rows], dim=2)
        features = encoder.pooled(encoder.backbone[_FIRST_STAGE:](maps))
        return features, near[:, -_REACH:], energies[:, STEP_FRAMES:], maps[:, :, rows.shape[2] :]


VARIANTS: tuple[type[Kept], ...] = (Kept, KeptFrames, KeptStage)


@dataclass(frozen=True)
class Row:
    """What is kept, kilobytes of state, and how far the features are from the present ones: the root mean square of the
    difference over that of the features about their mean."""

    kept: str
    kilobytes: float
    difference: float


def encoder_of(model: str) -> AudioEncoder:
    """The audio encoder of a shipped student, in export form."""
    network = load_checkpoint(shipped_checkpoint(model)).network
    config = network.audio.config
    if config.backbone != "speech_embedding" or config.blocks[0] != 1 or config.level != "chunk":
        sys.exit(f"{model}'s audio encoder has another first stage or level than this benchmark knows")
    encoder = fold_batch_norms(network.prepare_for_export().audio)
    assert isinstance(encoder, AudioEncoder)
    return encoder


def sound_of(clips: list[Path]) -> Tensor:
    """The sound of clips at 16 kHz, one after the other, (1, samples)."""
    waves = [load_audio_at(Clip(path.stem, "", 0, media=path), 16000) for path in clips]
    return torch.from_numpy(np.concatenate(waves))[None]


def measured_row(variant: Kept, sound: Tensor) -> Row:
    """Run through a sound (1, samples) step by step, and compare with the whole chunk's features."""
    encoder, chunk = variant.encoder, variant.encoder.config.chunk_samples
    # What is kept longest was made with energies that are as old as it is itself.
    full = 2 * math.ceil(chunk / (STEP_FRAMES * HOP_SAMPLES))
    state = [torch.zeros(shape) for shape in variant.shapes()]
    mine, whole = [], []
    with torch.inference_mode():
        for number, end in enumerate(range(NEW_SAMPLES, sound.shape[1] + 1, STEP_FRAMES * HOP_SAMPLES)):
            if end < variant.samples:
                continue
            made, *state = variant(sound[:, end - variant.samples : end], *state)
            if number >= full:
                mine.append(made)
                whole.append(encoder(sound[:, end - chunk : end]))
    if not mine:
        sys.exit(f"the clips hold {sound.shape[1] / 16000:.1f} s of sound; give more")
    found, wanted = torch.cat(mine), torch.cat(whole)
    spread = (wanted - wanted.mean(dim=0)).square().mean().sqrt()
    kilobytes = sum(math.prod(shape) for shape in variant.shapes()) * 4 / 1024
    return Row(variant.words, round(kilobytes, 1), float((found - wanted).square().mean().sqrt() / spread))


def exported(variant: Kept, target_name: str, folder: Path) -> Runner:
    """A run of the variant in a target's runtime, its state handed on."""
    target = find_target(target_name)
    path = folder / f"{type(variant).__name__}{target.suffix}"
    sizes = [(1, variant.samples), *variant.shapes()]
    inputs = tuple(TensorSpec(f"input_{place}", shape) for place, shape in enumerate(sizes))
    names = [f"state_{place}" for place in range(len(variant.shapes()))]
    outputs = (TensorSpec("features", (1, variant.encoder.config.features)),)
    outputs += tuple(TensorSpec(name, shape) for name, shape in zip(names, variant.shapes(), strict=True))
    spec = GraphSpec(path.name, "fp32", inputs, outputs)
    example = tuple(torch.zeros(shape) for shape in sizes)
    scheme = find_scheme("fp32", target.schemes, target.name)
    target.export(ExportJob(variant.eval(), example, spec, scheme), path)
    graph = load_graph(target.runtime, path, spec)
    pcm = np.random.default_rng(0).uniform(-0.3, 0.3, sizes[0]).astype(np.float32)
    given = {"input_0": pcm, **{item.name: np.zeros(item.shape, np.float32) for item in inputs[1:]}}

    def run() -> None:
        made = graph.run(given)
        for place, name in enumerate(names, start=1):
            given[f"input_{place}"] = made[name]

    return timed(run)


def page_lines(result: Json) -> list[str]:
    """The table as Markdown."""
    machine, targets = result["machine"], result["targets"]
    steps = ", ".join(f"{one['step']:.2f} ms in {one['runtime']}" for one in targets)
    lines = prose(
        f"The audio graph of {result['model']} in fp32, CPU time, medians of {result['rounds']} interleaved rounds, "
        f"{machine['cpu'] or machine['machine']}, load {result['load']:.0f}. A whole step (graphs and SDK) takes "
        f"{steps}."
    )
    header = ["kept from the step before", "state, KB"]
    for one in targets:
        header += [f"{one['runtime']}, ms", "of the graph [95 %]"]
    rows = []
    for place, row in enumerate(result["rows"]):
        cells = [row["kept"], f"{row['kilobytes']:.0f}"]
        for one in targets:
            middle, low, high = one["ratios"][place].values()
            cells += [f"{one['ms'][place]:.2f}", f"{middle:.2f} [{low:.2f}, {high:.2f}]"]
        cells.append("none" if row["difference"] < 1e-4 else f"{100 * row['difference']:.0f} %")
        rows.append(cells)
    return lines + table((*header, "change of the features"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", nargs="+", help="bundles of the model in fp32, one a target")
    parser.add_argument("--clips", type=Path, nargs="+", required=True, help="files with speech, four seconds or more")
    parser.add_argument("--model", default="grjca")
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    torch.set_num_threads(1)
    count_cpu_time()
    encoder = encoder_of(options.model)
    variants = [kind(encoder) for kind in VARIANTS]
    sound = sound_of(options.clips)
    rows = [measured_row(variant, sound) for variant in variants]
    print("\n".join(map(str, rows)), flush=True)
    parts: dict[str, Runner] = {}
    opened = [Bundle.open(path) for path in options.bundle]
    with tempfile.TemporaryDirectory(prefix="mer-kept-") as folder:
        for bundle in opened:
            target = bundle.manifest.target
            parts[f"{target} step"] = TimedStep(bundle)
            for variant in variants:
                parts[f"{target} {variant.words}"] = exported(variant, target, Path(folder))
                print(f"exported to {target}: {variant.words}", flush=True)
        times = measure(parts, options.rounds)
    targets = []
    for bundle in opened:
        name = bundle.manifest.target
        milliseconds = [times[f"{name} {variant.words}"].counted["all"] for variant in variants]
        targets.append(
            {
                "runtime": {"tflite": "LiteRT", "onnx": "ONNX Runtime"}.get(name, name),
                "step": round(float(np.median(times[f"{name} step"].counted["step"])), 3),
                "ms": [round(float(np.median(one)), 3) for one in milliseconds],
                "ratios": [to_json(ratio(one, milliseconds[0])) for one in milliseconds],
            }
        )
    result = {
        "model": options.model,
        "machine": to_json(this_machine()),
        "load": os.getloadavg()[0],
        "rounds": options.rounds,
        "rows": [to_json(row) for row in rows],
        "targets": targets,
    }
    print(write_result(result, options.out, options.page, MARKERS, page_lines(result)))


if __name__ == "__main__":
    main()
