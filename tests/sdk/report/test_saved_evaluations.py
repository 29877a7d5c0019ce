"""Results that `mer evaluate --json` saved, in the page of `mer report`; those that do not fit are refused."""

import json

import numpy as np
import pytest
from report_page import ALWAYS, variant

from mer_sdk.contract.codec import to_json
from mer_sdk.errors import BundleError, OptionError
from mer_sdk.evaluation.curves import curves


def test_saved_results_give_scores_and_no_curves(run, tiny_onnx, tmp_path, saved):
    page, _ = run(tiny_onnx, variant(tiny_onnx, tmp_path, "other", "fp16"), "--evaluation", saved())
    assert page.sections == ALWAYS | {"cost", "states", "confusion"}
    for text in ("UAR 71.2 [60, 80]", "seed 11", "14 clips of speaker 5", "calm as neutral", "11.9"):
        assert text in page.text
    assert "machine not recorded" in page.text
    assert "not measured for other:" in page.text


def test_the_confusion_matrix_shows_shares_of_rows(run, tiny_onnx, saved):
    table = np.zeros((7, 7))
    table[0, :2] = 3, 1
    page, _ = run(tiny_onnx, "--evaluation", saved(table.tolist()))
    assert "neutral taken for happy: 1 of 4 (25 %)" in page.text
    assert "neutral taken for neutral: 3 of 4 (75 %)" in page.text
    assert "happy taken for happy: 0 of 0 (0 %)" in page.text


def test_other_conditions_stand_in_a_chart_of_their_own(run, tiny_onnx, tmp_path, saved):
    page, _ = run(tiny_onnx, variant(tiny_onnx, tmp_path, "other"), "--evaluation", saved())
    assert page.text.count("accuracy against size") == 1
    item = json.loads(saved().read_text())
    face = item | {"bundle": "other", "results": item["results"][1:]}
    both = tmp_path / "both.json"
    wrapped = [{"report": one, "data": "", "machine": "", "against": None} for one in (item, face)]
    both.write_text(json.dumps({"evaluations": wrapped}))
    page, _ = run(tiny_onnx, tmp_path / "0.mer", "--evaluation", both)
    assert page.text.count("accuracy against size") == 2


def test_the_temperature_and_the_threshold_are_those_of_the_state(run, tiny_onnx, tmp_path, saved):
    one = {"temperature": 0.6952, "abstention_threshold": 0.4321, "coverage": 0.9}
    decision = {"temperature": 1.1, "abstention_threshold": 0.5, "coverage": 1.0, "states": {"audio+face": one}}
    bundle = variant(tiny_onnx, tmp_path, "tiny", decision=decision, schema_minor=2)
    found = curves("audio+face", "warm", np.zeros(4, int), np.log(np.full((1, 4, 7), 0.45)))
    page, _ = run(bundle, "--evaluation", saved(scores={"curves": to_json(found)}))
    assert "temperature 0.6952" in page.text
    assert "threshold 0.4321 answers 100 %" in page.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bundle": "absent"}, "none of the bundles is named so"),
        ({"scheme": "int8"}, "another model, target or scheme"),
        ({"results": []}, "results is empty"),
        ({"scores": {"ece": float("nan")}}, "between 0 and 1"),
        ({"scores": {"uar": 71.2}}, "between 0 and 1"),
        ({"surprise": 1}, "unknown field 'surprise'"),
        ({"confusion": [[1.0]]}, "7 rows and columns"),
    ],
)
def test_an_evaluation_that_does_not_fit_is_refused(run, tiny_onnx, saved, change, message):
    path = saved(**change)
    with pytest.raises(OptionError, match=message):
        run(tiny_onnx, "--evaluation", path)


def test_bad_input_is_one_sentence_and_leaves_nothing(run, tiny_onnx, tmp_path):
    broken = tmp_path / "broken.json"
    broken.write_text("[1, 2")
    deep, short = tmp_path / "deep.json", tmp_path / "short.json"
    deep.write_text("[" * 100_000)
    short.write_text('{"evaluations": [5, {}]}')
    (tmp_path / "meld").mkdir()
    (tmp_path / "meld" / "dev_sent_emo.csv").write_text("")
    for arguments, message in (
        (("--evaluation", broken), "is no saved evaluation"),
        (("--evaluation", tmp_path / "absent.json"), "is no saved evaluation"),
        (("--evaluation", deep), "is no saved evaluation .a field is missing or of another kind, or it is nested too"),
        (("--evaluation", short), "is no saved evaluation .a field is missing or of another kind"),
        (("--evaluation", broken, "--data", "ravdess:x"), "give one of them"),
        (("--data", f"meld:{tmp_path / 'meld'}"), "is read by none of the bundles"),
        (("--actors", "five", "--data", f"ravdess:{tmp_path}"), "list of numbers"),
    ):
        with pytest.raises(OptionError, match=message) as caught:
            run(tiny_onnx, *arguments)
        assert "\n" not in str(caught.value)
    text, large = {"audio": [{"name": "x", "sqnr_db": "NaN"}]}, {"conversion": {"logits": 10**400}}
    for contents in ({"gate": "passed"}, {"sensitivity": text}, [1], {"distances": large}):
        with pytest.raises(BundleError, match=r"report\.json cannot be read"):
            run(variant(tiny_onnx, tmp_path, "b", contents=contents))
    assert not (tmp_path / "page.html").exists()
