"""Several processes under torchrun give one model, without a change to the code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch


@pytest.mark.slow
def test_two_processes_train_one_model(tmp_path: Path) -> None:
    script = Path(__file__).parent / "several_processes.py"
    # --standalone takes a port that is free.
    launch = [
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node",
        "2",
        "--log-dir",
        str(tmp_path / "log"),
    ]
    done = subprocess.run(
        [sys.executable, *launch, str(script), str(tmp_path)],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    for one, other in zip(first["weights"], second["weights"], strict=True):
        assert torch.equal(one, other)
    assert first["loss"][-1]["loss"] < first["loss"][0]["loss"]
    assert (tmp_path / "run" / "face.pt").exists()
