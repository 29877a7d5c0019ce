"""Golden cases of a face finder's bundle: frames, what the graph gives for them, and the faces read from that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.golden import GOLDEN, read_arrays
from mer_sdk.contract.manifest import FINDER, FinderContract
from mer_sdk.errors import BundleError, OptionError
from mer_sdk.frontends.face_finder import FinderDetector, FinderGraph
from mer_sdk.parity.agreement import TOLERANCE, distance
from mer_sdk.runtimes import runtime_note

FIELDS = ("frame", "scores", "boxes", "faces")


@dataclass(frozen=True, eq=False)
class FinderCase:
    """A frame and what is found in it.

    Attributes:
        frame: uint8 [height, width, 3], RGB.
        scores: float32 [N] of the graph.
        boxes: float32 [N, 4] of the graph, shares of the input.
        faces: float32 [K, 5]: (x, y, width, height, score) in frame pixels, the best first.
    """

    frame: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    faces: np.ndarray


def run_finder(graph: FinderGraph, contract: FinderContract, frame: np.ndarray) -> FinderCase:
    """What a graph and the front end here make of a frame."""
    scores, boxes, faces = FinderDetector(graph, contract).find(frame)
    return FinderCase(frame, scores, boxes, np.array(faces, np.float32).reshape(-1, 5))


def save_finder_cases(path: Path, cases: Sequence[FinderCase]) -> None:
    """Write `case{i}_frame`, `_scores`, `_boxes`, `_faces`, compressed; the same cases give the same bytes."""
    arrays = {f"case{i}_{name}": getattr(case, name) for i, case in enumerate(cases) for name in FIELDS}
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_finder_cases(bundle: Bundle) -> tuple[FinderCase, ...]:
    """The cases of a face finder's bundle.

    Raises:
        BundleError: there are none, or the file is damaged.
    """
    path, contract = (bundle.path or Path()) / GOLDEN, bundle.manifest.finder
    arrays = read_arrays(path)
    count = len(arrays) // len(FIELDS)
    if contract is None or not count:
        raise BundleError(f"{path} holds no case of a face finder; convert the bundle again")
    shapes = {tensor.name: tensor.shape[1:] for tensor in bundle.manifest.graphs[FINDER].outputs}
    cases = []
    for i in range(count):
        found = {name: arrays.get(f"case{i}_{name}") for name in FIELDS}
        frame, scores, boxes, faces = (found[name] for name in FIELDS)
        if frame is None or scores is None or boxes is None or faces is None:
            raise BundleError(f"{path}: case {i} lacks {', '.join(n for n in FIELDS if found[n] is None)}")
        right = frame.dtype == np.uint8 and frame.ndim == 3 and frame.shape[2] == 3 and min(frame.shape) > 0
        right = right and (scores.shape, boxes.shape) == (shapes["scores"], shapes["boxes"])
        if not (right and faces.ndim == 2 and faces.shape[1] == 5):
            raise BundleError(f"{path}: case {i} does not fit the manifest; convert the bundle again")
        cases.append(FinderCase(frame, scores, boxes, faces))
    return tuple(cases)


def apart(found: FinderCase, wanted: FinderCase) -> dict[str, float]:
    """Largest absolute differences: "scores", "boxes" (shares of the input) and "faces" (pixels; infinite where their
    number differs)."""
    same = found.faces.shape == wanted.faces.shape
    return {
        "scores": distance(found.scores, wanted.scores).max_abs_error,
        "boxes": distance(found.boxes, wanted.boxes).max_abs_error,
        "faces": distance(found.faces, wanted.faces).max_abs_error if same else float("inf"),
    }


@dataclass(frozen=True)
class FinderVerification:
    """The result of `mer verify --json` for a face finder: largest differences in each golden frame, see `apart`."""

    bundle: str
    runtime: str
    note: str
    files: int
    limit: float
    cases: tuple[dict[str, float], ...]
    passed: bool

    def text(self) -> str:
        """For people."""
        lines = [f"{self.bundle}: {self.files} files equal their hashes; golden frames in {self.runtime}:"]
        lines += [self.note] if self.note else []
        for index, case in enumerate(self.cases):
            lines.append(f"  frame {index}: " + ", ".join(f"{name} {value:.1e}" for name, value in case.items()))
        outcome = "passed" if self.passed else "FAILED"
        return "\n".join([*lines, f"{outcome}: at most {self.limit:g} on scores and boxes, and as many faces"])


def verify_finder(bundle: Bundle, runtime: str | None = None, threads: int = 1) -> FinderVerification:
    """Run the golden frames of an open (so hash-checked) bundle of a face finder.

    Raises:
        OptionError: the bundle is no face finder.
        BundleError, RuntimeUnavailable: see `Bundle.load_graphs`, `load_finder_cases`.
    """
    contract, chosen = bundle.manifest.finder, bundle.chosen_runtime(runtime)
    if contract is None:
        raise OptionError(f"{bundle.name} is no face finder")
    cases, graph = load_finder_cases(bundle), bundle.load_graphs(chosen, threads)[FINDER]
    limit = TOLERANCE[bundle.manifest.scheme]
    found = tuple(apart(run_finder(graph, contract, case.frame), case) for case in cases)
    passed = all(max(case["scores"], case["boxes"]) <= limit and np.isfinite(case["faces"]) for case in found)
    return FinderVerification(
        bundle.name, chosen, runtime_note(chosen), len(bundle.manifest.files), limit, found, bool(passed)
    )
