"""Damaged media files through `mer run --json`: does each end well, in time, in little memory, and with a sentence?

    python -m benchmarks.robustness.fuzz.media BUNDLE [--cases 2000] [--first 0] [--keep FOLDER]

Makes twelve small files of the usual kinds and damages them, each case by its own seed: cut, bits flipped, packets
dropped and swapped, stamps moved, headers patched. The command runs within a worker process that is killed after 30 s,
and every fortieth case is a process of its own. What fails is kept in FOLDER. Writes docs/results/media_fuzz.json and
its table in docs/app/media.md.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.results.result_tables import table, write_result
from benchmarks.robustness.fuzz.damaged_files import KINDS, damage, make

ROOT = Path(__file__).resolve().parents[3]
BEGIN, END = "<!-- fuzz: written by benchmarks/robustness/fuzz/media.py -->", "<!-- end of fuzz -->"
LIMIT_SECONDS, LIMIT_MB, REAL_EVERY = 30.0, 400, 40


@dataclass(frozen=True)
class Outcome:
    """How one case ended.

    Attributes:
        case, file, damage: which it is.
        code: exit code; -1 where it was killed after the limit.
        lines: estimates printed.
        seconds, mb: time, and most memory of the process; the memory of a worker is what it held at most in this case.
        error: the last line of stderr.
        fault: what is wrong with how it ended; "" where nothing is.
    """

    case: int
    file: str
    damage: str
    code: int
    lines: int
    seconds: float
    mb: float
    error: str
    fault: str


def run_here(bundle: str, path: str) -> tuple[int, int, float, str, bool]:
    """The command in this process: (exit code, lines, most MB, last line of stderr, whether there was a traceback)."""
    import traceback

    from mer_sdk.cli import main

    _forget_peak()
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(["run", bundle, path, "--json"])
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
        except BaseException:
            traceback.print_exc()
            code = 1
    said = err.getvalue()
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "")
    return code, out.getvalue().count("\n"), _peak_mb(), last, "Traceback" in said


def work(pipe: Connection, bundle: str) -> None:
    """A worker: paths in, outcomes out."""
    # What FFmpeg and the runtime write to stderr by themselves is not ours.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    while (path := pipe.recv()) is not None:
        pipe.send(run_here(bundle, path))


class Worker:
    """A process that runs cases, and is replaced where it hangs or dies."""

    def __init__(self, bundle: str) -> None:
        self._bundle = bundle
        self._start()

    def run(self, path: str) -> tuple[int, int, float, str, bool] | None:
        """See `run_here`; None where it was killed after the limit, or died."""
        self._pipe.send(path)
        try:
            if self._pipe.poll(LIMIT_SECONDS):
                return tuple(self._pipe.recv())  # type: ignore[return-value]
        except EOFError:
            pass
        self.close()
        self._start()
        return None

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=work, args=(other, self._bundle), daemon=True)
        self._process.start()
        other.close()


def run_real(bundle: str, path: str) -> tuple[int, int, float, str, bool] | None:
    """As `run_here`, in a process of its own."""
    command = [sys.executable, "-m", "mer_sdk.cli", "run", bundle, path, "--json"]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(command, stdout=out, stderr=err)
        end = time.monotonic() + LIMIT_SECONDS
        while True:
            found, status, usage = os.wait4(child.pid, os.WNOHANG)
            if found:
                break
            if time.monotonic() > end:
                child.kill()
                os.wait4(child.pid, 0)
                return None
            time.sleep(0.02)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        lines, said = out.read().count(b"\n"), err.read().decode("utf-8", "replace")
    last = next((line for line in reversed(said.splitlines()) if line.startswith("mer: ")), "")
    return child.returncode, lines, usage.ru_maxrss / 1024, last, "Traceback" in said


def fault_of(found: tuple[int, int, float, str, bool] | None) -> str:
    """What is wrong with how a case ended."""
    if found is None:
        return f"no end within {LIMIT_SECONDS:g} s, or the process died"
    code, _, mb, last, trace = found
    if trace:
        return "traceback"
    if code not in (0, 2):
        return f"exit code {code}"
    if code and not last.startswith("mer: "):
        return "no sentence"
    return f"{mb:.0f} MB" if mb > LIMIT_MB else ""


def main() -> None:
    """Run the cases, print the failures, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle")
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="Begin with this case.")
    parser.add_argument("--keep", type=Path, help="Folder for the files that fail.")
    options = parser.parse_args()
    outcomes: list[Outcome] = []
    said = time.monotonic()
    worker = Worker(options.bundle)
    try:
        with tempfile.TemporaryDirectory() as folder:
            sources = [make(kind, Path(folder)) for kind in KINDS]
            for case in range(options.first, options.first + options.cases):
                source = sources[case % len(sources)]
                path = Path(folder, f"case-{case}{source.suffix}")
                what = damage(source, path, case)
                real = case % REAL_EVERY == 0
                begin = time.monotonic()
                found = run_real(options.bundle, str(path)) if real else worker.run(str(path))
                seconds, fault = time.monotonic() - begin, fault_of(found)
                code, lines, mb, last, _ = found or (-1, 0, 0.0, "", False)
                last = last.replace(folder, "")
                outcomes.append(Outcome(case, source.name, what, code, lines, seconds, mb, last, fault))
                if fault:
                    print(f"case {case} ({source.name}, {what}): {fault}: {last}", flush=True)
                    if options.keep is not None:
                        options.keep.mkdir(parents=True, exist_ok=True)
                        shutil.copy(path, options.keep)
                path.unlink()
                if time.monotonic() - said > 10:
                    said = time.monotonic()
                    print(f"{len(outcomes)} of {options.cases}", file=sys.stderr, flush=True)
    finally:
        worker.close()
    result = summary(outcomes)
    if options.first == 0:
        out = ROOT / "docs" / "results" / "media_fuzz.json"
        print(write_result(result, out, ROOT / "docs" / "app" / "media.md", (BEGIN, END), lines_of(result)))
    if any(outcome.fault for outcome in outcomes):
        raise SystemExit(1)


def summary(outcomes: list[Outcome]) -> dict[str, Any]:
    """The figures of a run; paths and times of single cases are left out, but for those that failed."""

    def figures(chosen: list[Outcome]) -> dict[str, Any]:
        return {
            "cases": len(chosen),
            "read": sum(one.code == 0 for one in chosen),
            "sentence": sum(one.code == 2 and not one.fault for one in chosen),
            "estimates_before_sentence": sum(one.code == 2 and one.lines > 0 for one in chosen),
            "faults": sum(bool(one.fault) for one in chosen),
        }

    files, damages = (list(dict.fromkeys(getattr(one, key) for one in outcomes)) for key in ("file", "damage"))
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}",
        **figures(outcomes),
        "own_process": sum(one.case % REAL_EVERY == 0 for one in outcomes),
        "longest_seconds": round(max(one.seconds for one in outcomes), 2),
        "most_mb": round(max(one.mb for one in outcomes), 1),
        "most_mb_own_process": round(max((one.mb for one in outcomes if one.case % REAL_EVERY == 0), default=0.0), 1),
        "by_file": {name: figures([one for one in outcomes if one.file == name]) for name in files},
        "by_damage": {name: figures([one for one in outcomes if one.damage == name]) for name in sorted(damages)},
        "sentences": dict(Counter(_kind_of(one.error) for one in outcomes if one.code == 2).most_common(12)),
        "failed": [asdict(one) for one in outcomes if one.fault],
    }


def lines_of(result: dict[str, Any]) -> list[str]:
    """The table of the page."""
    rows = [
        (
            name,
            str(part["cases"]),
            str(part["read"]),
            str(part["sentence"]),
            str(part["estimates_before_sentence"]),
            str(part["faults"]),
        )
        for group in ("by_file", "by_damage")
        for name, part in result[group].items()
    ]
    total = ("all", *(str(result[key]) for key in ("cases", "read", "sentence", "estimates_before_sentence", "faults")))
    header = (
        "file, or damage",
        "cases",
        "read to the end",
        "ended with a sentence",
        "of these after estimates",
        "faults",
    )
    return [
        f"{result['cases']} cases, {result['own_process']} of them as processes of their own; the longest took "
        f"{result['longest_seconds']} s, the most memory was {result['most_mb']:.0f} MB "
        f"(own processes: {result['most_mb_own_process']:.0f} MB).",
        "",
        *table(header, [*rows, total]),
    ]


def _kind_of(error: str) -> str:
    """A sentence without its file and its numbers."""
    words = error.removeprefix("mer: ").split(" ", 1)[-1]
    return "".join(letter for letter in words.split(";")[0].split("(")[0] if not letter.isdigit()).strip()


def _forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    main()
