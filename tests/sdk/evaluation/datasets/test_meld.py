"""MELD on small files of the published layout."""

import pytest

from mer_sdk.contract.affect import SYNONYMS
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets import open_dataset
from mer_sdk.evaluation.datasets.meld import BUNDLE_LABELS, LABELS, Meld

HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"
LINES = (
    '1,"Oh my God, he’s lost it.",Phoebe,sadness,negative,0,0,4,7,"00:20:57,256","00:21:00,049"\n'
    '2,What?,Monica,surprise,negative,0,1,4,7,"00:21:01,927","00:21:03,261"\n'
    '3,,Phoebe,neutral,neutral,0,3,4,7,"00:21:04,000","00:21:05,000"\n'
    '4,You’re a genius!,Chandler,joy,positive,1,0,4,4,"00:12:32,334","00:12:33,960"\n'
)


def written(folder, text=HEADER + LINES, name="dev_sent_emo.csv", encoding="utf-8"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(text.encode(encoding))
    return folder


def test_dialogues_in_order_with_speakers_and_labels(tmp_path):
    data = open_dataset(f"meld:{written(tmp_path / 'data' / 'MELD').parent}")
    assert isinstance(data, Meld)
    assert data.splits == ("dev",)
    first, second = data.dialogues()
    assert [(u.speaker, u.text, u.label) for u in first.utterances] == [
        ("Phoebe", "Oh my God, he’s lost it.", "sadness"),
        ("Monica", "What?", "surprise"),
        ("Phoebe", "", "neutral"),  # without text, and kept
    ]
    assert first.utterances[0].time == pytest.approx(20 * 60 + 57.256)
    assert (second.id, len(second.utterances)) == ("1", 1)


def test_a_single_file_is_a_data_set(tmp_path):
    path = written(tmp_path, name="train_sent_emo.csv") / "train_sent_emo.csv"
    data = Meld(path)
    assert data.splits == ("train",)
    assert len(data.dialogues("train")) == 2
    with pytest.raises(DataError, match=r"no dev_sent_emo\.csv; it has: train"):
        data.dialogues("dev")


def test_windows_1252_is_read_and_other_bytes_are_refused(tmp_path):
    first, _ = Meld(written(tmp_path / "a", encoding="cp1252")).dialogues()
    assert first.utterances[0].text == "Oh my God, he’s lost it."
    folder = written(tmp_path / "b")
    (folder / "dev_sent_emo.csv").write_bytes((HEADER + LINES).encode("cp1252") + b"\x81")
    with pytest.raises(DataError, match=r"dev_sent_emo\.csv.*UTF-8"):
        Meld(folder).dialogues()


@pytest.mark.parametrize("column", ["Dialogue_ID", "Speaker", "Utterance", "Emotion"])
def test_a_missing_column_is_named(tmp_path, column):
    with pytest.raises(DataError, match=f"missing: {column.capitalize()}"):
        Meld(written(tmp_path, HEADER.replace(column, "Other") + LINES)).dialogues()


@pytest.mark.parametrize("emotion", ["happy", ""])
def test_an_unknown_emotion_is_refused(tmp_path, emotion):
    with pytest.raises(DataError, match="utterance 0 of dialogue 1 has the emotion"):
        Meld(written(tmp_path, HEADER + LINES.replace(",joy,", f",{emotion},"))).dialogues()


def test_a_folder_without_the_files_and_a_wrong_split(tmp_path):
    with pytest.raises(DataError, match="github"):
        Meld(tmp_path)
    (tmp_path / "notes.csv").write_text(HEADER)
    with pytest.raises(DataError, match="none of train_sent_emo"):
        Meld(tmp_path / "notes.csv")
    with pytest.raises(OptionError, match="train, dev, test"):
        Meld(written(tmp_path)).dialogues("valid")


def test_labels_are_those_of_bundles_by_their_synonyms():
    assert tuple(SYNONYMS.get(label, label) for label in LABELS) == BUNDLE_LABELS


def test_published_files(shared_data):
    data = Meld(shared_data / "meld")
    train, dev = data.dialogues("train"), data.dialogues("dev")
    assert (len(train), sum(len(d.utterances) for d in train)) == (1038, 9989)
    assert (len(dev), sum(len(d.utterances) for d in dev)) == (114, 1109)
    assert max(len(d.utterances) for d in train + dev) == 24
