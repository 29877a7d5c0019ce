"""Writing bundles: whole or not at all, and never over something else. The converter process is replaced by a copy of
what it wrote once, so that the distances can be chosen."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from mer_converters.pipeline import convert as module
from mer_converters.pipeline import plan as planning
from mer_converters.pipeline.convert import ConversionResult, convert, convert_many
from mer_converters.pipeline.export import Artifact
from mer_converters.pipeline.gate import Distance
from mer_converters.pipeline.plan import ConvertOptions
from mer_converters.pipeline.worker import Job, Outcome, run_job, run_jobs
from mer_converters.processes.progress import Say, Step
from mer_quantization.recordings import DataOptions
from mer_sdk.contract.bundle import Bundle
from mer_sdk.errors import CheckpointError, ConversionError, MissingExtra, OptionError

Converted = dict[tuple[str, str], ConversionResult]


class Recorded:
    """Stands in for the converter process: copies the graphs that it wrote before, and says a chosen distance."""

    def __init__(self, converted: Converted) -> None:
        self.converted = converted
        self.logits = 1e-6
        self.error: str | None = None

    def __call__(self, jobs: Sequence[Job], at_a_time: int, say: Say) -> dict[str, Outcome]:
        return {job.target: self.outcome(job) for job in jobs}

    def outcome(self, job: Job) -> Outcome:
        if self.error is not None:
            return Outcome(error=self.error)
        for scheme in job.schemes:
            source = self.converted[job.target, scheme].path
            assert source is not None
            (Path(job.folder) / scheme).mkdir(parents=True)
            for name in ("audio", "face", "fusion"):
                file = next(source.glob(f"{name}.*"))
                shutil.copyfile(file, Path(job.folder) / scheme / file.name)
        far = Distance(self.logits, 0.0, {})
        return Outcome(tuple(Artifact(name, 1.0, far, None if name == "fp32" else far, {}) for name in job.schemes))


@pytest.fixture
def recorded(converted: Converted, monkeypatch: pytest.MonkeyPatch) -> Recorded:
    worker = Recorded(converted)
    monkeypatch.setattr(module, "run_jobs", worker)
    return worker


def _left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*")) if folder.exists() else []


@pytest.mark.slow
def test_writes_one_bundle(student: Path, recorded: Recorded, tmp_path: Path) -> None:
    row = convert(student, "onnx", "fp32", tmp_path / "deep" / "out")
    assert row.path == tmp_path / "deep" / "out" / "grjca-onnx-fp32.mer"
    assert row.gate == "passed"
    assert _left(tmp_path / "deep" / "out") == [
        "CARD.md",
        "audio.onnx",
        "face.onnx",
        "fusion.onnx",
        "golden.npz",
        "grjca-onnx-fp32.mer",
        "manifest.json",
        "report.json",
    ]


@pytest.mark.slow
def test_replaces_a_bundle_whole(student: Path, recorded: Recorded, tmp_path: Path) -> None:
    first = convert(student, "onnx", "fp32", tmp_path).path
    assert first is not None
    (first / "stale.txt").write_text("from before")
    convert(student, "onnx", "fp32", tmp_path)
    assert not (first / "stale.txt").exists()
    assert Bundle.open(first).manifest.scheme == "fp32"
    assert [path.name for path in tmp_path.iterdir()] == [first.name]


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_never_replaces_what_is_no_bundle(student: Path, tmp_path: Path, kind: str) -> None:
    there = tmp_path / "grjca-onnx-fp32.mer"
    if kind == "file":
        there.write_text("mine")
    elif kind == "folder":
        there.mkdir()
        (there / "thesis.tex").write_text("mine")
    else:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / "manifest.json").write_text("{}")
        there.symlink_to(tmp_path / "elsewhere")
    before = _left(tmp_path)
    with pytest.raises(ConversionError, match="is there and is not a bundle; move it away or give another --out"):
        convert(student, "onnx", "fp32", tmp_path)
    assert _left(tmp_path) == before


@pytest.mark.slow
def test_failed_gate_writes_nothing_unless_forced(student: Path, recorded: Recorded, tmp_path: Path) -> None:
    recorded.logits = 0.2
    row = convert(student, "onnx", "fp32", tmp_path)
    assert (row.gate, row.path) == ("failed", None)
    assert "differs from torch by 2.0e-01 on the logits; allowed: 0.0001" in row.reason
    assert _left(tmp_path) == []
    forced = convert(student, "onnx", "fp32", tmp_path, force=True)
    assert forced.gate == "failed"
    assert forced.path is not None
    assert Bundle.open(forced.path).manifest.gate == "failed"
    assert "Gate: FAILED" in (forced.path / "CARD.md").read_text()


def _full_disk(*arguments: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.slow
@pytest.mark.parametrize("step", ["save_golden", "write_bundle_files", "put_in_place"])
def test_full_disk_leaves_nothing(
    student: Path, recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(module, step, _full_disk)
    with pytest.raises(ConversionError, match=r"cannot be written .No space left on device.*nothing was left there"):
        convert(student, "onnx", "fp32", tmp_path)
    assert _left(tmp_path) == []


@pytest.mark.slow
def test_full_disk_keeps_the_bundle_that_was_there(
    student: Path, recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = convert(student, "onnx", "fp32", tmp_path).path
    assert path is not None
    rename = os.rename

    def fail_on_the_new(source: Path, target: Path) -> None:
        if Path(source).name == "fp32":
            _full_disk()
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail_on_the_new)
    with pytest.raises(ConversionError, match="No space left"):
        convert(student, "onnx", "fp32", tmp_path)
    assert Bundle.open(path).manifest.scheme == "fp32"
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def test_full_disk_in_the_converter_process(student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mer_converters.pipeline import worker
    from mer_converters.pipeline.golden import golden_cases
    from mer_fusion.checkpoint import load_checkpoint
    from mer_sdk.contract.golden import save_golden

    checkpoint = load_checkpoint(student)
    save_golden(tmp_path / "golden.npz", golden_cases(checkpoint.network.prepare_for_export(), checkpoint.card))
    monkeypatch.setattr(worker, "build", _full_disk)
    job = Job(str(student), "onnx", ("fp32",), str(tmp_path / "onnx"), str(tmp_path / "golden.npz"))
    with pytest.raises(ConversionError, match=r"^onnx: No space left on device"):
        run_job(job)


def test_folder_that_cannot_be_written(student: Path) -> None:
    # Tests may run as root, whom no permission stops; nobody can make a folder in /proc.
    with pytest.raises(ConversionError, match=r"/proc/nowhere cannot be written .* give another --out"):
        convert(student, "onnx", "fp32", Path("/proc/nowhere"))


def test_out_is_a_file(student: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(ConversionError, match="out cannot be written"):
        convert(student, "onnx", "fp32", tmp_path / "out")


def test_unknown_names_are_refused_before_anything_is_made(student: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"'vulkan' is unknown; allowed: coreml, executorch, onnx, tflite, all"):
        convert(student, "vulkan", "fp32", tmp_path / "out")
    with pytest.raises(OptionError, match="'w4' is not supported on target 'onnx'; allowed: fp32, fp16"):
        convert(student, "onnx", "w4", tmp_path / "out")
    with pytest.raises(CheckpointError, match="missing"):
        convert(tmp_path / "none.safetensors", "onnx", "fp32", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_options_of_quantized_schemes_are_looked_at_first(student: Path, tmp_path: Path) -> None:
    def options(**given) -> ConvertOptions:
        return ConvertOptions(tmp_path / "out", **given)

    with pytest.raises(OptionError, match=r"coverage is 1.2; it must be above 0 and at most 1"):
        options(coverage=1.2)
    with pytest.raises(OptionError, match=r"--keep-float fusion.nothing names no layer; .*layers of fusion: network."):
        convert_many(student, ("onnx",), ("w8",), options(keep_float=("fusion.nothing",)))
    with pytest.raises(OptionError, match=r"--keep-float mouth.head names no layer; .*graphs: audio, face, fusion"):
        convert_many(student, ("onnx",), ("w8",), options(keep_float=("mouth.head",)))
    with pytest.raises(OptionError, match=r"scheme 'int8' takes its ranges from real input: give calibration data"):
        convert_many(student, ("onnx",), ("int8",), options())
    data = DataOptions(("ravdess:nowhere",))
    with pytest.raises(OptionError, match=r"w8 would ignore calibration data; .* give it as --check-data"):
        convert_many(student, ("onnx",), ("w8",), options(data=data))
    with pytest.raises(OptionError, match=r"'w8' is not supported on target 'executorch'.*the nearest is 'dyn8'"):
        convert_many(student, ("executorch",), ("w8",), options())
    with pytest.raises(OptionError, match=r"'dyn8' is not supported on target 'coreml'.*the nearest is 'w8'"):
        convert_many(student, ("coreml",), ("dyn8",), options())
    assert not (tmp_path / "out").exists()


def test_missing_tool_names_the_pip_command(student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = planning.importlib.util.find_spec
    monkeypatch.setattr(
        planning.importlib.util, "find_spec", lambda name, *rest: None if name == "litert_torch" else find(name, *rest)
    )
    with pytest.raises(MissingExtra, match=r"target tflite needs litert-torch.*pip install 'mer-edge\[convert\]'"):
        convert(student, "tflite", "fp32", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_one_failing_target_does_not_stop_the_others(
    student: Path, recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outcome(job: Job) -> Outcome:
        if job.target == "tflite":
            return Outcome(error="tflite: no such operation")
        return Recorded.outcome(recorded, job)

    monkeypatch.setattr(recorded, "outcome", outcome)
    rows = convert_many(student, ("tflite", "onnx"), ("fp32", "fp16"), ConvertOptions(tmp_path))
    assert [(row.target, row.gate) for row in rows] == [("tflite", "error")] * 2 + [("onnx", "passed")] * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grjca-onnx-fp16.mer", "grjca-onnx-fp32.mer"]
    recorded.error = "onnx: crashed"
    with pytest.raises(ConversionError, match="onnx: crashed"):
        convert(student, "onnx", "fp32", tmp_path)


@pytest.mark.slow
def test_an_error_in_the_converter_process_is_one_of_its_target(student: Path, tmp_path: Path) -> None:
    """A real process: its golden cases are not an archive, which no one foresaw."""
    (tmp_path / "golden.npz").write_bytes(b"not an archive")
    job = Job(str(student), "onnx", ("fp32",), str(tmp_path / "onnx"), str(tmp_path / "golden.npz"))
    told: list[Step] = []
    outcome = run_jobs([job], 1, told.append)["onnx"]
    assert outcome.error is not None
    assert outcome.error.startswith("onnx: ")
    assert "golden.npz cannot be read" in outcome.error
    assert [told[0], told[-1]] == [Step("onnx", "starting its process", 0.0), Step("onnx", "failed", 1.0)]


def test_a_converter_process_that_is_killed_leaves_nothing(
    student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary, python = tmp_path / "temporary", tmp_path / "python"
    temporary.mkdir()
    python.write_text("#!/bin/sh\nmkdir $TMPDIR/tool.mlpackage\ntouch $TMPDIR/tool.mlpackage/weights\nkill -9 $$\n")
    python.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr("sys.executable", str(python))
    outcome = run_jobs([Job(str(student), "onnx", ("fp32",), "", "")], 1, lambda step: None)["onnx"]
    assert outcome.error is not None
    assert "onnx: the converter process ended with code -9" in outcome.error
    assert list(temporary.iterdir()) == []
