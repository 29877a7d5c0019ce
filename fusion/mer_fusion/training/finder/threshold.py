"""The threshold of a trained face finder, chosen again.

`python -m mer_fusion.training.finder.threshold --help` lists the options.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import cv2
import typer

from mer_fusion.checkpoint import SHIPPED
from mer_fusion.models.face_finder import load_face_finder, save_face_finder_card
from mer_fusion.training.finder.banks import named_sources, read_banks
from mer_fusion.training.finder.figures import judged
from mer_fusion.training.finder.options import (
    BackgroundsOption,
    DataOption,
    MediaPipeOption,
    PortraitsOption,
    UltraFaceOption,
)
from mer_fusion.training.finder.scenes import SceneOptions, read_pictures
from mer_fusion.training.finder.teachers import MediaPipe, UltraFace
from mer_sdk.errors import MerError


def main(
    data: DataOption,
    ultraface: UltraFaceOption,
    mediapipe: MediaPipeOption,
    portraits: PortraitsOption = None,
    backgrounds: BackgroundsOption = None,
    checkpoint: Annotated[Path, typer.Option(help="The finder; its card beside it is written.")] = SHIPPED
    / "face_finder.safetensors",
    run_dir: Annotated[Path, typer.Option(help="Where the faces' boxes are kept, as in the training.")] = Path(
        "runs/face_finder"
    ),
) -> None:
    """Choose the threshold as the training does, and write it and what it was chosen by into the finder's card."""
    ferplus, pairs = named_sources(data)
    cv2.setNumThreads(1)  # scenes are small: threads of OpenCV only wait for each other
    finder, card = load_face_finder(checkpoint)
    typer.echo("drawing scenes of tuning persons: a minute")
    teachers = (UltraFace(ultraface, 0.5), MediaPipe(mediapipe))
    banks = read_banks("valid", ferplus, pairs, portraits, teachers, run_dir / "banks")
    options = SceneOptions(card.contract.height, card.contract.width)
    # The scenes that the training itself chose by, see `train.py`.
    seed = int(card.training["loop"]["seed"]) + 1
    threshold, results = judged(finder, banks, read_pictures(backgrounds), options, seed)
    card = replace(card, contract=replace(card.contract, threshold=threshold), results=results)
    save_face_finder_card(card, checkpoint)
    typer.echo(f"{checkpoint}: {results['threshold']}")


if __name__ == "__main__":
    try:
        typer.run(main)
    except MerError as error:
        raise SystemExit(str(error)) from None
