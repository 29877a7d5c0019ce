"""`mer report` as a fixture, with recordings to measure and results that were saved."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from mer_sdk.cli.report import report

# Makes the helper module of this folder importable: pytest's importlib mode leaves it out.
sys.path.insert(0, str(Path(__file__).parent))
from report_page import Page


@pytest.fixture
def run(tmp_path):
    """Runs the command; gives the page and what was printed."""
    app = typer.Typer()
    app.command()(report)

    def call(*arguments):
        out = tmp_path / "page.html"
        result = CliRunner().invoke(app, [*(str(argument) for argument in arguments), "--out", str(out)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        call.stderr = result.stderr
        text = out.read_text(encoding="utf-8")
        page = Page(text)
        assert not [tag for tag, _ in page.tags if tag in ("script", "link", "iframe", "object")]
        assert "http" not in text
        assert "url(" not in text
        assert "@import" not in text
        for _, attributes in page.tags:
            assert attributes.get("src", "data:").startswith("data:")
            assert attributes.get("href", "#").startswith("#")
            assert not any(key.startswith("on") for key in attributes)
        return page, result.stdout

    return call


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Actor 5 in RAVDESS's layout: 2 clips each of neutral, happy and sad, with sound and one face image."""
    import cv2
    import soundfile

    folder, random = tmp_path_factory.mktemp("ravdess"), np.random.default_rng(0)
    for emotion in ("01", "03", "04"):
        for repetition in ("01", "02"):
            name = f"01-{emotion}-01-01-{repetition}-05"
            samples = random.uniform(-0.2, 0.2, 12000).astype(np.float32)
            soundfile.write(str(folder / f"03-{name}.wav"), samples, 16000)
            cv2.imwrite(str(folder / f"01-{name}_00.jpg"), random.integers(0, 255, (48, 48, 3), np.uint8))
    return folder


@pytest.fixture
def saved(tiny_onnx, tmp_path):
    """A file as `mer evaluate --json` writes it, of the bundle "tiny", with the confusion matrix given."""

    def write(confusion=None, scores=(), **changes):
        labels = json.loads((tiny_onnx / "manifest.json").read_text())["labels"]
        result = {
            "state": "audio+face", "protocol": "warm", "clips": 14, "runs": 1, "nll": 1.0, "ece": 0.119,
            "recall": dict.fromkeys(labels, 0.5), "support": dict.fromkeys(labels, 2),
            "confusion": (np.eye(len(labels)) * 2).tolist() if confusion is None else confusion,
        }  # fmt: skip
        for name, value in (("war", 0.7), ("uar", 0.712), ("macro_f1", 0.6)):
            result |= {name: value, f"{name}_interval": {"low": 0.6, "high": 0.8}}
        result |= dict(scores)
        options = {"states": ["audio+face"], "protocols": ["warm"], "orders": 3, "seed": 11}
        data = {
            "bundle": "tiny", "model": "grjca", "target": "onnx", "scheme": "fp32", "runtime": "onnx",
            "labels": labels, "merged": {"calm": "neutral"}, "speakers": [5], "clips": 14, "steps": 99,
            "options": options, "results": [result, result | {"state": "face", "uar": 0.333}],
        } | changes  # fmt: skip
        path = tmp_path / "saved.json"
        path.write_text(json.dumps(data))
        return path

    return write
