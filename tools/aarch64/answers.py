"""What bundles answer on the machine that runs this: golden cases, and every step of real clips and dialogues.

    python answers.py --out FOLDER [--clips FOLDER] [--dialogues FOLDER] BUNDLE ...

Needs the SDK with the bundles' runtime, and its media packages for clips. Writes for each bundle FOLDER/NAME.npz with
the features and logits of every step (or utterance; of a face finder the scores and boxes of every picture) and then
FOLDER/NAME.json with what `mer verify` says; what is there already is not run again. `tools/aarch64/check.py` runs it
on x86-64 and under aarch64, from one wheel, and compares.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import to_json
from mer_sdk.dialogue.conversation import Conversation
from mer_sdk.dialogue.dialogue_file import Dialogue
from mer_sdk.evaluation.datasets import Clip, open_dataset
from mer_sdk.evaluation.datasets.clip_files import load_image
from mer_sdk.evaluation.features import encode_clip
from mer_sdk.frontends.face_finder import open_finder
from mer_sdk.parity.face_finder_golden import verify_finder
from mer_sdk.parity.verification import verify_bundle
from mer_sdk.window.engine import StepEngine

# name -> [rows, ...]; the features of rows without the modality are 0.
Arrays = dict[str, np.ndarray]


def clip_answers(bundle: Bundle, clips: Iterable[Clip]) -> Arrays:
    """Features and logits of every step of every clip, each clip from a cold start."""
    engine = StepEngine(bundle)
    rows: dict[str, list[np.ndarray]] = {"audio": [], "face": [], "logits": []}
    sizes = {name: bundle.manifest.graphs[name].outputs[0].shape[-1] for name in ("audio", "face")}
    for clip in clips:
        engine.reset()
        for step in encode_clip(clip, engine).steps:
            for name, features in (("audio", step.audio), ("face", step.face)):
                rows[name].append(np.zeros(sizes[name], np.float32) if features is None else features)
            rows["logits"].append(engine.advance(step).logits)
    return {name: np.stack(found) for name, found in rows.items()}


def dialogue_answers(bundle: Bundle, dialogues: Iterable[Dialogue]) -> Arrays:
    """Text features and logits of every utterance, when it is said."""
    features, logits = [], []
    with Conversation.open(bundle) as talk:
        for dialogue in dialogues:
            talk.reset()
            for line in dialogue.utterances:
                talk.push_text(line.text, line.speaker)
                assert talk.last_features is not None
                assert talk.last_output is not None
                features.append(talk.last_features.rows["text"].mean(axis=0))
                logits.append(talk.last_output.logits[-1])
    return {"text": np.stack(features), "logits": np.stack(logits)}


def finder_answers(bundle: Bundle, clips: Iterable[Clip]) -> Arrays:
    """Scores and boxes of every picture of the clips' face tracks."""
    finder = open_finder(bundle)
    found = [finder.find(load_image(path)) for clip in clips for path in clip.faces]
    return {"scores": np.stack([scores for scores, *_ in found]), "boxes": np.stack([boxes for _, boxes, _ in found])}


def answers(bundle: Bundle, clips: Sequence[Clip], dialogues: Sequence[Dialogue]) -> Arrays:
    """What the bundle's own kind of data gives; nothing where there is none."""
    if bundle.manifest.finder is not None:
        return finder_answers(bundle, clips) if any(clip.faces for clip in clips) else {}
    if bundle.manifest.dialogue is not None:
        return dialogue_answers(bundle, dialogues) if dialogues else {}
    return clip_answers(bundle, clips) if clips else {}


def stem(path: Path) -> str:
    """What a bundle's answers are called: its name, and its manifest's checksum, which holds those of all files."""
    return f"{path.name}-{crc32((path / 'manifest.json').read_bytes()):08x}"


def machine() -> dict[str, Any]:
    """What ran: machine, Python, and every package that is installed."""
    packages = {found.metadata["Name"]: found.version for found in distributions()}
    return {"machine": platform.machine(), "python": platform.python_version(), "packages": packages}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="+", type=Path)
    parser.add_argument("--clips", type=Path, help="RAVDESS files, for window models")
    parser.add_argument("--dialogues", type=Path, help="MELD files, for dialogue models")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    clips = open_dataset(f"ravdess:{options.clips}").clips() if options.clips else ()
    dialogues = open_dataset(f"meld:{options.dialogues}").dialogues() if options.dialogues else ()
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "machine.json").write_text(json.dumps(machine(), indent=1) + "\n")
    for path in options.bundles:
        verified = options.out / f"{stem(path)}.json"
        if verified.exists():
            continue
        bundle = Bundle.open(path)
        found = to_json(verify_bundle(bundle) if bundle.manifest.finder is None else verify_finder(bundle))
        np.savez_compressed(options.out / f"{stem(path)}.npz", **answers(bundle, clips, dialogues))
        verified.write_text(json.dumps(found, indent=1) + "\n")
        print(f"{path.name}: done", flush=True)


if __name__ == "__main__":
    main()
