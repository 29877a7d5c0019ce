"""What `mer report --data` measures: corpora, own clips, dialogues; and reads again from what it saved."""

import json

import pytest
from report_page import ALWAYS, variant

from mer_sdk.errors import OptionError


def test_it_measures_what_it_is_asked_to(run, tiny_onnx, tmp_path, recordings):
    other = variant(tiny_onnx, tmp_path, "tiny-fp16", "fp16")
    page, printed = run(
        tiny_onnx, other, "--data", f"ravdess:{recordings}", "--orders", 2, "--latency", 3, "--seed", 4, "--json"
    )
    assert page.sections == ALWAYS | {"cost", "states", "confusion", "confidence"}
    assert "--data" not in page.text
    for text in (
        "6 clips of speaker 5",
        "seed 4",
        "CPUs",
        "3 rounds",
        "accuracy against latency",
        "The shipped models learned",
    ):
        assert text in page.text
    found = json.loads(printed)
    assert set(found["latency_ms"]["bundles"]) == {"tiny", "tiny-fp16"}
    stages = {"front_end", "audio", "face", "fusion", "sdk", "cpu", "step"}
    assert set(found["latency_ms"]["bundles"]["tiny"]) == stages
    same = next(item for item in found["evaluations"] if item["report"]["bundle"] == "tiny-fp16")["against"]
    # Both are the same graphs: 6 clips, 3 states, one cold run and two warm ones.
    assert (same["reference"], same["answers"], same["agreement"]) == ("tiny", 6 * 3 * 3, 1.0)
    assert (same["uar_difference"], same["interval"]) == (0.0, {"low": 0.0, "high": 0.0})
    kept = tmp_path / "kept.json"
    kept.write_text(printed)
    again, printed = run(tiny_onnx, other, "--evaluation", kept, "--json")
    assert json.loads(printed)["evaluations"] == found["evaluations"]
    assert again.sections == page.sections
    for change in ({"reliability": []}, {"coverage": [{"coverage": 1.0, "accuracy": float("nan"), "threshold": 0.1}]}):
        damaged = json.loads(kept.read_text())
        damaged["evaluations"][0]["report"]["results"][0]["curves"] |= change
        kept.write_text(json.dumps(damaged))
        with pytest.raises(OptionError, match="is no saved evaluation"):
            run(tiny_onnx, other, "--evaluation", kept)


def test_own_clips_are_measured_and_what_was_left_out_is_told(run, tiny_onnx, tmp_path, recordings):
    sounds = sorted(recordings.rglob("*.wav"))[:6]
    rows = ["file,label,speaker", "gone.wav,joy,ann"]
    rows += [
        f"{path},{'joy' if place % 2 else 'rage'},{'ann' if place < 3 else 'ben'}" for place, path in enumerate(sounds)
    ]
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    data = ("--data", f"clips:{tmp_path / 'clips.csv'}", "--labels", "rage=angry", "--orders", 2)
    page, printed = run(tiny_onnx, *data, "--json")
    assert "left out: gone.wav (line 2): the file is missing\n" in run.stderr
    found = json.loads(printed)["evaluations"][0]
    assert (found["data"], found["report"]["clips"]) == ("clips", 6)
    assert found["report"]["names"] == {"1": "ann", "2": "ben"}
    assert found["report"]["left_out"] == [{"clip": "gone.wav (line 2)", "reason": "the file is missing"}]
    for said in ("6 clips of speakers ann, ben", "joy as happy", "of 6 clips wrong", "ann (3)", "Left out: 1",
                 "the file is missing", "Worst clips", "level -"):  # fmt: skip
        assert said in page.text
    players = [attributes for tag, attributes in page.tags if tag == "audio"]
    assert len(players) == 6
    assert all(player["src"].startswith("data:audio/") for player in players)
    own = found["own"]
    assert [clip["of_label"] for clip in own["clips"]] == sorted(clip["of_label"] for clip in own["clips"])
    # A clip's steps come again as a strip, and its answer is one of the labels that the clips have.
    assert {len(clip["steps"]) for clip in own["clips"]} == {3}
    assert {clip["answer"] for clip in own["clips"]} <= {"happy", "angry"}
    page, printed = run(tiny_onnx, *data, "--worst", 0, "--json")
    assert json.loads(printed)["evaluations"][0]["own"] is None
    assert "Worst clips" not in page.text
    with pytest.raises(OptionError, match="--actors are of RAVDESS"):
        run(tiny_onnx, *data, "--actors", 5)
    with pytest.raises(OptionError, match="--labels renames the labels of clips:PATH"):
        run(tiny_onnx, "--data", f"ravdess:{recordings}", "--labels", "rage=angry")


def test_dialogues_are_measured_and_read_again_from_a_file(run, tiny_talk, tmp_path):
    lines = ["0,Ann,so good,joy", "0,Bob,go away,anger", "1,Ann,what a loss,sadness", "1,Bob,it is noon,neutral"]
    (tmp_path / "dev_sent_emo.csv").write_text("\n".join(["Dialogue_ID,Speaker,Utterance,Emotion", *lines]) + "\n")
    page, printed = run(tiny_talk, "--data", f"meld:{tmp_path}", "--latency", 2, "--json")
    assert page.sections == ALWAYS | {"cost", "states", "confusion", "confidence"}
    for text in ("4 utterances of 2 dialogues", "weighted F1, %", "ms per utterance"):
        assert text in page.text
    (found,) = json.loads(printed)["evaluations"]
    kept = tmp_path / "kept.json"
    kept.write_text(json.dumps(found["report"]))  # as `mer evaluate --json` writes it
    page, _ = run(tiny_talk, "--evaluation", kept)
    assert page.sections == ALWAYS | {"cost", "states", "confusion", "confidence"}
