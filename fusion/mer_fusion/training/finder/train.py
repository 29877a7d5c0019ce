"""Training of the face finder on made-up scenes with real faces.

`python -m mer_fusion.training.finder.train --help` lists the options.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
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
from mer_fusion.options import RunDirOption, SeedOption, TrainingThreadsOption
from mer_fusion.training.cards import checkpoint_path
from mer_fusion.training.finder.banks import named_sources, read_banks
from mer_fusion.training.finder.convention import brought_to_convention
from mer_fusion.training.finder.figures import drawn, figures, judged
from mer_fusion.training.finder.options import (
    BackgroundsOption,
    DataOption,
    MediaPipeOption,
    PortraitsOption,
    UltraFaceOption,
)
from mer_fusion.training.finder.scenes import PICTURES, SceneOptions, Scenes, read_pictures
from mer_fusion.training.finder.targets import FinderOptions, cell_targets, finder_loss
from mer_fusion.training.finder.teachers import MediaPipe, UltraFace
from mer_fusion.training.loop import LoopOptions, fit
from mer_sdk.cli.program import guarded, run_program
from mer_sdk.contract.manifest import DataSource
from mer_sdk.errors import OptionError
from mer_sdk.frontends.face_finder import FinderContract

MOST_FACES = 6
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


def main(
    data: DataOption,
    ultraface: UltraFaceOption,
    mediapipe: MediaPipeOption,
    portraits: PortraitsOption = None,
    backgrounds: BackgroundsOption = None,
    backgrounds_licence: Annotated[str, typer.Option(help="Whose these pictures are, for the card.")] = "",
    out: Annotated[Path, typer.Option(help="Checkpoint to write, its JSON card beside it.")] = Path(
        "runs/face_finder.safetensors"
    ),
    run_dir: RunDirOption = Path("runs/face_finder"),
    start_from: Annotated[Path | None, typer.Option(help="Finder whose weights are gone on from.")] = None,
    epochs: Annotated[int, typer.Option(help="Epochs of 4096 scenes.")] = 24,
    learning_rate: Annotated[float, typer.Option(help="Peak of the schedule.")] = 4e-3,
    seed: SeedOption = 0,
    threads: TrainingThreadsOption = 1,
) -> None:
    """Train the face finder and save it with the threshold that leaves few false faces on held-out scenes."""
    checkpoint_path(out)
    ferplus, pairs = named_sources(data)
    cv2.setNumThreads(1)  # scenes are small: threads of OpenCV only wait for each other
    teachers = (UltraFace(ultraface, 0.5), MediaPipe(mediapipe))
    pictures = read_pictures(backgrounds)
    used = (SOURCES[0], *((PAIRS_SOURCE,) if pairs else ()), *((PORTRAITS_SOURCE,) if portraits else ()), *SOURCES[1:])
    if backgrounds is not None:
        if not backgrounds_licence:
            raise OptionError("--backgrounds needs --backgrounds-licence: whose pictures these are, for the card")
        names = ", ".join(path.name for path in sorted(backgrounds.iterdir()) if path.suffix.lower() in PICTURES)
        used += (DataSource(f"pictures without faces: {names}", backgrounds_licence, "backgrounds of scenes"),)
    config, options = FaceFinderConfig(), FinderOptions()
    scene_options = SceneOptions(config.height, config.width)
    banks = [read_banks(split, ferplus, pairs, portraits, teachers, run_dir / "banks") for split in ("train", "valid")]
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
    threshold, results = judged(finder, banks[1], pictures, scene_options, seed + 1)
    config = finder.config
    contract = FinderContract(config.height, config.width, threshold=threshold)
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
        results=results,
        notes=NOTES,
    )
    save_face_finder(finder, card, out)
    typer.echo(f"{out}: {card.parameters:,} parameters; on held-out scenes: {results['threshold']}")


if __name__ == "__main__":
    run_program("python -m mer_fusion.training.finder.train", lambda: typer.run(guarded(main)))
