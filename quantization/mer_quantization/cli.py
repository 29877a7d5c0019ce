"""`mer distill`: a small student from a full-precision model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def distill(
    model: Annotated[str, typer.Argument(help="Fusion model of the teacher: grjca.")],
    data: Annotated[
        list[str], typer.Option(help="Data set as NAME:PATH; give ravdess:PATH and ferplus:PATH.", show_default=False)
    ],
    teacher: Annotated[
        Path | None, typer.Option(help="Full-precision checkpoint; without it, the one that comes with the project.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Checkpoint to write; its JSON card goes beside it.")] = Path(
        "runs/grjca-student.safetensors"
    ),
    run_dir: Annotated[Path, typer.Option(help="Where state is kept; a run that was interrupted continues.")] = Path(
        "runs/student"
    ),
    seed: Annotated[int, typer.Option(help="One seed gives one result on one machine.")] = 0,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 takes torch's default.")] = 0,
    part: Annotated[str, typer.Option(help="all; or audio, face: only that encoder, to train both at once.")] = "all",
    epochs_share: Annotated[float, typer.Option(help="Share of the usual epochs; below 1 only to try the line.")] = 1.0,
    quiet: Annotated[bool, typer.Option("--quiet", help="No line per epoch.")] = False,
) -> None:
    """Distill a student: labels, full-precision features and logits, and published wav2vec2 scores for audio.

    Next: `mer-convert --checkpoint runs/grjca-student.safetensors --target all`.
    """
    from mer_fusion.checkpoint import shipped_checkpoint
    from mer_fusion.training.launch import RunOptions
    from mer_quantization.distill import distill_student

    run = RunOptions(run_dir, part, threads, epochs_share, quiet)
    distill_student(teacher or shipped_checkpoint(model, "full"), data, out, run, seed)
