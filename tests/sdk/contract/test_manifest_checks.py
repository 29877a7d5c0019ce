import io
import json
import os
import shutil
import types
import typing
import zipfile
from dataclasses import fields, is_dataclass

import numpy as np
import pytest
from manifests.cases import cases

from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import from_json
from mer_sdk.contract.golden import load_golden, read_arrays
from mer_sdk.contract.manifest import SCHEMA_MINOR, Manifest
from mer_sdk.contract.manifest_file import manifest_from_text, manifest_schema
from mer_sdk.errors import BundleError
from mer_sdk.limits import Limits


@pytest.fixture
def text(tiny_onnx):
    return (tiny_onnx / "manifest.json").read_text()


def changed(text, change):
    data = json.loads(text)
    change(data)
    return json.dumps(data)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_a_manifest_is_taken_or_refused_in_one_sentence(case):
    if case.says is None:
        assert manifest_from_text(case.text).name.startswith("tiny")
        return
    with pytest.raises(BundleError) as caught:
        manifest_from_text(case.text)
    message = str(caught.value)
    assert case.says in message
    assert "\n" not in message
    assert len(message) < 400


@pytest.mark.parametrize("broken", ["", "[", "[" * 100_000, '{"schema_version": NaN}', "1" * 5000, "null", "[]", '"x"'])
def test_what_is_no_json_of_a_manifest(broken):
    with pytest.raises(BundleError, match=r"not valid JSON|no schema_version"):
        manifest_from_text(broken)


def test_a_mean_that_is_no_number(text):
    with pytest.raises(BundleError, match="NaN is no number"):
        manifest_from_text(changed(text, lambda d: d["baseline"]["population_mean"]["audio"].__setitem__(0, np.nan)))


def test_unknown_fields_are_left_out_of_a_newer_minor_version_alone(text):
    def future(minor):
        return lambda d: d.update(schema_minor=minor, mood="blue") or d["audio"].update(gain="auto")

    with pytest.raises(BundleError, match="unknown field 'mood'"):
        manifest_from_text(changed(text, future(SCHEMA_MINOR)))
    assert manifest_from_text(changed(text, future(SCHEMA_MINOR + 1))).audio == manifest_from_text(text).audio


def limited_fields(kind, path=()):
    """(path of keys in the schema, bare type, limits) of every field with limits below a dataclass."""
    kind = typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind, include_extras=True)
        for field in fields(kind):
            hint = hints[field.name]
            if typing.get_origin(hint) is typing.Annotated:
                yield (*path, "properties", field.name), typing.get_args(hint)[0], typing.get_args(hint)[1]
            yield from limited_fields(hint, (*path, "properties", field.name))
    elif typing.get_origin(kind) in (typing.Union, types.UnionType):
        for index, item in enumerate(typing.get_args(kind)):
            yield from limited_fields(item, (*path, "anyOf", index))
    elif typing.get_origin(kind) is tuple and typing.get_args(kind)[-1] is Ellipsis:
        yield from limited_fields(typing.get_args(kind)[0], (*path, "items"))
    elif typing.get_origin(kind) is dict:
        yield from limited_fields(typing.get_args(kind)[1], (*path, "additionalProperties"))


def test_the_schema_says_every_limit():
    found = list(limited_fields(Manifest))
    assert len(found) > 50
    for path, kind, limits in found:
        assert isinstance(limits, Limits)
        place = manifest_schema()
        for key in path:
            place = place[key]
        said = json.dumps(place)
        for word, value in (
            ("minimum", limits.least if kind in (int, float) else None),
            ("maximum", limits.most if kind in (int, float) else None),
            ("maxLength", limits.characters),
            ("enum", list(limits.choices) or None),
        ):
            if value is not None:
                assert json.dumps({word: value})[1:-1] in said, (path, word)
        if limits.items is not None:
            assert f'"max{"Properties" if typing.get_origin(kind) is dict else "Items"}": {limits.items}' in said


def test_every_bound_is_held(text):
    data = json.loads(text)
    assert from_json(Manifest, data).clock.step_ms == data["clock"]["step_ms"]
    for path, kind, limits in limited_fields(Manifest):
        keys = [key for key in path if key not in ("properties", "anyOf")]
        if kind not in (int, float) or any(not isinstance(key, str) for key in keys) or keys[0] not in data:
            continue
        holder = json.loads(text)
        inner = holder
        for key in keys[:-1]:
            inner = inner.get(key) if isinstance(inner, dict) else None
        if not isinstance(inner, dict) or keys[-1] not in inner:
            continue
        for beyond in (limits.least - 1, limits.most + 1):
            inner[keys[-1]] = beyond
            with pytest.raises(BundleError):
                manifest_from_text(json.dumps(holder))


def test_links_and_folders_are_no_files(tiny_onnx, tmp_path):
    copy = shutil.copytree(tiny_onnx, tmp_path / "copy.mer")
    outside = tmp_path / "audio.onnx"
    shutil.move(copy / "audio.onnx", outside)
    (copy / "audio.onnx").symlink_to(outside)
    with pytest.raises(BundleError, match=r"audio\.onnx is no plain file of the bundle"):
        Bundle.open(copy)
    (copy / "audio.onnx").unlink()
    os.mkfifo(copy / "audio.onnx")
    with pytest.raises(BundleError, match=r"audio\.onnx is no plain file of the bundle"):
        Bundle.open(copy)


def with_arrays(path, **arrays):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in arrays.items():
            archive.writestr(f"{name}.npy", content)
    return path


def array_bytes(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_a_golden_file_allocates_what_is_there_alone(tmp_path):
    content = array_bytes(np.zeros((16, 6), np.float32))
    assert read_arrays(with_arrays(tmp_path / "right.npz", x=content))["x"].shape == (16, 6)
    huge = content.replace(b"(16, 6), }", b"(99999999999, 6), }"[:10].ljust(10))
    claims = content[:10] + content[10:].replace(b"(16, 6)", b"(99999999999, 6)").replace(b" " * 9, b"", 1)
    for broken in (content[:-4], content + b"\0", claims, b"", content[:20], array_bytes(np.array(["text"])), huge):
        with pytest.raises(BundleError, match="cannot be read"):
            read_arrays(with_arrays(tmp_path / "broken.npz", x=broken))


def test_golden_cases_fit_their_manifest(tiny_onnx, tmp_path):
    bundle = Bundle.open(shutil.copytree(tiny_onnx, tmp_path / "copy.mer"))
    arrays = read_arrays(bundle.path / "golden.npz")
    assert load_golden(bundle)
    for name, value, words in (
        ("case0_logits", arrays["case0_logits"][:-1], "logits is 6 and should be 7"),
        ("case1_pcm", arrays["case1_pcm"][:, :10], "pcm is 16x10 and should be 16x6000"),
        ("case0_audio_mask", np.full(16, np.inf, np.float32), "finite"),
    ):
        np.savez(bundle.path / "golden.npz", **(arrays | {name: value}))
        with pytest.raises(BundleError, match=words):
            load_golden(bundle)
