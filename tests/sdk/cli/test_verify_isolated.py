"""`mer verify --isolated`: what a graph does to its runtime stays in a child process, and is a sentence."""

import json
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from mer_command import mer

from mer_sdk.cli.verify import isolated
from mer_sdk.cli.verify.isolated import ProcessLimits, verify_isolated
from mer_sdk.contract.bundle import Bundle
from mer_sdk.errors import BundleError

# What takes the place of the child's work: no runtime crashes the same way in each of its versions.
CHILD = "from mer_sdk.cli.verify import isolated; {}; isolated.main()"


def stand_in(monkeypatch, code):
    """Let the child run `code` where it would verify."""
    work = f"import os, sys, time; isolated.verify_any = lambda *given: {code}"
    monkeypatch.setattr(isolated, "CODE", CHILD.format(work))


def test_a_good_bundle_passes_as_in_this_process(tiny_onnx, tiny_tflite, capsys):
    found = []
    for more in ((), ("--isolated",)):
        assert mer("verify", tiny_onnx, "--json", *more) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0] == found[1]
    assert mer("verify", tiny_onnx, tiny_tflite, "--isolated") == 0
    assert "2 bundles passed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("os.kill(os.getpid(), 11)", r"crashed \(SIGSEGV\) \(its limit is 4,096 MB\); the graph files are damaged"),
        ("os.abort()", r"crashed \(SIGABRT\)"),
        ("(print('unit 7 failed', file=sys.stderr, flush=True), os._exit(9))",
         "ended with exit code 9 .*, and said last: unit 7 failed"),
        ("os._exit(0)", "ended with exit code 0"),
        ("time.sleep(60)", "did not finish within 3 s"),
        ("bytearray(10**11)", "failed: it asked for more than 4,096 MB"),
        ("{}['shape']", "failed: KeyError: 'shape'"),
        ("print('mer-verify-isolated {') or os._exit(0)", "ended with exit code 0"),
        ("()", "gave no result that can be read"),
    ],
)  # fmt: skip
@pytest.mark.skipif(sys.platform == "win32", reason="needs signals and limits of POSIX")
def test_whatever_becomes_of_the_child_is_one_sentence(tiny_onnx, monkeypatch, code, said):
    stand_in(monkeypatch, code)
    limits = ProcessLimits(seconds=3) if "sleep" in code else ProcessLimits()
    with pytest.raises(BundleError, match=said) as caught:
        verify_isolated(Bundle.open(tiny_onnx), None, 1, limits)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_what_the_child_started_ends_with_it(tiny_onnx, monkeypatch, tmp_path):
    """A process of the child's own outlives no time limit."""
    told = tmp_path / "pid"
    stand_in(
        monkeypatch,
        "__import__('subprocess').run(['sh', '-c', 'echo $$ > \"$0\".part; mv \"$0\".part \"$0\"; exec sleep 600', "
        f"{str(told)!r}])",
    )
    with pytest.raises(BundleError, match="did not finish"):
        # Long enough for a child on a busy machine to begin and to write its number.
        verify_isolated(Bundle.open(tiny_onnx), None, 1, ProcessLimits(seconds=10))
    assert any(_gone(int(told.read_text())) or time.sleep(0.05) for _ in range(200))


def _gone(pid):
    """Whether a process has ended; one that nobody waited for yet is a zombie."""
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


def test_commands_exit_with_a_code_and_a_sentence(clone, monkeypatch, capsys):
    stand_in(monkeypatch, "os.abort()")
    assert mer("verify", clone / "grjca-onnx-fp32.mer", "--isolated") == 2
    said = capsys.readouterr().err
    assert f"crashed ({signal.SIGABRT.name})" in said
    assert mer("verify", *sorted(clone.glob("grjca*.mer")), "--isolated", "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert [one["passed"] for one in found] == [False, False]


def test_a_graph_that_is_none_is_told_as_without_isolation(tiny_onnx, tmp_path, capsys):
    from dataclasses import replace

    from mer_sdk.contract.bundle_files import hash_files
    from mer_sdk.contract.manifest_file import manifest_to_text

    bundle = shutil.copytree(tiny_onnx, tmp_path / "broken.mer")
    (bundle / "fusion.onnx").write_bytes(b"no graph")
    manifest = replace(Bundle.open(tiny_onnx).manifest, files=hash_files(bundle))
    (bundle / "manifest.json").write_text(manifest_to_text(manifest))
    sentences = []
    for more in ((), ("--isolated",)):
        assert mer("verify", bundle, *more) == 2
        sentences.append(capsys.readouterr().err)
    assert sentences[0] == sentences[1]
