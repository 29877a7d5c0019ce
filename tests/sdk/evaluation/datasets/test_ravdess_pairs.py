"""Real pairs: archives and sound to clips, times of frames, folds, and the test fold that nothing learns from."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
from pairs_files import jpeg, write_pairs

from mer_sdk.errors import DataError
from mer_sdk.evaluation.datasets import ArchivedImage, RavdessPairs, Selection, load_faces, load_image, open_dataset
from mer_sdk.evaluation.datasets.ravdess import TEST_FOLD


def test_take_becomes_a_paired_clip_whose_images_have_their_own_times(tmp_path):
    data = open_dataset(f"ravdess_pairs:{write_pairs(tmp_path)}")
    first, second = data.clips()
    assert (first.id, first.label, first.speaker, first.fold) == ("01-03-02-01-01-03", "happy", 3, 1)
    assert (first.intensity, first.statement, first.repetition) == (2, 1, 1)
    assert first.paired
    assert first.audio.name == "03-01-03-02-01-01-03.flac"
    assert first.face_times == pytest.approx((9 / 29.97, 19 / 29.97, 39 / 29.97), abs=1e-4)
    assert (second.speaker, second.fold, second.intensity) == (8, 3, 1)
    found = load_faces(first)  # the black image is no face
    assert [time for time, _ in found] == [first.face_times[0], first.face_times[2]]
    assert [round(float(image.mean())) for _, image in found] == [110, 140]
    np.testing.assert_array_equal(load_image(first.faces[2]), found[1][1])


def test_the_test_fold_is_refused_for_learning_and_given_for_scoring(tmp_path):
    data = RavdessPairs(write_pairs(tmp_path))
    assert [clip.speaker for clip in data.clips_to_learn_from((1,))] == [3]
    with pytest.raises(DataError, match=r"fold 3 \(actors 8, 17, 21, 23, 24\) is the test fold.*learn from folds 1$"):
        data.clips_to_learn_from((1, TEST_FOLD))
    with pytest.raises(DataError, match="fold 0 is not there"):
        data.clips_to_learn_from((0, 1))
    with pytest.raises(DataError, match="no fold was given"):
        data.clips_to_learn_from(())
    assert [clip.speaker for clip in data.clips(Selection(folds=(TEST_FOLD,), paired_only=True))] == [8]
    with pytest.raises(DataError, match=r"1: \[3\]"):
        data.clips(Selection(actors=(20,)))


def test_faults_name_the_file_and_the_cure(tmp_path):
    with pytest.raises(DataError, match=r"labels\.csv is missing"):
        RavdessPairs(tmp_path)
    folder = write_pairs(tmp_path)
    table = (folder / "labels.csv").read_text()
    for old, new, message in (
        ("happy", "glad", r"labels\.csv:2 is no clip of RAVDESS"),
        (",normal,3,", ",normal,4,", "actor_08.zip holds 3 images .* says 4"),
        ("03-01-05-01-02-01-08", "03-01-05-01-02-02-08", "such as 03-01-05-01-02-02-08.flac"),
        ("fold", "part", "no column fold"),
        (",1,happy,strong,3,0.3,1.3", ",1,happy", "labels.csv:2 is cut off"),
        ("actor_08.zip", "actor_09.zip", r"actor_09\.zip is missing"),
    ):
        (folder / "labels.csv").write_text(table.replace(old, new, 1))
        with pytest.raises(DataError, match=message):
            RavdessPairs(folder)
    (folder / "labels.csv").write_text(table)
    data = RavdessPairs(folder)
    archive = folder / "actor_03.zip"
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"actor_03\.zip is not a zip file"):
        load_faces(data.clips()[0])
    with pytest.raises(DataError, match=r"actor_03\.zip is not a zip file"):
        RavdessPairs(folder)


def test_an_image_in_an_archive_that_is_none_is_refused(tmp_path):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("x/001.jpg", b"not a picture")
        opened.writestr("x/002.jpg", jpeg(90)[:-40])
        opened.writestr("x/003.jpg", b"")
    for name, message in (("001", "not an image"), ("002", "truncated JPEG"), ("003", "not an image")):
        with pytest.raises(DataError, match=rf"x/{name}\.jpg in .*a\.zip is.* {message.split()[-1]}"):
            load_image(ArchivedImage(archive, f"x/{name}.jpg"))
    with pytest.raises(DataError, match=r"x/004\.jpg in .* cannot be read"):
        load_image(ArchivedImage(archive, "x/004.jpg"))


def test_every_pair_of_the_real_data_is_read(shared_data):
    data = RavdessPairs(shared_data / "ravdess_pairs")
    clips = data.clips()
    assert len(clips) == 1200
    assert all(clip.paired for clip in clips)
    tested = data.clips(Selection(folds=(TEST_FOLD,)))
    assert len(tested) == 300
    assert {clip.speaker for clip in tested} == {8, 17, 21, 23, 24}
    assert not {clip.speaker for clip in data.clips_to_learn_from((0, 1, 2))} & {8, 17, 21, 23, 24}
    time, image = load_faces(clips[0])[0]
    assert (round(time, 4), image.shape) == (0.3003, (96, 96, 3))
