"""Kotlin code for apps, compiled once, and run on a JVM: golden tests of all kinds of bundles, and the Android app.

Slow, as compilers are. It needs Java and the compiler: `kotlinc` on the path, or KOTLIN_HOME, a folder such as
`node_modules/kotlin-compiler` after `npm install kotlin-compiler`. Graphs run in the runtimes of this Python; Android,
CameraX and Gradle are declarations (`native/android`), against which everything is compiled and nothing but the build
files is run.
"""

from __future__ import annotations

import importlib.util
import math
import os
import re
import shutil
import struct
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from one_modality import one_modality
from signature_cases import private_key, public_line, write_cases
from spoken_recording import check_said, recording

from mer_converters.emit import emit, emit_app, find_language
from mer_converters.emit.source_bundle import open_source_bundle
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.signature import key_line
from mer_sdk.contract.signing import sign_bundle

pytestmark = pytest.mark.slow

NATIVE = Path(__file__).with_name("native")
JAVA = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]


@dataclass(frozen=True)
class Compiled:
    """The classes of all code, the bundles, and each bundle's golden file.

    Attributes:
        golden: package -> (bundle, golden file).
        app: the Android project.
        warnings: of the compiler, about generated files.
    """

    classpath: str
    folder: Path
    golden: dict[str, tuple[Path, Path]]
    app: Path
    warnings: list[str]

    def run(self, main: str, *words: str, **properties: Path | str) -> subprocess.CompletedProcess[str]:
        """A main of the classes, with system properties `mer.NAME`."""
        given = [f"-Dmer.{name}={value}" for name, value in properties.items()]
        command = [*JAVA, *given, "-cp", self.classpath, main, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def test(self, package: str, golden: Path | None = None) -> subprocess.CompletedProcess[str]:
        """The generated test of one package, with its graphs in the runtime of the bundle."""
        bundle, file = self.golden[package]
        server = f"{sys.executable}|{NATIVE / 'jvm' / 'serve_graphs.py'}"
        return self.run(
            "mer.standin.NativeGraphKt", f"mer.{package}", server=server, bundle=bundle, golden=golden or file
        )


def _compiler() -> tuple[str, Path]:
    """The compiler and the folder of its libraries."""
    home = os.environ.get("KOTLIN_HOME")
    found = str(Path(home) / "bin" / "kotlinc") if home else shutil.which("kotlinc")
    if found is None or not Path(found).is_file() or shutil.which("java") is None:
        pytest.skip("needs kotlinc (npm install kotlin-compiler, then KOTLIN_HOME) and Java: Kotlin is not compiled")
    return found, Path(found).resolve().parent.parent / "lib"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    compiler, libraries = _compiler()
    bundles, classes = tmp_path_factory.mktemp("bundles"), tmp_path_factory.mktemp("classes")
    exporting = [sys.executable, str(NATIVE / "export_tiny.py"), str(bundles), "onnx", "tflite"]
    subprocess.run(exporting, check=True, capture_output=True)
    codes = {name: emit(bundles / f"{name}.mer", "kotlin") for name in ("onnx", "onnx-talk")}
    app = emit_app(bundles / "tflite.mer", "kotlin")
    golden = {
        "first": (bundles / "onnx.mer", codes["onnx"]),
        "talk": (bundles / "onnx-talk.mer", codes["onnx-talk"]),
        "second": (bundles / "tflite.mer", app / "emotion"),
        "face_finder": (bundles / "face_finder-tflite-fp32.mer", app / "finder"),
    }
    alone = tmp_path_factory.mktemp("alone")
    for name in ("audio", "face"):
        _write_alone(bundles / "onnx.mer", name, alone / name)
    sources = [path for folder in (*codes.values(), app, alone) for path in sorted(folder.rglob("*.kt"))]
    sources += sorted((NATIVE / "jvm").glob("*.kt")) + _declarations(app, tmp_path_factory.mktemp("declarations"))
    environment = {**os.environ, "JAVA_OPTS": "-Xmx1g -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
    done = subprocess.run(
        ["bash", compiler, "-no-reflect", "-d", str(classes), *map(str, sources)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    warnings = [line for line in done.stderr.splitlines() if "warning:" in line and str(bundles) in line]
    files = {name: (bundle, code / "src/androidTest/assets/golden.bin") for name, (bundle, code) in golden.items()}
    return Compiled(f"{classes}:{libraries / 'kotlin-stdlib.jar'}", bundles, files, app, warnings)


def _write_alone(bundle: Path, name: str, folder: Path) -> None:
    """The code of a bundle that reads one modality; it is compiled alone."""
    source = open_source_bundle(Bundle.open(bundle))
    manifest = replace(one_modality(source.manifest, name), model=f"{name}_alone")
    for path, text in find_language("kotlin").files(replace(source, manifest=manifest)).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def _declarations(app: Path, folder: Path) -> list[Path]:
    """What the app uses of Android, its resources as Android's tools name them, and its build files as classes."""
    written = []
    for part in (NATIVE / "android" / "declarations.txt").read_text().split("\n=== ")[1:]:
        name, _, text = part.partition("\n")
        written.append((name, text))
    names = [one.get("name") for one in ElementTree.parse(app / "app/src/main/res/values/strings.xml").getroot()]
    constants = "\n".join(f"const val {name} = {index}" for index, name in enumerate(names))
    written.append(("R.kt", f"package mer.second.app\n\nobject R {{\nobject string {{\n{constants}\n}}\n}}\n"))
    for index, script in enumerate(_scripts(app)):
        body = f"class Script{index} : Script() {{\nfun run() {{\n{script.read_text()}\n}}\n}}\n"
        written.append((f"Script{index}.kt", f"package mer.gradle\n\n{body}"))
    for name, text in written:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return [NATIVE / "android" / "GradleDsl.kt", *(folder / name for name, _ in written)]


def _scripts(app: Path) -> list[Path]:
    return sorted(app.rglob("*.gradle.kts"))


def _changed(file: Path, array: str, folder: Path) -> Path:
    """A golden file of which the first and the last value of one array are others."""
    content = bytearray(file.read_bytes())
    name = array.encode()
    place = content.index(struct.pack("<I", len(name)) + name) + 4 + len(name)
    (rank,) = struct.unpack_from("<I", content, place)
    size = math.prod(struct.unpack_from(f"<{rank}I", content, place + 4))
    place += 4 + 4 * rank
    for one in {place, place + 4 * (size - 1)}:
        content[one : one + 4] = struct.pack("<f", struct.unpack_from("<f", content, one)[0] + 99.0)
    (folder / "golden.bin").write_bytes(content)
    return folder / "golden.bin"


# Package -> arrays of its golden file, each with what the test says where values of it are wrong.
WRONG = {
    "first": {
        "case1_logits": "case1: largest error of the logits",
        "stage_resample2_out": "resampler, 48000 Hz",
        "stage_silence_covered": "silence is no sound",
        "stage_voice_speech": "voice activity 0",
        "stage_utterance_fresh": "windows begin with utterances",
        "stage_smoothing_decisions": "smoothing over 0.0 s",
        "stage_persons_mean_face": "several persons: a baseline each",
        "stage_tracks_found": "faces followed between searches",
        "stage_speaking_persons": "the face whose mouth moves with the sound",
        "stage_alignment_steps": "steps of sound and pictures",
        "stage_profile_mean_audio": "saved baseline: audio",
    },
    "second": {"case0_logits": "case0: largest error of the logits"},
    "talk": {
        "case0_logits": "case0: largest error of the logits",
        "stage_text_ids": "ids of text 0",
        "stage_dialogue_window_face": "windows of utterances",
        "stage_cutter1_cuts": "cuts of utterances 1",
        "host_decisions": "decision 0",
    },
    "face_finder": {"stage_letterbox1_input": "stage_letterbox1_input", "case0_scores": "case0: scores"},
}


@pytest.mark.parametrize("package", WRONG)
def test_kotlin_passes_its_golden_test_on_a_jvm_which_can_fail(
    package: str, compiled: Compiled, tmp_path: Path
) -> None:
    assert not compiled.warnings
    passed = compiled.test(package)
    assert passed.returncode == 0, passed.stdout[-3000:] + passed.stderr[-3000:]
    file = compiled.golden[package][1]
    for array in WRONG[package]:
        file = _changed(file, array, tmp_path)
    failed = compiled.test(package, file)
    assert failed.returncode == 1
    for array, says in WRONG[package].items():
        assert says in failed.stdout, (array, failed.stdout[-3000:])


def test_kotlin_checks_signatures(compiled: Compiled, tmp_path: Path) -> None:
    write_cases(tmp_path / "signatures")
    bundle = shutil.copytree(compiled.golden["first"][0], tmp_path / "signed.mer")
    trusted = key_line(sign_bundle(Bundle.open(bundle), private_key(1)).key)
    words = (str(tmp_path / "signatures"), str(bundle), trusted, public_line(2))
    told = compiled.run("mer.signatures.SignatureVectorsKt", *words)
    assert "passed" in told.stdout, told.stdout + told.stderr


def test_a_kotlin_session_begins_windows_where_the_sensor_does(
    compiled: Compiled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = recording(tmp_path / "sound.f32")
    bundle, _ = compiled.golden["first"]
    server = f"{sys.executable}|{NATIVE / 'jvm' / 'serve_graphs.py'}"
    told = compiled.run("mer.sessions.SessionVectorsKt", str(tmp_path / "sound.f32"), server=server, bundle=bundle)
    assert told.returncode == 0, told.stderr[-3000:]
    check_said(told.stdout.splitlines(), bundle, sound, monkeypatch)


def test_a_kotlin_session_sees_whom_the_sensor_sees(compiled: Compiled, tmp_path: Path) -> None:
    """A film of three persons who come, go and speak, with gaps, a cut and a pause: two faces at a time."""
    pipeline = _pipeline()
    arrays: dict[str, np.ndarray] = {}
    bundle, _ = compiled.golden["first"]
    wanted = pipeline.sensor_run(arrays, bundle)
    frames, _, pcm = pipeline.film({})
    frames.tofile(tmp_path / "frames.rgb")
    pcm.astype("<f4").tofile(tmp_path / "sound.f32")
    lines = [f"film {frames.shape[2]} {frames.shape[1]} {wanted['rate']}"]
    for number, found in enumerate(wanted["detections"]):
        lines += [f"face {number} {' '.join(map(repr, one))}" for one in found]
    for event in wanted["events"]:
        kind = event["kind"]
        keys = {"frame": ("index", "time"), "sound": ("begin", "end", "channels", "time"), "enrol": ("seconds",)}
        lines.append(" ".join([kind, *(str(event[key]) for key in keys.get(kind, ()))]))
    (tmp_path / "events.txt").write_text("\n".join(lines) + "\n")
    server = f"{sys.executable}|{NATIVE / 'jvm' / 'serve_graphs.py'}"
    told = compiled.run("mer.faces.FaceSessionVectorsKt", str(tmp_path), server=server, bundle=bundle)
    assert told.returncode == 0, told.stderr[-3000:]
    found = [_said(line) for line in told.stdout.splitlines()]
    steps = [[one, *one["others"]] for one in wanted["estimates"]]
    assert [len(one) for one in found] == [len(one) for one in steps]
    apart = 0.0
    for mine, its in zip(found, steps, strict=True):
        for place, ((words, numbers), said) in enumerate(zip(mine, its, strict=True)):
            face = said["face"]
            exact = [str(said["time"]), str(face["id"] if face else None), str(said["speech"]), str(said["enrolling"])]
            assert words == [word.lower() for word in (exact if place == 0 else exact[:2])], said
            box = face["box"] if face else []
            np.testing.assert_allclose(numbers[: len(box)], box, atol=1e-3)
            shares = [*said["probabilities"].values(), *said["raw_probabilities"].values()]
            apart = max(apart, float(np.abs(np.array(numbers[len(box) :]) - shares).max()))
    assert apart < 1e-4
    # What makes the film worth while: several persons, beside one another, and a pause that is passed over.
    assert len({one["face"]["id"] for step in steps for one in step if one["face"]}) > 3
    assert max(map(len, steps)) == 2
    assert len(steps) < 4 * steps[-1][0]["time"]


def _pipeline() -> ModuleType:
    """The film that the sensor in TypeScript is held to, too."""
    path = Path(__file__).resolve().parents[2] / "web" / "pipeline_vectors.py"
    spec = importlib.util.spec_from_file_location("pipeline_vectors", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _said(line: str) -> list[tuple[list[str], list[float]]]:
    """Of each person of a step words, and numbers: the box, probabilities, and those before smoothing."""
    persons = []
    for part in line.split(" | "):
        words, _, numbers = part.partition(" : ")
        persons.append((words.replace("null", "None").lower().split(), [float(one) for one in numbers.split()]))
    return persons


def test_the_app_turns_pictures_of_the_camera_into_frames(compiled: Compiled) -> None:
    told = compiled.run("mer.pictures.YuvVectorsKt")
    assert "passed" in told.stdout, told.stdout + told.stderr


def test_build_files_ask_for_pinned_versions_and_modules_that_are_there(compiled: Compiled) -> None:
    count = len(_scripts(compiled.app))
    told = compiled.run("mer.gradle.GradleDslKt", *(f"Script{index}" for index in range(count)))
    assert told.returncode == 0, told.stderr
    lines = told.stdout.split()
    modules = {line.removeprefix(":") for line in lines if line.startswith(":")}
    assert modules == {"app", "emotion", "finder"}
    assert all((compiled.app / module / "build.gradle.kts").is_file() for module in modules)
    wanted = [line for line in lines if re.fullmatch(r"[\w.]+:[\w-]+:.+", line)]
    assert len(wanted) >= 8
    assert all(re.fullmatch(r"[\w.]+:[\w-]+:\d+(\.\d+)+", line) for line in wanted)
