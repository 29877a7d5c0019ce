"""A conversation of two persons with text, utterance by utterance, and its timeline at the end.

    python demos/conversation.py bundles/amb_dsgdn-tflite-fp32.mer < talk.txt

A line is "who: what was said". In an app the words come from its speech recogniser, and who says them from the stream
that they came from; without text, hand over the sound of each utterance to a bundle that reads sound: push_utterance.
"""

import argparse
import sys

from mer_sdk import Conversation, UtteranceEstimate
from mer_sdk.errors import MerError


def show(estimate: UtteranceEstimate) -> str:
    return f"{estimate.speaker:>10}: {estimate.emotion:<10} {100 * estimate.confidence:3.0f} %   {estimate.text}"


def timeline(estimates: tuple[UtteranceEstimate, ...]) -> str:
    """How each person's mood went over the conversation: valence from - to +, an utterance a sign."""
    lines = []
    for speaker in dict.fromkeys(estimate.speaker for estimate in estimates):
        signs = "".join(
            " "
            if estimate.speaker != speaker
            else "+"
            if estimate.valence > 0.2
            else "-"
            if estimate.valence < -0.2
            else "."
            for estimate in estimates
        )
        lines.append(f"{speaker:>10}  {signs}")
    return "\n".join(lines)


def talk_of(bundle: str) -> None:
    with Conversation.open(bundle) as talk:
        for line in sys.stdin:
            speaker, separator, text = line.strip().partition(":")
            if not separator:
                continue
            # The model knows who said what, and reads the utterances before this one with it.
            print(show(talk.push_text(text.strip(), speaker=speaker.strip())), flush=True)
        print(timeline(talk.timeline()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    options = parser.parse_args()
    try:
        talk_of(options.bundle)
    except MerError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
