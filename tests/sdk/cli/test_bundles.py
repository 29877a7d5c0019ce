"""Bare names, folders of bundles, and what is left out of them."""

import pytest

from mer_sdk.cli.bundles import (
    inputs_of,
    is_finder,
    name_parts,
    open_bundle,
    open_bundles,
    preference,
    without_runtime,
)
from mer_sdk.errors import BundleNotFound, OptionError
from mer_sdk.runtimes import RuntimeStatus


def usable(monkeypatch, *targets):
    """Let only the runtimes of these targets be installed."""
    names = {"tflite": "litert", "onnx": "onnx", "executorch": "executorch"}
    found = tuple(RuntimeStatus(name, target, target in targets, "", "pip it") for target, name in names.items())
    monkeypatch.setattr("mer_sdk.cli.bundles.available", lambda: found)


def test_a_bare_name_takes_the_best_bundle_of_the_folder_and_says_so(clone, monkeypatch, capsys):
    usable(monkeypatch, "tflite", "onnx")
    assert open_bundle("grjca").name == "grjca-tflite-fp32"
    assert capsys.readouterr().err == "mer: grjca is bundles/grjca-tflite-fp32.mer\n"
    usable(monkeypatch, "onnx")
    assert open_bundle("grjca").name == "grjca-onnx-fp32"
    assert open_bundle("grjca-tflite").name == "grjca-tflite-fp32"
    assert open_bundle("grjca-tflite-fp32.mer").name == "grjca-tflite-fp32"


def test_a_path_is_taken_as_it_stands(clone, capsys):
    assert open_bundle("bundles/grjca-onnx-fp32.mer").name == "grjca-onnx-fp32"
    assert open_bundle(str(clone / "grjca-onnx-fp32.mer")).name == "grjca-onnx-fp32"
    assert capsys.readouterr().err == ""


def test_a_packaged_bundle_comes_before_the_folder(clone, tiny_onnx, monkeypatch, capsys):
    packaged = {"grjca": tiny_onnx}
    for module in ("mer_sdk.cli.bundles", "mer_sdk.contract.bundle"):
        monkeypatch.setattr(f"{module}.packaged_bundles", lambda: packaged)
    assert open_bundle("grjca").name == "tiny"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("grcja", "did you mean grjca?"),
        ("grjca-onxn-fp32", "did you mean grjca-onnx-fp32?"),
        ("bundles/grjca-onx-fp32.mer", "did you mean bundles/grjca-onnx-fp32.mer?"),
    ],
)
def test_the_nearest_name_is_offered(clone, given, near):
    with pytest.raises(BundleNotFound) as caught:
        open_bundle(given)
    assert near in str(caught.value)


def test_names_are_listed_where_none_is_near(clone):
    with pytest.raises(
        BundleNotFound, match=r"known names, of \./bundles in this folder .*: amb_dsgdn, grjca"
    ) as caught:
        open_bundle("qqqqqq")
    assert "did you mean" not in str(caught.value)


def test_without_the_folder_there_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        BundleNotFound,
        match=r"there is no bundle 'grjca'; known names, .*: none\. Or give .* mer-convert --model MODEL makes",
    ):
        open_bundle("grjca")


def test_what_cannot_be_used_is_left_out_in_one_line_a_reason(clone, face_finder, capsys):
    face_finder("bundles/grjca-onnx-fp32.mer")
    face_finder("bundles/amb_dsgdn-onnx-fp32.mer")
    given = [f"bundles/{name}.mer" for name in ("amb_dsgdn-onnx-fp32", "grjca-onnx-fp32", "grjca-tflite-fp32")]
    assert [bundle.name for bundle in open_bundles(given, is_finder)] == ["grjca-tflite-fp32"]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("mer: left out: amb_dsgdn-onnx-fp32, grjca-onnx-fp32: a face finder")


def test_a_bundle_that_is_named_alone_is_an_error_where_it_cannot_be_used(clone, face_finder):
    face_finder("bundles/grjca-onnx-fp32.mer")
    with pytest.raises(OptionError, match="grjca-onnx-fp32: a face finder is no emotion model"):
        open_bundles(["bundles/grjca-onnx-fp32.mer"], is_finder)


def test_what_is_slow_is_left_out_of_several_alone(clone, capsys):
    def slow(bundle):
        return "slow" if "onnx" in bundle.name else ""

    both = ["bundles/grjca-onnx-fp32.mer", "bundles/grjca-tflite-fp32.mer"]
    assert [bundle.name for bundle in open_bundles(both, slow=slow)] == ["grjca-tflite-fp32"]
    assert capsys.readouterr().err == "mer: left out: grjca-onnx-fp32: slow\n"
    assert [bundle.name for bundle in open_bundles(both[:1], slow=slow)] == ["grjca-onnx-fp32"]
    with pytest.raises(OptionError, match="none of these can be used: grjca-onnx-fp32, grjca-onnx-fp32: slow"):
        open_bundles([both[0], both[0]], slow=slow)


def test_a_missing_runtime_says_how_to_get_it(clone, monkeypatch):
    usable(monkeypatch, "onnx")
    assert without_runtime(open_bundle("bundles/grjca-tflite-fp32.mer")) == "litert is not here: pip it"
    assert without_runtime(open_bundle("bundles/grjca-onnx-fp32.mer")) == ""


def test_inputs_are_those_of_the_bundle_that_a_name_takes(clone):
    assert [path.name for path in inputs_of(["grjca-onnx", "nothing"]).values()] == ["grjca-onnx-fp32.mer"]


def test_preference_is_runnable_then_precise_then_light(monkeypatch):
    usable(monkeypatch, "tflite", "onnx", "executorch")
    names = ["m-coreml-fp32", "m-executorch-fp32", "m-onnx-fp32", "m-onnx-int8", "m-tflite-fp16", "m-tflite-fp32"]
    wanted = ["m-tflite-fp32", "m-onnx-fp32", "m-executorch-fp32", "m-tflite-fp16", "m-onnx-int8", "m-coreml-fp32"]
    assert sorted(names, key=preference) == wanted
    assert name_parts("amb_dsgdn-onnx-fp32") == ("amb_dsgdn", "onnx", "fp32")
    assert name_parts("grjca") == ("grjca", "", "")
