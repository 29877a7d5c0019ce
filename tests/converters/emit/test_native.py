"""C++ code for apps, compiled and run: the golden tests in the runtimes of this machine's Python wheels.

Slow, as compilers are. It needs g++; Kotlin and Swift are in files of their own.
"""

from __future__ import annotations

import os
import shutil
import struct
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cpp_builds import FLAGS, TARGETS, App, Built, done, one_source, wheel_runtime
from one_modality import one_modality
from signature_cases import private_key, public_line, write_cases
from spoken_recording import check_said, recording

from mer_converters.emit import emit, emit_app, find_language
from mer_converters.emit.source_bundle import SourceBundle
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.bundle_files import file_sha256
from mer_sdk.contract.estimate import EmotionEstimate
from mer_sdk.contract.signature import key_line
from mer_sdk.contract.signing import sign_bundle
from mer_sdk.errors import ConversionError
from mer_sdk.window.sensor import EmotionSensor
from mer_sdk.window.smoothing import Smoothing

pytestmark = pytest.mark.slow

NATIVE = Path(__file__).with_name("native")
# What the golden test of sound and faces checks beside the cases.
STAGES = (
    "warm baseline: audio",
    "smoothing, abstention and persons, option 3",
    "a stored baseline, loaded, stored and loaded again: face",
    "several persons: each one's baseline",
    "2 channels of 44100 Hz in pieces",
    "silence that counts as no sound",
    "voice activity, hold-back and hang-over, option 2",
    "a window begins with each utterance",
    "faces followed between searches",
    "persons recognised",
    "the face whose mouth moves with the sound is preferred",
    "steps of sound and pictures",
)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of tiny bundles, of every kind for each target: see emit_native/export_tiny.py."""
    if shutil.which("g++") is None:
        pytest.skip("needs g++, which is not installed")
    folder = tmp_path_factory.mktemp("emit")
    done([sys.executable, str(NATIVE / "export_tiny.py"), str(folder)], folder)
    return folder


@pytest.fixture(scope="module")
def app(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> App | None:
    """None where there is no CMake."""
    if shutil.which("cmake") is None:
        return None
    folder = tmp_path_factory.mktemp("app")
    for name in ("onnx.mer", "face_finder-onnx-fp32.mer"):
        shutil.copytree(bundles / name, folder / name)
    code, built = emit_app(folder / "onnx.mer", "cpp"), folder / "build"
    options = (f"-DMER_PYTHON={sys.executable}", "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O0")
    done(["cmake", "-S", str(code), "-B", str(built), *options], folder)
    done(["cmake", "--build", str(built)], folder)
    return App(code, built)


@pytest.fixture(scope="module")
def build(bundles: Path, app: App | None, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Built]:
    """Target, and the bundle's name where it is not TARGET -> its bundle with code and golden test, compiled once.

    Those that the app consists of are compiled with it.
    """
    kept: dict[str, Built] = {}
    of_app = {"onnx": ("emotion", "first"), "face_finder-onnx-fp32": ("finder", "face_finder")}

    def built(target: str, name: str | None = None) -> Built:
        name = name or target
        if name not in kept:
            bundle, native = bundles / f"{name}.mer", wheel_runtime(target, tmp_path_factory.mktemp(name))
            if app is not None and name in of_app:
                part, namespace = of_app[name]
                program = app.built / part / f"golden_test_{namespace}"
                kept[name] = Built(bundle, app.code / part, native, program)
            else:
                code = emit(bundle, "cpp")
                objects = [native.compile(code, one_source(code, native.folder))]
                kept[name] = Built(bundle, code, native, native.link(objects, native.folder / "golden_test"))
        return kept[name]

    return built


@pytest.mark.parametrize("target", TARGETS)
def test_cpp_passes_its_golden_test_which_can_fail(target: str, build: Callable[..., Built], tmp_path: Path) -> None:
    built = build(target)
    passed = built.run(tmp_path)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    lines = [line for line in passed.stdout.splitlines() if line.startswith("ok")]
    assert sum("largest error of the logits" in line for line in lines) >= 4
    for stage in STAGES:
        assert any(stage in line for line in lines), stage

    # A logit of the first case that is off by more than the tolerance, and a graph that is not this bundle's.
    content = bytearray((built.code / "golden.bin").read_bytes())
    place = content.index(b"case0_logits") + len("case0_logits") + 8
    content[place : place + 4] = struct.pack("<f", struct.unpack_from("<f", content, place)[0] + 3e-4)
    (tmp_path / "golden.bin").write_bytes(content)
    failed = built.run(tmp_path, tmp_path / "golden.bin")
    assert failed.returncode == 1
    assert failed.stdout.count("FAILED") == 1
    assert "FAILED case 0" in failed.stdout
    graph = next(built.bundle.glob("fusion.*"))
    with graph.open("ab") as file:
        file.write(b"\0")
    other = built.run(tmp_path)
    assert other.returncode == 1
    assert "emit this code again" in other.stderr
    os.truncate(graph, graph.stat().st_size - 1)
    # One bit of a graph of the same size.
    content = graph.read_bytes()
    graph.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    other = built.run(tmp_path)
    assert other.returncode == 1
    assert "is not the file that this code was generated from" in other.stderr
    graph.write_bytes(content)


@pytest.mark.parametrize("kept", ["audio", "face"])
def test_cpp_of_one_modality_compiles(kept: str, build: Callable[..., Built], tmp_path: Path) -> None:
    built = build("onnx")
    manifest = one_modality(Bundle.open(built.bundle).manifest, kept)
    for name, text in find_language("cpp").files(SourceBundle(built.bundle, manifest, ())).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    headers = [word for path in built.native.headers for word in ("-isystem", str(path))]
    done(["g++", *FLAGS, *headers, "-fsyntax-only", str(one_source(tmp_path, tmp_path))], tmp_path)


@pytest.mark.parametrize("target", TARGETS)
def test_cpp_of_dialogues_and_of_the_face_finder(target: str, build: Callable[..., Built], tmp_path: Path) -> None:
    for name, stages in (
        (f"{target}-talk", ("window of utterances", "cuts of utterances 2")),
        (f"face_finder-{target}-fp32", ("outputs to faces 2",)),
    ):
        built = build(target, name)
        passed = built.run(tmp_path)
        assert passed.returncode == 0, passed.stdout + passed.stderr
        for stage in stages:
            assert f"ok     {stage}" in passed.stdout, stage
        assert "largest error of the" in passed.stdout


SIGNATURES = """
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include "trust/signature.hpp"
using namespace mer::first;
namespace {
std::string content(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}
template <typename Work> std::string refusal(Work work) {
  try { work(); } catch (const UntrustedBundle& error) { return error.what(); }
  return "";
}
}
int main(int, char** given) {
  int failed = 0;
  for (const auto& one : std::filesystem::directory_iterator(given[1])) {
    std::optional<std::string> signature;
    if (std::filesystem::exists(one.path() / "manifest.sig")) signature = content(one.path() / "manifest.sig");
    std::vector<std::string> trust;
    std::ifstream keys(one.path() / "trust");
    for (std::string key; std::getline(keys, key);) trust.push_back(key);
    const std::string said = refusal([&] {
      check_signed("bundle", content(one.path() / "manifest.json"), signature, trust, content(one.path() / "today"));
    });
    const std::string says = content(one.path() / "says");
    if (says.empty() ? !said.empty() : said.find(says) == std::string::npos) {
      std::cout << one.path() << ": " << said << "\\n";
      ++failed;
    }
  }
  if (!refusal([&] { require_signed(given[2], {given[3]}); }).empty()) ++failed;
  if (refusal([&] { require_signed(given[2], {given[4]}); }).empty()) ++failed;
  std::cout << (failed ? "failed" : "passed") << "\\n";
  return failed;
}
"""


def test_cpp_checks_signatures(build: Callable[..., Built], tmp_path: Path) -> None:
    if not Path("/usr/include/openssl/evp.h").is_file():
        pytest.skip("needs OpenSSL's headers (libssl-dev), which are not installed")
    built = build("onnx")
    write_cases(tmp_path / "signatures")
    bundle = shutil.copytree(built.bundle, tmp_path / "signed.mer")
    trusted = sign_bundle(Bundle.open(bundle), private_key(1)).key
    source = tmp_path / "signatures.cc"
    source.write_text(SIGNATURES)
    objects = [built.native.compile(built.code, path) for path in (built.code / "trust" / "signature.cpp", source)]
    program = built.native.link(objects, tmp_path / "signatures_test", "-lcrypto")
    command = [str(program), str(tmp_path / "signatures"), str(bundle), key_line(trusted), public_line(2)]
    assert "passed" in done(command, tmp_path)


def test_cpp_app_says_what_the_sensor_says(app: App | None, bundles: Path, tmp_path: Path) -> None:
    """A wav and a raw video through the app, and through `mer_sdk`."""
    if app is None:
        pytest.skip("needs CMake, which is not installed")
    done(["ctest", "--test-dir", str(app.built), "--output-on-failure"], tmp_path)
    sound, frames = _recording(tmp_path)
    command = [
        str(app.built / "mer_app"),
        "--sound",
        "clip.wav",
        "--video",
        "clip.rgb",
        "--size",
        "120x90",
        "--fps",
        "12.5",
    ]
    lines = done([*command, "--smooth", "0.5", "--margin", "0.05"], tmp_path).splitlines()
    wanted = _estimates(bundles, sound, frames)
    assert len(lines) == len(wanted) == 13
    for line, estimate in zip(lines, wanted, strict=True):
        seconds, _, label, confidence = line.split()[:4]
        assert (float(seconds), label) == (estimate.time, estimate.emotion), line
        assert abs(float(confidence) - estimate.confidence) <= 1e-3, line
        assert estimate.state in line.split(), line
        assert ("person" in line) == (estimate.face is not None), line
    assert {estimate.state for estimate in wanted} >= {"face", "audio+face"}
    # What was generated may be written again; what was changed may not.
    bundle = app.code.with_name("onnx.mer")
    assert emit_app(bundle, "cpp") == app.code
    with (app.code / "app" / "main.cpp").open("a") as file:
        file.write("// mine\n")
    with pytest.raises(ConversionError, match=r"holds app/main\.cpp, which was changed or was not generated"):
        emit_app(bundle, "cpp")


def _recording(folder: Path) -> tuple[np.ndarray, list[np.ndarray]]:
    """clip.wav and clip.rgb of 3.2 s: two channels, silent at first; a bright face that moves, and is gone a while."""
    random = np.random.default_rng(5)
    sound = random.integers(-9000, 9000, (int(3.2 * 44100), 2)).astype(np.int16)
    sound[: int(0.6 * 44100)] = 0
    with wave.open(str(folder / "clip.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44100)
        file.writeframes(sound.astype("<i2").tobytes())
    face, frames = random.integers(160, 256, (40, 40, 3)).astype(np.uint8), []
    for number in range(40):
        frame = random.integers(0, 60, (90, 120, 3)).astype(np.uint8)
        if not 20 <= number < 28:
            frame[20:60, 10 + number // 2 : 50 + number // 2] = face
        frames.append(frame)
    (folder / "clip.rgb").write_bytes(b"".join(frame.tobytes() for frame in frames))
    return sound, frames


def _estimates(folder: Path, sound: np.ndarray, frames: list[np.ndarray]) -> list[EmotionEstimate]:
    """What the sensor of this SDK says of the same recording."""
    detector = str(folder / "face_finder-onnx-fp32.mer")
    with EmotionSensor.open(folder / "onnx.mer", detector=detector, smoothing=Smoothing(0.5, 0.05)) as sensor:
        found, size = [], int(np.ceil(44100 / 12.5))
        for number, frame in enumerate(frames):
            piece = sound[number * size : (number + 1) * size]
            found += sensor.push_audio(piece, 44100) if len(piece) else []
            found += sensor.push_frame(frame, number / 12.5)
        return [*found, *sensor.flush()]


HASHING = """
#include <iostream>
#include "graph.hpp"
int main(int, char** files) {
  while (*++files) std::cout << mer::first::sha256(*files) << "\\n";
}
"""


def test_cpp_hashes_files_of_any_length(build: Callable[..., Built], tmp_path: Path) -> None:
    built, files = build("onnx"), []
    for length in (0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 128, 100_000):
        files.append(tmp_path / f"{length}.bin")
        files[-1].write_bytes(bytes(index * index % 251 for index in range(length)))
    source = tmp_path / "hashing.cc"
    source.write_text(HASHING)
    hashing = [built.native.compile(built.code, path) for path in (built.code / "sha256.cpp", source)]
    told = done([str(built.native.link(hashing, tmp_path / "hashing")), *map(str, files)], tmp_path).split()
    assert told == [file_sha256(path) for path in files]


def test_a_cpp_stream_begins_windows_where_the_sensor_does(
    build: Callable[..., Built], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built, sound = build("onnx"), recording(tmp_path / "sound.f32")
    sources = (one_source(built.code, tmp_path, ("trust", "tests")), NATIVE / "session.cc")
    program = built.native.link([built.native.compile(built.code, path) for path in sources], tmp_path / "session")
    told = done([str(program), str(built.bundle), str(tmp_path / "sound.f32")], tmp_path)
    check_said(told.splitlines(), built.bundle, sound, monkeypatch)
