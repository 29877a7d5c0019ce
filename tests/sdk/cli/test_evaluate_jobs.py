"""`mer evaluate --jobs`: several bundles at the same time give the reports of one after the other."""

import json
import wave
from pathlib import Path

import numpy as np
from mer_command import mer


def test_two_processes_give_the_same_reports(tiny_onnx, renamed, tmp_path, monkeypatch, capsys):
    for number in range(6):
        path = tmp_path / "clips" / ("happy", "sad")[number % 2] / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 16000, 0, "NONE", ""))
            file.writeframes(np.random.default_rng(number).integers(-3000, 3000, 12000, "<i2").tobytes())
    bundles = [renamed(tiny_onnx, tmp_path, name) for name in ("one", "two")]
    # Relative to here, as people type it.
    monkeypatch.chdir(tmp_path)
    command = ("evaluate", *bundles, "--data", "clips:clips", "--states", "audio", "--protocol", "cold", "--json")
    reports = []
    for jobs in (1, 2):
        assert mer(*command, "--jobs", jobs) == 0
        reports.append(json.loads(capsys.readouterr().out))
    assert reports[0] == reports[1]
    assert [report["bundle"] for report in reports[1]] == ["one", "two"]
    assert [report["clips"] for report in reports[1]] == [6, 6]
    assert {path.name for path in Path().iterdir()} == {"clips", "one.mer", "two.mer"}
