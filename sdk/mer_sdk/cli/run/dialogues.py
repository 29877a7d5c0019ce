"""`mer run` on a csv file of dialogues: one line per utterance."""

from __future__ import annotations

import json as json_module
from contextlib import closing
from pathlib import Path

from mer_sdk.cli.run.plot import draw
from mer_sdk.cli.run.timeline import Recorder, RunOptions, say, tell_notes, utterance_line, utterances_line
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.estimate import UtteranceEstimate
from mer_sdk.dialogue.conversation import Conversation
from mer_sdk.dialogue.dialogue_file import read_dialogues
from mer_sdk.errors import counted


def run_dialogues(bundle: Bundle, path: Path, options: RunOptions) -> None:
    """Run every dialogue of the file, as a live conversation, and print each utterance's estimate.

    Raises:
        DataError: see `read_dialogues`.
        OptionError: see `Recorder` and `draw`.
    """
    notes: list[str] = []
    dialogues = read_dialogues(path, tell=notes.append)
    tell_notes(notes)
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
                    say(utterance_line(estimate))
            estimates += talk.timeline()
    if options.plot is not None:
        draw(estimates, bundle.manifest.labels, options.plot, path.name)
    if not options.json:
        print(utterances_line(estimates, f" of {counted(len(dialogues), 'dialogue')}"))
