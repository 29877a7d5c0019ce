"""Aff-Wild2's layout: a line per frame, -5 for nobody, cropped frames numbered from 1."""

import pytest
from feature_files import affwild2

from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets import AffWild2, open_dataset


def test_frames_and_annotations_belong_together(tmp_path):
    folder = affwild2(tmp_path, ["valence,arousal", "0.5,-0.25", "-5,-5", "1,0", ""])
    (video,) = open_dataset(f"affwild2:{folder}").videos("train")
    assert video.id == "12-24-1920x1080_left"
    assert video.valence.tolist() == [0.5, 0.0, 1.0]
    assert video.arousal.tolist() == [-0.25, 0.0, 0.0]
    assert video.annotated.tolist() == [True, False, True]
    assert [frame.name if frame else None for frame in video.frames] == ["00001.jpg", None, "00003.jpg"]
    assert open_dataset(f"affwild2:{folder}").videos("validation") == ()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["arousal", "0.5"], "must begin with the line"),
        (["valence,arousal", "0.5"], "must be two numbers"),
        (["valence,arousal", "0.5,x"], "must be two numbers"),
        (["valence,arousal", "0.5,1.5"], "outside -1 to 1"),
        (["valence,arousal"], "has no frames"),
    ],
)
def test_annotations_that_do_not_fit(tmp_path, lines, message):
    with pytest.raises(DataError, match=message):
        AffWild2(affwild2(tmp_path, lines)).videos("train")


def test_a_folder_that_is_something_else(tmp_path):
    with pytest.raises(DataError, match="has no VA_"):
        AffWild2(tmp_path)
    folder = affwild2(tmp_path, ["valence,arousal", "0,0"])
    with pytest.raises(OptionError, match="split 'test' is unknown"):
        AffWild2(folder).videos("test")
    for path in sorted(folder.rglob("cropped_aligned*"), reverse=True):
        path.rename(folder / "elsewhere")
    with pytest.raises(DataError, match="no folder cropped_aligned"):
        AffWild2(folder)
