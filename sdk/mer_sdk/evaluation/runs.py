"""Figures of trainings, checkpoints and evaluations, so that they can be compared; and their way to TensorBoard."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mer_sdk.contract.output_files import atomic_output
from mer_sdk.errors import DataError, MissingExtra, OptionError, reason_of
from mer_sdk.limits import check_path

# What a training keeps in its folder, one file a task.
HISTORY = ".history.json"
# Of an evaluation's conditions these are compared.
MEASURES = ("war", "uar", "macro_f1", "weighted_f1", "ece", "nll")


@dataclass(frozen=True)
class RunFigures:
    """One run.

    Attributes:
        name: what it is called in a comparison.
        kind: "training", "checkpoint" or "evaluation".
        series: figure -> its (epoch, value) pairs in order; what has no epochs has the one epoch 0.
    """

    name: str
    kind: str
    series: dict[str, tuple[tuple[int, float], ...]]


def save_history(folder: Path, task: str, epochs: Sequence[Mapping[str, float]]) -> None:
    """Keep the figures of a training where `read_run` finds them.

    Args:
        epochs: one mapping each, with the key "epoch" and figures.
    """
    with atomic_output(folder / f"{task}{HISTORY}") as aside:
        aside.write_text(json.dumps({"task": task, "epochs": list(epochs)}, indent=1) + "\n", encoding="utf-8")


def read_run(path: str | Path) -> list[RunFigures]:
    """The figures of a run: a training's folder, a checkpoint or its card, or what `mer evaluate --out` wrote.

    Raises:
        DataError: it is none of these, or holds no figures.
        OptionError: the path is none.
    """
    check_path("the run", path, "the path of a --run-dir, a checkpoint, or a saved evaluation")
    path = Path(path)
    if path.is_dir():
        return _trainings(path)
    card = path.with_suffix(".json") if path.suffix == ".safetensors" else path
    try:
        content = json.loads(card.read_text(encoding="utf-8"))
        found = list(_evaluations(content, path.stem)) or _card(content)
    except (OSError, ValueError, RecursionError) as error:
        why = "it is nested too deep" if isinstance(error, RecursionError) else reason_of(error)
        raise DataError(f"{path} is no run ({why}); give a --run-dir, a checkpoint, or a saved evaluation") from error
    if not any(run.series for run in found):
        raise DataError(f"{path} holds no figures; give a --run-dir, a checkpoint, or a saved evaluation")
    return found


def write_tensorboard(runs: Sequence[RunFigures], folder: Path) -> None:
    """Write each run as one of TensorBoard's, below a folder; `tensorboard --logdir FOLDER` shows them together.

    Raises:
        MissingExtra: the package tensorboard is not installed.
        OptionError: a run of that name is there already, or the folder cannot be written.
    """
    try:
        summary: Any = importlib.import_module("tensorboard.summary")
    except ImportError as error:
        raise MissingExtra("--tensorboard", "tensorboard", "track") from error
    for run in runs:
        place = folder / _safe(run.name)
        try:
            if place.exists() and any(place.iterdir()):
                raise OptionError(f"--tensorboard {folder} holds a run {run.name} already; give another folder")
            writer = summary.Writer(summary.DirectoryOutput(str(place)))
            for figure, points in run.series.items():
                for epoch, value in points:
                    writer.add_scalar(figure, value, step=epoch)
            writer.close()
        except OSError as error:
            raise OptionError(
                f"--tensorboard {folder} cannot be written ({reason_of(error)}); give another folder"
            ) from error


def _trainings(folder: Path) -> list[RunFigures]:
    found = []
    for file in sorted(folder.glob(f"*{HISTORY}")):
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            series: dict[str, list[tuple[int, float]]] = {}
            for row in content["epochs"]:
                for name, value in row.items():
                    if name != "epoch" and math.isfinite(value):
                        series.setdefault(name, []).append((int(row["epoch"]), float(value)))
            run = f"{folder.name}/{content['task']}"
        except OSError as error:
            raise DataError(f"{file} cannot be read ({reason_of(error)}); train again") from error
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise DataError(f"{file} is no history of a training, or is damaged; train again") from error
        kept = {figure: tuple(points) for figure, points in series.items()}
        found.append(RunFigures(run, "training", kept))
    if not found:
        raise DataError(f"{folder} holds no history of a training (*{HISTORY}); give the --run-dir of mer train")
    return found


def _evaluations(content: Any, name: str) -> Iterator[RunFigures]:
    """Those of `mer evaluate` and of `mer report --json`."""
    items = content if isinstance(content, list) else [content]
    if isinstance(content, dict) and isinstance(content.get("evaluations"), list):
        items = [item.get("report") for item in content["evaluations"] if isinstance(item, dict)]
    for item in items:
        if not isinstance(item, dict) or not isinstance(item.get("results"), list):
            continue
        series: dict[str, tuple[tuple[int, float], ...]] = {}
        for result in item["results"]:
            if not isinstance(result, dict):
                continue
            condition = result.get("reading") or f"{result.get('state')}/{result.get('protocol')}"
            for measure in MEASURES:
                if _is_figure(result.get(measure)):
                    series[f"{measure}/{condition}"] = ((0, float(result[measure])),)
        bundle = str(item.get("bundle", name))
        yield RunFigures(bundle if bundle == name else f"{name}/{bundle}", "evaluation", series)


def _card(content: Any) -> list[RunFigures]:
    """The figures on a checkpoint's card, however deep they lie."""
    if not isinstance(content, dict) or not isinstance(content.get("results"), dict):
        return []
    return [RunFigures(str(content.get("name", "checkpoint")), "checkpoint", dict(_numbers(content["results"], "")))]


def _numbers(value: Any, name: str) -> Iterator[tuple[str, tuple[tuple[int, float], ...]]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _numbers(item, f"{name}/{key}" if name else str(key))
    elif _is_figure(value):
        yield name, ((0, float(value)),)


def _is_figure(value: object) -> bool:
    """Whether it is a number that can be compared: JSON also has whole numbers that no float holds."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def _safe(name: str) -> str:
    """A name as a path below a folder."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return "/".join(parts) or "run"
