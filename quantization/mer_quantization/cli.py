"""`mer distill`: a small student from a full-precision model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mer_fusion.options import (
    DataOption,
    EncodersOption,
    EpochsShareOption,
    OutOption,
    PartOption,
    QuietOption,
    RunDirOption,
    SeedOption,
    TrainingThreadsOption,
)


def distill(
    model: Annotated[str, typer.Argument(help="Fusion model: grjca, hgrjca, atsuko or fdrl.")],
    data: DataOption,
    teacher: Annotated[
        Path | None, typer.Option(help="Full-precision checkpoint; without it, the one that comes with the project.")
    ] = None,
    out: OutOption = None,
    run_dir: RunDirOption = Path("runs/student"),
    encoders: EncodersOption = "",
    seed: SeedOption = 0,
    threads: TrainingThreadsOption = 0,
    part: PartOption = "all",
    epochs_share: EpochsShareOption = 1.0,
    quiet: QuietOption = False,
) -> None:
    """Distill a student: labels, full-precision features and logits, and published wav2vec2 scores for audio.

    Next: `mer-convert --checkpoint runs/MODEL-student.safetensors --target all`.
    """
    from mer_fusion.checkpoint import shipped_checkpoint
    from mer_fusion.training.launch import RunOptions
    from mer_quantization.distill import distill_student

    run = RunOptions(run_dir, part, threads, epochs_share, quiet, encoders)
    out = out or Path(f"runs/{model}-student.safetensors")
    distill_student(model, teacher or shipped_checkpoint(model, "full"), data, out, run, seed)
