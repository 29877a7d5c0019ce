"""The README's Python examples run as they stand, on bundles converted here and a clip drawn by the test."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def python_blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)


@pytest.mark.slow
def test_python_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import av
    import numpy as np

    from mer_converters.pipeline.convert import convert
    from mer_fusion.checkpoint import shipped_checkpoint

    for model in ("grjca", "amb_dsgdn"):
        converted = convert(shipped_checkpoint(model), "tflite", "fp32", tmp_path / "bundles")
        assert converted.path is not None
        assert converted.path.name == f"{model}-tflite-fp32.mer"
    rng = np.random.default_rng(0)
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width = video.height = 160
        audio = container.add_stream("aac", rate=16000)
        for _ in range(20):
            picture = rng.integers(0, 255, (160, 160, 3), dtype=np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        sound = (0.1 * rng.standard_normal((1, 32000))).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(sound, "fltp", "mono")
        frame.sample_rate = 16000
        container.mux(audio.encode(frame))
        container.mux(video.encode())
        container.mux(audio.encode())
    monkeypatch.chdir(tmp_path)
    dialogue, sensor = python_blocks()
    exec(compile(dialogue, "README.md", "exec"), {})
    assert re.fullmatch(r"[a-z]+ 0\.\d+\n", capsys.readouterr().out)
    exec(compile(sensor, "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 7
    assert all(re.match(r" *\d+\.\d\d s  \w+  [01]\.\d\d  (audio|audio\+face|face)$", line) for line in lines)
    assert (tmp_path / "me.baseline.json").exists()


def test_every_command_in_the_readme_exists() -> None:
    from mer_sdk.cli import commands

    text = (ROOT / "README.md").read_text()
    named = set(re.findall(r"(?:`|^|bin/)mer ([a-z-]+)", text, re.MULTILINE))
    assert {"run", "evaluate", "train", "distill"} <= named
    assert named <= set(commands())
    targets = set(re.findall(r"^make ([a-z]+)", text, re.MULTILINE)) | set(re.findall(r"`make ([a-z]+)", text))
    makefile = (ROOT / "Makefile").read_text()
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
