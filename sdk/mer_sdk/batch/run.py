"""Many files through one plan: what is not done yet, in any number of processes, into one journal, into the tables."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mer_sdk.batch.clips import ClipFile
from mer_sdk.batch.estimating import BatchPlan, ClipResult, ClipSummary, estimate_clip
from mer_sdk.batch.journal import Journal, journal_path
from mer_sdk.batch.tables import check_table, files_table, write_tables
from mer_sdk.contract.manifest import Manifest
from mer_sdk.errors import OptionError, WorkerEnded
from mer_sdk.jobs import Workers, completed
from mer_sdk.media.names import shown

# Called with what is done, how much of it, and how much there is.
Progress = Callable[[str, float, float], None]
NOTHING = b"x\x9c\x03\x00\x00\x00\x00\x01"  # zlib's empty text


@dataclass(frozen=True)
class BatchResult:
    """What a run over many files came to.

    Attributes:
        files: in the tables.
        before: of them, done before an interruption.
        failed: with an error.
        first_error: of the first of them, None where there is none.
        steps, seconds: sums over the files.
        emotions: emotion -> files in which it was said most.
        out, files_out: the tables.
    """

    files: int
    before: int
    failed: int
    first_error: str | None
    steps: int
    seconds: float
    emotions: dict[str, int]
    out: str
    files_out: str


def check_out(out: Path, overwrite: bool) -> None:
    """Refuse a table that is there already, unless it is gone on with, or shall be replaced.

    Raises:
        OptionError: it is there.
        MissingExtra: it is parquet, and pyarrow is not installed.
    """
    check_table(out)
    there = next((path for path in (out, files_table(out)) if path.exists()), None)
    if there is not None and not overwrite and not journal_path(out).exists():
        raise OptionError(f"{there} is there already; give another --out, or --overwrite to replace it")


def run_batch(
    plan: BatchPlan,
    manifest: Manifest,
    clips: tuple[ClipFile, ...],
    out: Path,
    workers: Workers,
    progress: Progress,
    overwrite: bool = False,
    retry: bool = False,
) -> BatchResult:
    """Run every file that is not done yet, and write the tables.

    Whatever ends it on the way, what is done stays in the journal, and the same call goes on from there.

    Args:
        manifest: of the plan's bundle.
        clips: see `find_clips`.
        out: the table of steps, see `mer_sdk.batch.tables`.
        progress: called as the work goes on.
        overwrite: begin anew where a journal is that of another plan.
        retry: run files again that had an error.

    Raises:
        OptionError: see `Journal`.
        MerError: what concerns every file, such as a runtime that is not installed where a worker is.
        OSError: the disk is full.
    """
    path = journal_path(out)
    with Journal(path, plan, anew=overwrite) as journal:
        done = journal.done(clips, failed_too=not retry)
        left = [clip for clip in clips if clip.path not in done]
        what = f"files ({len(done)} were done before)" if done else "files"
        progress(what, 0, len(left))
        for count, (clip, future) in enumerate(completed(workers, estimate_clip, left, plan), start=1):
            journal.add(clip, _result(clip, future))
            progress(what, count, len(left))
        summaries: list[ClipSummary] = []

        def told(summary: ClipSummary) -> None:
            summaries.append(summary)
            progress("writing the tables", min(len(summaries), len(clips)), len(clips))

        write_tables(out, manifest, plan, journal.results(clips), told)
    path.unlink()
    return _counted(summaries, len(done), out)


def _result(clip: ClipFile, future: Future[Any]) -> ClipResult:
    try:
        result: ClipResult = future.result()
    except WorkerEnded:
        error = (
            f"{shown(clip.name)} was tried several times, and each time the process ended: it crashed, was killed, or "
            "lacked memory; run the file alone"
        )
        return ClipResult(ClipSummary(error=error), NOTHING)
    return result


def _counted(summaries: list[ClipSummary], before: int, out: Path) -> BatchResult:
    emotions: dict[str, int] = {}
    for summary in summaries:
        if summary.emotion is not None:
            emotions[summary.emotion] = emotions.get(summary.emotion, 0) + 1
    errors = [summary.error for summary in summaries if summary.error is not None]
    return BatchResult(
        files=len(summaries),
        before=before,
        failed=len(errors),
        first_error=errors[0] if errors else None,
        steps=sum(summary.steps for summary in summaries),
        seconds=sum(summary.seconds for summary in summaries),
        emotions=dict(sorted(emotions.items(), key=lambda item: -item[1])),
        out=str(out),
        files_out=str(files_table(out)),
    )
