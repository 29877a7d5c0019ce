"""The face finder outside of its graph: a frame to its input, and its outputs to faces."""

from __future__ import annotations

import numpy as np

from mer_converters.emit.source_bundle import SourceBundle
from mer_sdk.frontends.face_finder import FinderDetector, letterboxed

# Height and width of frames: wider, higher, smaller than the input, and so high that rows are left out first.
FRAMES = ((240, 320), (99, 67), (40, 230), (61, 80), (540, 40))
# Height and width of frames whose faces are read.
SIZES = ((480, 640), (1280, 720), (90, 120))


def stages(source: SourceBundle) -> dict[str, np.ndarray]:
    """`stage_letterbox*`: a frame to the graph's input and the scale; `stage_decode*`: outputs to faces."""
    random, contract = np.random.default_rng(24), source.manifest.finder
    assert contract is not None  # a face finder
    arrays: dict[str, np.ndarray] = {}
    for index, (height, width) in enumerate(FRAMES):
        frame = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        picture, scale = letterboxed(frame, contract)
        given = np.zeros((contract.height, contract.width, 3), np.float32)
        given[: picture.shape[0], : picture.shape[1]] = picture
        prefix = f"stage_letterbox{index}_"
        arrays |= {f"{prefix}frame": frame, f"{prefix}input": given, f"{prefix}scale": np.array([scale])}
    for index, (height, width) in enumerate(SIZES):
        scores, boxes = _outputs(random, source)
        detector = FinderDetector(_Fixed(scores, boxes), contract)
        _, _, faces = detector.find(np.zeros((height, width, 3), np.uint8))
        prefix = f"stage_decode{index}_"
        arrays |= {f"{prefix}size": np.array([height, width]), f"{prefix}scores": scores, f"{prefix}boxes": boxes}
        arrays[f"{prefix}faces"] = np.array(faces, np.float32).reshape(-1, 5)
    return arrays


class _Fixed:
    """A graph that always says the same."""

    def __init__(self, scores: np.ndarray, boxes: np.ndarray) -> None:
        self._answer = {"scores": scores[None], "boxes": boxes[None]}

    def run(self, _: object) -> dict[str, np.ndarray]:
        """See `Graph.run`."""
        return self._answer


def _outputs(random: np.random.Generator, source: SourceBundle) -> tuple[np.ndarray, np.ndarray]:
    """Scores and boxes in the shapes of the graph: a few groups of overlapping boxes above the threshold."""
    shapes = {tensor.name: tensor.shape[1:] for tensor in source.manifest.graphs["finder"].outputs}
    scores = random.uniform(0, 0.4, shapes["scores"]).astype(np.float32)
    boxes = random.uniform(0.05, 0.4, shapes["boxes"]).astype(np.float32)
    chosen = random.choice(len(scores), 24, replace=False)
    scores[chosen] = random.uniform(0.3, 1.0, len(chosen))
    centres = random.uniform(-0.05, 0.75, (5, 2))
    for place, index in enumerate(chosen):
        side = random.uniform(0.15, 0.25)
        left, top = centres[place % 5] + random.uniform(-0.04, 0.04, 2)
        boxes[index] = left, top, side, side * 1.25
    return scores, boxes
