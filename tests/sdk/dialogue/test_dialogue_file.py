import pytest

from mer_sdk.dialogue.dialogue_file import Utterance, read_dialogues
from mer_sdk.errors import DataError


def written(folder, text, encoding="utf-8"):
    path = folder / "talk.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_melds_columns(tmp_path):
    text = (
        "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,StartTime\r\n"
        '1,"Oh, really?",Phoebe,sadness,negative,7,0,"00:20:57,256"\r\n'
        "2,What?,Monica,surprise,negative,7,1,00:21:01.5\r\n"
        "3,,Ross,neutral,neutral,9,0,\r\n"
    )
    first, second = read_dialogues(written(tmp_path, text))
    assert (first.id, second.id) == ("7", "9")
    assert first.utterances == (
        Utterance("Oh, really?", "Phoebe", 1257.256, "sadness"),
        Utterance("What?", "Monica", 1261.5, "surprise"),
    )
    assert second.utterances == (Utterance("", "Ross", None, "neutral"),)


def test_two_columns_of_any_case_are_enough(tmp_path):
    (talk,) = read_dialogues(written(tmp_path, "speaker, UTTERANCE\nanna,hello\n,who?\n\n", "utf-8-sig"))
    assert talk.utterances == (Utterance("hello", "anna"), Utterance("who?", None))


def test_windows_1252_is_read(tmp_path):
    (talk,) = read_dialogues(written(tmp_path, "Speaker,Utterance\na,It’s Chloé…\n", "cp1252"))
    assert talk.utterances[0].text == "It’s Chloé…"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"Who,What\na,b\n", "has the columns who, what; missing: Speaker, Utterance. Needed are"),
        (b"Speaker,Text\na,b\n", "missing: Utterance"),
        (b"", "has the columns none; missing"),
        (b"Speaker,Utterance\n", "a header and no utterance"),
        (b"Speaker,Utterance\na,b,c\n", "line 2: 3 cells where the header has 2; quote an utterance with commas"),
        (b'Speaker,Utterance\na,"b\n', "not csv"),
        (b"Speaker,Utterance,StartTime\na,b,soon\n", "line 2: StartTime 'soon' is no time"),
        (b"Speaker,Utterance\na,\x81\n", r"neither UTF-8 nor Windows-1252 \(byte 20 is 0x81\)"),
        (b"PK\x03\x04\0\0", "not a text file"),
    ],
)
def test_bad_files_are_one_sentence(tmp_path, content, message):
    path = tmp_path / "talk.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_dialogues(path)
    assert str(path) in str(caught.value)


def test_no_file(tmp_path):
    with pytest.raises(DataError, match=r"none.csv cannot be read \(No such file"):
        read_dialogues(tmp_path / "none.csv")


def test_a_real_file(shared_data):
    dialogues = read_dialogues(shared_data / "meld" / "dev_sent_emo.csv")
    assert (len(dialogues), sum(len(talk.utterances) for talk in dialogues)) == (114, 1109)
    assert dialogues[0].utterances[0].speaker == "Phoebe"
    assert all(line.label for talk in dialogues for line in talk.utterances)
