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
    StillsOption,
    TrainingThreadsOption,
    UnseenOption,
    refuse_inputs,
)
from mer_sdk.cli.options import LabelsOption, label_names
from mer_sdk.errors import OptionError


def distill(
    model: Annotated[str, typer.Argument(help="Fusion model: grjca, hgrjca, atsuko, fdrl or amb_dsgdn.")],
    data: DataOption,
    labels: LabelsOption = "",
    teacher: Annotated[
        Path | None, typer.Option(help="Full-precision checkpoint; without it, the one that comes with the project.")
    ] = None,
    out: OutOption = None,
    run_dir: RunDirOption = Path("runs/student"),
    encoders: EncodersOption = "",
    stills: StillsOption = "",
    unseen: UnseenOption = "",
    seed: SeedOption = 0,
    threads: TrainingThreadsOption = 0,
    part: PartOption = "all",
    epochs_share: EpochsShareOption = 1.0,
    quiet: QuietOption = False,
    qat: Annotated[
        str | None,
        typer.Option(
            metavar="int8",
            help="Fine-tune a finished student under fake quantization instead of training a new one; window models "
            "only. The default of --out is then runs/MODEL-qat-int8; --encoders defaults to the student's own, which "
            "learn on for grjca and hgrjca and stay as they are for the others (train lets them learn).",
        ),
    ] = None,
    student: Annotated[
        Path | None, typer.Option(help="With --qat: the student to fine-tune; without it, the one that is shipped.")
    ] = None,
) -> None:
    """Distill a student: labels, full-precision features and logits, and published wav2vec2 scores for audio.

    amb_dsgdn's student first learns the published sentence encoder's vectors with a small text encoder.

    With --qat int8 a student learns on, from the same, while its layers round as they will in int8.

    Next: `mer-convert --checkpoint runs/MODEL-student.safetensors --target all --out bundles/mine`.
    """
    from mer_fusion.checkpoint import shipped_checkpoint
    from mer_fusion.training.dialogue.launch import is_dialogue_model
    from mer_fusion.training.run import RunOptions
    from mer_quantization.distill import distill_dialogue_student, distill_student

    run = RunOptions(run_dir, part, threads, epochs_share, quiet, encoders, stills, label_names(labels), unseen)
    if qat is not None:
        from mer_quantization.qat import check_qat, qat_student

        check_qat(qat, model)
        student = student or shipped_checkpoint(model)
        teacher = teacher or shipped_checkpoint(model, "full")
        out = out or Path(f"runs/{model}-qat-{qat}.safetensors")
        refuse_inputs(out, encoders, data, teacher=teacher, student=student)
        qat_student(model, qat, student, teacher, data, out, run, seed)
        return
    if student is not None:
        raise OptionError("--student is the checkpoint that --qat fine-tunes; add --qat int8, or leave it out")
    out = out or Path(f"runs/{model}-student.safetensors")
    dialogue = is_dialogue_model(model)
    teacher = teacher or shipped_checkpoint(model, "full")
    refuse_inputs(out, encoders, data, teacher=teacher)
    if dialogue:
        distill_dialogue_student(teacher, data, out, run, seed)
    else:
        distill_student(model, teacher, data, out, run, seed)
