"""FER+: both layouts, votes to distributions, broken files."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets import FerPlus, open_dataset
from mer_sdk.evaluation.datasets.ferplus import COLUMNS, vote_distribution

SEVEN = ("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised")
IMAGES = np.random.default_rng(0).integers(0, 256, (4, 48, 48)).astype(np.uint8)
# neutral happiness surprise sadness anger disgust fear contempt unknown NF
VOTES = np.array(
    [
        [4, 0, 0, 0, 1, 0, 0, 4, 1, 0],  # 5 of 10 for the seven: just kept
        [0, 8, 2, 0, 0, 0, 0, 0, 0, 0],
        [1, 0, 0, 1, 0, 2, 0, 6, 0, 0],  # 4 of 10: left out
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 10],  # not a face
    ],
    np.uint8,
)
USAGE = ["Training", "Training", "PublicTest", "Training"]


def write_npz(path, **changes):
    names = np.array([f"fer{i}.png" for i in range(4)])
    values = {"images": IMAGES, "votes": VOTES, "names": names, "columns": np.array(COLUMNS), **changes}
    np.savez(path, **{name: value for name, value in values.items() if value is not None})
    return path


def write_csv(folder, usage=USAGE, pixels=None, vote_rows=4):
    with (folder / "fer2013.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["emotion", "pixels", "Usage"])
        for i in range(4):
            text = " ".join(map(str, IMAGES[i].ravel()))
            rows.writerow([0, pixels if pixels is not None and i == 1 else text, USAGE[i]])
    with (folder / "fer2013new.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["Usage", "Image name", *COLUMNS])
        for i in range(vote_rows):
            rows.writerow([usage[i], "" if i == 3 else f"fer{i}.png", *VOTES[i]])


def test_votes_become_a_distribution():
    targets, keep = vote_distribution(VOTES, SEVEN)
    assert keep.tolist() == [True, True, False, False]
    np.testing.assert_allclose(targets[0], [0.8, 0, 0, 0.2, 0, 0, 0])
    np.testing.assert_allclose(targets[1], [0, 0.8, 0, 0, 0, 0, 0.2])
    assert not targets[2:].any()


def test_votes_follow_the_order_and_choice_of_labels():
    targets, keep = vote_distribution(VOTES, ("contempt", "calm", "neutral"))
    np.testing.assert_allclose(targets[0], [0.5, 0, 0.5])
    assert keep.tolist() == [True, False, True, False]
    with pytest.raises(DataError, match="none of the labels calm"):
        vote_distribution(VOTES, ("calm",))


def test_npz(tmp_path):
    write_npz(tmp_path / "ferplus_train.npz")
    images = open_dataset(f"ferplus:{tmp_path}").split("train", SEVEN)
    assert len(images) == 2
    np.testing.assert_array_equal(images.images, IMAGES[:2])
    assert images.names == ("fer0.png", "fer1.png")
    assert images.targets.dtype == np.float32
    np.testing.assert_allclose(images.targets.sum(axis=1), 1)


def test_official_votes_beside_an_archive_are_taken_by_name(tmp_path):
    write_csv(tmp_path)
    (tmp_path / "fer2013.csv").unlink()
    write_npz(
        tmp_path / "ferplus_train.npz",
        images=IMAGES[2::-1],
        votes=VOTES[:3],
        names=np.array(["fer2.png", "fer1.png", "fer0.png"]),
    )
    raw = FerPlus(tmp_path).read("train")
    np.testing.assert_array_equal(raw.votes, VOTES[2::-1])
    np.testing.assert_array_equal(raw.images, IMAGES[2::-1])
    write_npz(tmp_path / "ferplus_train.npz")
    with pytest.raises(DataError, match=r"no row for 1 images of ferplus_train\.npz \(such as fer3\.png\)"):
        FerPlus(tmp_path).read("train")
    table = (tmp_path / "fer2013new.csv").read_text()
    (tmp_path / "fer2013new.csv").write_text(
        table.replace("fer1.png,0,8", "fer1.png,0,many").replace(",,", ",fer3.png,")
    )
    with pytest.raises(DataError, match="a vote that is no number"):
        FerPlus(tmp_path).read("train")


def test_real_votes_are_the_official_ones(shared_data):
    folder = shared_data / "ferplus"
    official = {
        row["Image name"]: [int(row[name]) for name in COLUMNS]
        for row in csv.DictReader((folder / "fer2013new.csv").open(newline=""))
    }
    for split, differing in (("train", 1073), ("valid", 246)):
        raw = FerPlus(folder).read(split)
        assert raw.votes.tolist() == [official[name] for name in raw.names]
        with np.load(folder / f"ferplus_{split}.npz") as archive:
            assert (archive["votes"] != raw.votes).any(axis=1).sum() == differing


def test_npz_columns_are_read_by_name(tmp_path):
    order = [3, 1, 2, 0, 4, 5, 6, 7, 8, 9]
    write_npz(tmp_path / "ferplus_train.npz", votes=VOTES[:, order], columns=np.array(COLUMNS)[order])
    np.testing.assert_array_equal(FerPlus(tmp_path).read("train").votes, VOTES)


def test_csv_gives_the_same_as_npz(tmp_path):
    write_csv(tmp_path)
    data = FerPlus(tmp_path)
    train = data.split("train", SEVEN)
    np.testing.assert_array_equal(train.images, IMAGES[:2])
    np.testing.assert_allclose(train.targets, vote_distribution(VOTES, SEVEN)[0][:2])
    assert data.read("valid").names == ("fer2.png",)
    assert data.read("train").names == ("fer0.png", "fer1.png", "line5")


def test_nothing_is_read_before_use(tmp_path):
    (tmp_path / "ferplus_train.npz").write_bytes(b"")
    images = FerPlus(tmp_path).split("train", SEVEN)
    with pytest.raises(DataError, match=r"ferplus_train\.npz is empty"):
        len(images)


def test_broken_npz_names_the_file(tmp_path):
    path = write_npz(tmp_path / "ferplus_train.npz")
    data = FerPlus(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"ferplus_train\.npz cannot be read"):
        data.read("train")
    write_npz(path, votes=None)
    with pytest.raises(DataError, match=r"ferplus_train\.npz has no votes"):
        data.read("train")
    write_npz(path, votes=VOTES[:3])
    with pytest.raises(DataError, match="expected are"):
        data.read("train")
    write_npz(path, columns=np.array(["a"] * 10))
    with pytest.raises(DataError, match="vote columns"):
        data.read("train")
    write_npz(path, names=np.array(["one"]))
    with pytest.raises(DataError, match="one name for each image"):
        data.read("train")


def test_npz_with_pickles_is_refused(tmp_path):
    write_npz(tmp_path / "ferplus_train.npz", names=np.array([{"a": 1}] * 4, dtype=object))
    with pytest.raises(DataError, match=r"ferplus_train\.npz cannot be read"):
        FerPlus(tmp_path).read("train")


def test_broken_csv_names_file_and_line(tmp_path):
    write_csv(tmp_path, pixels="1 2 3")
    with pytest.raises(DataError, match=r"fer2013\.csv:3 is truncated: 3 pixels"):
        FerPlus(tmp_path).read("train")
    write_csv(tmp_path, vote_rows=2)
    with pytest.raises(DataError, match=r"fer2013new\.csv is truncated"):
        FerPlus(tmp_path).read("train")
    write_csv(tmp_path, usage=["Training", "PublicTest", "Training", "Training"])
    with pytest.raises(DataError, match="not aligned"):
        FerPlus(tmp_path).read("train")
    write_csv(tmp_path, pixels="1 2 x")
    with pytest.raises(DataError, match="no number"):
        FerPlus(tmp_path).read("train")
    (tmp_path / "fer2013new.csv").write_text("Usage,Image name\n")
    with pytest.raises(DataError, match=r"fer2013new\.csv has no column neutral"):
        FerPlus(tmp_path).read("train")
    (tmp_path / "fer2013new.csv").unlink()
    with pytest.raises(DataError, match=r"fer2013new\.csv is missing"):
        FerPlus(tmp_path)


def test_missing_data_and_split(tmp_path):
    with pytest.raises(DataError, match="no FER\\+ data"):
        FerPlus(tmp_path)
    write_npz(tmp_path / "ferplus_train.npz")
    with pytest.raises(DataError, match=r"ferplus_valid\.npz is missing"):
        FerPlus(tmp_path).split("valid", SEVEN)
    with pytest.raises(OptionError, match="train, valid, test"):
        FerPlus(tmp_path).split("dev", SEVEN)


def test_real_valid_split(shared_data):
    images = open_dataset(f"ferplus:{shared_data}").split("valid", SEVEN)
    assert images.images.shape == (3558, 48, 48)
    np.testing.assert_allclose(images.targets.sum(axis=1), 1, atol=1e-6)
    # The most frequent classes of the FER+ paper.
    assert images.targets.sum(axis=0).argsort()[::-1][:2].tolist() == [0, 1]
