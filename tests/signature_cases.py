"""Signed, tampered, unsigned, re-signed and expired manifests, which every port must judge alike.

`python tests/signature_cases.py` writes docs/signature_vectors.json. The keys are made of known bytes and sign nothing
but this.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mer_sdk.contract.signature import Signature, key_line, signatures_text, statement

PATH = Path(__file__).resolve().parents[1] / "docs" / "signature_vectors.json"
MANIFEST = '{\n  "name": "grjca-onnx-fp32",\n  "labels": ["neutral", "fröhlich"]\n}\n'
TODAY = "2030-06-01"


def private_key(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def public_line(number: int) -> str:
    return key_line(private_key(number).public_key().public_bytes_raw())


def signed(number: int, expires: str = "never", manifest: str = MANIFEST) -> Signature:
    key, sha256 = private_key(number), hashlib.sha256(manifest.encode()).hexdigest()
    public = key.public_key().public_bytes_raw()
    return Signature(sha256, public, expires, key.sign(statement(sha256, public, expires)))


def build() -> dict[str, Any]:
    """The file's content: `says` is part of the sentence that refuses a case, null where it is accepted."""
    maker, other = public_line(1), public_line(2)
    good = signed(1).text
    ended = signed(1, "2030-05-31").text
    cases = [
        ("signed", good, [maker], None),
        ("signed until today", signed(1, TODAY).text, [maker], None),
        ("one of two trusted keys", good, [other, maker], None),
        ("signed by two, one trusted", signatures_text([signed(2), signed(1)]), [maker], None),
        ("an expired signature beside a good one", signatures_text([signed(2, "2030-05-31"), signed(1)]),
         [other, maker], None),
        ("unsigned", None, [maker], "is not signed"),
        ("signed again by another key", signed(2).text, [maker], "is signed by the key"),
        ("manifest changed since", signed(1, manifest=MANIFEST + " ").text, [maker], "was changed after the key"),
        ("hash changed to fit the manifest", signed(1, manifest=MANIFEST + " ").text.replace(
            signed(1, manifest=MANIFEST + " ").manifest_sha256, signed(1).manifest_sha256), [maker], "is not one"),
        ("expired yesterday", ended, [maker], "expired on 2030-05-31"),
        ("end put off", ended.replace("2030-05-31", "2031-05-31"), [maker], "is not one"),
        ("another's key put over the signature", signed(2).text.replace(other, maker), [maker], "is not one"),
        ("empty", "", [maker], "is damaged"),
        ("cut", good[:-30], [maker], "is damaged"),
        ("of a newer kind", good.replace("signature 1\n", "signature 2\n"), [maker], "is damaged"),
        ("Windows line ends", good.replace("\n", "\r\n"), [maker], "is damaged"),
        ("a mark of the byte order", "\ufeff" + good, [maker], "is damaged"),
        ("a line more", good + "expires never\n", [maker], "is damaged"),
        ("no end of the last line", good.rstrip("\n"), [maker], "is damaged"),
        ("too many", "\n".join([good] * 17), [maker], "is damaged"),
    ]  # fmt: skip
    names = ("name", "signature", "trust", "says")
    rows = [dict(zip(names, case, strict=True)) for case in cases]
    return {"manifest": MANIFEST, "today": TODAY, "cases": rows}


if __name__ == "__main__":
    PATH.write_text(json.dumps(build(), indent=2) + "\n")


def write_cases(folder: Path) -> None:
    """The golden signatures for programs of other languages, a folder a case."""
    vectors = json.loads(PATH.read_text())
    for index, case in enumerate(vectors["cases"]):
        place = folder / f"{index:02}-{case['name'].replace(' ', '-')}"
        place.mkdir(parents=True)
        texts = {"manifest.json": vectors["manifest"], "manifest.sig": case["signature"], "says": case["says"]}
        texts |= {"trust": "\n".join(case["trust"]), "today": vectors["today"]}
        for name, text in texts.items():
            if text is not None:
                (place / name).write_bytes(text.encode())
