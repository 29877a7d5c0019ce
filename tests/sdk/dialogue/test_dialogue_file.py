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


def read(folder, text, encoding="utf-8"):
    """(dialogues, what was told) of a file."""
    told = []
    return read_dialogues(written(folder, text, encoding), tell=told.append), " ".join(told)


def words(dialogue):
    return [line.text for line in dialogue.utterances]


@pytest.mark.parametrize(
    ("controls", "said"),
    [
        ("It\x92s", "It’s"),
        ("\x93Oh\x94 \x85", "“Oh” …"),
        ("caf\xe9 \x96 \x80 5", "café – € 5"),
        ("naïve — ’", "naïve — ’"),
    ],
)
def test_windows_characters_that_became_controls(tmp_path, controls, said):
    (talk,), told = read(tmp_path, f"Speaker,Utterance\na,{controls}\n")
    assert (words(talk), told) == ([said], "")


@pytest.mark.parametrize("separator", [";", "\t", ","])
def test_cells_apart_by_semicolons_and_tabs(tmp_path, separator):
    lines = [["Dialogue_ID", "Speaker", "Utterance", "StartTime"], ["0", "a", '"no, really; yes"', '"00:00:01,5"']]
    (talk,), told = read(tmp_path, "\n".join(separator.join(line) for line in lines) + "\n")
    assert (words(talk), talk.utterances[0].time, told) == (["no, really; yes"], 1.5, "")


def test_the_order_of_utterance_id_is_followed_and_told(tmp_path):
    text = "Dialogue_ID,Utterance_ID,Speaker,Utterance\n0,10,a,third\n0,2,b,second\n0,1,a,first\n1,0,b,other\n"
    (first, second), told = read(tmp_path, text)
    assert words(first) == ["first", "second", "third"]
    assert words(second) == ["other"]
    assert "in 1 dialogue Utterance_ID gives another order than the lines; it is followed" in told


def test_lines_that_are_there_twice_count_once(tmp_path):
    head = "Dialogue_ID,Utterance_ID,Speaker,Utterance\n"
    (talk,), told = read(tmp_path, head + "0,0,a,hello\n0,1,b,hi\n0,0,a,hello\n0,1,b,hi\n")
    assert words(talk) == ["hello", "hi"]
    assert "2 lines are there twice and count once" in told
    # The same words with other ids, or without any, are said twice.
    (talk,), told = read(tmp_path, head + "0,0,a,no\n0,1,a,no\n")
    assert (words(talk), told) == (["no", "no"], "")
    (talk,), told = read(tmp_path, "Speaker,Utterance\na,no\na,no\n")
    assert (words(talk), told) == (["no", "no"], "")


def test_two_splits_one_after_the_other_are_not_mixed(tmp_path):
    head = "Dialogue_ID,Utterance_ID,Speaker,Utterance\n"
    one = "0,0,a,hello\n0,1,b,hi\n1,0,c,bye\n"
    other = "0,0,d,what\n0,1,e,who\n1,0,f,why\n"
    dialogues, told = read(tmp_path, head + one + other)
    assert [(talk.id, words(talk)) for talk in dialogues] == [
        ("0", ["hello", "hi"]),
        ("1", ["bye"]),
        ("0 (2)", ["what", "who"]),
        ("1 (2)", ["why"]),
    ]
    assert "2 Dialogue_IDs come again with other lines, and count as further dialogues" in told


def test_a_further_dialogue_takes_the_name_of_no_other(tmp_path):
    head = "Dialogue_ID,Utterance_ID,Speaker,Utterance\n"
    lines = {"1 (2)": "named so", "1": "first", "2": "between"}
    file = head + "".join(f"{name},0,a,{text}\n" for name, text in lines.items()) + "1,0,a,again\n1,1,a,more\n"
    for text in (file, file + "1 (3),0,a,later\n"):
        dialogues, told = read(tmp_path, text)
        found = {talk.id: words(talk) for talk in dialogues}
        further = "1 (3)" if text == file else "1 (4)"
        assert {name: found[name] for name in lines} == {name: [text] for name, text in lines.items()}
        assert found[further] == ["again", "more"]
        assert "1 Dialogue_ID comes again" in told


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("0,5,a,A", "0,,b,B", "0,,c,C", "0,9,d,D"), "line 3: Utterance_ID is empty, and other lines have one"),
        (("0,,a,A", "0,1,b,B", "0,0,c,C"), "line 2: Utterance_ID is empty"),
        (("0,0,a,A", "1, ,b,B"), "line 3: Utterance_ID is empty"),
        (("0,0,a,A", ",1,b,B"), "line 3: Dialogue_ID is empty, and other lines have one; .* or leave the column out"),
    ],
)
def test_ids_in_some_lines_alone_are_refused(tmp_path, lines, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, "\n".join(["Dialogue_ID,Utterance_ID,Speaker,Utterance", *lines]))


def test_columns_of_ids_may_be_empty(tmp_path):
    (talk,), told = read(tmp_path, "Dialogue_ID,Utterance_ID,Speaker,Utterance\n,,a,A\n,,b,B\n,,a,A\n")
    assert (talk.id, words(talk), told) == ("0", ["A", "B", "A"], "")


def test_ids_that_say_two_things_are_refused(tmp_path):
    head = "Dialogue_ID,Utterance_ID,Speaker,Utterance\n"
    with pytest.raises(DataError, match="dialogue 0 has two different lines of Utterance_ID 0; number them anew"):
        read(tmp_path, head + "0,0,a,hello\n0,0,b,hi\n")


@pytest.mark.parametrize("bad", ["x", "nan", "inf", "-1e400", "1_0"])
def test_numbers_that_are_none_are_refused(tmp_path, bad):
    with pytest.raises(DataError, match=f"line 2: Utterance_ID '{bad}' is no number"):
        read(tmp_path, f"Dialogue_ID,Utterance_ID,Speaker,Utterance\n0,{bad},a,hello\n")
    for time in (bad, "9" * 400 + ":00:01", "00:" + "9" * 400):
        with pytest.raises(DataError, match=r"line 2: StartTime .* is no time; write seconds or HH:MM:SS,mmm"):
            read(tmp_path, f"Speaker,Utterance,StartTime\na,hello,{time}\n")
