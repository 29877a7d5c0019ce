"""Every command takes a folder of bundles of all kinds, and leaves out with a note what it cannot use."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from mer_command import mer

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(clone, face_finder, renamed, tiny_onnx):
    """All bundles of the clone with one that opens as a face finder's, in the order of a shell's glob."""
    face_finder(renamed(tiny_onnx, clone, "face_finder-onnx-fp32"))
    return sorted(clone.glob("*.mer"))


def test_inspect_shows_a_line_a_bundle(folder, capsys):
    assert mer("inspect", *folder) == 0
    out = capsys.readouterr().out
    assert all(path.stem in out for path in folder)
    assert mer("inspect", *folder, "--json") == 0
    assert [item["name"] for item in json.loads(capsys.readouterr().out)] == [path.stem for path in folder]


def test_verify_shows_a_line_a_bundle_and_fails_with_one_that_is_damaged(clone, capsys):
    paths = sorted(clone.glob("*.mer"))
    assert mer("verify", *paths) == 0
    assert "3 bundles passed" in capsys.readouterr().out
    with (clone / "grjca-onnx-fp32.mer" / "audio.onnx").open("ab") as file:
        file.write(b"x")
    assert mer("verify", *paths, "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert [item["passed"] for item in found] == [True, False, True]
    assert "audio.onnx differs from the manifest" in found[1]["reason"]
    assert mer("verify", *paths) == 1
    assert "1 of 3 FAILED" in capsys.readouterr().out


def test_verify_leaves_out_what_another_runtime_runs(clone, capsys):
    assert mer("verify", *sorted(clone.glob("*.mer")), "--runtime", "litert") == 0
    said = capsys.readouterr()
    assert "mer: left out: amb_dsgdn-onnx-fp32, grjca-onnx-fp32: litert runs bundles of tflite" in said.err
    assert "1 bundles passed" in said.out


def test_compare_holds_each_model_to_itself(folder, capsys):
    assert mer("compare", *folder) == 0
    said = capsys.readouterr()
    assert "left out: face_finder-onnx-fp32" in said.err
    assert "reference: grjca-onnx-fp32" in said.out or "reference: tiny" in said.out
    assert "Agreement(" not in said.out
    assert max(map(len, said.out.splitlines())) <= 100


def test_compare_takes_full_precision_for_its_reference(clone, tiny_onnx, renamed, capsys):
    half = renamed(tiny_onnx, clone, "grjca-onnx-fp16", scheme="fp16")
    assert mer("compare", half, clone / "grjca-tflite-fp32.mer", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["reference"] == "grjca-tflite-fp32"
    assert mer("compare", clone / "grjca-tflite-fp32.mer", "--reference", half, "--json") == 0
    assert json.loads(capsys.readouterr().out)["reference"] == "grjca-onnx-fp16"


def test_compare_says_in_words_what_cannot_be_compared(clone, capsys):
    assert mer("compare", clone / "grjca-onnx-fp32.mer", "--reference", clone / "amb_dsgdn-onnx-fp32.mer") == 2
    error = capsys.readouterr().err
    assert "utterances" in error
    assert "steps of 250 ms" in error
    assert "Clock(" not in error


def test_report_writes_a_page_over_all(folder, tmp_path, capsys):
    assert mer("report", *folder, "--out", tmp_path / "page.html") == 0
    assert "left out: face_finder-onnx-fp32" in capsys.readouterr().err
    page = (tmp_path / "page.html").read_text()
    assert "grjca-tflite-fp32" in page
    assert "face_finder" not in page


def test_bench_measures_what_runs(folder, capsys):
    assert mer("bench", *folder, "--rounds", 10, "--warm-up", 0, "--starts", 0, "--json") == 0
    said = capsys.readouterr()
    assert "left out: face_finder-onnx-fp32" in said.err
    names = [item["name"] for item in json.loads(said.out)["bundles"]]
    assert names == ["amb_dsgdn-onnx-fp32", "grjca-onnx-fp32", "grjca-tflite-fp32"]


def test_a_phone_checks_one_of_them(folder, capsys):
    mer("phone-check", *folder, "--host", "127.0.0.1", "--wait", 0.01)
    assert "a phone checks one bundle a run, now grjca-tflite-fp32" in capsys.readouterr().err


def test_evaluate_leaves_out_what_does_not_read_the_data(folder, tmp_path, capsys):
    lines = ["Sr No.,Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID"]
    lines += [f"{n},Words {n},Ann,{emotion},{n // 2},{n % 2}" for n, emotion in enumerate(("joy", "anger") * 3)]
    (tmp_path / "meld").mkdir()
    (tmp_path / "meld" / "dev_sent_emo.csv").write_text("\n".join(lines) + "\n")
    assert mer("evaluate", *folder, "--data", f"meld:{tmp_path / 'meld'}", "--json") == 0
    said = capsys.readouterr()
    assert [item["bundle"] for item in json.loads(said.out)] == ["amb_dsgdn-onnx-fp32"]
    assert "left out: grjca-onnx-fp32, grjca-tflite-fp32: reads clips with sound and faces" in said.err
    assert mer("evaluate", "grjca", "--data", f"meld:{tmp_path / 'meld'}") == 2
    assert "give ravdess_pairs:PATH" in capsys.readouterr().err


def test_a_list_of_evaluations_is_read_again(folder, tmp_path, capsys):
    from mer_sdk.report.results import read_measurements

    lines = ["Sr No.,Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID", "1,Words,Ann,joy,0,0", "2,No,Ann,anger,0,1"]
    (tmp_path / "dev_sent_emo.csv").write_text("\n".join(lines) + "\n")
    talks = [path for path in folder if "amb" in path.name]
    assert mer("evaluate", *talks, *talks, "--data", f"meld:{tmp_path}", "--out", tmp_path / "all.json") == 0
    assert [item.report.bundle for item in read_measurements(tmp_path / "all.json")] == ["amb_dsgdn-onnx-fp32"] * 2
    capsys.readouterr()


def test_the_speed_suite_takes_a_folder_and_keeps_its_history(clone, tmp_path):
    paths = [str(path) for path in sorted(clone.glob("*.mer"))]
    command = [sys.executable, "-m", "benchmarks.speed.suite", *paths, "--small", "--out", str(tmp_path / "speed")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert "grjca-tflite-fp32            step" in done.stdout
    (entry,) = json.loads((tmp_path / "speed" / "speed.json").read_text())
    rows = {(row["part"], row["stage"]): row for row in entry["rows"]}
    assert rows["reference network", "all"]["ratio"] == {"p50": 1.0, "low": 1.0, "high": 1.0}
    assert {("sound, 44.1 kHz", "all"), ("face cut out, 720p", "all"), ("amb_dsgdn-onnx-fp32", "utterance")} <= set(
        rows
    )
    assert {"import mer_sdk", "mer --help", "first estimate"} <= set(entry["processes"])
    step = sum(
        row["milliseconds"]["p50"]
        for key, row in rows.items()
        if key in {("grjca-tflite-fp32", "audio"), ("sound, 48 kHz", "all")}
    )
    assert entry["a_second"]["grjca-tflite-fp32"]["sound"] == pytest.approx(4 * step, abs=0.02)
    assert (tmp_path / "speed" / "speed.svg").read_text().rstrip().endswith("</svg>")
    done = subprocess.run([*command[:3], "nothing"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "there is no bundle 'nothing'" in done.stderr


def test_a_run_is_compared_with_those_of_the_same_kind_of_machine():
    from benchmarks.speed.suite import before

    def entry(cpu, ratio):
        row = {"part": "sound", "stage": "all", "ratio": {"p50": ratio}}
        return {"machine": {"machine": "x", "cpu": cpu, "board": "", "cpus": 2}, "rows": [row]}

    history = [entry("one", 1.5), entry("one", 1.25), entry("other", 9.0)]
    assert before(entry("one", 0.0), history) == {("sound", "all"): 1.25}
    assert before(entry("third", 0.0), history) == {}
