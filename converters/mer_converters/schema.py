"""Write the JSON Schemas: `python -m mer_converters.schema` in the checkout, or `make schema`.

The manifest has one, with a copy by which the sensor in TypeScript reads manifests, and so has `mer bench --json`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mer_sdk.bench.result import bench_schema
from mer_sdk.contract.manifest_file import manifest_schema

# Path in the checkout -> what it holds.
SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "docs/manifest.schema.json": manifest_schema,
    "web/sensor/src/contract/manifest.schema.json": manifest_schema,
    "docs/bench.schema.json": bench_schema,
}


def schema_text(path: str) -> str:
    """The text of one of `SCHEMAS`."""
    return json.dumps(SCHEMAS[path](), indent=2) + "\n"


def main() -> None:
    """Write all schemas, from the root of the checkout."""
    for path in SCHEMAS:
        Path(path).write_text(schema_text(path))


if __name__ == "__main__":
    main()
