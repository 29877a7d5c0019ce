"""`mer run` on a csv file of dialogues: one line per utterance."""

from __future__ import annotations

import json as json_module
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from mer_sdk.bundle import Bundle
from mer_sdk.cli.course import Recorder, RunOptions, draw, say, shares, verdict
from mer_sdk.conversation import Conversation
from mer_sdk.dialogue_file import read_dialogues
from mer_sdk.estimate import UtteranceEstimate


def run_dialogues(bundle: Bundle, path: Path, options: RunOptions) -> None:
    """Run every dialogue of the file, as a live conversation, and print each utterance's estimate.

    Raises:
        DataError: see `read_dialogues`.
        OptionError: see `Recorder` and `draw`.
    """
    dialogues = read_dialogues(path)
    estimates: list[UtteranceEstimate] = []
    recorder = Recorder(options.record)
    with Conversation.open(bundle, options.runtime, options.threads) as talk, closing(recorder):
        for dialogue in dialogues:
            talk.reset()
            if not options.json and len(dialogues) > 1:
                print(f"dialogue {dialogue.id}")
            for line in dialogue.utterances:
                # Not given to the conversation: within a dialogue of MELD times often go back.
                estimate = talk.push_text(line.text, line.speaker)
                row = {"dialogue": dialogue.id, **estimate.to_json(), "time": line.time}
                recorder.write(row)
                if options.json:
                    print(json_module.dumps(row), flush=True)
                else:
                    _print(estimate)
            estimates += talk.course()
    if options.plot is not None:
        states = ("none", *talk.manifest.modalities)
        draw(estimates, range(len(estimates)), "utterance", bundle.manifest.labels, states, options.plot, path.name)
    if not options.json:
        _summary(estimates, len(dialogues))


def _print(estimate: UtteranceEstimate) -> None:
    from rich.markup import escape

    said = escape(f"{estimate.speaker or '?'}: {estimate.text}")
    say(f"{estimate.index:4}  {verdict(estimate)}  {shares(estimate)}  {said}")


def _summary(estimates: Sequence[UtteranceEstimate], dialogues: int) -> None:
    counts = Counter(estimate.emotion for estimate in estimates)
    words = ", ".join(f"{name} {count}" for name, count in counts.most_common(3))
    latency = sorted(estimate.latency_ms for estimate in estimates)[len(estimates) // 2]
    print(f"{len(estimates)} utterances of {dialogues} dialogues: {words}; median {latency:.2f} ms an utterance")
