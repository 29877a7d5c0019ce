"""Signatures of bundles: what is signed, who is trusted, and that nothing is loaded of what is not."""

import errno
import hashlib
import json
import os
import shutil
import stat
import subprocess
from datetime import date
from pathlib import Path

import pytest
from signature_cases import PATH, build, public_line, signed

from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.signature import SIGNATURE, check_signed, key_id, trusted_keys
from mer_sdk.contract.signing import PASSWORD, new_key, read_private_key, sign_bundle
from mer_sdk.dialogue.conversation import Conversation
from mer_sdk.errors import MissingExtra, OptionError, UntrustedBundle
from mer_sdk.frontends.face_detection import open_detector
from mer_sdk.window.sensor import EmotionSensor

VECTORS = json.loads(PATH.read_text())


@pytest.fixture
def copy(tiny_onnx, tmp_path):
    return shutil.copytree(tiny_onnx, tmp_path / "copy.mer")


@pytest.fixture
def keys(tmp_path):
    """Two pairs: a private key, and the file of its public one."""
    pairs = []
    for name in ("one.key", "other.key"):
        public, _ = new_key(tmp_path / name)
        pairs.append((read_private_key(tmp_path / name), public))
    return pairs


def test_the_stored_vectors_are_those_that_the_keys_give():
    assert build() == VECTORS


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_vectors_are_judged_as_they_say(case):
    sha256 = hashlib.sha256(VECTORS["manifest"].encode()).hexdigest()
    content = None if case["signature"] is None else case["signature"].encode()
    today = date.fromisoformat(VECTORS["today"])
    if case["says"] is None:
        assert check_signed("bundle", sha256, content, case["trust"], today).manifest_sha256 == sha256
        return
    with pytest.raises(UntrustedBundle, match=case["says"]) as caught:
        check_signed("bundle", sha256, content, case["trust"], today)
    assert "\n" not in str(caught.value)


def test_a_signed_bundle_opens_and_any_change_of_it_is_refused(copy, keys, monkeypatch):
    (mine, trusted), (theirs, stranger) = keys
    with pytest.raises(UntrustedBundle, match=r"copy\.mer is not signed"):
        EmotionSensor.open(copy, trust=trusted)
    made = sign_bundle(Bundle.open(copy), mine, date(2999, 12, 31))
    assert Bundle.open(copy).signatures == (made,)
    with EmotionSensor.open(copy, trust=[stranger, trusted]) as sensor:
        assert sensor.bundle.check_trust(trusted) == made

    monkeypatch.setattr("mer_sdk.contract.bundle.load_graph", lambda *_: pytest.fail("a runtime was given a graph"))
    with pytest.raises(UntrustedBundle, match=f"signed by the key {key_id(made.key)}, and trusted is"):
        EmotionSensor.open(copy, trust=stranger)
    with pytest.raises(UntrustedBundle, match="signed by the key"):
        EmotionSensor.open(Bundle.open(copy), trust=stranger)
    with pytest.raises(UntrustedBundle, match="signed by the key"):
        Conversation.open(copy, trust=stranger)
    with pytest.raises(UntrustedBundle, match="signed by the key"):
        open_detector(str(copy), trust=stranger)
    with pytest.raises(UntrustedBundle, match=r"face.onnx is a file, which nobody signs"):
        EmotionSensor.open(copy, detector=str(copy / "face.onnx"), trust=trusted)
    # An attacker who puts in another graph has to write its hash into the manifest.
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "audio.onnx").write_bytes(b"hostile")
    spec = next(one for one in manifest["files"] if one["path"] == "audio.onnx")
    spec |= {"bytes": 7, "sha256": hashlib.sha256(b"hostile").hexdigest()}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    Bundle.open(copy)
    with pytest.raises(UntrustedBundle, match=r"manifest.json was changed after the key"):
        Bundle.open(copy, trusted)
    # And to sign it, which makes it another's.
    (copy / SIGNATURE).unlink()
    sign_bundle(Bundle.open(copy), theirs)
    with pytest.raises(UntrustedBundle, match="signed by the key"):
        Bundle.open(copy, trusted)


def test_what_is_no_key_is_refused(copy):
    for trust, said in (
        (5, "trust is 5; give a public key"),
        (True, "trust is true; give a public key"),
        (b"x", "trust is a bytes; give a public key"),
        ([], "trust names no key; give a public key"),
        ([5], "a key of trust is 5; give a public key"),
        ([None], "a key of trust is None; give a public key"),
    ):
        with pytest.raises(OptionError, match=said):
            Bundle.open(copy, trust)


def test_an_expired_signature_is_refused_today(copy, keys):
    (mine, trusted), _ = keys
    sign_bundle(Bundle.open(copy), mine, date(2020, 2, 29))
    with pytest.raises(UntrustedBundle, match="expired on 2020-02-29, today is 2"):
        Bundle.open(copy, trusted)


def test_signing_adds_to_others_and_gives_the_same_bytes(copy, keys):
    (mine, trusted), (theirs, other) = keys
    for key in (mine, theirs, mine):
        sign_bundle(Bundle.open(copy), key)
    first = (copy / SIGNATURE).read_bytes()
    assert {one.key for one in Bundle.open(copy).signatures} == {*trusted_keys(trusted), *trusted_keys(other)}
    sign_bundle(Bundle.open(copy), theirs)
    assert (copy / SIGNATURE).read_bytes() == first


def test_a_manifest_of_which_the_hash_covers_no_signature(copy, keys):
    """The signature is no file of the manifest, or signing would change what is signed."""
    from mer_sdk.contract.bundle_files import hash_files

    before = hash_files(copy)
    sign_bundle(Bundle.open(copy), keys[0][0])
    assert hash_files(copy) == before


@pytest.mark.parametrize("made", [os.mkfifo, lambda path: path.mkdir(), lambda path: path.symlink_to("manifest.json")])
def test_a_signature_that_is_no_plain_file_is_refused(copy, made):
    made(copy / SIGNATURE)
    with pytest.raises(UntrustedBundle, match="is no signature file"):
        Bundle.open(copy)


def test_keys(tmp_path, monkeypatch):
    public, line = new_key(tmp_path / "a.key")
    assert stat.S_IMODE((tmp_path / "a.key").stat().st_mode) == 0o600
    assert trusted_keys(line) == trusted_keys(public) == trusted_keys([str(public), line])
    with pytest.raises(OptionError, match="is there, and a key is never written over"):
        new_key(tmp_path / "a.key")
    for given, said in (
        (tmp_path / "a.key", "holds a private key"),
        (tmp_path / "none.pub", "cannot be read"),
        ("ed25519:AAAA", "the key is no public key"),
        ([], "names no key"),
    ):
        with pytest.raises(OptionError, match=said):
            trusted_keys(given)
    with pytest.raises(OptionError, match="is no private key in PEM"):
        read_private_key(public)
    with pytest.raises(OptionError, match="cannot be read"):
        read_private_key(tmp_path / "none.key")
    monkeypatch.setenv(PASSWORD, "secret")
    with pytest.raises(OptionError, match=f"is not encrypted: unset {PASSWORD}"):
        read_private_key(tmp_path / "a.key")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_keys_of_openssl(tmp_path, monkeypatch):
    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=tmp_path)

    openssl("genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:secret", "-out", "a.pem")
    openssl("pkey", "-in", "a.pem", "-passin", "pass:secret", "-pubout", "-out", "a.pub.pem")
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "ec.pem")
    openssl("pkey", "-in", "ec.pem", "-pubout", "-out", "ec.pub.pem")
    with pytest.raises(OptionError, match=f"is encrypted: put its password into {PASSWORD}"):
        read_private_key(tmp_path / "a.pem")
    for path, read in ((tmp_path / "ec.pem", read_private_key), (tmp_path / "ec.pub.pem", trusted_keys)):
        with pytest.raises(OptionError, match="Ed25519"):
            read(path)
    monkeypatch.setenv(PASSWORD, "wrong")
    with pytest.raises(OptionError, match=f"{PASSWORD} is not its password"):
        read_private_key(tmp_path / "a.pem")
    monkeypatch.setenv(PASSWORD, "secret")
    public = read_private_key(tmp_path / "a.pem").public_key().public_bytes_raw()
    assert trusted_keys(tmp_path / "a.pub.pem") == (public,)


def test_without_cryptography_the_command_that_brings_it_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cryptography.exceptions", None)
    made = signed(1)
    with pytest.raises(MissingExtra, match=r"mer-edge\[sign\]"):
        check_signed("bundle", made.manifest_sha256, made.text.encode(), public_line(1))


@pytest.mark.parametrize("name", ["a.key", "a.key.pub"])
def test_half_a_pair_of_keys_is_not_left_behind(tmp_path, monkeypatch, name):
    opened = os.open

    def full(path, *given):
        if Path(path).name == name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(path, *given)

    monkeypatch.setattr("mer_sdk.contract.signing.os.open", full)
    with pytest.raises(OptionError, match=r"a\.key, or its \.pub, cannot be written \(No space left"):
        new_key(tmp_path / "a.key")
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    new_key(tmp_path / "a.key")
