"""Faces followed, recognised and preferred by who speaks, on faces that are drawn."""

from functools import lru_cache

import numpy as np
import pytest

from mer_sdk.contract.manifest import FaceContract
from mer_sdk.errors import OptionError, SignalError
from mer_sdk.frontends.active_speaker import sound_level
from mer_sdk.frontends.face_crop import overlap
from mer_sdk.frontends.face_tracking import FaceTracker, assign
from mer_sdk.frontends.face_tracks import FaceOptions, FaceTracks
from mer_sdk.frontends.template_matching import correlation

CONTRACT = FaceContract(crop_size=32)
HEIGHT, WIDTH, SIDE, STEP = 240, 480, 80, 0.25


@lru_cache
def texture(seed, side):
    """A face's skin: coarse random shades, so that two faces differ."""
    grid = np.random.default_rng(seed).uniform(70, 190, (8, 8))
    rows = np.linspace(0, 7, side)
    low, part = np.minimum(rows.astype(int), 6), rows - np.minimum(rows.astype(int), 6)
    grid = grid[low] * (1 - part)[:, None] + grid[low + 1] * part[:, None]
    return grid[:, low] * (1 - part) + grid[:, low + 1] * part


def draw(faces, back=0, level=1.0):
    """A frame; faces are (seed, x, y, side, mouth open 0-1)."""
    frame = np.repeat(texture(1000 + back, WIDTH)[:HEIGHT, :, None] * 0.5, 3, axis=2)
    for seed, x, y, side, mouth in faces:
        face = texture(seed, side).copy()
        face[int(0.3 * side) : int(0.4 * side), int(0.2 * side) : int(0.8 * side)] = 30
        face[int(0.7 * side) : int((0.72 + 0.18 * mouth) * side), int(0.35 * side) : int(0.65 * side)] = 10
        frame[y : y + side, x : x + side] = face[..., None]
    return np.clip(frame * level, 0, 255).astype(np.uint8)


class Told:
    """A detector that finds what it is told, and counts."""

    def __init__(self, *boxes):
        self.boxes, self.calls = boxes, 0

    def detect(self, rgb):
        self.calls += 1
        return [(*box, 1.0) for box in self.boxes]


def box(face):
    return (face[1], face[2], face[3], face[3])


def still(frame, time):
    return (time, lambda: frame)


def run(watch, detector, scenes, begin=0.0):
    """One frame a step; a scene is the faces drawn and the boxes found."""
    results = []
    for number, (faces, found) in enumerate(scenes):
        detector.boxes = found
        results.append(watch.look([still(draw(faces), begin + STEP * number + 0.2)]))
    return results


def ids(faces_seen):
    return [look.view.id for look in faces_seen]


def test_correlation_is_that_of_its_definition():
    rng = np.random.default_rng(0)
    template, patch = rng.uniform(0, 255, (2, 9, 9))[0], rng.uniform(0, 255, (13, 13))
    scores = correlation(template, patch)
    assert scores.shape == (5, 5)
    for row, column in ((0, 0), (2, 3), (4, 4)):
        part = patch[row : row + 9, column : column + 9]
        assert scores[row, column] == pytest.approx(np.corrcoef(template.ravel(), part.ravel())[0, 1], abs=1e-9)
    assert np.abs(correlation(template, np.full((13, 13), 80.0))).max() < 1e-6


def test_boxes_are_assigned_by_the_highest_sum():
    tracks = [(0, 0, 10, 10), (4, 0, 10, 10)]
    # The first track alone would take the first box, which is all that the second one has.
    boxes = [(2, 0, 10, 10), (-3, 0, 10, 10)]
    assert assign(tracks, boxes) == {0: 1, 1: 0}
    assert assign(tracks, [(100, 0, 10, 10)]) == {}
    assert assign([], boxes) == {}


def test_a_moving_face_is_followed_with_few_searches():
    detector = Told()
    tracker = FaceTracker(detector, 1.0, 1)
    for number in range(17):
        face = (1, 40 + 12 * number, 60 + 2 * number, SIDE, 0.0)
        detector.boxes = (box(face),)
        (track,) = tracker.follow(draw([face]), STEP * number)
        assert track.id == 0
        assert overlap(track.box, box(face)) > 0.9
    assert detector.calls == tracker.searches == 5


def test_a_face_that_comes_nearer_is_followed():
    detector = Told()
    tracker = FaceTracker(detector, 1.0, 1)
    for number in range(4):
        face = (1, 100 - 3 * number, 80 - 3 * number, SIDE + 6 * number, 0.0)
        detector.boxes = (box(face),)
        (track,) = tracker.follow(draw([face]), STEP * number)
    assert detector.calls == 1
    assert overlap(track.box, box(face)) > 0.85


def test_a_face_that_leaves_is_not_given_and_is_searched_for():
    detector = Told()
    watch = FaceTracks(detector, CONTRACT)
    face = (1, 100, 80, SIDE, 0.0)
    here, gone = ([face], (box(face),)), ([], ())
    results = run(watch, detector, [here, here, gone, gone, here])
    assert [len(faces_seen) for faces_seen in results] == [1, 1, 0, 0, 1]
    # The first, the one that lost it, the one without anybody, and the one that found it.
    assert watch.searches == 4
    assert results[-1][0].view.id == 0


def test_crossing_faces_keep_their_ids():
    detector = Told()
    watch = FaceTracks(detector, CONTRACT, FaceOptions(faces=2, detect_seconds=0))
    places = {}
    for number in range(16):
        faces = [(1, 20 + 20 * number, 20, SIDE, 0.0), (2, 320 - 20 * number, 110, SIDE, 0.0)]
        detector.boxes = tuple(box(face) for face in faces)
        for look in watch.look([still(draw(faces), STEP * number)]):
            places.setdefault(look.view.id, set()).add(int(look.view.box[1]))
    assert places == {0: {20}, 1: {110}}


def test_one_false_detection_beside_a_face_is_no_person():
    detector = Told()
    watch = FaceTracks(detector, CONTRACT, FaceOptions(faces=2))
    face, false = (1, 100, 80, SIDE, 0.0), (300, 20, 60, 60)
    only = ([face], (box(face),))
    results = run(watch, detector, [only] * 4 + [([face], (box(face), false))] + [only] * 4)
    assert [ids(faces_seen) for faces_seen in results] == [[0]] * 9


def test_a_second_face_is_given_once_it_was_found_twice():
    detector = Told()
    watch = FaceTracks(detector, CONTRACT, FaceOptions(faces=2, detect_seconds=0.5))
    one, two = (1, 60, 80, SIDE, 0.0), (2, 300, 80, SIDE, 0.0)
    both = ([one, two], (box(one), box(two)))
    results = run(watch, detector, [([one], (box(one),))] * 2 + [both] * 4)
    assert [ids(faces_seen) for faces_seen in results] == [[0], [0], [0], [0, 1], [0, 1], [0, 1]]


def test_after_a_cut_the_same_place_is_another_person():
    detector = Told()
    watch = FaceTracks(detector, CONTRACT, FaceOptions(detect_seconds=10))
    place = (150, 60, SIDE)
    detector.boxes = ((*place, SIDE),)
    first = watch.look([still(draw([(1, *place, 0.0)]), 0.2)])
    other = watch.look([still(draw([(2, *place, 0.0)], back=7), 0.45)])
    again = watch.look([still(draw([(1, *place, 0.0)]), 0.7)])
    assert [ids(faces_seen) for faces_seen in (first, other, again)] == [[0], [1], [0]]
    assert detector.calls == 3


def test_who_comes_back_elsewhere_after_a_gap_has_the_same_id():
    detector = Told()
    watch = FaceTracks(detector, CONTRACT)
    face, moved, other = (1, 30, 80, SIDE, 0.0), (1, 330, 40, 96, 0.0), (2, 30, 80, SIDE, 0.0)
    run(watch, detector, [([face], (box(face),))] * 3 + [([], ())])
    (back,) = run(watch, detector, [([moved], (box(moved),))], begin=30.0)
    (new,) = run(watch, detector, [([other], (box(other),))], begin=60.0)
    assert (ids(back), ids(new)) == ([0], [1])


def test_who_was_forgotten_or_long_gone_is_new():
    detector = Told()
    face = (1, 30, 80, SIDE, 0.0)
    here = [([face], (box(face),))]
    watch = FaceTracks(detector, CONTRACT, FaceOptions(remember_seconds=20))
    assert ids(run(watch, detector, here)[0]) == [0]
    assert ids(run(watch, detector, here, begin=19.0)[0]) == [0]
    assert ids(run(watch, detector, here, begin=60.0)[0]) == [1]
    watch.forget(1)
    assert ids(run(watch, detector, here, begin=61.0)[0]) == [2]
    watch.forget(2)
    assert ids(run(watch, detector, here, begin=62.0)[0]) == [3]
    watch.reset()
    assert ids(run(watch, detector, here)[0]) == [0]


def talk(speaker, prefer=True, count=1, seconds=6.0, switch=99.0):
    """Two faces whose mouths move in turn or at random; the sound goes with `speaker` of them, the other after."""
    rng = np.random.default_rng(5)
    left, right = (1, 60, 60, 90, 0.0), (2, 300, 80, 80, 0.0)
    detector = Told(box(left), box(right))
    watch = FaceTracks(detector, CONTRACT, FaceOptions(faces=count, prefer_speaking=prefer, detect_seconds=0.5))
    preferred, sounds = [], np.zeros(16000, np.float32)
    for number in range(int(seconds / STEP)):
        now = speaker if number * STEP < switch else 1 - speaker
        frames = []
        for part in range(3):
            loud = (number * 3 + part) % 7 < 4
            mouths = [rng.uniform(0, 1) if loud and key == now else 0.1 * rng.uniform() for key in (0, 1)]
            piece = (0.2 if loud else 0.001) * rng.standard_normal(1333)
            sounds = np.append(sounds, piece.astype(np.float32))[-16000:]
            frame = draw([(*left[:4], mouths[0]), (*right[:4], mouths[1])])
            frames.append(still(frame, STEP * number + 0.0833 * (part + 1) - 1e-3))
        faces_seen = watch.look(frames, sounds)
        assert len(faces_seen) <= count
        preferred.append(min((0, 1), key=lambda key: abs(faces_seen[0].view.box[0] - (left, right)[key][1])))
    return preferred


@pytest.mark.parametrize("speaker", [0, 1])
def test_the_face_whose_mouth_moves_with_the_sound_is_preferred(speaker):
    assert talk(speaker)[8:] == [speaker] * 16


def test_the_preferred_face_changes_once_when_another_speaks():
    preferred = talk(1, seconds=10.0, switch=5.0)
    assert preferred[8:20] == [1] * 12
    assert preferred[-8:] == [0] * 8
    assert int(np.abs(np.diff(preferred[8:])).sum()) == 1


def test_without_the_preference_the_largest_face_stays():
    assert talk(1, prefer=False, count=2) == [0] * 24


def test_one_frame_a_step_is_looked_at_while_a_face_is_followed():
    face = (1, 100, 80, SIDE, 0.0)
    detector, asked = Told(box(face)), []
    watch = FaceTracks(detector, CONTRACT)
    for number in range(4):
        times = [STEP * number + part * 0.08 for part in range(3)]
        watch.look([(time, lambda time=time: asked.append(time) or draw([face])) for time in times])
    assert asked == pytest.approx([0.16, 0.41, 0.66, 0.91])


def test_a_dark_last_frame_is_passed_over():
    face = (1, 100, 80, SIDE, 0.0)
    watch = FaceTracks(Told(box(face)), CONTRACT)
    (look,) = watch.look([still(draw([face]), 0.1), still(draw([face], level=0.0), 0.2)])
    assert look.crop.max() > CONTRACT.black_level
    assert watch.look([still(draw([face], level=0.0), 0.4)]) == ()
    assert watch.searches == 1


@pytest.mark.parametrize(
    "options", [{"faces": 0}, {"faces": 9}, {"faces": 1.5}, {"detect_seconds": -1}, {"remember_seconds": float("nan")}]
)
def test_options_outside_their_range_are_refused(options):
    with pytest.raises(OptionError, match=next(iter(options))):
        FaceOptions(**options)


def test_frames_of_other_kinds_are_refused():
    with pytest.raises(SignalError, match="a frame has shape"):
        FaceTracks(Told(), CONTRACT).look([still(np.zeros((4, 4)), 0.0)])


def test_the_level_of_sound():
    assert sound_level(None) is None
    assert sound_level(np.zeros(0)) is None
    assert sound_level(np.zeros(10)) == 0.0
    assert sound_level(np.full(10, 0.01)) == pytest.approx(0.5)
    assert sound_level(np.ones(10)) == 1.0
