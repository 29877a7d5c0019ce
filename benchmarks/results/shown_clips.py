"""What `mer run` prints for real clips: one that the model gets right, and one that it gets wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.estimate import UNKNOWN
from mer_sdk.evaluation.datasets.ravdess import LABELS

# Shown as the right one where the model gets it right, so that new weights change the README little.
_PREFERRED = "01-01-03-01-01-02-05.mp4"
_LAST_LINES = 4


@dataclass(frozen=True)
class ShownClip:
    """A clip, what its actor was told to play, the emotion named most often ("" for none), and `mer run`'s output."""

    name: str
    truth: str
    said: str
    lines: tuple[str, ...]

    @property
    def right(self) -> bool:
        """Whether the emotion named most often is what was played."""
        return self.said == self.truth


def run_clip(bundle: Path, clip: Path) -> ShownClip:
    """Run a RAVDESS clip (its name holds the emotion; calm counts as neutral) through `mer run`."""
    label = LABELS[int(clip.stem.split("-")[2]) - 1]
    named = (json.loads(line)["emotion"] for line in _run(bundle, clip, "--json").splitlines())
    said = Counter(name for name in named if name != UNKNOWN).most_common(1)
    lines = tuple(line.rstrip() for line in _run(bundle, clip).splitlines())
    return ShownClip(clip.name, "neutral" if label == "calm" else label, said[0][0] if said else "", lines)


def shown_lines(bundle: Path, clips: list[Path], unseen: list[Path]) -> list[str]:
    """The README's block: a clip that is right as a whole, and the end of the first one that is wrong.

    Args:
        bundle: the one that the README runs.
        clips: with sound and picture; their actor is in the training data.
        unseen: sound of an actor who is not, for the wrong one.
    """
    found = [run_clip(bundle, clip) for clip in sorted(clips, key=lambda clip: (clip.name != _PREFERRED, clip.name))]
    right = next((one for one in found if one.right), None)
    wrong = next((one for one in (run_clip(bundle, clip) for clip in sorted(unseen)) if not one.right), None)
    count = f"{sum(one.right for one in found)} of {len(found)}"
    weights = Bundle.open(bundle).manifest.checkpoint_sha256
    lines = [
        # A test holds this to the weights that are shipped.
        f"<!-- weights {weights[:12]} -->",
        "",
        f"Clips of RAVDESS actor 05, run with {bundle.stem}: in {count} the emotion named most is the one played.",
        "He is in the training data of these weights: on people who are not, expect less.",
        "",
    ]
    if right:
        lines += [f"Right, the actor plays {right.truth}:", "", "```text", _command(bundle, right), *right.lines]
        lines += ["```", ""]
    if wrong:
        last = wrong.lines[-_LAST_LINES:]
        lines += [f"Wrong, sound of an actor who is in no training data and plays {wrong.truth}:", "", "```text"]
        lines += [_command(bundle, wrong), *(["..."] if len(wrong.lines) > len(last) else []), *last, "```"]
    return lines


def _command(bundle: Path, clip: ShownClip) -> str:
    return f"$ mer run bundles/{bundle.name} {clip.name}"


def _run(bundle: Path, clip: Path, *options: str) -> str:
    command = [sys.executable, "-m", "mer_sdk.cli", "run", str(bundle), str(clip), *options]
    environment = os.environ | {"COLUMNS": "120"}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
