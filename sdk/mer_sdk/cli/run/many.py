"""`mer run` on many files: into tables, by several processes or a cluster."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from mer_sdk.batch.clips import find_clips, lists_of
from mer_sdk.batch.estimating import BatchPlan, content_sha256, fingerprint
from mer_sdk.batch.journal import journal_path
from mer_sdk.batch.run import BatchResult, check_out, run_batch
from mer_sdk.batch.tables import TABLE_SUFFIXES, files_table
from mer_sdk.cli.bundles import inputs_of, is_finder, open_bundle, without_runtime
from mer_sdk.cli.options import open_workers
from mer_sdk.cli.program import FAILED, INTERRUPTED
from mer_sdk.cli.progress import progress_bars
from mer_sdk.cli.run.inputs import ManyOptions
from mer_sdk.cli.run.sensors import may_hear
from mer_sdk.cli.run.timeline import RunOptions, tell_notes
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import to_json
from mer_sdk.contract.output_files import check_outputs
from mer_sdk.contract.signature import key_line, trusted_keys
from mer_sdk.errors import JobError, OptionError, counted, reason_of
from mer_sdk.frontends.face_detection import PACKAGED
from mer_sdk.frontends.face_tracks import FaceOptions
from mer_sdk.runtimes import runtime_note
from mer_sdk.window.smoothing import Smoothing


def run_many(given: str, inputs: Sequence[str], out: Path, options: RunOptions, many: ManyOptions) -> None:
    """Run the files, write the tables, say what they hold.

    Raises:
        OptionError: an option does not fit, or there is nothing to run.
        MerError: see `run_batch`.
    """
    journal = journal_path(out)
    check_outputs(
        {
            "--out": out,
            "--out, for files,": files_table(out),
            "--out, while it runs,": journal,
            # SQLite's own file beside it, which has the longest name.
            "--out, while it is saved,": journal.with_name(f"{journal.name}-journal"),
        },
        {**lists_of(inputs), **inputs_of([given]), "the profile of --baseline": options.baseline},
        {"--out": TABLE_SUFFIXES},
    )
    check_out(out, many.overwrite)
    bundle = open_bundle(given, options.trust)
    _check_bundle(bundle)
    clips, notes = find_clips(inputs)
    tell_notes(notes)
    plan = _plan(bundle, options, many)
    interrupted = False
    with progress_bars(quiet=options.json) as progress:
        try:
            with open_workers(many.jobs, many.cluster, options.threads) as workers:
                result = run_batch(plan, bundle.manifest, clips, out, workers, progress, many.overwrite, many.retry)
        except KeyboardInterrupt:
            interrupted = True
        except OSError as error:
            reason = reason_of(error)
            raise OptionError(f"--out {out} cannot be written ({reason}); {_kept(out)}") from error
        except JobError as error:
            raise JobError(f"{error}; {_kept(out)}") from error
    if interrupted:
        print(f"mer: interrupted; {_kept(out)}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED)
    _say(result, options.json)
    if result.failed == result.files:
        raise typer.Exit(FAILED)


def _kept(out: Path) -> str:
    return f"what is done is kept in {journal_path(out)}, and the same command goes on from there"


def _check_bundle(bundle: Bundle) -> None:
    if bundle.manifest.dialogue is not None:
        raise OptionError(
            f"{bundle.name} is a dialogue bundle, and --out is for sound and video files: give a window bundle, or run "
            "it on one csv file of dialogues, which holds as many as you like"
        )
    for reason in (is_finder(bundle), without_runtime(bundle)):
        if reason:
            raise OptionError(f"{bundle.name}: {reason}")
    note = runtime_note(bundle.runtime)
    if note:
        print(note, file=sys.stderr)


def _plan(bundle: Bundle, options: RunOptions, many: ManyOptions) -> BatchPlan:
    if bundle.path is None:
        raise OptionError(f"{bundle.name} has no path that other processes could open; give a bundle's folder")
    detector = options.detector
    file = None if detector in (None, PACKAGED, "haar") else str(Path(detector).absolute())
    baseline = None if options.baseline is None else str(options.baseline.absolute())
    return BatchPlan(
        bundle=str(bundle.path.absolute()),
        fingerprint=fingerprint(bundle),
        runtime=options.runtime,
        threads=options.threads,
        detector=file or detector,
        baseline=baseline,
        smoothing=options.smoothing or Smoothing(),
        faces=options.faces or FaceOptions(),
        voice=options.voice if options.voice is not None else may_hear(bundle),
        enrol=options.enrol,
        audio_track=many.audio_track,
        # As lines, for workers that have no such file.
        trust=tuple(map(key_line, trusted_keys(options.trust))) if options.trust else (),
        baseline_sha256=content_sha256(baseline),
        detector_sha256=content_sha256(file),
    )


def _say(result: BatchResult, as_json: bool) -> None:
    if as_json:
        print(json.dumps(to_json(result)))
        return
    before = f" ({result.before} of them before)" if result.before else ""
    said = ", ".join(f"{emotion} {count}" for emotion, count in result.emotions.items())
    done = f"{counted(result.files, 'file')}{before}, {counted(result.steps, 'step')}"
    print(f"{done}, {result.seconds / 60:.1f} min: {said or 'no estimate'}")
    if result.failed:
        print(f"{result.failed} with an error, such as: {result.first_error}")
    print(f"{result.out}: a row for every step\n{result.files_out}: a row for every file")
