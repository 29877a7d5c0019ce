"""The colours of emotions and modalities, in images and in the terminal.

Those of images are Okabe and Ito's, with a light grey for neutral and Tol's wine red for fearful: readers who lack one
kind of cones tell any two apart, too (a test computes it). The terminal's own colours are of the same hues.
"""

from __future__ import annotations

from collections.abc import Sequence

from mer_sdk.contract.estimate import UNKNOWN

# Label -> (image, terminal).
EMOTIONS = {
    "neutral": ("#c4c9cf", "white"),
    "happy": ("#e69f00", "yellow"),
    "sad": ("#0072b2", "blue"),
    "angry": ("#d55e00", "red"),
    "fearful": ("#882255", "magenta"),
    "disgust": ("#009e73", "green"),
    "surprised": ("#56b4e9", "cyan"),
}
# For labels that are not among them, by turns.
FURTHER = (("#f0e442", "bright_yellow"), ("#332288", "bright_blue"), ("#cc79a7", "bright_magenta"))
UNKNOWN_COLOURS = ("#f1f2f4", "bright_black")
MODALITIES = {"audio": "#3c6e91", "face": "#b9a36a", "text": "#7a5c8e"}
FURTHER_MODALITY = "#8a8f98"
BLACK, WHITE = "#000000", "#ffffff"
INK, SOFT, RULE, PAPER = "#1d2126", "#5a626c", "#d5d8dc", "#ffffff"


def image_colours(labels: Sequence[str]) -> dict[str, str]:
    """Label -> colour in an image; "unknown" has one, too."""
    return {label: image for label, (image, _) in _colours(labels).items()}


def terminal_colours(labels: Sequence[str]) -> dict[str, str]:
    """Label -> colour in the terminal, by rich's names; "unknown" has one, too."""
    return {label: terminal for label, (_, terminal) in _colours(labels).items()}


def ink_on(colour: str) -> str:
    """The colour of text on a colour: black or white, whichever has the higher contrast (WCAG 2.2)."""
    behind = luminance(colour)
    return BLACK if (behind + 0.05) / 0.05 >= 1.05 / (behind + 0.05) else WHITE


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
