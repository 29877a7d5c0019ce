"""`mer run` on a csv file of dialogues: one line per utterance."""

from __future__ import annotations

import json as json_module
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mer_sdk.bundle import Bundle
from mer_sdk.cli.course import draw, shares, verdict
from mer_sdk.conversation import Conversation
from mer_sdk.dialogue_file import read_dialogues
from mer_sdk.estimate import UtteranceEstimate


def run_dialogues(
    bundle: Bundle, path: Path, as_json: bool, plot: Path | None, runtime: str | None, threads: int
) -> None:
    """Run every dialogue of the file, as a live conversation, and print each utterance's estimate.

    Raises:
        DataError: see `read_dialogues`.
    """
    dialogues = read_dialogues(path)
    estimates: list[UtteranceEstimate] = []
    with Conversation.open(bundle, runtime, threads) as talk:
        for dialogue in dialogues:
            talk.reset()
            if not as_json and len(dialogues) > 1:
                print(f"dialogue {dialogue.id}")
            for line in dialogue.utterances:
                # Not given to the conversation: within a dialogue of MELD times often go back.
                estimate = talk.push_text(line.text, line.speaker)
                _print(estimate, dialogue.id, line.time, as_json)
            estimates += talk.course()
    if plot is not None:
        states = ("none", *talk.manifest.modalities)
        draw(estimates, range(len(estimates)), "utterance", bundle.manifest.labels, states, plot, path.name)
    if not as_json:
        _summary(estimates, len(dialogues))


def _print(estimate: UtteranceEstimate, dialogue: str, time: float | None, as_json: bool) -> None:
    if as_json:
        print(json_module.dumps({"dialogue": dialogue, **estimate.to_json(), "time": time}), flush=True)
        return
    from rich.console import Console
    from rich.markup import escape

    said = escape(f"{estimate.speaker or '?'}: {estimate.text}")
    line = f"{estimate.index:4}  {verdict(estimate)}  {shares(estimate)}  {said}"
    Console(highlight=False).print(line, soft_wrap=True)


def _summary(estimates: Sequence[UtteranceEstimate], dialogues: int) -> None:
    counts = Counter(estimate.emotion for estimate in estimates)
    words = ", ".join(f"{name} {count}" for name, count in counts.most_common(3))
    latency = sorted(estimate.latency_ms for estimate in estimates)[len(estimates) // 2]
    print(f"{len(estimates)} utterances of {dialogues} dialogues: {words}; median {latency:.2f} ms an utterance")
