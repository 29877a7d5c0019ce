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
    model: Annotated[str, typer.Argument(help="Fusion model: grjca, hgrjca, atsuko, fdrl or amb_dsgdn.")],
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

    amb_dsgdn's student first learns the published sentence encoder's vectors with a small text encoder.

    Next: `mer-convert --checkpoint runs/MODEL-student.safetensors --target all`.
    """
    from mer_fusion.checkpoint import shipped_checkpoint
    from mer_fusion.training.dialogue_launch import is_dialogue_model
    from mer_fusion.training.launch import RunOptions
    from mer_quantization.distill import distill_dialogue_student, distill_student

    run = RunOptions(run_dir, part, threads, epochs_share, quiet, encoders)
    out = out or Path(f"runs/{model}-student.safetensors")
    dialogue = is_dialogue_model(model)
    teacher = teacher or shipped_checkpoint(model, "full")
    if dialogue:
        distill_dialogue_student(teacher, data, out, run, seed)
    else:
        distill_student(model, teacher, data, out, run, seed)
