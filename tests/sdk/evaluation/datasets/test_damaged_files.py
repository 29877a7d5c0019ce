"""What fuzzing found in files of data sets: each is refused with a sentence, and nothing is allocated for a claim."""

import io
import lzma
import zipfile
import zlib

import numpy as np
import pytest

from mer_sdk.contract.npy import read_npy
from mer_sdk.errors import DataError
from mer_sdk.evaluation.datasets import Clip, CremadLogMel, CremadVotes, FerPlus, Mosi, Ravdess, load_audio, load_image
from mer_sdk.evaluation.datasets.action_units import read_action_units
from mer_sdk.evaluation.datasets.clip import ArchivedImage
from mer_sdk.evaluation.datasets.clip_files import LARGEST_IMAGE
from mer_sdk.evaluation.datasets.speech_corpora import read_table
from mer_sdk.evaluation.datasets.teacher_scores import read_teacher_scores

READERS = {
    "labels.csv": lambda folder: read_table(folder / "labels.csv", {"file"}),
    "tabulatedVotes.csv": CremadVotes,
    "action_units.csv": read_action_units,
    "text.csv": lambda folder: Mosi(folder).utterances(),
    "auMLP_fold0_train.csv": lambda folder: read_teacher_scores(folder, "auMLP", 0, "train"),
    "fer2013.csv": lambda folder: FerPlus(folder).split("train", ("happy",)).images,
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"file,\xff\xfe\n", "is not UTF-8 text"),
        (b'file\n"' + b"x" * 140_000, "is no table"),  # a lost quote: one cell of the rest of the file
        ("file\n".encode("utf-16"), "is not UTF-8 text"),
    ],
)
def test_what_is_no_table_of_text(tmp_path, name, content, message):
    (tmp_path / "fer2013new.csv").write_bytes(b"Usage\nTraining\n")
    header = {
        "auMLP_fold0_train.csv": ";".join([*(f"embs{n}" for n in range(8)), "name"]),
        "tabulatedVotes.csv": ",A,D,F,H,N,S,fileName",
        "fer2013.csv": "pixels,Usage",
        "text.csv": ",".join(["0.5"] * 100 + ["1"]),
    }.get(name)
    if name == "action_units.csv":
        from mer_sdk.evaluation.datasets.action_units import COLUMNS

        header = ";".join((*COLUMNS, "name"))
    if message == "is no table" and header is not None:
        content = header.encode() + b"\n" + content.split(b"\n", 1)[1]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        READERS[name](tmp_path)


def test_a_row_without_a_name_is_cut_off(tmp_path):
    header = ";".join([*(f"embs{n}" for n in range(8)), "name"])
    (tmp_path / "auMLP_fold0_train.csv").write_text(header + "\n" + ";".join(["0.125"] * 8) + "\n")
    with pytest.raises(DataError, match=r"csv:2 is truncated or unlabelled"):
        read_teacher_scores(tmp_path, "auMLP", 0, "train")


def test_folds_that_are_no_text(tmp_path):
    (tmp_path / "03-01-03-01-01-01-03.wav").write_bytes(b"x")
    (tmp_path / "labels.csv").write_bytes(b"clip,actor,fold\n\xe9,3,1\n")
    with pytest.raises(DataError, match=r"labels\.csv is not UTF-8 text"):
        Ravdess(tmp_path)


def archive(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in members.items():
            opened.writestr(name, data)
    return path


def test_pictures_in_damaged_and_in_swollen_archives(tmp_path):
    path = archive(tmp_path / "a.zip", face=b"\xff\xd8" + bytes(range(256)) * 8)
    content = bytearray(path.read_bytes())
    content[40:44] = b"\xff\xff\xff\xff"  # within the compressed data
    path.write_bytes(content)
    with pytest.raises(zlib.error), zipfile.ZipFile(path) as opened:
        opened.read("face")
    with pytest.raises(DataError, match=r"face in .*a\.zip cannot be read"):
        load_image(ArchivedImage(path, "face"))
    swollen = archive(tmp_path / "b.zip", face=bytes(LARGEST_IMAGE + 1))
    assert swollen.stat().st_size < 100_000
    with pytest.raises(DataError, match="allowed are 16,777,216"):
        load_image(ArchivedImage(swollen, "face"))


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_picture_that_claims_gigabytes_is_not_decoded(tmp_path, suffix):
    cv2 = pytest.importorskip("cv2")
    data = bytearray(cv2.imencode(suffix, np.full((16, 24, 3), 90, np.uint8))[1].tobytes())
    path = tmp_path / f"face{suffix}"
    path.write_bytes(data)
    assert load_image(path).shape == (16, 24, 3)
    at = data.index(b"\xff\xc0") + 5 if suffix == ".jpg" else 18
    data[at : at + 2] = b"\xff\xff"
    at += 2 if suffix == ".jpg" else 4
    data[at : at + 2] = b"\xff\xff"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"face\.(jpg|png) says that it has 4,29\d,\d+,\d+ pixels"):
        load_image(path)


def test_sound_that_claims_gigabytes_is_not_allocated(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / "a.flac"
    soundfile.write(str(path), np.zeros(1600), 16000)
    data = bytearray(path.read_bytes())
    data[21] |= 0x0F  # the length, 36 bits
    data[22:26] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"a\.flac says that it has 68,719,476,735 samples"):
        load_audio(Clip(id="a", label="happy", speaker=1, audio=path))


def npy(shape, values=b"", dtype="|u1"):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue() + values


def test_arrays_that_claim_more_than_they_hold_are_never_allocated(tmp_path):
    vast = npy((10**9, 48, 48))
    archive(tmp_path / "ferplus_train.npz", **{f"{name}.npy": vast for name in ("images", "votes", "columns")})
    with pytest.raises(DataError, match="allowed are 268,435,456"):
        _ = FerPlus(tmp_path).split("train", ("happy",)).images
    (tmp_path / "labels.csv").write_text("file,index,clip,speaker,emotion,frames,use\na.xz,0,c,s,happy,30,train\n")
    for claim, message in ((npy((2, 128, 10**12)), "would have"), (npy((2, 128, 100), b"12"), "does not hold")):
        (tmp_path / "a.xz").write_bytes(lzma.compress(claim))
        with pytest.raises(DataError, match=message):
            CremadLogMel(tmp_path).clips()


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x09\x00", npy((2,), b"ab")[:20], npy((2,), b"abc"), npy((-1,))])
def test_what_is_no_array(content):
    with pytest.raises(ValueError, match="array"):
        read_npy(io.BytesIO(content), "array", 100)


def test_arrays_are_read_as_numpy_reads_them():
    for values in (
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.array(7),
    ):
        file = io.BytesIO()
        np.save(file, values)
        file.seek(0)
        np.testing.assert_array_equal(read_npy(file, "array", 1000), values)
