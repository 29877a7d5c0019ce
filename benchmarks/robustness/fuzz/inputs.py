"""Damaged input: seeded mutations of profiles, phone reports, dialogues and data sets, read as commands read them.

    python -m benchmarks.robustness.fuzz.inputs [--mutations 10000] [--only NAME] [--first N]

What may happen: it works, or one of the SDK's own errors, within 10 s and 300 MB. Writes docs/results/fuzz_inputs.json
and the table of all campaigns in docs/results/fuzz.md; --only renews some of them, and with --first it prints alone.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.robustness.fuzz.campaign import RESULTS, ROOT, Attempt, add_choices, run_campaigns
from benchmarks.robustness.fuzz.mutations import damaged, mutated_json, mutated_table
from benchmarks.robustness.fuzz.small_datasets import write_all
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import to_json
from mer_sdk.contract.golden import load_golden
from mer_sdk.contract.manifest import BaselineContract
from mer_sdk.dialogue.dialogue_file import read_dialogues
from mer_sdk.evaluation.datasets.clip import Clip
from mer_sdk.phone.clips import ClipReference, score
from mer_sdk.phone.evidence import Seen
from mer_sdk.phone.merging import describe, device_entry
from mer_sdk.phone.report import (
    SCHEMA_VERSION,
    Battery,
    BrowserRun,
    CaseAnswer,
    ClipAnswer,
    Device,
    Latency,
    PhoneReport,
    Point,
    SustainedRun,
    read_report,
)
from mer_sdk.window.baseline import PersonalBaseline

OUT = RESULTS / "fuzz_inputs.json"
SEED = 11
TABLES = (".csv", ".tsv", ".txt")
DIALOGUE = """Dialogue_ID,Utterance_ID,Speaker,Utterance,Emotion,StartTime
0,0,Anna,"Why, really?",surprise,"00:00:01,200"
0,1,Ben,No.,neutral,"00:00:03,000"
1,0,Anna,It’s „gone“.,sadness,4.5
1,1,,,neutral,
"""
CONTRACT = BaselineContract(20.0, {"audio": (0.1,) * 8, "face": (-0.05,) * 6})


def profiles(folder: Path) -> Attempt:
    """A saved personal baseline, loaded and used."""
    path = folder / "anna.json"
    known = PersonalBaseline(CONTRACT)
    known.observe("audio", np.ones((5, 8), np.float32))
    known.save(path)
    text = path.read_text()

    def attempt(chance: random.Random) -> None:
        path.write_bytes(
            mutated_json(text, chance).encode() if chance.random() < 0.8 else damaged(text.encode(), chance)
        )
        profile = PersonalBaseline(CONTRACT)
        profile.load(path)
        profile.observe_step("audio", np.ones(8, np.float32))
        for name in CONTRACT.population_mean:
            profile.mean(name)
        profile.save(path)

    return attempt


def phone_reports(bundle: Path) -> Attempt:
    """What a phone's page sends, read, described and compared with the golden cases."""
    opened = Bundle.open(bundle)
    manifest, cases = opened.manifest, load_golden(opened)
    run = BrowserRun(
        provider="wasm",
        threads=2,
        load_ms=40.0,
        cases=tuple(
            CaseAnswer(number, tuple(np.ravel(case.answer.logits).tolist()), {"audio": 1e-6, "face": 2e-6})
            for number, case in enumerate(cases)
        ),
        latency={name: Latency(3.0, 1.0, 1.5, 2.0, 50) for name in (*manifest.graphs, "step")},
        sustained=SustainedRun(4.0, 2.0, 400, 1.0, 1.5, (Point(2.0, 1.0, 1.5), Point(4.0, 1.5, 2.0))),
        hidden=False,
    )
    phone = Device("Mozilla/5.0", "Chrome 150", "Pixel 9", "Android 16", True, 8, 8.0, "412 x 915", "", True, 5, False)
    report = PhoneReport(
        bundle=manifest.name,
        files={spec.path: spec.sha256 for spec in manifest.files},
        runtime="onnxruntime-web 1.30.0",
        device=phone,
        runs=(run,),
        clips=(ClipAnswer(0, (0.5,) * 2 * len(manifest.labels), (1, 2)),),
        battery=Battery(0.9, 0.8, False),
        schema_version=SCHEMA_VERSION,
    )
    text = json.dumps(to_json(report))
    seen = Seen("192.168.1.30", "192.168.1.20", "Mozilla/5.0 (Linux; Android 16; Pixel 9)", "?1")
    wanted = Clip(id="01-05-02-01-01-16", label=manifest.labels[0], speaker=16)
    said = (np.full((2, len(manifest.labels)), 0.5, np.float32), np.array([1, 2]), ("audio", "audio"))
    reference = ClipReference("another", manifest.decision, (said,))

    def attempt(chance: random.Random) -> None:
        read = read_report(mutated_json(text, chance), manifest, len(cases), 1)
        accuracy = score(read.clips, (wanted,), {wanted.label: wanted.label}, manifest, reference)
        json.dumps(to_json(device_entry(read, seen, manifest.scheme, cases, accuracy)), allow_nan=False)
        describe(read.device)

    return attempt


def dialogues(folder: Path) -> Attempt:
    """A csv file of dialogues."""
    path = folder / "talk.csv"

    def attempt(chance: random.Random) -> None:
        path.write_bytes(mutated_table(DIALOGUE.encode(), chance))
        read_dialogues(path, tell=str)

    return attempt


def data_sets(folder: Path) -> Attempt:
    """One file of one data set, and the data set read to its end."""
    sets = write_all(folder)
    contents = {file: file.read_bytes() for one in sets for file in one.files}
    for one in sets:
        one.use()  # undamaged, each can be read

    def attempt(chance: random.Random) -> None:
        one = chance.choice(sets)
        file = chance.choice(one.files)
        mutate = mutated_table if file.suffix in TABLES else damaged
        file.write_bytes(mutate(contents[file], chance))
        try:
            one.use()
        except Exception as error:
            error.add_note(f"{one.name}, {file.name}")
            raise
        finally:
            file.write_bytes(contents[file])

    return attempt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_choices(parser)
    parser.add_argument(
        "--bundle", type=Path, default=ROOT / "bundles" / "grjca-tflite-fp32.mer", help="of the reports"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kinds: dict[str, Callable[[], Attempt]] = {
            "personal baselines": lambda: profiles(Path(folder)),
            "phone reports": lambda: phone_reports(options.bundle),
            "dialogue csv": lambda: dialogues(Path(folder)),
            "data-set files": lambda: data_sets(Path(folder) / "sets"),
        }
        run_campaigns(kinds, SEED, options, OUT)


if __name__ == "__main__":
    main()
