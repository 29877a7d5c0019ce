"""Who signed a bundle: `manifest.sig` beside `manifest.json`, and whether a trusted key did.

The manifest holds the hash of every file, so that a signature over the manifest's bytes covers the whole bundle. The
signature file is plain text, for ports that have no JSON parser at hand; one block a signature, blank lines between
them:

    mer-edge bundle signature 1
    manifest sha256 HEX
    key ed25519:BASE64
    expires 2027-11-29
    signature BASE64

What is signed (Ed25519, RFC 8032) are the first four lines as they stand, each with its line feed. `expires` is the
last day, UTC, on which the signature counts, or "never".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone
from pathlib import Path

from mer_sdk.errors import MissingExtra, OptionError, UntrustedBundle, reason_of
from mer_sdk.limits import check_path, given

SIGNATURE = "manifest.sig"
MOST_SIGNATURE_BYTES = 16_384
MOST_SIGNATURES = 16
NEVER = "never"
PREFIX = "ed25519:"
_BLOCK = re.compile(
    r"mer-edge bundle signature 1\n"
    r"manifest sha256 ([0-9a-f]{64})\n"
    r"key ed25519:([A-Za-z0-9+/]{43}=)\n"
    r"expires (never|[0-9]{4}-[0-9]{2}-[0-9]{2})\n"
    r"signature ([A-Za-z0-9+/]{86}==)\n"
)

# Public keys: "ed25519:BASE64", or files that hold that line or a PEM public key.
Trust = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class Signature:
    """One block of `manifest.sig`.

    Attributes:
        manifest_sha256: of the bytes of `manifest.json`, hexadecimal.
        key: the signer's public key, 32 bytes.
        expires: last day on which it counts, UTC, such as "2027-11-29"; "never".
        signature: 64 bytes.
    """

    manifest_sha256: str
    key: bytes
    expires: str
    signature: bytes

    @property
    def statement(self) -> bytes:
        """What is signed."""
        return statement(self.manifest_sha256, self.key, self.expires)

    @property
    def text(self) -> str:
        """The block."""
        return f"{self.statement.decode()}signature {base64.b64encode(self.signature).decode()}\n"


def statement(manifest_sha256: str, key: bytes, expires: str) -> bytes:
    """The four lines that are signed."""
    lines = ("mer-edge bundle signature 1", f"manifest sha256 {manifest_sha256}", f"key {key_line(key)}")
    return "".join(f"{line}\n" for line in (*lines, f"expires {expires}")).encode()


def key_line(key: bytes) -> str:
    """A public key of 32 bytes as an app writes it down: "ed25519:BASE64"."""
    return PREFIX + base64.b64encode(key).decode()


def key_id(key: bytes) -> str:
    """A public key's short name in messages: the first 16 hexadecimal digits of its sha256."""
    return hashlib.sha256(key).hexdigest()[:16]


def until_text(expires: str) -> str:
    """How long a signature counts, in words."""
    return "without an expiry date" if expires == NEVER else f"until {expires}"


def trusted_keys(trust: Trust) -> tuple[bytes, ...]:
    """The public keys, 32 bytes each, that `trust` names.

    Raises:
        OptionError: none is named, or one is no Ed25519 public key.
        MissingExtra: a key is a PEM file and cryptography is not installed.
    """
    wanted = f"a public key, {PREFIX}BASE64 or the file that holds it"
    named = [trust] if isinstance(trust, str | Path) else trust
    # Of bytes each item would be a number.
    if not isinstance(named, Collection) or isinstance(named, bytes | bytearray):
        raise OptionError(f"trust is {given(trust)}; give {wanted}, or a list of them")
    if not named:
        raise OptionError(f"trust names no key; give {wanted}")
    for one in named:
        check_path("a key of trust", one, wanted)
    return tuple(dict.fromkeys(_public_key(one) for one in named))


def _public_key(named: str | Path) -> bytes:
    text, said = str(named), f"the file {named}"
    if isinstance(named, str) and named.startswith(PREFIX):
        said = "the key"
    else:
        try:
            with Path(named).open("rb") as file:
                text = file.read(MOST_SIGNATURE_BYTES).decode("utf-8", "replace")
        except (OSError, ValueError) as error:
            reason = reason_of(error)
            raise OptionError(
                f"the public key {named} cannot be read ({reason}); give {PREFIX}BASE64 or the file that holds it"
            ) from error
    if "PRIVATE KEY" in text:
        raise OptionError(f"{named} holds a private key; trust takes the public one, which mer sign --new-key wrote")
    if "-----BEGIN PUBLIC KEY-----" in text:
        return _pem_key(text, said)
    line = text.strip()
    try:
        key = base64.b64decode(line.removeprefix(PREFIX), validate=True) if line.startswith(PREFIX) else b""
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        raise OptionError(f"{said} is no public key; one line {PREFIX}BASE64 (32 bytes) or a PEM public key is allowed")
    return key


def _pem_key(text: str, said: str) -> bytes:
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
    except ImportError as error:
        raise MissingExtra("reading a PEM key", "cryptography", "sign") from error
    try:
        found = load_pem_public_key(text.encode())
    except Exception as error:  # the library raises several kinds, also its own
        raise OptionError(f"{said} is no PEM public key: {error}") from error
    if not isinstance(found, Ed25519PublicKey):
        raise OptionError(f"{said} holds a key of another kind; bundles are signed with Ed25519")
    return found.public_bytes(Encoding.Raw, PublicFormat.Raw)


def read_signatures(content: bytes) -> tuple[Signature, ...]:
    """The blocks of a `manifest.sig`.

    Raises:
        UntrustedBundle: it is none, or of a newer kind.
    """
    text = content.decode("ascii", "replace")
    blocks = text.split("\n\n") if len(content) <= MOST_SIGNATURE_BYTES else []
    found = [_BLOCK.fullmatch(block.removesuffix("\n") + "\n") for block in blocks]
    if not 1 <= len(found) <= MOST_SIGNATURES or not text.endswith("\n"):
        found = [None]
    read = []
    for match in found:
        if match is None:
            raise UntrustedBundle(
                f"{SIGNATURE} is damaged, or of a newer kind than this mer_sdk reads; sign again with mer sign"
            )
        sha256, key, expires, signature = match.groups()
        read.append(Signature(sha256, base64.b64decode(key), expires, base64.b64decode(signature)))
    return tuple(read)


def signatures_text(signatures: Sequence[Signature]) -> str:
    """The text of `manifest.sig`: sorted by key, so that the same signatures give the same bytes."""
    return "\n".join(one.text for one in sorted(signatures, key=lambda one: one.key))


def check_signed(
    name: str, manifest_sha256: str, content: bytes | None, trust: Trust, today: date | None = None
) -> Signature:
    """The signature by which a bundle is trusted.

    Args:
        name: of the bundle, for messages.
        manifest_sha256: of the bytes of its `manifest.json`, hexadecimal.
        content: of its `manifest.sig`, None where there is none.
        trust: public keys, one of which must have signed it.
        today: the day that expiry is held against, UTC; None asks the clock.

    Raises:
        UntrustedBundle: it is not signed, signed by no trusted key, changed since, or its signature has expired.
        OptionError: see `trusted_keys`.
        MissingExtra: cryptography is not installed.
    """
    keys = trusted_keys(trust)
    if content is None:
        raise UntrustedBundle(f"{name} is not signed: it has no {SIGNATURE}; take it from its signer")
    signatures = read_signatures(content)
    day = (today or datetime.now(timezone.utc).date()).isoformat()
    wrong = ""
    for one in signatures:
        if one.key in keys:
            found = _what_is_wrong(one, manifest_sha256, day)
            if not found:
                return one
            wrong = wrong or found
    if wrong:
        raise UntrustedBundle(f"{name} is not trusted: {wrong}")
    signers = ", ".join(key_id(one.key) for one in signatures)
    trusted = ", ".join(map(key_id, keys))
    raise UntrustedBundle(f"{name} is signed by the key {signers}, and trusted is {trusted}; take it from its signer")


def _what_is_wrong(signature: Signature, manifest_sha256: str, day: str) -> str:
    """Why a signature by a trusted key does not count, "" where it does."""
    key = key_id(signature.key)
    if not _fits(signature):
        return f"the signature of the key {key} is not one: {SIGNATURE} was changed; take the bundle from its signer"
    if signature.manifest_sha256 != manifest_sha256:
        return f"manifest.json was changed after the key {key} signed it; take the bundle from its signer"
    if signature.expires != NEVER and day > signature.expires:
        return f"the signature of the key {key} expired on {signature.expires}, today is {day}; get a newer bundle"
    return ""


def _fits(signature: Signature) -> bool:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError as error:
        raise MissingExtra("checking a signature", "cryptography", "sign") from error
    try:
        Ed25519PublicKey.from_public_bytes(signature.key).verify(signature.signature, signature.statement)
    except (InvalidSignature, ValueError):
        return False
    return True
