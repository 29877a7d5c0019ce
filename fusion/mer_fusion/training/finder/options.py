"""The options that the finder's training and the choice of its threshold share: one thing has one name in both."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataOption = Annotated[
    list[str],
    typer.Option(help="ferplus:PATH, faces with the splits train and valid; ravdess_pairs:PATH, faces in colour."),
]
UltraFaceOption = Annotated[Path, typer.Option(help="version-RFB-320.onnx: places the boxes.")]
MediaPipeOption = Annotated[Path, typer.Option(help="face_detection_short_range.tflite: places the boxes.")]
PortraitsOption = Annotated[
    Path | None, typer.Option(help="Folder of portraits before a plain wall, with labels.csv (file, person).")
]
BackgroundsOption = Annotated[Path | None, typer.Option(help="Folder of pictures without faces.")]
