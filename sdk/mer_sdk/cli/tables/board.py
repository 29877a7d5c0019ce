"""What `mer doctor` says of the board, its sensors, and ONNX Runtime's execution providers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from mer_sdk.bench.board import board_facts
from mer_sdk.bench.sensors import ROOT, Sensors

# kind, name, usable, detail, what to do: the fields of `mer_sdk.cli.doctor.Item`, in their order.
Row = tuple[str, str, bool, str, str]
# The provider that `mer_sdk.runtimes.onnx` asks for.
USED_PROVIDER = "CPUExecutionProvider"
_ASK = "import json, onnxruntime; print(json.dumps(onnxruntime.get_available_providers()))"
_ASK_SECONDS = 60


def board_rows(root: Path = ROOT) -> tuple[Row, ...]:
    """The board and its sensors; () on a machine without a device tree, which is no board.

    Args:
        root: "/" but for recorded trees.
    """
    facts = board_facts(root)
    if not facts.name:
        return ()
    rows: list[Row] = [("board", facts.name, True, facts.summary, "")]
    sensors = Sensors(root)
    readings = sensors.sample()
    for kind in ("temperature", "power"):
        names = [reading.name for reading in readings if reading.kind == kind]
        # `missing` begins a sentence with the kind that it is about.
        why = next((line.partition(": ")[2] or line for line in sensors.missing() if line.startswith(kind)), "")
        rows.append(("board", f"{kind} sensors", bool(names), ", ".join(names) or why, ""))
    if facts.under_voltage is not None:
        said = "under-voltage was seen: the clock is lowered" if facts.under_voltage else "no under-voltage was seen"
        todo = "a stronger supply, a shorter cable" if facts.under_voltage else ""
        rows.append(("board", "power supply", not facts.under_voltage, said, todo))
    return tuple(rows)


def provider_rows() -> tuple[Row, ...]:
    """The execution providers that the installed ONNX Runtime was built with; () where there is none.

    They are asked of a fresh process: a build for another CUDA may take its process down. That one was built in does
    not say that its libraries are here.
    """
    if find_spec("onnxruntime") is None:
        return ()
    # Nothing goes to a network, see mer_sdk.runtimes.onnx.
    environment = os.environ | {"ORT_DISABLE_TELEMETRY": "1"}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _ASK], capture_output=True, text=True, timeout=_ASK_SECONDS, env=environment
        )
        # Warnings of the runtime may come before the answer.
        names = [str(name) for name in json.loads(done.stdout.strip().splitlines()[-1])]
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError):
        return (("provider", "ONNX Runtime", False, "onnxruntime cannot be imported", "pip install 'mer-edge[onnx]'"),)
    return tuple(
        (
            "provider",
            name,
            True,
            "used by mer-edge" if name == USED_PROVIDER else "built in; mer-edge runs on the CPU",
            "",
        )
        for name in names
    )
