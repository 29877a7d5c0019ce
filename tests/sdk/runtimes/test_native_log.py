"""Harmless lines of the runtimes are left out, and no other line is, whatever happens."""

import os
import subprocess
import sys

import pytest

from mer_sdk.runtimes.native_log import VARIABLE, without_harmless_lines

HARMLESS = "INFO: Created TensorFlow Lite XNNPACK delegate for CPU."


@pytest.fixture
def quiet(monkeypatch):
    monkeypatch.setenv(VARIABLE, "1")


def test_errors_are_shown_and_harmless_lines_are_not(quiet, capfd):
    with without_harmless_lines():
        os.write(2, f"{HARMLESS}\nERROR: the file is damaged\n".encode())
        os.write(2, b"[threadpool.cpp:66] Resetting threadpool to 1 threads.\n\n[cpuinfo_utils.cpp:71] Reading x\n")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err.split("\n") == ["ERROR: the file is damaged", "", "afterwards", ""]


def test_lines_are_shown_where_the_block_raises(quiet, capfd):
    def load():
        with without_harmless_lines():
            os.write(2, b"ERROR: what really happened\n")
            raise ValueError("no graph")

    with pytest.raises(ValueError, match="no graph"):
        load()
    assert capfd.readouterr().err == "ERROR: what really happened\n"


def test_a_line_that_only_holds_a_harmless_one_is_shown(quiet, capfd):
    with without_harmless_lines():
        os.write(2, f"ERROR: after {HARMLESS}\n".encode())
    assert capfd.readouterr().err.startswith("ERROR: after")


def test_apps_are_left_as_they_are(monkeypatch, capfd):
    monkeypatch.delenv(VARIABLE, raising=False)
    with without_harmless_lines():
        os.write(2, f"{HARMLESS}\n".encode())
    assert capfd.readouterr().err == f"{HARMLESS}\n"


def test_a_crash_is_told():
    code = "import os\nfrom mer_sdk.runtimes.native_log import without_harmless_lines\n"
    code += "with without_harmless_lines():\n    os.abort()\n"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, VARIABLE: "1"}
    )
    assert done.returncode != 0
    assert "Aborted" in done.stderr


def test_no_command_shows_the_runtimes_lines(tiny_tflite):
    command = [sys.executable, "-m", "mer_sdk.cli", "verify", str(tiny_tflite)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0
    assert "INFO" not in done.stderr
    assert "threadpool" not in done.stderr


def test_a_damaged_graph_still_says_what_is_wrong(tiny_tflite, tmp_path, quiet, capfd):
    from mer_sdk.contract.bundle import Bundle
    from mer_sdk.errors import BundleError
    from mer_sdk.runtimes import load_graph

    spec = Bundle.open(tiny_tflite).manifest.graphs["audio"]
    (tmp_path / "audio.tflite").write_bytes(b"no model" * 100)
    with pytest.raises(BundleError, match=r"audio\.tflite cannot be loaded by LiteRT"):
        load_graph("litert", tmp_path / "audio.tflite", spec)
