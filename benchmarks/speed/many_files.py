"""Many files through `mer run --out`: one process, two, and a Dask cluster; and what killing them changes.

    python -m benchmarks.speed.many_files BUNDLE FOLDER... [--files 1000] [--blocks 10]

Draws files from the folders (seeded). Block by block, in an order of its own each time, they are run by one process, by
two, and by a cluster of two worker processes, all of which stay loaded; times are compared within blocks, as the
machine's speed drifts and others may use it, too. Then the command itself runs all files while its processes, the
workers of the cluster and the command are killed and the command is given again. All tables must be the same bytes.
Writes docs/results/many_files.json and its table in docs/app/many-files.md.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.results.result_tables import prose, table, write_result
from mer_sdk.batch.clips import ClipFile, find_clips
from mer_sdk.batch.estimating import BatchPlan, fingerprint
from mer_sdk.batch.run import BatchResult, run_batch
from mer_sdk.batch.tables import files_table
from mer_sdk.bench.fresh import peak_mb
from mer_sdk.cli.options import open_workers
from mer_sdk.contract.bundle import Bundle
from mer_sdk.jobs import LocalWorkers, Workers, processors

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- many files: written by benchmarks/speed/many_files.py -->", "<!-- end of many files -->"
MER = "import sys; from mer_sdk.cli import main; main(sys.argv[1:])"
# What is killed when the command has come so far, percent: a list for each time that the command is given.
KILLS = ((("worker", 10), ("worker", 20), ("command", 30)), (("worker", 15), ("command", 40)), (("worker", 30),))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--blocks", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "many_files.json")
    options = parser.parse_args()
    bundle = Bundle.open(options.bundle.absolute())
    plan = BatchPlan(str(bundle.path), fingerprint(bundle), voice=True)
    clips, _ = find_clips([os.path.abspath(folder) for folder in options.folders])
    clips = tuple(random.Random(options.seed).sample(clips, min(options.files, len(clips))))
    with tempfile.TemporaryDirectory(prefix="mer-many-") as folder, local_cluster(Path(folder)) as (address, nanny):
        work = Path(folder)
        measured, whole = timed(plan, bundle, clips, options.blocks, address, nanny, work, options.seed)
        result: dict[str, Any] = {
            "bundle": bundle.name,
            "files": len(clips),
            "blocks": options.blocks,
            "processors": processors(),
            **measured,
        }
        (work / "list.txt").write_text("".join(f"{clip.path}\n" for clip in clips))
        options.out.write_text(json.dumps(result, indent=1) + "\n")
        for name, given in (("processes", ["--jobs", "2"]), ("cluster", ["--cluster", address])):
            result[f"killed_{name}"] = killed(options.bundle, given, nanny if name == "cluster" else None, work, whole)
    print(write_result(result, options.out, ROOT / "docs" / "app" / "many-files.md", (BEGIN, END), lines_of(result)))


@contextmanager
def local_cluster(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """(scheduler file, process whose children are the two workers) of a cluster of this machine."""
    file = folder / "scheduler.json"
    common = ["--scheduler-file", str(file), "--host", "127.0.0.1", "--no-dashboard"]
    worker = ["--nworkers", "2", "--nthreads", "1", "--local-directory", str(folder), "--death-timeout", "600"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TMPDIR": str(folder)}
    running = []
    try:
        for command in (["scheduler", "--port", "0", *common], ["worker", *common, *worker]):
            running.append(
                subprocess.Popen([sys.executable, "-m", "dask", *command], stderr=subprocess.DEVNULL, env=environment)
            )
            while not file.exists():
                time.sleep(0.1)
        yield str(file), psutil.Process(running[1].pid)
    finally:
        for process in reversed(running):
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()
            process.wait()


def timed(
    plan: BatchPlan,
    bundle: Bundle,
    clips: Sequence[ClipFile],
    blocks: int,
    address: str,
    nanny: psutil.Process,
    work: Path,
    seed: int,
) -> tuple[dict[str, Any], tuple[bytes, bytes]]:
    """Wall and processor seconds of every block, by who did it; memory; whether the tables were the same; the tables
    of all blocks."""
    rng, parts = random.Random(seed), [tuple(part) for part in np.array_split(np.array(clips, object), blocks)]
    with open_workers(1, None) as one, open_workers(2, None) as two, open_workers(None, address) as cluster:
        everyone: dict[str, Workers] = {"1 process": one, "2 processes": two, "cluster of 2": cluster}
        rows: dict[str, list[dict[str, float]]] = {name: [] for name in everyone}
        same, whole = True, list[tuple[bytes, bytes]]()
        for turn, part in enumerate([parts[0][:8], *parts]):
            tables = []
            for name in rng.sample(list(everyone), len(everyone)):
                out = work / f"{name.replace(' ', '-')}-{turn}.csv"
                before, own, begun = used(everyone[name], nanny), time.process_time(), time.perf_counter()
                result = run_batch(plan, bundle.manifest, part, out, everyone[name], lambda *_: None)
                wall = time.perf_counter() - begun
                cpu = used(everyone[name], nanny) - before
                tables.append(contents(result))
                if turn:  # the first one loads the bundle
                    own_cpu = time.process_time() - own
                    rows[name].append({"wall": wall, "cpu": cpu, "own": own_cpu, "seconds": result.seconds})
            same = same and len(set(tables)) == 1
            if turn:
                whole.append(tables[0])
            print(f"block {turn} of {blocks}: the same rows: {same}", flush=True)
        memory = {
            name: max(peak(process) for process in those_of(workers, nanny)) for name, workers in everyone.items()
        }
    measured = {"same_rows": same, "rows": rows, "worker_mb": memory, "command_mb": peak_mb()}
    steps, files = zip(*whole, strict=True)
    return measured, (joined(steps), joined(files))


def those_of(workers: Workers, nanny: psutil.Process) -> list[psutil.Process]:
    """The processes that do the work."""
    if isinstance(workers, LocalWorkers):
        return [psutil.Process(number) for number in workers.processes]
    return [child for child in nanny.children(recursive=True) if "spawn_main" in " ".join(child.cmdline())]


def used(workers: Workers, nanny: psutil.Process) -> float:
    """Processor seconds that they have used."""
    return sum(sum(process.cpu_times()[:2]) for process in those_of(workers, nanny))


def peak(process: psutil.Process) -> float:
    """Most memory of a process, MB (10^6 bytes)."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM"))


def contents(result: BatchResult) -> tuple[bytes, bytes]:
    """Both tables, byte for byte."""
    return Path(result.out).read_bytes(), Path(result.files_out).read_bytes()


def joined(tables: Sequence[bytes]) -> bytes:
    """The tables of several blocks as one: the first one's header, and the rows of all."""
    headers, rows = zip(*(content.split(b"\n", 1) for content in tables), strict=True)
    return b"\n".join((headers[0], b"".join(rows)))


def killed(
    bundle: Path, given: list[str], nanny: psutil.Process | None, work: Path, whole: tuple[bytes, bytes]
) -> dict[str, Any]:
    """Run the command, kill what `KILLS` says, give it again: what was killed, and whether the tables are whole."""
    out = work / f"killed{given[0]}.csv"
    command = [sys.executable, "-c", MER, "run", str(bundle), str(work / "list.txt"), "--out", str(out), "--voice"]
    counts, begun = {"worker": 0, "command": 0}, time.perf_counter()
    for plan in KILLS:
        waiting = list(plan)
        with subprocess.Popen([*command, *given], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as run:
            assert run.stderr is not None
            for line in run.stderr:
                # "files: 16 %, 31 s left"
                share = line.partition(" %")[0].rpartition(" ")[2]
                if not waiting or not line.startswith("files") or not share.isdigit() or int(share) < waiting[0][1]:
                    continue
                what, _ = waiting.pop(0)
                parent = psutil.Process(run.pid) if nanny is None else nanny
                those = [run.pid] if what == "command" else [child.pid for child in workers_below(parent)][:1]
                for number in those:
                    os.kill(number, signal.SIGKILL)
                    counts[what] += 1
        print(f"{given[0]}: ended with {run.returncode}; killed so far: {counts}", flush=True)
    same = (out.read_bytes(), files_table(out).read_bytes()) == whole
    return {"same_rows": same, "killed": counts, "seconds": time.perf_counter() - begun}


def workers_below(parent: psutil.Process) -> list[psutil.Process]:
    """The worker processes among the descendants of a command or a nanny."""
    words = ("mer_sdk.jobs.worker", "spawn_main")
    return [
        child for child in parent.children(recursive=True) if any(word in " ".join(child.cmdline()) for word in words)
    ]


def lines_of(result: dict[str, Any]) -> list[str]:
    """The table of the page."""
    rows, alone = [], result["rows"]["1 process"]
    for name, blocks in result["rows"].items():
        wall, cpu = (np.array([block[key] for block in blocks]) for key in ("wall", "cpu"))
        gain = np.array([block["wall"] for block in alone]) / wall
        files, seconds = result["files"], sum(block["seconds"] for block in blocks)
        rows.append(
            (
                name,
                f"{files / wall.sum():.1f}",
                f"{seconds / wall.sum():.0f}",
                f"{np.median(gain):.2f} [{np.percentile(gain, 10):.2f}, {np.percentile(gain, 90):.2f}]",
                f"{1000 * cpu.sum() / files:.0f} ms",
                f"{1000 * sum(block['own'] for block in blocks) / files:.1f} ms",
                f"{result['worker_mb'][name]:.0f} MB",
            )
        )
    gain = np.median([a["wall"] / (2 * b["wall"]) for a, b in zip(alone, result["rows"]["2 processes"], strict=True)])
    minutes = sum(block["seconds"] for block in alone) / 60
    kills = [result[f"killed_{name}"] for name in ("processes", "cluster")]
    told = [
        f"{kill['killed']['worker']} {name} and {kill['killed']['command']} times the command itself killed: "
        f"{'the same bytes' if kill['same_rows'] else 'OTHER ROWS'}"
        for kill, name in zip(kills, ("processes", "workers of the cluster"), strict=True)
    ]
    return [
        *prose(
            f"{result['files']} speech files, {minutes:.0f} minutes, by {result['bundle']} with voice activity, on "
            f"{result['processors']} processors of an x86-64 machine that other work used at the same time: read the "
            f"ratios, which are of {result['blocks']} blocks in turn (median, [10 %, 90 %] of the blocks), not the "
            f"speeds. The tables of all three were {'the same bytes' if result['same_rows'] else 'NOT THE SAME'}. "
            f"Efficiency of the second processor: {100 * gain:.0f} %. The command that gives the work and writes the "
            f"tables took {result['command_mb']:.0f} MB."
        ),
        *table(
            (
                "",
                "files/s",
                "times real time",
                "times one process",
                "processor time a file",
                "of the command",
                "memory of a process",
            ),
            rows,
        ),
        *prose(f"With {told[0]}. With {told[1]}."),
    ]


if __name__ == "__main__":
    main()
