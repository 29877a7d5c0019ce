"""The face finder to bundles of its own, one for every target: any emotion bundle of any target can use it.

It is no part of the emotion bundles, so that there is one finder for all of them and its bytes are not paid four times.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mer_converters.pipeline.gate import FAILED, PASSED
from mer_converters.pipeline.graphs import fold_batch_norms
from mer_converters.pipeline.staging import put_in_place, refuse_other, staging_folder, writing
from mer_converters.processes.each_target import each_target
from mer_converters.processes.progress import Say, Steps, unheard
from mer_converters.targets import ExportJob, find_target, tool_versions
from mer_fusion.models.face_finder import FaceFinder, FaceFinderCard, load_face_finder
from mer_quantization.schemes import find_scheme
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.bundle_files import file_sha256, hash_files
from mer_sdk.contract.codec import to_json
from mer_sdk.contract.golden import GOLDEN
from mer_sdk.contract.licences import commercial_use
from mer_sdk.contract.manifest import FINDER, BaselineContract, Manifest
from mer_sdk.contract.manifest_file import manifest_to_text
from mer_sdk.parity.agreement import TOLERANCE
from mer_sdk.parity.face_finder_golden import FinderCase, apart, load_finder_cases, run_finder, save_finder_cases
from mer_sdk.runtimes import load_graph, runtime_note
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec

MODEL = "face_finder"
# The network is not quantized here: see docs/app/faces.md for what int8 would save.
SCHEMES = ("fp32", "fp16")
# Frames of the golden cases: height, width, and the drawn face's centre and half width, pixels.
FRAMES = ((120, 160, 80, 58, 28), (180, 320, 200, 80, 40), (240, 180, 90, 110, 55))


@dataclass(frozen=True)
class FinderRow:
    """One bundle: `apart` are the largest differences from torch, see `finder_golden.apart`; `path` None where the gate
    failed."""

    target: str
    scheme: str
    path: Path | None
    bytes: int
    apart: dict[str, float]
    gate: str


def convert_finder(
    checkpoint: Path, targets: Sequence[str], schemes: Sequence[str], out: Path, jobs: int = 2, say: Say = unheard
) -> list[FinderRow]:
    """Convert a face finder; each target in a process of its own.

    Args:
        checkpoint: its `.safetensors` file, with the card beside it.
        targets, schemes: names; the schemes are fp32 and fp16.
        out: folder for the bundles `face_finder-TARGET-SCHEME.mer`.
        jobs: targets converted at the same time, at least 1.
        say: called with each step that begins, from several threads.

    Raises:
        OptionError: an unknown target or scheme.
        CheckpointError: the checkpoint cannot be read.
        ConversionError: a conversion failed, or the folder cannot be written.
    """
    finder, card = load_face_finder(checkpoint)
    for target in targets:
        for scheme in schemes:
            find_scheme(scheme, SCHEMES, find_target(target).name)
            refuse_other(out / f"{MODEL}-{target}-{scheme}.mer")
    cases = [run_finder(_Torch(finder), card.contract, drawn_face(index)) for index in range(len(FRAMES))]
    with staging_folder(out) as staging:
        work = [(target, _Export(checkpoint, target, tuple(schemes), staging)) for target in targets]
        for future in each_target(_export, work, jobs, say).values():
            future.result()
        return [
            _finish(card, checkpoint, target, scheme, cases, staging, out) for target in targets for scheme in schemes
        ]


def drawn_face(index: int) -> np.ndarray:
    """A frame with a face drawn in it, uint8 [height, width, 3]; seeded, `FRAMES[index]` says where."""
    height, width, x, y, half = FRAMES[index]
    rng = np.random.default_rng(index)
    rows, columns = np.mgrid[0:height, 0:width]
    picture = np.tile(rng.uniform(60, 160, 3), (height, width, 1)) + (columns[..., None] / width - 0.5) * 40
    # Centre and half axes in half widths of the face, and colour: body, neck, hair, face, then twice brow, eye, pupil.
    parts = [
        (0.0, 2.6, 1.7, 1.6, (50, 60, 110)),
        (0.0, 0.95, 0.45, 0.8, (180, 135, 110)),
        (0.0, -0.25, 1.02, 1.25, (50, 35, 25)),
        (0.0, 0.0, 0.86, 1.15, (215, 170, 145)),
    ]
    for side in (-0.36, 0.36):
        parts.append((side, -0.38, 0.22, 0.06, (70, 45, 35)))
        parts.append((side, -0.18, 0.17, 0.09, (235, 230, 228)))
        parts.append((side, -0.18, 0.08, 0.09, (40, 30, 25)))
        parts.append((side / 3, 0.28, 0.07, 0.05, (150, 100, 85)))
    parts.append((0.0, 0.1, 0.09, 0.28, (228, 185, 160)))
    parts.append((0.0, 0.58, 0.32, 0.1, (150, 70, 70)))
    for right, down, across, along, colour in parts:
        inside = 1 - np.hypot((columns - x - right * half) / (across * half), (rows - y - down * half) / (along * half))
        mask = np.clip(inside * min(across, along) * half / 1.5, 0, 1)[..., None]
        picture = picture * (1 - mask) + np.array(colour) * mask
    picture += (columns[..., None] - x) / half * 12 + rng.normal(0, 3, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


class _Torch:
    """The network as a graph."""

    def __init__(self, finder: FaceFinder) -> None:
        self._finder = finder

    @torch.no_grad()
    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        scores, boxes = self._finder(torch.from_numpy(inputs["frame"]))
        return {"scores": scores.numpy(), "boxes": boxes.numpy()}


def _spec(card: FaceFinderCard, target: str, scheme: str) -> GraphSpec:
    size = (1, card.contract.height, card.contract.width, 3)
    cells = card.network.cells
    return GraphSpec(
        f"{FINDER}{find_target(target).suffix}",
        scheme,
        (TensorSpec("frame", size, range=(0.0, 255.0)),),
        (TensorSpec("scores", (1, cells), range=(0.0, 1.0)), TensorSpec("boxes", (1, cells, 4))),
    )


@dataclass(frozen=True)
class _Export:
    """What the process of one target does: the schemes, to `folder/BUNDLE`."""

    checkpoint: Path
    target: str
    schemes: tuple[str, ...]
    folder: Path


def _export(job: _Export, say: Say) -> None:
    torch.set_num_threads(1)
    finder, card = load_face_finder(job.checkpoint)
    module, tool = fold_batch_norms(finder), find_target(job.target)
    example = torch.rand(1, card.contract.height, card.contract.width, 3, generator=torch.Generator().manual_seed(0))
    ordered = sorted(job.schemes, key=SCHEMES.index)
    step = Steps(job.target, len(ordered) + 1.0, say)
    step(f"loading {tool.needs[1]}", 1.0)
    tool.load()
    fp32: Path | None = None
    for scheme in ordered:
        step(f"exporting in {scheme}", 1.0)
        spec = _spec(card, job.target, scheme)
        place = job.folder / f"{MODEL}-{job.target}-{scheme}"
        place.mkdir(parents=True)
        one = ExportJob(module, (example * 255.0,), spec, find_scheme(scheme, tool.schemes, tool.name), fp32)
        tool.export(one, place / spec.file)
        tool.check(place / spec.file, spec)
        fp32 = place / spec.file if scheme == "fp32" else fp32


def _finish(
    card: FaceFinderCard,
    checkpoint: Path,
    target: str,
    scheme: str,
    cases: list[FinderCase],
    staging: Path,
    out: Path,
) -> FinderRow:
    name, tool = f"{MODEL}-{target}-{scheme}", find_target(target)
    folder, spec = staging / name, _spec(card, target, scheme)
    graph = load_graph(tool.runtime, folder / spec.file, spec)
    differences = [apart(run_finder(graph, card.contract, case.frame), case) for case in cases]
    worst = {key: max(one[key] for one in differences) for key in differences[0]}
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    state = PASSED if max(worst["scores"], worst["boxes"]) <= TOLERANCE[scheme] else FAILED
    if state == FAILED:
        return FinderRow(target, scheme, None, size, worst, state)
    facts = {
        "bundle": name,
        "apart": worst,
        "limit": TOLERANCE[scheme],
        "gate": state,
        "note": runtime_note(tool.runtime),
    }

    def write() -> None:
        save_finder_cases(folder / GOLDEN, cases)
        (folder / "report.json").write_text(json.dumps(facts, indent=2) + "\n")
        (folder / "CARD.md").write_text(card_text(card, name, worst))
        manifest = Manifest(
            name=name,
            model=MODEL,
            labels=(),
            target=target,
            scheme=scheme,
            graphs={FINDER: spec},
            baseline=BaselineContract(0.0, {}),
            files=hash_files(folder),
            checkpoint_sha256=file_sha256(checkpoint),
            parameters={FINDER: card.parameters},
            data=card.data,
            tools=tool_versions(tool),
            gate=state,
            finder=card.contract,
        )
        (folder / "manifest.json").write_text(manifest_to_text(manifest))
        load_finder_cases(Bundle.open(folder))

    writing(write, out)
    final = out / f"{name}.mer"
    writing(lambda: put_in_place(folder, final, staging), out)
    return FinderRow(target, scheme, final, size, worst, state)


def card_text(card: FaceFinderCard, name: str, worst: dict[str, float]) -> str:
    """CARD.md: what it is, what it learned from, what it found, and what to know before relying on it."""
    lines = [
        f"# {name}",
        "",
        f"A face finder of {card.parameters:,} parameters: a frame in, boxes and scores out. docs/app/faces.md says",
        "how far it can be trusted beside OpenCV's cascade.",
        "",
        "Largest differences from the network in torch on the golden frames: "
        + ", ".join(f"{key} {value:.1e}" for key, value in worst.items())
        + ".",
        "",
        "## Data",
        "",
        *(f"- {source.name}: {source.use}; {source.licence}" for source in card.data),
        "",
        f"Commercial use of the weights: {commercial_use(card.data).sentence}.",
        "",
        "## Figures on held-out synthetic inputs",
        "",
        *(f"- {key}: {json.dumps(to_json(value))}" for key, value in card.results.items()),
        "",
        "## Notes",
        "",
        *(f"- {note}" for note in card.notes),
    ]
    return "\n".join(lines).rstrip() + "\n"
