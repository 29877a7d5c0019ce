"""Training of the face finder on made-up scenes with real faces.

`python -m mer_fusion.training.finder.train --help` lists the options.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import torch
import typer
from torch import Tensor, nn

from mer_fusion.models.face_finder import (
    FaceFinder,
    FaceFinderCard,
    FaceFinderConfig,
    load_face_finder,
    save_face_finder,
)
from mer_fusion.models.temporal import parameter_count
from mer_fusion.training.cards import checkpoint_path
from mer_fusion.training.finder.banks import FaceBank, ferplus_bank, kept, pairs_bank, portrait_bank
from mer_fusion.training.finder.convention import brought_to_convention
from mer_fusion.training.finder.scenes import PICTURES, SceneOptions, Scenes, read_pictures
from mer_fusion.training.finder.targets import FinderOptions, cell_targets, finder_loss
from mer_fusion.training.finder.teachers import MediaPipe, UltraFace, corner_box
from mer_fusion.training.loop import LoopOptions, fit
from mer_sdk.contract.manifest import DataSource
from mer_sdk.errors import MerError, OptionError
from mer_sdk.frontends.face_crop import Detection, overlap
from mer_sdk.frontends.face_finder import FinderContract, suppressed

MOST_FACES = 6
FALSE_FACES = 0.1
EVERY = {"train": 2, "valid": 4}  # of FER+'s crops one in so many is taken: finding their boxes takes minutes
SHARES = {"ferplus": 0.5, "ravdess_pairs": 0.15, "portraits": 0.35}  # of the people in scenes
PAIRS_SOURCE = DataSource(
    "RAVDESS (Livingstone and Russo 2018), face crops of folds 0-2 without actor 05",
    "CC BY-NC-SA 4.0",
    "faces pasted into scenes; emotion labels are not used",
)
PORTRAITS_SOURCE = DataSource(
    "Face Research Lab London Set and a Canadian set (DeBruine and Jones 2017, figshare 5047666), four of five persons",
    "CC BY 4.0",
    "persons cut out and pasted into scenes",
)
SOURCES = (
    DataSource(
        "FER+ (Barsoum et al. 2016) on FER2013 faces",
        "labels MIT; pixels collected from the web, research only",
        "faces pasted into scenes; emotion labels are not used",
    ),
    DataSource("UltraFace RFB-320 (Linzaer)", "MIT", "places the boxes of the faces"),
    DataSource("MediaPipe face detection, short range (Google)", "Apache-2.0", "places the boxes of the faces"),
)
NOTES = (
    "Learned from made-up scenes alone: real faces and busts, pasted; it never saw a whole photograph of people.",
    "Frontal to half-turned heads, tilted up to 40 degrees; boxes are the cascade's squares, from the middle of the "
    "forehead to the chin.",
    "FER2013's pixels were collected from the web for research, RAVDESS is not for commerce: check what that means "
    "before shipping a product.",
)


class FinderLearner(nn.Module):
    """The finder as it is trained: score logits (B, N) and boxes (B, N, 4) of frames (B, height, width, 3)."""

    def __init__(self, config: FaceFinderConfig) -> None:
        super().__init__()
        self.finder = FaceFinder(config)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        logits, numbers = self.finder.cells(frames)
        return logits, self.finder.decode(*numbers)


class FinderTask:
    """See `mer_fusion.training.loop.Task`."""

    def __init__(self, config: FaceFinderConfig, training: Scenes, tuning: Scenes, options: FinderOptions) -> None:
        self.name = "face_finder"
        self.module: nn.Module = FinderLearner(config).to(memory_format=torch.channels_last)
        self._config, self._training, self._options = config, training, options
        self._held_out = drawn(tuning, options.held_out, 1)

    def batches_per_epoch(self) -> int:
        return self._options.scenes // self._options.batch

    def epoch(self, generator: torch.Generator, shard: tuple[int, int]) -> Iterator[dict[str, Tensor]]:
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        for number in range(self.batches_per_epoch()):
            seeds = rng.integers(2**62, size=2)
            if number % shard[1] != shard[0]:
                continue
            own = np.random.default_rng(seeds)
            pairs = [pair for _ in range(self._options.batch // 2) for pair in self._training.draw_twins(own)]
            squares = np.zeros((len(pairs), MOST_FACES, 3), np.float32)
            for index, (_, faces) in enumerate(pairs):
                squares[index, : len(faces)] = faces
            frames = torch.from_numpy(np.stack([frame for frame, _ in pairs]))
            yield {"frames": frames.float(), "squares": torch.from_numpy(squares)}

    def loss(self, module: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        logits, boxes = module(batch["frames"])
        return finder_loss(logits, boxes, cell_targets(batch["squares"], self._config, self._options), self._options)

    def validate(self, module: nn.Module) -> dict[str, float]:
        assert isinstance(module, FinderLearner)
        rows = figures(module.finder, self._held_out, (0.3, 0.4, 0.5))
        return {f"f1@{row['threshold']}": row["f1"] for row in rows} | {"overlap": rows[1]["overlap"]}


Drawn = list[tuple[np.ndarray, np.ndarray]]


def drawn(scenes: Scenes, count: int, seed: int) -> Drawn:
    """`count` scenes, always the same of one seed."""
    rng = np.random.default_rng([seed, 11])
    return [scenes.draw(rng) for _ in range(count)]


def matched(found: Sequence[Detection], wanted: Sequence[Sequence[float]], limit: float = 0.5) -> list[float]:
    """Overlaps of the pairs, best scores first, each wanted box once; pairs that overlap less than `limit` are none."""
    free = list(wanted)
    overlaps = []
    for face in sorted(found, key=lambda item: -item[4]):
        best = max(free, key=lambda box: overlap(face[:4], box), default=None)
        if best is not None and (shared := overlap(face[:4], best)) >= limit:
            overlaps.append(shared)
            free.remove(best)
    return overlaps


@torch.no_grad()
def figures(finder: FaceFinder, scenes: Drawn, thresholds: Sequence[float], limit: float = 0.4) -> list[dict[str, Any]]:
    """Recall, false faces a scene, F1 and mean overlap of what is found, at each threshold; `limit`: suppression."""
    config = finder.config
    extent = np.array([config.width, config.height] * 2, np.float32)
    found: list[list[Detection]] = []
    for start in range(0, len(scenes), 64):
        frames = torch.from_numpy(np.stack([frame for frame, _ in scenes[start : start + 64]])).float()
        scores, boxes = (item.numpy() for item in finder(frames))
        for row in range(len(frames)):
            kept = np.flatnonzero(scores[row] > min(thresholds))
            found.append(suppressed(boxes[row, kept] * extent, scores[row, kept], limit))
    rows = []
    for threshold in thresholds:
        overlaps, wrong, faces = [], 0, 0
        for detections, (_, squares) in zip(found, scenes, strict=True):
            above = [face for face in detections if face[4] > threshold]
            pairs = matched(above, [corner_box(square) for square in squares])
            overlaps += pairs
            wrong += len(above) - len(pairs)
            faces += len(squares)
        right = len(overlaps)
        rows.append(
            {
                "threshold": threshold,
                "recall": round(right / max(faces, 1), 4),
                "false_faces": round(wrong / len(scenes), 4),
                "f1": round(2 * right / max(right + wrong + faces, 1), 4),
                "overlap": round(float(np.mean(overlaps)) if overlaps else 0.0, 4),
            }
        )
    return rows


def chosen_threshold(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The row of `figures` with the lowest threshold that leaves at most `FALSE_FACES` a scene; else the highest one.

    Held-out scenes are harder than what a camera sees, and a false face spoils a person's baseline where a missed one
    waits for the next search. So few false faces come first.
    """
    ordered = sorted(rows, key=lambda row: float(row["threshold"]))
    return next((row for row in ordered if row["false_faces"] <= FALSE_FACES), ordered[-1])


def read_banks(
    split: str, ferplus: str, pairs: str, portraits: Path | None, teachers: tuple[UltraFace, MediaPipe], kept_in: Path
) -> list[FaceBank]:
    """The banks of a split, their labels kept in a folder; `pairs` may be empty and `portraits` None."""
    makers: dict[str, Callable[[], FaceBank]] = {
        "ferplus": lambda: ferplus_bank(ferplus, split, teachers, EVERY[split], SHARES["ferplus"])
    }
    if pairs:
        makers["ravdess_pairs"] = lambda: pairs_bank(pairs, split, teachers, SHARES["ravdess_pairs"])
    if portraits is not None:
        makers["portraits"] = lambda: portrait_bank(portraits, split, SHARES["portraits"])
    return [kept(kept_in / f"{name}_{split}.npz", make) for name, make in makers.items()]


def main(
    data: Annotated[
        list[str],
        typer.Option(help="ferplus:PATH, faces with the splits train and valid; ravdess_pairs:PATH, faces in colour."),
    ],
    ultraface: Annotated[Path, typer.Option(help="version-RFB-320.onnx: places the boxes.")],
    mediapipe: Annotated[Path, typer.Option(help="face_detection_short_range.tflite: places the boxes.")],
    portraits: Annotated[
        Path | None, typer.Option(help="Folder of portraits before a plain wall, with labels.csv (file, person).")
    ] = None,
    backgrounds: Annotated[Path | None, typer.Option(help="Folder of pictures without faces.")] = None,
    backgrounds_licence: Annotated[str, typer.Option(help="Whose these pictures are, for the card.")] = "",
    out: Annotated[Path, typer.Option(help="Checkpoint to write, its JSON card beside it.")] = Path(
        "runs/face_finder.safetensors"
    ),
    run_dir: Annotated[Path, typer.Option(help="Where state is kept; a run that was interrupted continues.")] = Path(
        "runs/face_finder"
    ),
    start_from: Annotated[Path | None, typer.Option(help="Finder whose weights are gone on from.")] = None,
    epochs: Annotated[int, typer.Option(help="Epochs of 4096 scenes.")] = 24,
    learning_rate: Annotated[float, typer.Option(help="Peak of the schedule.")] = 4e-3,
    seed: Annotated[int, typer.Option(help="One seed gives one result on one machine.")] = 0,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 takes torch's default.")] = 1,
) -> None:
    """Train the face finder and save it with the threshold that leaves few false faces on held-out scenes."""
    checkpoint_path(out)
    given = {item.partition(":")[0]: item for item in data}
    if "ferplus" not in given or set(given) - {"ferplus", "ravdess_pairs"} or len(given) != len(data):
        raise OptionError(
            f"the face finder reads --data ferplus:PATH and, if wanted, --data ravdess_pairs:PATH; {', '.join(data)} "
            "was given"
        )
    cv2.setNumThreads(1)  # scenes are small: threads of OpenCV only wait for each other
    teachers = (UltraFace(ultraface, 0.5), MediaPipe(mediapipe))
    pictures = read_pictures(backgrounds)
    pairs = given.get("ravdess_pairs", "")
    used = (SOURCES[0], *((PAIRS_SOURCE,) if pairs else ()), *((PORTRAITS_SOURCE,) if portraits else ()), *SOURCES[1:])
    if backgrounds is not None:
        if not backgrounds_licence:
            raise OptionError("--backgrounds needs --backgrounds-licence: whose pictures these are, for the card")
        names = ", ".join(path.name for path in sorted(backgrounds.iterdir()) if path.suffix.lower() in PICTURES)
        used += (DataSource(f"pictures without faces: {names}", backgrounds_licence, "backgrounds of scenes"),)
    config, options = FaceFinderConfig(), FinderOptions()
    scene_options = SceneOptions(config.height, config.width)
    banks = [
        read_banks(split, given["ferplus"], pairs, portraits, teachers, run_dir / "banks")
        for split in ("train", "valid")
    ]
    training, tuning = (Scenes(split, pictures, scene_options, seed=seed + n) for n, split in enumerate(banks))
    torch.manual_seed(seed)
    task = FinderTask(config, training, tuning, options)
    before: dict[str, Any] = {}
    if start_from is not None:
        earlier, earlier_card = load_face_finder(start_from)
        assert isinstance(task.module, FinderLearner)
        task.module.finder.load_state_dict(earlier.state_dict())
        before = {"weights": earlier_card.weights_sha256, **earlier_card.training}
    loop = LoopOptions(
        epochs,
        learning_rate,
        0.01,
        warmup_epochs=1.0,
        clip_norm=5.0,
        average=0.998,
        precision="no",
        seed=seed,
        threads=threads,
    )
    history = fit(task, loop, run_dir)
    assert isinstance(task.module, FinderLearner)
    finder = task.module.finder.eval()
    if portraits is not None:
        finder = brought_to_convention(finder, banks[1][-1])
    rows = figures(finder, drawn(tuning, 1500, 2), [round(0.05 * step, 2) for step in range(4, 15)])
    best = chosen_threshold(rows)
    config = finder.config
    contract = FinderContract(config.height, config.width, threshold=best["threshold"])
    training_facts = {
        "loop": asdict(loop),
        "options": asdict(options),
        "scenes": asdict(scene_options),
        "faces": {
            split: [len(bank.faces) for bank in own] for split, own in zip(("train", "valid"), banks, strict=True)
        },
        "before": before,
        "seconds": round(history.seconds),
        "machine": f"{platform.machine()}, torch {torch.__version__}",
    }
    card = FaceFinderCard(
        out.stem,
        config,
        contract,
        used,
        parameter_count(task.module),
        training=training_facts,
        results={"held-out scenes": rows},
        notes=NOTES,
    )
    save_face_finder(finder, card, out)
    typer.echo(f"{out}: {card.parameters:,} parameters; on held-out scenes: {best}")


if __name__ == "__main__":
    try:
        typer.run(main)
    except MerError as error:
        raise SystemExit(str(error)) from None
