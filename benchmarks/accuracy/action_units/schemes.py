"""Protocol P1 in dyn8 and int8: seed 0 of every fold's students on every runtime that runs here, against its fp32.

    python -m benchmarks.accuracy.action_units.schemes --data ravdess:PATH

Writes docs/results/p1_schemes.json. The students learn again with what action_units/paired.py chose for each fold
(docs/results/p1.json) and are saved as checkpoints below --run-dir; action units stay features. A piece, one student
on one target, is made in a process of its own and kept, so that a run that is started again makes what is missing.
Ranges come from the fold's training speakers, and what is moved to float is chosen on other takes of theirs.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.accuracy.action_units.fusion import ORDERS, REMOVED, TunedFusion, cases
from benchmarks.accuracy.action_units.paired import SETTINGS, full_table
from benchmarks.accuracy.action_units.students import STUDENT_SETTINGS, save_students, student_folds
from benchmarks.accuracy.action_units.takes import (
    FusionGraph,
    Takes,
    check_answers,
    fusion_samples,
    golden,
    populations,
    read_takes,
    sound_samples,
)
from mer_converters.pipeline.export import Artifact, ExportInputs, Sensitivities, build
from mer_converters.pipeline.gate import judge
from mer_converters.pipeline.graphs import Graph, network_graphs
from mer_converters.pipeline.measurements import sensitivities
from mer_converters.targets import ExportJob, QuantizingTarget, find_target
from mer_fusion.checkpoint import Checkpoint, load_checkpoint
from mer_fusion.training.utterances.networks import MODELS
from mer_fusion.training.utterances.paired_clips import FOLDS, read_paired
from mer_fusion.training.utterances.runs import Case
from mer_fusion.training.utterances.task import log_probabilities
from mer_quantization.calibration import save_samples
from mer_quantization.proof import GraphProof
from mer_quantization.schemes import DYN8, FP32, INT8, SCHEMES
from mer_sdk.contract.codec import from_json, to_json
from mer_sdk.contract.output_files import atomic_output
from mer_sdk.evaluation.datasets import open_dataset
from mer_sdk.evaluation.datasets.ravdess import LABELS
from mer_sdk.evaluation.metrics import bootstrap_interval, paired_bootstrap, uar, war
from mer_sdk.runtimes import load_graph
from mer_sdk.runtimes.graph import GraphSpec

ROOT = Path(__file__).resolve().parents[3]
TARGETS, KEPT = ("tflite", "onnx", "executorch"), (FP32, DYN8, INT8)
SENSITIVE = "sensitive.json"
# Places in `cases()`.
QUESTIONS = {
    "cold": (0,),
    "warm": tuple(range(1, 1 + ORDERS)),
    REMOVED: (1 + ORDERS,),
    f"audio alone, {REMOVED}": (2 + ORDERS,),
    f"face alone, {REMOVED}": (3 + ORDERS,),
}


class SharedSound:
    """A target that writes a fold's audio graph once: all of its models have the same one.

    Args:
        target: what writes the graphs.
        folder: where the audio graphs are kept.
    """

    def __init__(self, target: QuantizingTarget, folder: Path) -> None:
        self._target, self._folder = target, folder
        self.name, self.suffix, self.schemes = target.name, target.suffix, target.schemes
        self.runtime, self.packages, self.needs = target.runtime, target.packages, target.needs

    def export(self, job: ExportJob, path: Path) -> None:
        """See `Target.export`."""
        if job.spec.outputs[0].name != "audio_features":
            self._target.export(job, path)
            return
        kept = self._folder / "-".join(("audio", job.scheme.name, *sorted(job.float_modules)))
        if not kept.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._target.export(job, path)
            shutil.copyfile(path, kept)
        shutil.copyfile(kept, path)

    def check(self, path: Path, spec: GraphSpec) -> str | None:
        """See `Target.check`."""
        return self._target.check(path, spec)

    def proof(self, path: Path) -> GraphProof:
        """See `QuantizingTarget.proof`."""
        return self._target.proof(path)


@dataclass(frozen=True)
class Sensitive:
    """Scheme -> what each operation loses in it, as `mer_converters.pipeline.export.ExportInputs` wants it."""

    schemes: dict[str, Sensitivities]


@dataclass(frozen=True)
class Job:
    """Every model of one fold on one target.

    Attributes:
        data: ravdess:PATH.
        folder: where checkpoints, calibration inputs and finished pieces lie.
    """

    data: str
    fold: int
    target: str
    models: tuple[str, ...]
    folder: Path

    def piece(self, model: str) -> Path:
        """What is kept of one student on this target."""
        return self.folder / f"{model}-fold{self.fold}-{self.target}.json"

    def done(self, model: str, checkpoint: Checkpoint) -> bool:
        """Whether that is there, of the same weights."""
        path = self.piece(model)
        return path.exists() and json.loads(path.read_text())["checkpoint_sha256"] == checkpoint.sha256


def calibration_folder(folder: Path, checkpoint: Checkpoint) -> Path:
    """Where the calibration inputs of a student lie."""
    return folder / f"calibration-{checkpoint.card.name}-{checkpoint.sha256[:12]}"


def run_job(job: Job) -> None:
    """Convert the fold's students and ask every artifact what the students were asked."""
    torch.set_num_threads(1)
    ravdess = open_dataset(job.data)
    takes = read_takes(ravdess, read_paired(ravdess), job.fold)
    plain = find_target(job.target)
    assert isinstance(plain, QuantizingTarget)
    made = job.folder / "artifacts" / job.target / f"fold{job.fold}"
    shutil.rmtree(made, ignore_errors=True)
    target = SharedSound(plain, made / "sound")
    for model in job.models:
        begun, name = time.process_time(), f"{model}-fold{job.fold}"
        checkpoint = load_checkpoint(job.folder / f"{name}.safetensors")
        if job.done(model, checkpoint):
            continue
        graphs = network_graphs(checkpoint.network.prepare_for_export(), checkpoint.card)
        inputs = calibration_folder(job.folder, checkpoint)
        material = ExportInputs(
            target,
            graphs,
            checkpoint.card.baseline,
            1.0,
            golden(takes, checkpoint),
            inputs,
            partial(check_answers, takes, checkpoint),
            sensitivities=from_json(Sensitive, json.loads((inputs / SENSITIVE).read_text())).schemes,
        )
        folder = made / model
        shown: dict[str, Any] = {"checkpoint_sha256": checkpoint.sha256}
        for artifact in build(material, KEPT, folder, time.time()):
            files = {graph.name: folder / artifact.scheme / f"{graph.name}{target.suffix}" for graph in graphs}
            shown[artifact.scheme] = _facts(artifact, files) | {
                "predictions": _predictions(takes, checkpoint, graphs, files, target.runtime).tolist()
            }
        shown["cpu_seconds"] = round(time.process_time() - begun, 1)
        with atomic_output(job.piece(model)) as aside:
            aside.write_text(json.dumps(shown))
        print(f"{name}, {job.target}: {shown['cpu_seconds']} s of CPU", flush=True)


def _predictions(
    takes: Takes,
    checkpoint: Checkpoint,
    graphs: Sequence[Graph],
    files: Mapping[str, Path],
    runtime: str,
) -> np.ndarray:
    """int [cases, clips of the fold]."""
    specs: dict[str, GraphSpec] = {graph.name: graph.spec(files[graph.name].name, "") for graph in graphs}
    loaded = {name: load_graph(runtime, files[name], spec, 1) for name, spec in specs.items()}
    table, fusion = takes.table(loaded["audio"], takes.asked, checkpoint), FusionGraph(loaded["fusion"], checkpoint)
    rows, means = torch.arange(len(table)), populations(checkpoint)

    def said(case: Case) -> np.ndarray:
        answers = log_probabilities(fusion, table, rows, means, case.condition, case.order, case.present)
        return answers.argmax(dim=1).numpy()

    return np.stack([said(case) for case in cases()])


def _facts(artifact: Artifact, files: Mapping[str, Path]) -> dict[str, Any]:
    scheme = SCHEMES[artifact.scheme]
    return {
        "bytes": sum(path.stat().st_size for path in files.values()),
        "int8_share": {name: round(proof.share(8), 4) for name, proof in artifact.proof.items()},
        "int8_mac_share": {name: round(proof.mac_share, 4) for name, proof in artifact.proof.items()},
        "conversion": artifact.conversion.logits,
        "moved_to_float": list(artifact.moved),
        "gate": to_json(judge(scheme, artifact.conversion, artifact.quantization, "", artifact.accuracy)),
        "on_training_speakers": to_json(artifact.accuracy),
    }


def target_figures(labels: np.ndarray, folds: np.ndarray, pieces: Mapping[int, Any]) -> dict[str, Any]:
    """Scheme -> its figures over all folds; those of dyn8 and int8 against fp32 of the same target, in percent.

    Args:
        labels, folds: int [N] of all takes.
        pieces: fold -> what `run_job` kept.
    """
    said = {scheme.name: np.zeros((len(cases()), len(labels)), np.int64) for scheme in KEPT}
    for fold, piece in pieces.items():
        for scheme, predictions in said.items():
            predictions[:, folds == fold] = piece[scheme]["predictions"]
    shown: dict[str, Any] = {}
    for scheme, predictions in said.items():
        one: dict[str, Any] = {
            "bytes": round(float(np.mean([piece[scheme]["bytes"] for piece in pieces.values()]))),
            "folds": {
                fold: {k: v for k, v in piece[scheme].items() if k != "predictions"} for fold, piece in pieces.items()
            },
        }
        for question, places in QUESTIONS.items():
            mine, base = predictions[list(places)], said[FP32.name][list(places)]
            one[question] = _question(labels, mine, None if scheme == FP32.name else base)
        if scheme != FP32.name:
            one["same_label"] = round(100 * float(np.mean(predictions == said[FP32.name])), 2)
            one["answers"] = predictions.size
        shown[scheme] = one
    return shown


def _question(labels: np.ndarray, runs: np.ndarray, base: np.ndarray | None) -> dict[str, Any]:
    """UAR in percent with its interval over clips; against `base` the paired difference and the share of same labels.

    Args:
        runs, base: int [R, N], the orders of a person's clips.
    """
    interval = bootstrap_interval(labels, runs)
    shown: dict[str, Any] = {"uar": round(100 * uar(labels, runs), 2), "war": round(100 * war(labels, runs), 2)}
    shown["uar_interval"] = [round(100 * interval.low, 2), round(100 * interval.high, 2)]
    if base is not None:
        paired = paired_bootstrap(labels, runs, base)
        shown["difference"] = round(100 * paired.difference, 2)
        shown["interval"] = [round(100 * paired.interval.low, 2), round(100 * paired.interval.high, 2)]
        shown["same_label"] = round(100 * float(np.mean(runs == base)), 2)
    return shown


def prepare(data: str, models: Sequence[str], run_dir: Path, folder: Path, published: dict[str, Any]) -> dict[str, Any]:
    """Checkpoints and calibration inputs of every student; returns what the networks in torch say, beside what
    action_units/paired.py published of the same seed, WAR in percent.

    Args:
        run_dir: of action_units/paired.py: its encoders, teachers and encoded sound; what is missing is made.
        published: docs/results/p1.json.
    """
    ravdess = open_dataset(data)
    paired = read_paired(ravdess)
    full = TunedFusion(paired, {fold: full_table(paired, fold) for fold in FOLDS}, SETTINGS, run_dir / "full")
    folds = student_folds(ravdess, paired, run_dir)
    tables = {fold: student.table for fold, student in folds.items()}
    fusion = TunedFusion(paired, tables, STUDENT_SETTINGS, folder / "runs", full.teaching)
    for tuned, part in ((full, "full_precision"), (fusion, "students")):
        tuned.tuning |= {int(fold): choice for fold, choice in published[part]["tuning"].items()}
    said = save_students(paired, folds, fusion, models, folder)
    for fold, table in tables.items():
        takes, sound = read_takes(ravdess, paired, fold), None
        for model in models:
            checkpoint = load_checkpoint(folder / f"{model}-fold{fold}.safetensors")
            inputs = calibration_folder(folder, checkpoint)
            if (inputs / SENSITIVE).exists():
                continue
            sound = sound or sound_samples(takes, checkpoint)
            save_samples(inputs, {"audio": sound, "fusion": fusion_samples(takes, table, checkpoint)})
            graphs = network_graphs(checkpoint.network.prepare_for_export(), checkpoint.card)
            lost = sensitivities(checkpoint, graphs, {"all": KEPT}, inputs, inputs, lambda line: None)
            (inputs / SENSITIVE).write_text(json.dumps(to_json(Sensitive(lost))))
    shown = {}
    for model in models:
        logits = np.zeros((len(cases()), len(paired), len(LABELS)), np.float32)
        for fold in FOLDS:
            logits[:, paired.folds == fold] = said[model, fold].log_probabilities
        mine = {
            name: round(100 * war(paired.labels, logits[list(places)].argmax(axis=2)), 2)
            for name, places in QUESTIONS.items()
        }
        seeds, theirs = published["students"]["seeds"], published["students"]["models"][model]
        runs = {name: theirs[name]["war_of_runs"] for name in QUESTIONS}
        first = {name: round(float(np.mean(found[: len(found) // seeds])), 2) for name, found in runs.items()}
        shown[model] = {"war_in_torch": mine, "war_published_of_seed_0": first}
        print(f"{model}, WAR in torch {mine}, published of seed 0 {first}", flush=True)
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="ravdess:PATH, as for action_units/paired.py")
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--targets", nargs="+", default=list(TARGETS))
    parser.add_argument("--run-dir", type=Path, default=ROOT / "runs" / "p1", help="of action_units/paired.py")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "p1_schemes.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    folder = options.run_dir / "schemes"
    published = json.loads((ROOT / "docs" / "results" / "p1.json").read_text())
    students = prepare(options.data, options.models, options.run_dir, folder, published)
    paired = read_paired(open_dataset(options.data))
    models: dict[str, Any] = {model: students[model] | {"targets": {}} for model in options.models}
    result = {
        "protocol": "P1: students of seed 0 in dyn8 and int8 against fp32 of the same target, folds 0-3, in percent",
        "clips": len(paired),
        "models": models,
    }
    # A process for each job: converter tools change global state when they are imported, and grow.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh, max_tasks_per_child=1) as pool:
        for target in options.targets:
            jobs = [Job(options.data, fold, target, tuple(options.models), folder) for fold in FOLDS]
            list(pool.map(run_job, jobs))
            for model in options.models:
                pieces = {job.fold: json.loads(job.piece(model).read_text()) for job in jobs}
                models[model]["targets"][target] = target_figures(paired.labels, paired.folds, pieces)
            options.out.write_text(json.dumps(result, indent=1) + "\n")
            print(f"written, up to {target}: {options.out}", flush=True)


if __name__ == "__main__":
    main()
