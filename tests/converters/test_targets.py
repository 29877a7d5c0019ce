"""Every target in fp32 and fp16: it converts, opens, runs and agrees; what must stay in 32-bit does."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from mer_converters.convert import ConversionResult, ConvertOptions, convert_many
from mer_converters.targets import find_target, target_names
from mer_sdk.bundle import Bundle
from mer_sdk.errors import ConversionError, OptionError
from mer_sdk.golden import load_golden

pytestmark = pytest.mark.slow

Converted = dict[tuple[str, str], ConversionResult]
RUNNING = ("executorch", "onnx", "tflite")
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
@pytest.mark.parametrize("target", RUNNING)
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
@pytest.mark.parametrize("target", RUNNING)
def test_sdk_gets_the_golden_logits_from_the_bundle(converted: Converted, target: str, scheme: str) -> None:
    path = converted[target, scheme].path
    assert path is not None
    bundle = Bundle.open(path)
    graphs = bundle.load_graphs()
    case = load_golden(bundle)[3]
    means = {name: np.asarray(mean, np.float32) for name, mean in bundle.manifest.baseline.population_mean.items()}
    audio = np.stack([graphs["audio"].run({"pcm": row[None]})["audio_features"][0] for row in case.pcm])
    face = np.stack([graphs["face"].run({"crop": row[None]})["face_features"][0] for row in case.crop])
    window = {
        "audio": ((audio - means["audio"]) * case.audio_mask[:, None])[None],
        "face": ((face - means["face"]) * case.face_mask[:, None])[None],
        "audio_mask": case.audio_mask[None],
        "face_mask": case.face_mask[None],
    }
    logits = graphs["fusion"].run(window)["logits"][0]
    np.testing.assert_allclose(logits, case.logits, atol=1e-4 if scheme == "fp32" else 5e-3)


def test_coreml_is_checked_and_never_called_passed(converted: Converted) -> None:
    for scheme in ("fp32", "fp16"):
        row = converted["coreml", scheme]
        assert row.gate == "unchecked"
        assert row.conversion is None
        assert row.quantization is None
        assert set(row.check) == {"audio", "face", "fusion"}
        assert all("reloaded" in said for said in row.check.values())


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
    from mer_converters.targets import coreml

    path = converted["coreml", "fp32"].path
    assert path is not None
    spec = Bundle.open(path).manifest.graphs["fusion"]
    monkeypatch.setattr(coreml, "KNOWN_OPERATIONS", coreml.KNOWN_OPERATIONS - {"tanh"})
    with pytest.raises(ConversionError, match="has the operations tanh"):
        coreml.check_program(path / spec.file, spec)


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


def test_front_end_stays_in_32_bit_onnx(converted: Converted) -> None:
    import onnx

    path = converted["onnx", "fp16"].path
    assert path is not None
    graph = onnx.load(str(path / "audio.onnx")).graph
    kinds = {tuple(item.dims): item.data_type for item in graph.initializer}
    bank = [kind for dims, kind in kinds.items() if sorted(dims) == [32, 220]]
    assert bank == [onnx.TensorProto.FLOAT]
    assert onnx.TensorProto.FLOAT16 in kinds.values()


def test_front_end_stays_in_32_bit_tflite(converted: Converted) -> None:
    from ai_edge_litert.interpreter import Interpreter

    path = converted["tflite", "fp16"].path
    assert path is not None
    tensors = Interpreter(str(path / "audio.tflite")).get_tensor_details()
    bank = [item["dtype"] for item in tensors if sorted(item["shape"].tolist()) == [32, 220]]
    assert bank == [np.float32]
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
    kinds = {kind: [o.outputs[0].dtype for o in operations if o.op_type == kind] for kind in ("log", "conv")}
    assert kinds["log"] == [types.fp32]
    assert set(kinds["conv"]) == {types.fp16}


@pytest.mark.parametrize("target", RUNNING)
def test_fp16_hears_quiet_sound_like_fp32(converted: Converted, target: str) -> None:
    """At 60 dB below full scale a power spectrum in 16-bit floats would be zero."""
    features = []
    for scheme in ("fp32", "fp16"):
        path = converted[target, scheme].path
        assert path is not None
        bundle = Bundle.open(path)
        pcm = load_golden(bundle)[0].pcm[8:9] * np.float32(1e-3)
        features.append(bundle.load_graphs()["audio"].run({"pcm": pcm})["audio_features"])
    assert np.abs(features[0]).max() > 0.05
    np.testing.assert_allclose(features[1], features[0], atol=5e-3)


def test_no_path_of_this_machine_travels(converted: Converted, student: Path) -> None:
    here = str(Path(__file__).resolve().parents[2]).encode()
    for row in converted.values():
        assert row.path is not None
        for file in row.path.rglob("*"):
            if file.is_file():
                content = file.read_bytes()
                assert here not in content, file
                assert str(student.parent).encode() not in content, file


def test_the_same_checkpoint_gives_the_same_bytes(
    converted: Converted, student: Path, full: Path, tmp_path: Path
) -> None:
    rows = convert_many(student, target_names(), ("fp32", "fp16"), ConvertOptions(tmp_path, reference=full))
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
        assert report["distances"]["distillation"]["windows"] == 16
        assert report["gate"]["state"] == row.gate
        assert "no data: random weights. Licence: MIT" in card
        assert "Verified on a device: no" in card
        assert "made by a test" in card
        if target == "coreml":
            assert report["distances"]["conversion"] is None
            assert "not checked (neither passed nor failed)" in card
        else:
            assert row.conversion is not None
            assert report["distances"]["conversion"]["logits"] == pytest.approx(row.conversion.logits)
            assert f"{target} fp32 against torch" in card
            assert (f"{scheme} against fp32" in card) == (scheme != "fp32")
