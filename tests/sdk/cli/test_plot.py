"""The image of a timeline: its columns, its gaps, its axis and its colours."""

import itertools

import numpy as np
import pytest

from mer_sdk.cli.run.plot import COLUMNS, clock, columns_of, draw, runs_of
from mer_sdk.contract.estimate import EmotionEstimate, FaceView, UtteranceEstimate
from mer_sdk.report.colours import EMOTIONS, image_colours, ink_on, luminance, terminal_colours

LABELS = tuple(EMOTIONS)
NAMES = ["audio", "face"]


def step(time, emotion="happy", state="audio+face", face=True):
    nothing = state == "none"
    shares = dict.fromkeys(LABELS, 1 / 7 if nothing else 0.05) | ({} if nothing else {emotion: 0.7})
    return EmotionEstimate(
        time=time,
        emotion="unknown" if nothing else emotion,
        confidence=max(shares.values()),
        probabilities=shares,
        valence=0.0,
        arousal=0.0,
        va_source="circumplex",
        state=state,
        reliance={"audio": 0.0, "face": 0.0} if nothing else {"audio": 0.6, "face": 0.4},
        face=FaceView(0, (0.0, 0.0, 1.0, 1.0)) if face and not nothing else None,
    )


def steps(seconds, **options):
    return [step(0.25 * (n + 1), LABELS[n // 20 % 7], **options) for n in range(int(seconds * 4))]


def test_few_steps_are_a_column_each_and_many_are_means():
    few = columns_of(steps(5), LABELS, NAMES)
    assert (few.width, few.probabilities.shape) == (1, (20, 7))
    np.testing.assert_allclose(few.edges, 0.25 * np.arange(21))
    many = columns_of(steps(600), LABELS, NAMES)
    assert len(many.probabilities) <= COLUMNS
    assert many.width == 10
    np.testing.assert_allclose(many.probabilities.sum(axis=1), 1.0)
    # The first ten steps are of one emotion.
    assert many.probabilities[0, 0] == pytest.approx(0.7)


def test_where_nothing_is_heard_or_seen_there_is_a_hole():
    given = [*steps(2), *(step(2 + 0.25 * (n + 1), state="none") for n in range(4)), step(3.25)]
    columns = columns_of(given, LABELS, NAMES)
    empty = np.isnan(columns.probabilities).all(axis=1)
    assert empty.tolist() == [False] * 8 + [True] * 4 + [False]
    assert np.isnan(columns.reliance[8:12]).all()


def test_a_pause_without_steps_is_a_hole_too():
    columns = columns_of([step(0.25), step(0.5), step(2.0), step(2.25)], LABELS, NAMES)
    assert np.isnan(columns.probabilities).all(axis=1).tolist() == [False, False, *[True] * 5, False, False]


def test_runs_end_where_the_value_or_time_breaks():
    spans = np.array([[0.0, 0.25], [0.25, 0.5], [0.5, 0.75], [2.0, 2.25]])
    assert runs_of(["a", "a", "b", "b"], spans) == [(0.0, 0.5, "a"), (0.5, 0.75, "b"), (2.0, 2.25, "b")]


def test_times_are_minutes_and_seconds():
    assert [clock(value) for value in (0, 0.5, 5, 65, 600, 3725)] == [
        "0:00",
        "0:00.5",
        "0:05",
        "1:05",
        "10:00",
        "62:05",
    ]


@pytest.mark.parametrize("seconds", [0.25, 5, 600])
def test_an_image_is_drawn_for_any_length(seconds, tmp_path):
    plt = pytest.importorskip("matplotlib.pyplot")
    path = tmp_path / "plot.png"
    draw(steps(seconds), LABELS, path, "clip.mp4")
    image = plt.imread(path)
    assert image.shape[1] > 1200
    # On a page of any colour: the image has its own.
    assert image[0, 0, :3].tolist() == [1.0, 1.0, 1.0]


def test_the_band_shows_the_colours_of_what_was_said(tmp_path):
    plt = pytest.importorskip("matplotlib.pyplot")
    draw([step(0.25 * (n + 1), "angry" if n < 20 else "sad") for n in range(40)], LABELS, tmp_path / "p.png", "x")
    image = plt.imread(tmp_path / "p.png")
    # A row within the band, which is the topmost thing that fills half of the width with one colour.
    wanted = [tuple(int(EMOTIONS[name][0][i : i + 2], 16) for i in (1, 3, 5)) for name in ("angry", "sad")]
    pixels = np.round(image[..., :3] * 255).astype(int)
    counts = [(pixels == colour).all(axis=2).sum(axis=1) for colour in wanted]
    rows = np.flatnonzero((counts[0] > 300) & (counts[1] > 300))
    assert len(rows) > 20


def test_gaps_of_a_face_are_shown_and_utterances_are_numbered(tmp_path):
    pytest.importorskip("matplotlib")
    draw([*steps(2), *steps(2, state="audio", face=False)], LABELS, tmp_path / "gap.svg", "x")
    assert (tmp_path / "gap.svg").stat().st_size > 1000
    said = UtteranceEstimate(
        0, None, "ann", "hi", "happy", 0.7, step(1.0).probabilities, 0.0, 0.0, "circumplex", "text", {"text": 1.0}
    )
    draw([said, said], LABELS, tmp_path / "talk.png", "x")
    assert (tmp_path / "talk.png").stat().st_size > 1000


# What is left of linear RGB without one kind of cones (Machado, Oliveira and Fernandes 2009, severity 1).
VISION = {
    "all cones": np.eye(3),
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def lab(colour, vision):
    """CIE L*a*b* of a colour such as "#0072b2" as somebody sees it."""
    shares = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    tones = XYZ @ np.clip(np.asarray(vision) @ linear, 0, 1) / (0.95047, 1.0, 1.08883)
    x, y, z = np.where(tones > 0.008856, np.cbrt(tones), 7.787 * tones + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("vision", VISION)
def test_any_two_emotions_are_told_apart_by_colour(vision):
    """A CIE76 difference of 2.3 is just noticed; areas far from one another want several times as much."""
    seen = {label: lab(colour, VISION[vision]) for label, colour in image_colours(LABELS).items()}
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(seen[one] - seen[other]) > 14, f"{one} and {other}"


def test_every_label_has_a_colour_of_its_own_and_text_on_it_is_readable():
    labels = (*LABELS, "contempt", "calm")
    colours = image_colours(labels)
    assert set(colours) == {*labels, "unknown"}
    assert len(set(colours.values())) == len(colours)
    assert set(terminal_colours(labels)) == set(colours)
    for colour in colours.values():
        light, dark = sorted((luminance(colour), luminance(ink_on(colour))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5
