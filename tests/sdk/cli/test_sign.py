"""`mer sign`, and --trust of the commands that open bundles."""

import json
from datetime import datetime, timedelta, timezone

import pytest
from mer_command import mer


@pytest.fixture
def signed(clone, capsys):
    """Two bundles that release.key signed, and the public line of another key."""
    assert mer("sign", "--new-key", "release.key") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("release.key: the private key")
    assert said[-1].startswith("ed25519:")
    bundles = [clone / "grjca-onnx-fp32.mer", clone / "grjca-tflite-fp32.mer"]
    until = (datetime.now(timezone.utc) + timedelta(days=400)).date().isoformat()
    assert mer("sign", *bundles, "--key", "release.key", "--expires", until) == 0
    assert f"until {until}" in capsys.readouterr().out
    assert mer("sign", "--new-key", "other.key", "--json") == 0
    return bundles, json.loads(capsys.readouterr().out)["key"]


def test_commands_open_what_a_trusted_key_signed_and_nothing_else(signed, write_media, tmp_path, capsys):
    bundles, other = signed
    clip = tmp_path / "clip.wav"
    write_media(clip, 1.0, video=False)
    trusted = ("--trust", "release.key.pub")
    assert mer("verify", *bundles, *trusted) == 0
    assert mer("verify", bundles[0], *trusted) == 0
    assert "grjca-onnx-fp32: signed by the key " in capsys.readouterr().out
    assert mer("run", bundles[0], clip, "--no-voice", *trusted) == 0
    assert mer("run", bundles[0], clip, "--no-voice", "--out", tmp_path / "steps.csv", *trusted) == 0
    assert mer("inspect", bundles[0], *trusted) == 0
    out = capsys.readouterr().out
    assert "a trusted key" in out
    many = ("run", bundles[0], clip, "--out", tmp_path / "other.csv")
    for words in (("verify", bundles[0]), ("run", bundles[0], clip), many, ("inspect", bundles[0])):
        assert mer(*words, "--trust", other) == 2
        said = capsys.readouterr()
        assert said.err.startswith("mer: grjca-onnx-fp32.mer is signed by the key ")
        assert said.out == ""
    assert mer("verify", *bundles, "--trust", other, "--json") == 1
    assert all("is signed by the key" in one["reason"] for one in json.loads(capsys.readouterr().out))


def test_inspect_tells_who_says_to_have_signed_it(signed, capsys):
    bundles, _ = signed
    assert mer("inspect", bundles[0]) == 0
    assert "not checked" in capsys.readouterr().out
    assert mer("inspect", bundles[0], "--json") == 0
    (one,) = json.loads(capsys.readouterr().out)["signatures"]
    assert one["key"].startswith("ed25519:")
    assert one["trusted"] is False


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no bundle is given"),
        (("bundles/grjca-onnx-fp32.mer",), "--key is missing"),
        (("bundles/grjca-onnx-fp32.mer", "--key", "none.key"), "the key none.key cannot be read"),
        (("bundles/grjca-onnx-fp32.mer", "--key", "x", "--expires", "soon"), "is no day"),
        (("bundles/grjca-onnx-fp32.mer", "--key", "x", "--expires", "2020-01-31"), "is past"),
        (("bundles/grjca-onnx-fp32.mer", "--new-key", "x"), "makes a key and signs nothing"),
    ],
)
def test_what_it_refuses(clone, words, said, capsys):
    assert mer("sign", *words) == 2
    assert said in capsys.readouterr().err
    assert not list(clone.rglob("manifest.sig"))
