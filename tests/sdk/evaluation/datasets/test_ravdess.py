"""RAVDESS: names to labels, pairing, selection, folds, labels of a bundle."""

from __future__ import annotations

import collections

import numpy as np
import pytest

from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets import Ravdess, Selection, load_audio, load_faces, open_dataset
from mer_sdk.evaluation.datasets.ravdess import LABELS, SPEAKER_FOLDS, fold_of, merge_labels

SEVEN = ("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised")
TONE = 0.1 * np.sin(np.arange(8000) / 10)


def test_name_becomes_label_and_parts(tmp_path, media):
    media["wav"](tmp_path / "Actor_16" / "03-01-05-02-01-02-16.wav", TONE)
    (clip,) = Ravdess(tmp_path).clips()
    assert (clip.id, clip.label, clip.speaker, clip.fold) == ("01-05-02-01-02-16", "angry", 16, 0)
    assert (clip.intensity, clip.statement, clip.repetition) == (2, 1, 2)
    assert not clip.paired


def test_audio_video_and_track_of_one_take_are_one_clip(tmp_path, media):
    code = "01-03-01-01-02-05"
    media["wav"](tmp_path / "a" / f"03-{code}.flac", TONE)
    media["mp4"](tmp_path / "v" / f"01-{code}.mp4")
    media["mp4"](tmp_path / "b" / f"02-{code}.mp4", sound=False)
    for index in range(3):
        media["jpg"](tmp_path / "f" / f"01-{code}_{index:02d}.jpg", np.full((8, 8, 3), 90, np.uint8))
    (clip,) = open_dataset(f"ravdess:{tmp_path}").clips(Selection(paired_only=True))
    assert clip.audio.name == f"03-{code}.flac"
    assert clip.video.name == f"01-{code}.mp4"
    assert [path.name[-6:-4] for path in clip.faces] == ["00", "01", "02"]


def test_mp4_alone_gives_sound_and_picture_and_silent_one_only_picture(tmp_path, media):
    media["mp4"](tmp_path / "01-01-03-01-01-02-05.mp4")
    media["mp4"](tmp_path / "02-01-04-01-01-02-05.mp4", sound=False)
    full, silent = Ravdess(tmp_path).clips()
    assert full.audio == full.video
    assert full.paired
    assert silent.audio is None
    assert silent.video is not None


def test_selection(tmp_path, media):
    for actor in (1, 2, 5, 8):
        media["wav"](tmp_path / f"03-01-03-01-01-01-{actor:02d}.wav", TONE)
    media["wav"](tmp_path / "03-02-03-01-01-01-02.wav", TONE)
    data = Ravdess(tmp_path)

    def speakers(selection):
        return [clip.speaker for clip in data.clips(selection)]

    assert speakers(None) == [1, 2, 5, 8]
    assert speakers(Selection(song=True)) == [1, 2, 2, 5, 8]
    assert speakers(Selection(folds=(0,), exclude_actors=(5,))) == [2]
    assert speakers(Selection(exclude_folds=(0,))) == [1, 8]
    assert speakers(Selection(actors=(5, 8))) == [5, 8]
    with pytest.raises(DataError, match=r"of actors 20; there are actors 1, 2, 5, 8, with"):
        data.clips(Selection(actors=(20,)))
    with pytest.raises(DataError, match=r"with sound and face none$"):
        data.clips(Selection(paired_only=True))


def test_fold_comes_from_labels_csv_where_there_is_one(tmp_path, media):
    media["wav"](tmp_path / "flac" / "03-01-03-01-01-01-05.wav", TONE)
    media["wav"](tmp_path / "flac" / "03-01-03-01-01-01-08.wav", TONE)
    (tmp_path / "labels.csv").write_text("clip,actor,fold\n03-01-03-01-01-01-05,5,4\n")
    assert [clip.fold for clip in Ravdess(tmp_path).clips()] == [4, 3]
    (tmp_path / "labels.csv").write_text("clip,actor,fold\nx,5,4\ny,5,1\n")
    with pytest.raises(DataError, match=r"labels.csv:3"):
        Ravdess(tmp_path)


def test_published_folds_hold_each_actor_once():
    assert sorted(actor for actors in SPEAKER_FOLDS.values() for actor in actors) == list(range(1, 25))
    assert (fold_of(5), fold_of(22)) == (0, 4)
    with pytest.raises(DataError, match="25"):
        fold_of(25)


def test_calm_is_merged_only_where_the_bundle_has_no_calm():
    assert merge_labels(SEVEN)["calm"] == "neutral"
    assert merge_labels(LABELS)["calm"] == "calm"
    with pytest.raises(DataError, match="labelled disgust"):
        merge_labels([label for label in SEVEN if label != "disgust"])


@pytest.mark.parametrize("name", ["03-01-09-01-01-01-05.wav", "03-01-03-01-01-01-25.wav", "03-01-00-01-01-01-05.wav"])
def test_code_that_does_not_exist_names_the_file(tmp_path, media, name):
    media["wav"](tmp_path / name, TONE)
    with pytest.raises(DataError, match=name):
        Ravdess(tmp_path)


def test_folder_without_labelled_files(tmp_path):
    with pytest.raises(DataError, match="empty"):
        Ravdess(tmp_path)
    (tmp_path / "happy.wav").write_bytes(b"x")
    with pytest.raises(DataError, match=r"happy\.wav"):
        Ravdess(tmp_path)
    with pytest.raises(DataError, match="not a folder"):
        Ravdess(tmp_path / "happy.wav")


def test_track_with_a_hole_names_the_missing_image(tmp_path, media):
    for index in (0, 1, 3):
        media["jpg"](tmp_path / f"01-01-03-01-01-01-05_{index:02d}.jpg", np.full((8, 8, 3), 90, np.uint8))
    with pytest.raises(DataError, match="image 02 of the face track"):
        Ravdess(tmp_path)


def test_open_dataset_says_what_is_allowed(tmp_path):
    with pytest.raises(OptionError, match=r"llowed: .*ferplus.*ravdess"):
        open_dataset(f"iemocap:{tmp_path}")
    with pytest.raises(OptionError, match="NAME:PATH"):
        open_dataset("ravdess")
    with pytest.raises(DataError, match="does not exist"):
        open_dataset(f"ravdess:{tmp_path}/nowhere")


def test_real_clips(shared_data):
    data = open_dataset(f"ravdess:{shared_data}")
    clips = data.clips()
    assert len(clips) == 1200
    assert collections.Counter(clip.label for clip in clips)["neutral"] == 80
    assert {(clip.speaker, clip.fold) for clip in clips} <= {
        (a, f) for f, actors in SPEAKER_FOLDS.items() for a in actors
    }
    paired = data.clips(Selection(paired_only=True))
    assert {clip.speaker for clip in paired} == {5}
    assert len(paired) == 60
    # labels.csv beside the tracks counts 8 clips with two black frames and 10 with one.
    assert sum(len(clip.faces) - len(load_faces(clip)) for clip in paired) == 26
    samples, rate = load_audio(paired[0])
    assert rate == 16000
    assert len(samples) / rate == pytest.approx(3.6036, abs=1e-3)
