"""What the command line of `mer-convert` says, read and checked before torch is loaded, which takes seconds."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mer_sdk.cli.options import names_of
from mer_sdk.contract.output_files import is_inside, is_same
from mer_sdk.errors import OptionError

if TYPE_CHECKING:
    from mer_quantization.recordings import DataOptions

FACE_FINDER = "face_finder"


@dataclass(frozen=True)
class Arguments:
    """What the command line says, lists read."""

    model: str
    checkpoint: Path | None
    targets: tuple[str, ...]
    schemes: tuple[str, ...]
    out: Path
    jobs: int
    as_json: bool


def check_out(out: Path, **inputs: Path | None) -> None:
    """Refuse an --out in which a bundle that is replaced would take an input with it.

    Raises:
        OptionError: it says which.
    """
    if out.exists() and not out.is_dir():
        raise OptionError(f"--out {out} is a file; give a folder for the bundles")
    for what, path in inputs.items():
        if path is None:
            continue
        if is_same(out, path) or is_inside(out, path):
            raise OptionError(f"--out {out} lies in {what} {path}, which is read; give another folder")
        between = [parent for parent in Path(os.path.realpath(path)).parents if is_inside(parent, out)]
        if any(parent.suffix == ".mer" for parent in between):
            raise OptionError(f"{what} {path} lies in a bundle in --out, which may be replaced; give another folder")


def check_early(arguments: Arguments, coverage: float) -> None:
    """Refuse what no target can make before torch is loaded, which takes seconds.

    Raises:
        OptionError: it says what is allowed.
    """
    from mer_quantization.confidence import check_coverage
    from mer_quantization.schemes import find_scheme

    for name in arguments.schemes:
        find_scheme(name)
    check_coverage(coverage)
    if arguments.checkpoint is not None and not arguments.checkpoint.exists():
        raise OptionError(
            f"--checkpoint {arguments.checkpoint} is missing; a checkpoint is NAME.safetensors and NAME.json side by "
            "side"
        )


def shipped_student(model: str) -> Path:
    """The shipped student of a model.

    Raises:
        OptionError: there is none; the message offers the nearest name.
    """
    from mer_fusion.checkpoint import SHIPPED, shipped_checkpoint

    known = sorted(path.stem.removesuffix("-student") for path in SHIPPED.glob("*-student.safetensors"))
    if model not in known:
        raise OptionError.unknown("model", model, (*known, FACE_FINDER))
    return shipped_checkpoint(model)


def data_options(
    specs: list[str] | None, clips: int, labels: dict[str, str], checks_alone: bool = False
) -> DataOptions | None:
    from mer_quantization.recordings import DataOptions

    if not specs:
        return None
    own = any(spec.startswith("clips:") for spec in specs)
    return DataOptions(tuple(specs), clips, labels=tuple(labels.items()) if own else (), checks_alone=checks_alone)


def split_names(values: list[str]) -> tuple[str, ...]:
    """Names given in several options, each with commas between, once each."""
    return tuple(dict.fromkeys(name for value in values for name in names_of(value)))


def target_list(values: list[str]) -> tuple[str, ...]:
    from mer_converters.targets import target_names

    names, known = split_names(values), (*target_names(), "all")
    for name in names:
        if name not in known:
            raise OptionError.unknown("target", name, known)
    return target_names() if "all" in names else names
