"""Signing bundles, and the keys for it: for who ships them. Needs cryptography, which a device needs to check alone."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.bundle_files import signature_content
from mer_sdk.contract.output_files import atomic_output
from mer_sdk.contract.signature import (
    MOST_SIGNATURES,
    NEVER,
    SIGNATURE,
    Signature,
    key_line,
    read_signatures,
    signatures_text,
    statement,
)
from mer_sdk.errors import MissingExtra, OptionError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# Read where a private key is encrypted, as one that `openssl genpkey -aes256` wrote.
PASSWORD = "MER_KEY_PASSWORD"


def new_key(path: Path) -> tuple[Path, str]:
    """Make a key pair: the private key as PEM, readable by its owner alone, and beside it the public one.

    Args:
        path: of the private key. The public one is `path` with ".pub" after it: one line, `ed25519:BASE64`.

    Returns:
        The public key's file and its line.

    Raises:
        OptionError: one of the files is there, or cannot be written.
        MissingExtra: cryptography is not installed.
    """
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError as error:
        raise MissingExtra("making a key", "cryptography", "sign") from error
    public = path.with_name(f"{path.name}.pub")
    for one in (path, public):
        if os.path.lexists(one):
            raise OptionError(f"{one} is there, and a key is never written over; give another name")
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    line = key_line(key.public_key().public_bytes_raw())
    made: list[Path] = []
    try:
        for one, mode, content in ((path, 0o600, private), (public, 0o644, f"{line}\n".encode())):
            descriptor = os.open(one, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            made.append(one)
            with open(descriptor, "wb") as file:
                file.write(content)
    except OSError as error:
        # Half a pair is of no use, and would stand in the way of the next try.
        for half in made:
            half.unlink(missing_ok=True)
        raise OptionError(f"{path}, or its .pub, cannot be written ({error.strerror}); give another place") from error
    return public, line


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """A private key for signing, from PEM (PKCS #8); the password of an encrypted one is in `MER_KEY_PASSWORD`.

    Raises:
        OptionError: it cannot be read, is none, of another kind, or its password is missing or wrong.
        MissingExtra: cryptography is not installed.
    """
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError as error:
        raise MissingExtra("signing a bundle", "cryptography", "sign") from error
    password = os.environ.get(PASSWORD)
    try:
        key = load_pem_private_key(path.read_bytes(), password.encode() if password else None)
    except OSError as error:
        raise OptionError(f"the key {path} cannot be read ({error.strerror}); mer sign --new-key makes one") from error
    except TypeError as error:  # a password where none is needed, or none where one is
        what = "is not encrypted: unset" if password else "is encrypted: put its password into"
        raise OptionError(f"the key {path} {what} {PASSWORD}") from error
    except Exception as error:  # the library raises several kinds, also its own
        wrong = f", or {PASSWORD} is not its password" if password else ""
        raise OptionError(f"{path} is no private key in PEM{wrong}; make one with mer sign --new-key FILE") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise OptionError(f"the key {path} is of another kind; Ed25519 signs bundles: mer sign --new-key FILE")
    return key


def sign_bundle(bundle: Bundle, key: Ed25519PrivateKey, expires: date | None = None) -> Signature:
    """Sign an open (so hash-checked) bundle; the signatures of other keys stay, an older one of this key goes.

    Ed25519 is deterministic and no time goes in: the same bundle, key and day of expiry give the same bytes.

    Args:
        bundle: a bundle's folder.
        key: of `read_private_key`.
        expires: last day on which the signature counts, UTC; None for never.

    Raises:
        OptionError: it is a checkpoint, signed by too many, or cannot be written.
        UntrustedBundle: the signature file that is there is none.
    """
    if bundle.path is None or not bundle.path.is_dir():
        raise OptionError(f"{bundle.name} is a checkpoint; sign the bundles that mer-convert makes of it")
    folder, public = bundle.path, key.public_key().public_bytes_raw()
    # Of these bytes, which were read and checked when it was opened, and not of what lies there by now.
    sha256 = bundle.manifest_sha256
    until = NEVER if expires is None else expires.isoformat()
    made = Signature(sha256, public, until, key.sign(statement(sha256, public, until)))
    there = signature_content(folder)
    others = () if there is None else tuple(one for one in read_signatures(there) if one.key != public)
    if len(others) >= MOST_SIGNATURES:
        raise OptionError(f"{bundle.name} has {len(others)} signatures, the most allowed; delete {SIGNATURE}")
    try:
        with atomic_output(folder / SIGNATURE) as aside:
            aside.write_text(signatures_text((*others, made)), encoding="ascii", newline="\n")
    except OSError as error:
        raise OptionError(
            f"{folder / SIGNATURE} cannot be written ({error.strerror}); copy the bundle where you may write"
        ) from error
    return made
