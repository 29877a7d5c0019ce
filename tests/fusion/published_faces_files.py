"""A network of the published form, of narrow layers, as the npm package keeps it."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np

from mer_fusion.training.faces.face_expression import MANIFEST, WEIGHTS

CHANNELS, FURTHER = (4, 6), 1


def write_published_faces(folder: Path) -> Path:
    """Its two files in a folder: kernels of 8 bits, the last layer of 32."""
    drawn = np.random.default_rng(0)
    named: list[tuple[str, tuple[int, ...]]] = []
    width = 3
    for number, outputs in enumerate(CHANNELS):
        for place in range(1 + FURTHER):
            name, inputs = f"dense{number}/conv{place}", width if place == 0 else outputs
            if number == place == 0:
                named.append((f"{name}/filters", (3, 3, inputs, outputs)))
            else:
                named.append((f"{name}/depthwise_filter", (3, 3, inputs, 1)))
                named.append((f"{name}/pointwise_filter", (1, 1, inputs, outputs)))
            named.append((f"{name}/bias", (outputs,)))
        width = outputs
    entries, parts = [], []
    for name, shape in named:
        entries.append(
            {"name": name, "shape": list(shape), "quantization": {"dtype": "uint8", "scale": 0.004, "min": -0.5}}
        )
        parts.append(drawn.integers(0, 256, int(np.prod(shape)), dtype=np.uint8).tobytes())
    entries.append({"name": "fc/bias", "shape": [7], "dtype": "float32"})
    parts.append(drawn.standard_normal(7).astype(np.float32).tobytes())
    folder.mkdir(exist_ok=True)
    (folder / MANIFEST).write_text(json.dumps([{"weights": entries, "paths": [WEIGHTS]}]))
    (folder / WEIGHTS).write_bytes(b"".join(parts))
    return folder


def write_package(folder: Path, names: tuple[str, ...] = (MANIFEST, WEIGHTS)) -> Path:
    """The files as an npm package beside the folder."""
    package = folder.with_suffix(".tgz")
    with tarfile.open(package, "w:gz") as archive:
        for name in names:
            content = (folder / name).read_bytes()
            item = tarfile.TarInfo(f"package/model/{name}")
            item.size = len(content)
            archive.addfile(item, io.BytesIO(content))
    return package
