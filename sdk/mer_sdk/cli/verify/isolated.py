"""A bundle verified in a child process, so that what its graphs do to a runtime stays there.

A graph file is read by native code. One that was damaged, or made to do harm, may crash it, hang it or have it ask for
all memory; in a process of its own that is an exit status, and a sentence. It is no sandbox: the child has the rights
of whoever started it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

from mer_sdk import errors
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import from_json, to_json
from mer_sdk.errors import BundleError, MerError
from mer_sdk.parity.face_finder_golden import FinderVerification
from mer_sdk.parity.verification import Verification, verify_any

CODE = "from mer_sdk.cli.verify.isolated import main; main()"
# Runtimes print lines of their own, and the answer is the one that begins so.
ANSWER = "mer-verify-isolated "
MOST_WORDS = 300


@dataclass(frozen=True)
class ProcessLimits:
    """What the child may use: wall-clock seconds, and MB (10^6 bytes) of memory, which Linux alone enforces."""

    seconds: int = 300
    megabytes: int = 4096


@dataclass(frozen=True)
class Task:
    """What the child does."""

    bundle: str
    runtime: str | None
    threads: int
    megabytes: int


def verify_isolated(
    bundle: Bundle, runtime: str | None, threads: int, limits: ProcessLimits
) -> Verification | FinderVerification:
    """Verify an open bundle in a child process; see `verify_bundle`.

    Raises:
        BundleError: the runtime crashed, took too long, asked for too much memory or failed in a way of its own.
        MerError: the error of its kind that the child met.
    """
    task = Task(str(bundle.path), runtime, threads, limits.megabytes)
    command = [sys.executable, "-c", CODE, json.dumps(asdict(task))]
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as out:
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=said, start_new_session=True
        ) as process:
            try:
                code: int | None = process.wait(limits.seconds)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                _end(process)
        answer, words = _last_answer(out), _last_words(said)
    name = bundle.chosen_runtime(runtime)
    what = f"{bundle.name} is not safe to open here: {name}, in a child process,"
    if code is None:
        raise BundleError(f"{what} did not finish within {limits.seconds} s; take the bundle from its maker again")
    if answer is None:
        raise BundleError(
            f"{what} {_ending(code)} (its limit is {limits.megabytes:,} MB){words}; the graph files are damaged or "
            "hostile: take the bundle from its maker again"
        )
    if "kind" in answer:
        raise _error(answer, what)
    try:
        if bundle.manifest.finder is not None:
            return from_json(FinderVerification, answer["result"])
        return from_json(Verification, answer["result"])
    except (ValueError, KeyError) as error:
        raise BundleError(f"{what} gave no result that can be read: {error}") from error


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the child and what it started, whatever became of it."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"crashed ({signal.Signals(-code).name})"
    except ValueError:
        return f"crashed (signal {-code})"


def _last_answer(out: Any) -> dict[str, Any] | None:
    out.seek(0)
    lines = [line for line in out.read().decode("utf-8", "replace").splitlines() if line.startswith(ANSWER)]
    try:
        answer = json.loads(lines[-1].removeprefix(ANSWER)) if lines else None
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _last_words(said: Any) -> str:
    """The last line that the child wrote on stderr, which often says why."""
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - 8192))
    lines = said.read().decode("utf-8", "replace").split("\n")
    # Python's own account of a crash begins there.
    first = next((i for i, line in enumerate(lines) if line.startswith("Fatal Python error")), len(lines))
    words = [" ".join(line.split()) for line in lines[:first] if line.strip()]
    return f", and said last: {words[-1][:MOST_WORDS]}" if words else ""


def _error(answer: dict[str, Any], what: str) -> MerError:
    sentence, kind = str(answer.get("sentence")), getattr(errors, str(answer["kind"]), None)
    if isinstance(kind, type) and issubclass(kind, MerError) and kind is not errors.MissingExtra:
        return kind(sentence)
    return BundleError(f"{what} failed: {sentence[:MOST_WORDS]}; take the bundle from its maker again")


def main() -> None:
    """The child: do the task of the first argument, print the answer, and end without the runtimes' own clean-up."""
    task = from_json(Task, json.loads(sys.argv[1]))
    _limit(task.megabytes)
    answer: dict[str, Any]
    try:
        answer = {"result": to_json(verify_any(Bundle.open(task.bundle), task.runtime, task.threads))}
    except MerError as error:
        answer = {"kind": type(error).__name__, "sentence": str(error)}
    except MemoryError:
        answer = {"kind": "MemoryError", "sentence": f"it asked for more than {task.megabytes:,} MB"}
    except Exception as error:  # whatever a binding raises on a file that nobody foresaw
        answer = {"kind": type(error).__name__, "sentence": f"{type(error).__name__}: {error}"}
    _tell(answer)


def _tell(answer: dict[str, Any]) -> NoReturn:
    print(f"\n{ANSWER}{json.dumps(answer)}", flush=True)
    os._exit(0)


def _limit(megabytes: int) -> None:
    """Bound memory and write no core file, where the system has such limits."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Not the address space: runtimes reserve gigabytes of it that they never use.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (megabytes * 10**6, megabytes * 10**6))
