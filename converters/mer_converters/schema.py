"""Write the JSON Schema of the manifest: `python -m mer_converters.schema docs/manifest.schema.json`.

The sensor in TypeScript reads manifests by a copy, web/sensor/src/contract/manifest.schema.json: `make schema` writes
both.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from mer_sdk.contract.manifest_file import manifest_schema


def schema_text() -> str:
    """The text of docs/manifest.schema.json."""
    return json.dumps(manifest_schema(), indent=2) + "\n"


def main(arguments: list[str]) -> int:
    """Write the schema to the paths given."""
    if not arguments:
        print("usage: python -m mer_converters.schema docs/manifest.schema.json", file=sys.stderr)
        return 2
    for path in arguments:
        Path(path).write_text(schema_text())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
