"""Every target in fp32 and fp16: it converts, opens, runs and agrees; what must stay in 32-bit does."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from mer_converters.pipeline.convert import ConversionResult, convert_many
from mer_converters.pipeline.plan import ConvertOptions
from mer_converters.targets import find_target, target_names
from mer_fusion.encoders.audio import LogMel
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.golden import load_golden
from mer_sdk.errors import ConversionError, OptionError

pytestmark = pytest.mark.slow

Converted = dict[tuple[str, str], ConversionResult]
ROWS = [(target, scheme) for target in target_names() for scheme in ("fp32", "fp16")]


def test_every_target_is_registered() -> None:
    assert target_names() == ("coreml", "executorch", "onnx", "tflite")
    with pytest.raises(OptionError, match=r"'tensorrt' is unknown; allowed: coreml, executorch, onnx, tflite, all"):
        find_target("tensorrt")


@pytest.mark.parametrize(("target", "scheme"), ROWS)
def test_writes_a_bundle_that_opens(converted: Converted, target: str, scheme: str) -> None:
    row = converted[target, scheme]
    assert row.path is not None, row.reason
    assert row.path.name == f"grjca-{target}-{scheme}.mer"
    manifest = Bundle.open(row.path).manifest
    assert (manifest.target, manifest.scheme, manifest.gate) == (target, scheme, row.gate)
    assert [tensor.name for tensor in manifest.graphs["fusion"].inputs] == ["audio", "face", "audio_mask", "face_mask"]
    assert [tensor.name for tensor in manifest.graphs["fusion"].outputs] == ["logits", "reliance"]
    assert manifest.graphs["audio"].inputs[0].shape == (1, 8200)
    assert manifest.device_verified == ()


@pytest.mark.parametrize("scheme", ["fp32", "fp16"])
@pytest.mark.parametrize("target", target_names())
def test_agrees_with_torch(converted: Converted, target: str, scheme: str) -> None:
    row = converted[target, scheme]
    assert row.gate == "passed", row.reason
    assert row.conversion is not None
    assert row.conversion.logits <= 1e-4
    assert row.conversion.reliance <= 1e-4
    if scheme == "fp16":
        assert row.quantization is not None
        # Not zero either: a scheme that changes nothing was not applied.
        assert 0.0 < row.quantization.logits <= 5e-3


@pytest.mark.parametrize("scheme", ["fp32", "fp16"])
@pytest.mark.parametrize("target", target_names())
def test_sdk_gets_the_golden_logits_from_the_bundle(converted: Converted, target: str, scheme: str) -> None:
    path = converted[target, scheme].path
    assert path is not None
    bundle = Bundle.open(path)
    graphs = bundle.load_graphs()
    given, answer = load_golden(bundle)[3].given, load_golden(bundle)[3].answer
    means = {name: np.asarray(mean, np.float32) for name, mean in bundle.manifest.baseline.population_mean.items()}
    audio = np.stack([graphs["audio"].run({"pcm": row[None]})["audio_features"][0] for row in given.raw["audio"]])
    face = np.stack([graphs["face"].run({"crop": row[None]})["face_features"][0] for row in given.raw["face"]])
    window = {
        "audio": ((audio - means["audio"]) * given.masks["audio"][:, None])[None],
        "face": ((face - means["face"]) * given.masks["face"][:, None])[None],
        "audio_mask": given.masks["audio"][None],
        "face_mask": given.masks["face"][None],
    }
    logits = graphs["fusion"].run(window)["logits"][0]
    np.testing.assert_allclose(logits, answer.logits, atol=1e-4 if scheme == "fp32" else 5e-3)


def test_coreml_is_measured_and_called_a_spec_level_check(converted: Converted) -> None:
    for scheme in ("fp32", "fp16"):
        row = converted["coreml", scheme]
        assert row.gate == "passed"
        assert "; spec-level check: " in row.reason
        assert row.conversion is not None
        assert 0 < row.conversion.logits <= 1e-4
        assert (row.quantization is None) == (scheme == "fp32")
        assert set(row.check) == {"audio", "face", "fusion"}
        assert all("reloaded" in said for said in row.check.values())
    assert converted["coreml", "fp16"].quantization is not None
    assert 0 < converted["coreml", "fp16"].quantization.logits <= 5e-3


def test_coreml_packages_say_where_their_values_come_from(converted: Converted) -> None:
    from mer_converters.targets.coreml.program import read_package
    from mer_converters.targets.coreml.source import read_sources

    path = converted["coreml", "fp16"].path
    assert path is not None
    package = read_package(path / "fusion.mlpackage")
    sources = read_sources(package.spec)
    assert any(re.fullmatch(r"models/\w+\.py:\d+ in \w+", source) for source in sources.values())


def test_coreml_check_refuses_another_contract(converted: Converted) -> None:
    path = converted["coreml", "fp32"].path
    assert path is not None
    spec = Bundle.open(path).manifest.graphs["fusion"]
    package = path / spec.file
    assert find_target("coreml").check(package, spec)
    swapped = dataclasses.replace(spec, inputs=(spec.inputs[1], spec.inputs[0], *spec.inputs[2:]))
    with pytest.raises(ConversionError, match="inputs are"):
        find_target("coreml").check(package, swapped)


def test_coreml_check_names_an_unknown_operation(converted: Converted, monkeypatch: pytest.MonkeyPatch) -> None:
    from mer_converters.targets.coreml import exporter
    from mer_converters.targets.coreml.interpreter import interpreter
    from mer_converters.targets.coreml.interpreter.handlers import handler_for

    path = converted["coreml", "fp32"].path
    assert path is not None
    spec = Bundle.open(path).manifest.graphs["fusion"]
    monkeypatch.setattr(interpreter, "handler_for", lambda name: None if name == "tanh" else handler_for(name))
    with pytest.raises(ConversionError, match="has 1 operation that cannot be computed here: tanh"):
        exporter.check_program(path / spec.file, spec)


def test_fp16_stores_smaller_weights(converted: Converted) -> None:
    # ExecuTorch is left out: XNNPACK keeps convolution weights of a float16 network in 32-bit.
    for target, pattern in (
        ("onnx", "face.onnx"),
        ("tflite", "face.tflite"),
        ("coreml", "face.mlpackage/**/weight.bin"),
    ):
        sizes = []
        for scheme in ("fp16", "fp32"):
            path = converted[target, scheme].path
            assert path is not None
            sizes.append(next(path.glob(pattern)).stat().st_size)
        assert sizes[0] < 0.9 * sizes[1], target


def mel_filters() -> set[tuple[int, ...]]:
    """Shapes of the student's mel filters, sorted."""
    return {tuple(sorted(bank.shape)) for name, bank in LogMel(32).named_buffers() if name.startswith("bank")}


def test_front_end_stays_in_32_bit_onnx(converted: Converted) -> None:
    import onnx

    path = converted["onnx", "fp16"].path
    assert path is not None
    graph = onnx.load(str(path / "audio.onnx")).graph
    kinds = {tuple(sorted(item.dims)): item.data_type for item in graph.initializer}
    assert {kinds[shape] for shape in mel_filters()} == {onnx.TensorProto.FLOAT}
    assert onnx.TensorProto.FLOAT16 in kinds.values()


def test_front_end_stays_in_32_bit_tflite(converted: Converted) -> None:
    from ai_edge_litert.interpreter import Interpreter

    path = converted["tflite", "fp16"].path
    assert path is not None
    tensors = Interpreter(str(path / "audio.tflite")).get_tensor_details()
    kinds = {tuple(sorted(item["shape"].tolist())): item["dtype"] for item in tensors}
    assert {kinds[shape] for shape in mel_filters()} == {np.float32}
    assert any(item["dtype"] == np.float16 for item in tensors)


def test_front_end_stays_in_32_bit_coreml(converted: Converted) -> None:
    import coremltools as ct
    from coremltools.converters.mil.frontend.milproto.load import load
    from coremltools.converters.mil.mil import types

    path = converted["coreml", "fp16"].path
    assert path is not None
    model = ct.models.MLModel(str(path / "audio.mlpackage"), skip_model_load=True)
    spec = model.get_spec()
    operations = load(spec, spec.specificationVersion, model.weights_dir).functions["main"].operations
    kinds = {kind: [o.outputs[0].dtype for o in operations if o.op_type == kind] for kind in ("log", "conv", "linear")}
    assert set(kinds["log"]) == {types.fp32}
    # The first convolution takes differences, the last layer too: their rounding would be let through.
    assert kinds["conv"][0] == types.fp32
    assert set(kinds["conv"][1:]) == {types.fp16}
    assert kinds["linear"][-1] == types.fp32


def test_the_convolution_behind_the_front_end_stays_in_32_bit_onnx(converted: Converted) -> None:
    import onnx

    path = converted["onnx", "fp16"].path
    assert path is not None
    graph = onnx.load(str(path / "audio.onnx")).graph
    stored = {item.name: item.data_type for item in graph.initializer}
    kernels = [node.input[1] for node in graph.node if node.op_type == "Conv"]
    # A weight of 16 bits is widened by a Cast, so that what the convolution reads is no initializer.
    assert stored.get(kernels[0]) == onnx.TensorProto.FLOAT
    assert any(stored.get(name) != onnx.TensorProto.FLOAT for name in kernels[1:])
    last = [node.input[1] for node in graph.node if node.op_type == "Gemm"][-1]
    assert stored.get(last) == onnx.TensorProto.FLOAT


@pytest.mark.parametrize("target", target_names())
def test_fp16_hears_quiet_sound_like_fp32(converted: Converted, target: str) -> None:
    """At 60 dB below full scale a power spectrum in 16-bit floats would be zero."""
    features = []
    for scheme in ("fp32", "fp16"):
        path = converted[target, scheme].path
        assert path is not None
        bundle = Bundle.open(path)
        pcm = load_golden(bundle)[0].given.raw["audio"][8:9] * np.float32(1e-3)
        features.append(bundle.load_graphs()["audio"].run({"pcm": pcm})["audio_features"])
    assert np.abs(features[0]).max() > 0.05
    np.testing.assert_allclose(features[1], features[0], atol=5e-3)


def test_no_path_of_this_machine_travels(converted: Converted, student: Path) -> None:
    here = str(Path(__file__).resolve().parents[3]).encode()
    for row in converted.values():
        assert row.path is not None
        for file in row.path.rglob("*"):
            if file.is_file():
                content = file.read_bytes()
                assert here not in content, file
                assert str(student.parent).encode() not in content, file


def test_the_same_checkpoint_gives_the_same_bytes(converted: Converted, student: Path, tmp_path: Path) -> None:
    options = ConvertOptions(tmp_path)
    # fp16 of the two that are quick: Core ML and ExecuTorch write it as they write fp32, from other weights.
    rows = convert_many(student, ("onnx", "tflite"), ("fp32", "fp16"), options)
    rows += convert_many(student, ("coreml", "executorch"), ("fp32",), options)
    assert {row.target for row in rows} == set(target_names())
    for row in rows:
        first = converted[row.target, row.scheme].path
        assert first is not None
        assert row.path is not None
        old, new = (Bundle.open(path).manifest for path in (first, row.path))
        assert new.files == old.files, f"{row.target} {row.scheme}"
        assert (row.path / "manifest.json").read_bytes() == (first / "manifest.json").read_bytes()


def test_card_and_report_say_what_was_measured(converted: Converted) -> None:
    for (target, scheme), row in converted.items():
        assert row.path is not None
        report = json.loads((row.path / "report.json").read_text())
        card = (row.path / "CARD.md").read_text()
        assert set(report["distances"]) == {"conversion", "quantization"}
        assert "measured once, clips made by a test" in report["student_vs_full"]
        assert report["student_vs_full"][1:] in card
        assert report["gate"]["state"] == row.gate
        assert "no data: random weights. Licence: MIT" in card
        assert "Verified on a device: no" in card
        assert "made by a test" in card
        assert ("computed by the spec-level check" in card) == (target == "coreml")
        assert row.conversion is not None
        assert report["distances"]["conversion"]["logits"] == pytest.approx(row.conversion.logits)
        assert f"{target} fp32 against torch" in card
        assert (f"{scheme} against fp32" in card) == (scheme != "fp32")
