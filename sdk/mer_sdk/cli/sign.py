"""`mer sign`: a signature beside the manifest, by which apps know who made a bundle."""

from __future__ import annotations

import json as json_module
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Annotated

import typer

from mer_sdk.cli.bundles import open_bundle
from mer_sdk.cli.options import JsonOption
from mer_sdk.contract.signature import key_id, key_line, until_text
from mer_sdk.contract.signing import new_key, read_private_key, sign_bundle
from mer_sdk.errors import OptionError


def sign(
    bundles: Annotated[
        list[str] | None,
        typer.Argument(metavar="BUNDLE", help="Bundles as folders (NAME.mer), or names of those in ./bundles."),
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", help="Private key that signs: a PEM file, of --new-key or of openssl.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="DATE", help="Last day that it counts, UTC; default: never ends.")
    ] = None,
    new_key_at: Annotated[
        Path | None, typer.Option("--new-key", metavar="FILE", help="Make a key pair: FILE, and the public FILE.pub.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Sign bundles, so that apps open those of yours alone. Every file is checked against its hash first.

    The signature goes into manifest.sig of the bundle; signatures of other keys stay. Keep the private key away from
    the code and from the device; the public one is the line ed25519:... of FILE.pub, which the app holds. A key that is
    encrypted gets its password from MER_KEY_PASSWORD.

    Next: `mer verify BUNDLE --trust release.key.pub`.

    Examples:

    mer sign --new-key release.key

    mer sign bundles/grjca-tflite-fp32.mer --key release.key --expires 2031-01-31
    """
    if new_key_at is not None:
        if bundles or key is not None or expires is not None:
            raise OptionError("--new-key makes a key and signs nothing; leave the rest out, and sign with --key then")
        public, line = new_key(new_key_at)
        if json:
            print(json_module.dumps({"private": str(new_key_at), "public": str(public), "key": line}, indent=2))
        else:
            print(f"{new_key_at}: the private key; keep it secret")
            print(f"{public}: the public key, for --trust and apps:\n{line}")
        return
    if not bundles:
        raise OptionError("no bundle is given: mer sign BUNDLE --key FILE; a key is made by mer sign --new-key FILE")
    if key is None:
        raise OptionError("--key is missing: the private key that signs; make one with mer sign --new-key FILE")
    until, private = _day(expires), read_private_key(key)
    opened = [open_bundle(name) for name in bundles]
    made = [(bundle, sign_bundle(bundle, private, until)) for bundle in opened]
    if json:
        rows = [
            {"bundle": bundle.name, "key": key_line(one.key), "key_id": key_id(one.key), "expires": one.expires}
            for bundle, one in made
        ]
        print(json_module.dumps(rows, indent=2))
        return
    for bundle, one in made:
        print(f"{bundle.name}: signed by the key {key_id(one.key)}, {until_text(one.expires)}")


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
        if len(text) != 10:
            raise ValueError(text)
    except ValueError as error:
        raise OptionError(f"--expires {text!r} is no day; write it as YEAR-MONTH-DAY, such as 2031-01-31") from error
    if day < datetime.now(timezone.utc).date():
        raise OptionError(f"--expires {text} is past: such a signature would be refused; give a day to come")
    return day
