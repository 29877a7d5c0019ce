"""The parts of `make check-aarch64` that need no emulator: what runs on both machines, what agrees, the page."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.manifest import FinderContract
from mer_sdk.errors import MerError, OptionError
from mer_sdk.evaluation.datasets import open_dataset

FOLDER = Path(__file__).resolve().parents[3] / "tools" / "aarch64"


@pytest.fixture(scope="module")
def tools():
    """The modules of tools/aarch64 by name; they import one another as scripts of one folder do."""
    sys.path.insert(0, str(FOLDER))
    found = {}
    try:
        for name in ("place", "pages", "answers", "wheels", "material", "comparison", "check"):
            spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
            sys.modules[name] = found[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(found[name])
    finally:
        sys.path.remove(str(FOLDER))
        for name in found:
            sys.modules.pop(name, None)
    return SimpleNamespace(**found)


@pytest.fixture
def meld(tmp_path):
    lines = ["Sr No.,Utterance,Speaker,Emotion,Dialogue_ID,StartTime"]
    lines += [f'{n},"Well, {n}",{"Joey" if n % 2 else "Ross"},joy,{n // 2},"00:00:0{n},1"' for n in range(6)]
    (tmp_path / "meld").mkdir()
    (tmp_path / "meld" / "dev_sent_emo.csv").write_text("\n".join(lines) + "\n")
    return f"meld:{tmp_path / 'meld'}"


def test_answers_are_every_step_and_every_utterance(tools, tiny_onnx, tiny_talk, paired_folder, meld):
    clips = open_dataset(f"ravdess:{paired_folder}").clips()[:1]
    dialogues = open_dataset(meld).dialogues("dev")
    heard = tools.answers.answers(Bundle.open(tiny_onnx), clips, dialogues)
    assert set(heard) == {"audio", "face", "logits"}
    assert len({len(rows) for rows in heard.values()}) == 1
    assert np.abs(heard["audio"]).max() > 0
    said = tools.answers.answers(Bundle.open(tiny_talk), clips, dialogues)
    assert len(said["logits"]) == len(said["text"]) == 6
    assert tools.answers.answers(Bundle.open(tiny_talk), clips, ()) == {}


def test_few_of_the_data_are_copied(tools, paired_folder, meld, tmp_path):
    for name in ("clips", "dialogues"):
        (tmp_path / name).mkdir()
    assert tools.material.few_dialogues(meld, tmp_path / "dialogues", 2) == 2
    wanted, found = open_dataset(meld).dialogues(), open_dataset(f"meld:{tmp_path / 'dialogues'}").dialogues()
    assert [[line.text for line in one.utterances] for one in found] == [
        [line.text for line in one.utterances] for one in wanted[:2]
    ]
    assert tools.material.few_clips(f"ravdess:{paired_folder}", tmp_path / "clips", 2) == 2
    clips = open_dataset(f"ravdess:{tmp_path / 'clips'}").clips()
    assert len(clips) == 2
    assert all(clip.paired for clip in clips)


def compared(tools, folder, scheme, logits, verified=True):
    """An x86-64 of 100 answers, and an aarch64 of others."""
    wanted = np.tile(np.array([[0.0, 1.0]], np.float32), (100, 1))
    for name, answer in (("here", wanted), ("there", logits(wanted.copy()))):
        (folder / name).mkdir(exist_ok=True)
        np.savez(folder / name / "one.npz", audio=wanted, logits=answer)
        report = {"passed": verified, "cases": [{"logits": 1e-6}, {"logits": 3e-6}]}
        (folder / name / "one.json").write_text(json.dumps(report))
    assert tools.comparison.compared("other", scheme, folder / "here", folder / "there") is None
    return tools.comparison.compared("one", scheme, folder / "here", folder / "there")


def test_agreement_is_by_error_or_by_label(tools, tmp_path):
    def other_label(count):
        def change(logits):
            logits[:count] = logits[:count, ::-1]
            return logits

        return change

    near, far = (
        compared(tools, tmp_path, "fp32", lambda x: x + 5e-5),
        compared(tools, tmp_path, "fp32", lambda x: x + 2e-4),
    )
    assert (near["agrees"], far["agrees"], near["golden_error"]) == (True, False, 3e-6)
    assert compared(tools, tmp_path, "fp16", lambda x: x + 2e-4)["agrees"]
    one_apart = compared(tools, tmp_path, "int8", other_label(2))
    assert one_apart["agrees"]
    assert one_apart["margins"] == [1.0, 1.0]
    assert not compared(tools, tmp_path, "int8", other_label(3))["agrees"]
    assert not compared(tools, tmp_path, "int8", lambda x: np.where(x > 0, np.inf, x))["agrees"]
    assert not compared(tools, tmp_path, "fp32", lambda x: x * np.nan)["agrees"]
    assert not compared(tools, tmp_path, "int8", lambda x: x, verified=False)["agrees"]


def test_a_face_finder_is_judged_by_scores_and_boxes(tools, tmp_path):
    frames = [{"scores": 2e-6, "boxes": 3e-7, "faces": 1e-4}]
    for name, error in (("here", 0.0), ("there", 2e-5), ("far", 2e-4)):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "one.npz", scores=np.full((3, 5), 0.5 + error), boxes=np.zeros((3, 5, 4)))
        (tmp_path / name / "one.json").write_text(json.dumps({"passed": True, "cases": frames}))
    near, far = (
        tools.comparison.compared("one", "fp32", tmp_path / "here", tmp_path / name) for name in ("there", "far")
    )
    assert (near["agrees"], near["golden_error"], near["estimates"], set(near["features"])) == (
        True,
        2e-6,
        3,
        {"scores", "boxes"},
    )
    assert not far["agrees"]


class Brightness:
    """A finder's graph whose scores are the picture's mean."""

    def run(self, inputs):
        return {"scores": inputs["frame"].mean(axis=(1, 2)) / 255, "boxes": np.zeros((1, 3, 4), np.float32)}


def test_a_face_finder_answers_for_every_picture(tools, tiny_onnx, paired_folder):
    manifest = replace(Bundle.open(tiny_onnx).manifest, target="torch", finder=FinderContract())
    bundle = Bundle(manifest, loader=lambda threads: {"finder": Brightness()})
    clips = open_dataset(f"ravdess:{paired_folder}").clips()[:2]
    found = tools.answers.answers(bundle, clips, ())
    assert found["scores"].shape == (sum(len(clip.faces) for clip in clips), 3)
    assert found["boxes"].shape == (*found["scores"].shape, 4)
    assert np.ptp(found["scores"][:, 0]) > 0
    assert tools.answers.answers(bundle, (), ()) == {}


def test_a_sample_has_each_target_and_scheme_once(tools):
    def bundle(target, scheme, dialogue=None, finder=None):
        return SimpleNamespace(manifest=SimpleNamespace(target=target, scheme=scheme, dialogue=dialogue, finder=finder))

    bundles = {
        "talk": bundle("onnx", "fp32", dialogue=1),
        "finder": bundle("tflite", "fp32", finder=1),
        "window": bundle("onnx", "fp32"),
        "other": bundle("onnx", "fp32"),
        "small": bundle("onnx", "int8", dialogue=1),
    }
    assert sorted(tools.check.sampled(bundles)) == ["finder", "small", "window"]


def test_the_page_shows_what_does_not_agree(tools, tmp_path):
    row = {"verified": True, "golden_cases": 4, "golden_error": 2e-6, "agrees": True}
    answered = row | {"estimates": 50, "logits": 3e-6, "features": {"audio": 1e-5}}
    rows = {
        "a.mer": answered | {"same_label": 0.98, "margins": [0.002]},
        "b.mer": row | {"verified": False, "agrees": False},
        "finder.mer": row | {"estimates": 9, "features": {"scores": 1e-6, "boxes": 2e-7}},
    }
    machines = {"x86_64": {"python": "3.11.2", "packages": {"numpy": "2.4.6"}}, "cortex-a72-onnx": {"python": "3.11.9"}}
    packages = {"numpy": "2.4.6", "onnxruntime": "1.31.1"}
    result = {
        "emulator": "qemu-aarch64 version 7.2",
        "given": {"clips": 2, "dialogues": 0},
        "machines": machines,
        "resolved": {"3.10": {"numpy": "2.2.6"}},
        "installed": {
            "onnx": {"command": "pip install 'mer-edge[onnx]'", "packages": packages},
            "litert": {"command": "not reached yet", "packages": {}},
        },
        "asked": {"cortex-a72": [*rows, "c.mer"]},
        "bundles": dict.fromkeys((*rows, "c.mer", "d.mer"), "int8"),
        "cpus": {"cortex-a72": rows},
        "commands": {"onnx": {"bundle": "a.mer", "doctor": {"runtimes": ["onnx (onnx)"]}, "verify": True}},
    }
    page = tmp_path / "devices.md"
    page.write_text(f"before\n{tools.pages.BEGIN}\nformer table\n{tools.pages.END}\nafter\n")
    tools.pages.write_page(page, result)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "former table" not in text
    assert "not reached yet" not in text
    assert "one bundle of each scheme and target: 2 of 3 bundles agree. Not run: c.mer." in text
    assert "a.mer 0.002" in text
    assert "| finder.mer | 4 pass, 2e-06 | scores 1e-06, boxes 2e-07 |  |  | yes |" in text
    assert "| b.mer | 4 FAIL, 2e-06 |  |  |  | **no** |" in text


def test_a_command_that_fails_says_its_last_lines(tools):
    with pytest.raises(MerError, match=r"ended with 3:\nwhy"):
        tools.place.run([sys.executable, "-c", "import sys; print('why', file=sys.stderr); sys.exit(3)"])


def test_a_command_that_takes_too_long_is_ended(tools):
    with pytest.raises(subprocess.TimeoutExpired):
        tools.place.run([sys.executable, "-c", "import time; time.sleep(60)"], seconds=0.05)


def test_answers_that_are_there_are_not_made_again(tools, tiny_onnx, tmp_path, monkeypatch):
    command = ["answers.py", "--out", str(tmp_path), str(tiny_onnx)]
    monkeypatch.setattr(sys, "argv", command)
    tools.answers.main()
    name = tools.answers.stem(tiny_onnx)
    assert json.loads((tmp_path / f"{name}.json").read_text())["passed"]
    assert json.loads((tmp_path / "machine.json").read_text())["packages"]["numpy"] == np.__version__
    (tmp_path / f"{name}.npz").unlink()
    tools.answers.main()
    assert not (tmp_path / f"{name}.npz").exists()
    # Another manifest is another bundle, whatever its name.
    other = shutil.copytree(tiny_onnx, tmp_path / tiny_onnx.name)
    (other / "manifest.json").write_text((other / "manifest.json").read_text() + " ")
    assert tools.answers.stem(other) != name


def test_bundles_given_twice_or_of_other_targets_are_refused(tools, tiny_onnx, monkeypatch):
    with pytest.raises(OptionError, match="given twice"):
        tools.check.opened([tiny_onnx, tiny_onnx])
    bundle = Bundle.open(tiny_onnx)
    other = SimpleNamespace(manifest=SimpleNamespace(target="coreml"))
    monkeypatch.setattr(tools.check.Bundle, "open", lambda path: other if path.name == "x.mer" else bundle)
    with pytest.raises(OptionError, match=r"x\.mer is neither TFLite nor ONNX"):
        tools.check.opened([tiny_onnx, Path("x.mer")])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the script says that it needs Linux")
def test_without_the_tools_or_root_one_sentence_says_so(tmp_path):
    for tool in ("sh", "uname", "id"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    command = [str(tmp_path / "sh"), str(FOLDER / "chroot.sh"), "make", str(tmp_path / "root")]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": str(tmp_path)})
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    wanted = "debootstrap is missing" if os.getuid() == 0 else "needs root"
    assert done.stderr.startswith("check-aarch64: ")
    assert wanted in done.stderr or os.uname().machine == "aarch64"
    assert not (tmp_path / "root").exists()
