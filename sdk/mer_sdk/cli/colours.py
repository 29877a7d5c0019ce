"""The colours of emotions and modalities, in images and in the terminal.

Those of images are Okabe and Ito's, which colour-blind readers tell apart, with a grey for neutral. The terminal's own
colours are of the same hues.
"""

from __future__ import annotations

from collections.abc import Sequence

from mer_sdk.contract.estimate import UNKNOWN

# Label -> (image, terminal).
EMOTIONS = {
    "neutral": ("#999999", "white"),
    "happy": ("#e69f00", "yellow"),
    "sad": ("#0072b2", "blue"),
    "angry": ("#d55e00", "red"),
    "fearful": ("#cc79a7", "magenta"),
    "disgust": ("#009e73", "green"),
    "surprised": ("#56b4e9", "cyan"),
}
# For labels that are not among them, by turns.
FURTHER = (("#f0e442", "bright_yellow"), ("#332288", "bright_blue"), ("#882255", "bright_magenta"))
UNKNOWN_COLOURS = ("#e3e5e8", "bright_black")
MODALITIES = {"audio": "#3c6e91", "face": "#b9a36a", "text": "#7a5c8e"}
FURTHER_MODALITY = "#8a8f98"
INK, SOFT, RULE, PAPER = "#1d2126", "#5a626c", "#d5d8dc", "#ffffff"


def image_colours(labels: Sequence[str]) -> dict[str, str]:
    """Label -> colour in an image; "unknown" has one, too."""
    return {label: image for label, (image, _) in _colours(labels).items()}


def terminal_colours(labels: Sequence[str]) -> dict[str, str]:
    """Label -> colour in the terminal, by rich's names; "unknown" has one, too."""
    return {label: terminal for label, (_, terminal) in _colours(labels).items()}


def ink_on(colour: str) -> str:
    """The colour of text on a colour: dark or light, whichever has the higher contrast (WCAG 2.2)."""
    light, dark = luminance(PAPER), luminance(INK)
    behind = luminance(colour)
    return INK if (behind + 0.05) / (dark + 0.05) >= (light + 0.05) / (behind + 0.05) else PAPER


def luminance(colour: str) -> float:
    """The relative luminance of a colour such as "#0072b2", 0 to 1 (WCAG 2.2)."""
    shares = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _colours(labels: Sequence[str]) -> dict[str, tuple[str, str]]:
    further = [label for label in labels if label not in EMOTIONS]
    given = {label: FURTHER[index % len(FURTHER)] for index, label in enumerate(further)}
    known = {label: EMOTIONS[label] if label in EMOTIONS else given[label] for label in labels}
    return {**known, UNKNOWN: UNKNOWN_COLOURS}
