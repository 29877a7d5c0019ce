"""The options that `mer train` and `mer distill` share, so that one thing has one name in both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from mer_sdk.contract.output_files import check_keeps_inputs

DataOption = Annotated[
    list[str],
    typer.Option(
        help="Data set as NAME:PATH, once for each. grjca, hgrjca, atsuko, fdrl: ravdess:PATH, "
        "ravdess_pairs:PATH, ferplus:PATH, and more speech (cremad_logmel, cremad_votes, nemo, indian_emospeech, "
        "clips: your own), speech_embedding:PATH and face_expression:PATH (published networks that encoders begin as); "
        "amb_dsgdn: meld:PATH.",
        show_default=False,
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option(help="Checkpoint to write, its JSON card beside it. Default: runs/MODEL-full or runs/MODEL-student."),
]
RunDirOption = Annotated[Path, typer.Option(help="Where state is kept; a run that was interrupted continues.")]
SeedOption = Annotated[int, typer.Option(help="One seed gives one result on one machine.")]
TrainingThreadsOption = Annotated[int, typer.Option("--threads", help="CPU threads; 0 takes torch's default.")]
PartOption = Annotated[str, typer.Option(help="all; or audio, face: only that encoder, to train both at once.")]
EpochsShareOption = Annotated[float, typer.Option(help="Share of the usual epochs; below 1 only to try the line.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No line per epoch.")]
EncodersOption = Annotated[
    str,
    typer.Option(
        help="Checkpoint whose audio and face encoders are taken, so that only the fusion is trained; or train. "
        "Default: train for grjca and hgrjca, the shipped GRJCA's for the others. amb_dsgdn has none."
    ),
]
StillsOption = Annotated[
    str,
    typer.Option(
        help="Checkpoint whose face encoder knows still faces; training on people who talk goes on from there. "
        "Default: one is trained on stills first."
    ),
]
UnseenOption = Annotated[
    str,
    typer.Option(
        help="Checkpoint whose encoders have not met the held-out speakers, to which temperature and thresholds are "
        "fitted. Default: NAME-unseen beside the checkpoint whose encoders are taken; where none are, they are trained."
    ),
]


def refuse_inputs(out: Path, encoders: str, data: Sequence[str], **checkpoints: Path | None) -> None:
    """Refuse to write a checkpoint, or the card beside it, over what the training reads.

    Raises:
        OptionError: it says which.
    """
    sources = {**checkpoints, "encoders": Path(encoders) if encoders.endswith(".safetensors") else None}
    inputs: dict[str, str | Path | None] = {f"the data set {item}": item.partition(":")[2] or None for item in data}
    for what, path in sources.items():
        if path is not None:
            inputs |= {f"the checkpoint of --{what}": path, f"the card of --{what}": path.with_suffix(".json")}
    for path in (out, out.with_suffix(".json")):
        check_keeps_inputs("--out", path, inputs)
