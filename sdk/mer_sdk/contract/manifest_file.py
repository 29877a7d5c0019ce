"""`manifest.json`: the manifest as text, and what a text must hold to be one."""

from __future__ import annotations

import json
from typing import Any

from mer_sdk.contract.codec import from_json, json_schema, to_json
from mer_sdk.contract.manifest import SCHEMA_MINOR, SCHEMA_VERSION, Manifest
from mer_sdk.contract.manifest_checks import check_manifest
from mer_sdk.errors import BundleError, OptionError


def manifest_to_text(manifest: Manifest) -> str:
    """The manifest as the text of `manifest.json`: keys in the order of the dataclasses, two-space indent."""
    return json.dumps(to_json(manifest), indent=2) + "\n"


def manifest_from_text(text: str) -> Manifest:
    """Read and check the text of a `manifest.json`.

    Raises:
        BundleError: not JSON, a newer schema, a missing or unknown field, a value outside its limits, or values that
            contradict one another (`check_manifest`).
    """
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BundleError(
            f"manifest.json is not valid JSON ({str(error)[:200]}); write the bundle again with mer-convert"
        ) from error
    version = data.get("schema_version") if isinstance(data, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise BundleError("manifest.json has no schema_version; is this folder a bundle made by mer-convert?")
    if version > SCHEMA_VERSION:
        raise BundleError(
            f"the bundle has a newer manifest schema than {SCHEMA_VERSION}, which this mer_sdk reads: "
            "pip install --upgrade mer-edge, or convert the bundle again with this version"
        )
    minor = data.get("schema_minor", 0)
    newer = isinstance(minor, int) and minor > SCHEMA_MINOR
    try:
        manifest = from_json(Manifest, data, ignore_unknown=newer)
    except (ValueError, OptionError, RecursionError) as error:
        raise BundleError(f"manifest.json does not fit its schema: {error}; convert the bundle again") from error
    check_manifest(manifest)
    return manifest


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def manifest_schema() -> dict[str, Any]:
    """The JSON Schema of `manifest.json`."""
    return json_schema(Manifest)
