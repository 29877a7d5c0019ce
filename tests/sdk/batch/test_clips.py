"""Which files a folder, a list, a pattern or names mean."""

from __future__ import annotations

import os

import pytest

from mer_sdk.batch.clips import find_clips
from mer_sdk.errors import DataError, OptionError
from mer_sdk.media.names import is_many

FOUND = ["clips/0.wav", "clips/2.wav", "clips/4.wav", "clips/6.wav", "clips/bad.wav", "clips/empty.wav"] + [
    f"clips/b/{number}.wav" for number in (1, 3, 5, 7)
]


def names(inputs: list[str]) -> list[str]:
    return [clip.name for clip in find_clips(inputs)[0]]


def test_a_folder_is_its_media_at_any_depth_in_order(folder) -> None:
    (folder / ".hidden.wav").touch()
    clips, notes = find_clips(["clips"])
    assert [clip.name for clip in clips] == FOUND
    assert notes == ("left out, as no sound or video by its ending: 1 file in clips",)
    assert (clips[0].path, clips[0].size) == (str(folder / "0.wav"), os.path.getsize(folder / "0.wav"))


def test_patterns_and_names_and_each_file_once(folder) -> None:
    assert names(["clips/**/[1-3].wav"]) == ["clips/2.wav", "clips/b/1.wav", "clips/b/3.wav"]
    clips, notes = find_clips(["clips/2.wav", "clips/[0-2].wav", "clips/b/../2.wav"])
    assert [clip.name for clip in clips] == ["clips/2.wav", "clips/0.wav"]
    assert notes == ("2 files are listed more than once, and run once",)


@pytest.mark.parametrize("suffix", ["txt", "csv", "tsv", "parquet"])
def test_a_list_is_relative_to_itself_and_may_name_what_is_missing(folder, suffix) -> None:
    path, listed = folder / f"list.{suffix}", ["b/1.wav", "gone.wav"]
    if suffix == "parquet":
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.table({"path": listed, "start": [0.0, None]}), path)
    elif suffix == "txt":
        path.write_text("# two\n" + "\n".join(listed) + "\n")
    else:
        path.write_text(
            "\n".join(
                ["label" + {"csv": ",", "tsv": "\t"}[suffix] + "file"]
                + ["happy" + {"csv": ",", "tsv": "\t"}[suffix] + name for name in listed]
            )
        )
    clips, notes = find_clips([str(path)])
    assert [clip.name for clip in clips] == listed
    assert [clip.size is None for clip in clips] == [False, True]
    assert bool(notes) == (suffix == "parquet")


def test_names_that_are_no_utf8_are_run_and_shown(folder) -> None:
    try:
        os.rename(folder / "0.wav", os.fsencode(folder) + b"/\xff.wav")
    except OSError:
        pytest.skip("the file system takes UTF-8 alone")
    clips, _ = find_clips(["clips"])
    assert clips[-5].name == "clips/\\xff.wav"
    assert os.path.exists(clips[-5].path)


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ("gone.wav", OptionError, "gone.wav does not exist"),
        ("clips/*.mp4", OptionError, "no file matches"),
        ("clips/none", OptionError, "no sound or video file"),
        ("list.txt", DataError, "lists no file"),
        ("list.csv", DataError, "missing: file"),
    ],
)
def test_nothing_to_run_is_one_sentence(folder, given, error, match) -> None:
    (folder / "none").mkdir()
    (folder.parent / "list.txt").write_text("\n")
    (folder.parent / "list.csv").write_text("name,label\na,b\n")
    with pytest.raises(error, match=match):
        find_clips([given])


def test_what_may_be_many(folder) -> None:
    (folder / "odd[1].wav").touch()
    assert not any(is_many([given]) for given in ("clips/0.wav", "camera", "-", "gone.wav", "clips/odd[1].wav"))
    assert all(is_many(given) for given in (["clips"], ["clips/*.wav"], ["clips/notes.txt"], ["a.wav", "b.wav"]))
