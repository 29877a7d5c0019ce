"""Feature pickles of MMSA, of AMB-DSGDN's dialogues and of MIntRec, in small files of the published layouts."""

import collections
import pickle

import numpy as np
import pytest
from feature_files import Planted, dialogues, draw, dump, genders, mintrec, mmsa, mmsa_part, one_hot

from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets import MIntRec, Mmsa, open_dataset
from mer_sdk.evaluation.datasets.published.pickles import load_feature_pickle


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_arrays_and_containers_come_back(tmp_path, protocol):
    value = {
        "array": draw(3, 4),
        "words": np.array(["ein", "zwei"]),
        "ragged": np.array([draw(2), draw(3)], dtype=object),
        "scalar": np.float64(2.5),
        "plain": [1, "zwei", (3.0, None), {4}, b"five", collections.OrderedDict(six=6)],
    }
    read = load_feature_pickle(dump(tmp_path / "x.pkl", value, protocol))
    np.testing.assert_array_equal(read["array"], value["array"])
    assert list(read["words"]) == ["ein", "zwei"]
    np.testing.assert_array_equal(read["ragged"][1], value["ragged"][1])
    assert read["scalar"] == 2.5
    assert read["plain"] == value["plain"]


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("nested", [Planted(), [1, {"deep": Planted()}], np.array([Planted()], dtype=object)])
def test_a_forbidden_class_is_named_and_never_called(tmp_path, capsys, nested, protocol):
    with pytest.raises(DataError, match=r"names builtins\.print.*could run code"):
        load_feature_pickle(dump(tmp_path / "x.pkl", nested, protocol))
    assert "never run" not in capsys.readouterr().out


def test_other_dangerous_names_are_refused(tmp_path):
    for name in (
        "os\nsystem",
        "builtins\neval",
        "numpy\nload",
        "numpy.core.multiarray\nfromfile",
        "operator\nattrgetter",
    ):
        path = tmp_path / "x.pkl"
        path.write_bytes(f"c{name}\n.".encode())
        with pytest.raises(DataError, match="could run code"):
            load_feature_pickle(path)


def test_a_codec_that_could_unpack_without_end_is_refused(tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(b"c_codecs\nencode\n(Vx\nVzlib\ntR.")
    with pytest.raises(DataError, match="codec zlib"):
        load_feature_pickle(path)


@pytest.mark.parametrize("content", [b"", b"not a pickle", pickle.dumps({"a": np.zeros(9)})[:40]])
def test_a_damaged_pickle_is_one_sentence(tmp_path, content):
    (tmp_path / "x.pkl").write_bytes(content)
    with pytest.raises(DataError, match="fetch it again"):
        load_feature_pickle(tmp_path / "x.pkl")


def test_a_missing_pickle(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        load_feature_pickle(tmp_path / "none.pkl")


def test_mmsa_split(tmp_path):
    mmsa(tmp_path)
    split = open_dataset(f"mmsa:{tmp_path}").split("valid", "mosi")
    assert split.widths == {"text": 768, "audio": 5, "vision": 20}
    assert all(np.isfinite(values).all() and values.dtype == np.float32 for values in split.features.values())
    assert split.masks["audio"].sum(axis=1).tolist() == [4, 4, 4]
    assert split.masks["vision"][0].tolist() == [True] * 5 + [False] * 3
    np.testing.assert_allclose(split.labels, [-3, 0, 3])
    assert split.ids[1] == "video$_$1"
    assert split.texts[0] == "so good"
    assert len(split) == 3


def test_mmsa_features_of_the_wrong_width(tmp_path):
    path = mmsa(tmp_path, audio=7)
    assert Mmsa(path).split("train").widths["audio"] == 7
    with pytest.raises(DataError, match=r"train/audio has 7 features, published are 5"):
        Mmsa(path).split("train", "mosi")


def test_mmsa_bad_input(tmp_path):
    with pytest.raises(DataError, match="there are: none"):
        Mmsa(tmp_path)
    data = Mmsa(mmsa(tmp_path))
    with pytest.raises(OptionError, match="split 'dev' is unknown"):
        data.split("dev")
    with pytest.raises(OptionError, match="data set 'iemocap' is unknown"):
        data.split("train", "iemocap")
    with pytest.raises(DataError, match="not of the MMSA layout"):
        Mmsa(dump(tmp_path / "a" / "x.pkl", [1, 2]))
    part = mmsa_part(3)
    del part["vision"]
    with pytest.raises(DataError, match="train lacks vision"):
        Mmsa(dump(tmp_path / "b" / "x.pkl", dict.fromkeys(("train", "valid", "test"), part))).split("train")
    part = mmsa_part(3) | {"audio": draw(2, 9, 5)}
    with pytest.raises(DataError, match="unequal counts"):
        Mmsa(dump(tmp_path / "c" / "x.pkl", dict.fromkeys(("train", "valid", "test"), part))).split("train")


def test_iemocap_dialogues(tmp_path):
    dump(tmp_path / "iemocap_multimodal_features.pkl", dialogues(1582, genders), protocol=2)
    (dialogue,) = open_dataset(f"iemocap-features:{tmp_path}").dialogues("train")
    assert dialogue.id == "Ses01"
    assert {name: values.shape for name, values in dialogue.features.items()} == {
        "text": (3, 1024),
        "audio": (3, 1582),
        "visual": (3, 342),
    }
    assert dialogue.speakers.tolist() == [1, 0, 1]
    assert dialogue.labels.tolist() == [0, 1, 2]
    assert dialogue.texts == ("hm",) * 3


def test_meld_dialogues(tmp_path):
    dump(tmp_path / "meld_multimodal_features.pkl", dialogues(300, one_hot, extra=({},)))
    (dialogue,) = open_dataset(f"meld-features:{tmp_path}").dialogues("test")
    assert dialogue.speakers.tolist() == [0, 1]
    assert dialogue.features["audio"].shape == (2, 300)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (dialogues(300, genders), "audio has 300 features, published are 1582"),
        (dialogues(1582, lambda count: ["M"] * (count - 1) + ["X"]), r"speakers \['X'\]; known are M and F"),
        (dialogues(1582, lambda count: one_hot(count)), "one-hot rows of 2"),
        (dialogues(1582, genders, labels={"Ses01": [0, 1, 6]}), "labels outside 0 to 5"),
        (dialogues(1582, genders, labels={"Ses01": [0, 1]}), "fields of"),
        (dialogues(1582, genders, visual={}), "has no visual"),
        ((1, 2, 3), "must be a sequence of 12 or 13 fields"),
    ],
)
def test_dialogue_files_that_do_not_fit(tmp_path, content, message):
    path = dump(tmp_path / "iemocap_multimodal_features.pkl", content)
    with pytest.raises(DataError, match=message):
        open_dataset(f"iemocap-features:{path}").dialogues("train")


def test_mintrec_split(tmp_path):
    split = open_dataset(f"mintrec:{mintrec(tmp_path)}").split("dev")
    assert split.features["video"].shape == (1, 230, 256)
    assert split.features["audio"].shape == (1, 480, 768)
    assert split.masks["audio"].sum() == 7
    assert split.masks["video"].all()
    assert not split.features["audio"][0, 7:].any()
    assert (split.labels.tolist(), split.texts) == ([8], ('so "what',))


def test_mintrec_bad_input(tmp_path):
    with pytest.raises(DataError, match=r"train\.tsv is missing"):
        MIntRec(tmp_path / "none")
    with pytest.raises(DataError, match="label 'Sing'"):
        MIntRec(mintrec(tmp_path / "a", label="Sing")).split("train")
    with pytest.raises(DataError, match="has 100 features, published are 256"):
        MIntRec(mintrec(tmp_path / "b", video_width=100)).split("train")
    folder = mintrec(tmp_path / "c")
    dump(folder / "audio_data" / "audio_feats.pkl", {})
    with pytest.raises(DataError, match="no clip S04_E01_test"):
        MIntRec(folder).split("test")
