"""The page of `mer report`: a section for each part that bundles carry, its chart; `mer inspect` prints the proof."""

import json

import pytest
from report_page import ALWAYS, CONFIDENCE, GATE, HOSTILE, PROOF, SENSITIVITY, Page, variant

from mer_sdk.cli import main
from mer_sdk.report.charts import Point, scatter


def test_without_data_there_is_what_the_bundles_carry_and_how_to_get_the_rest(run, tiny_onnx):
    page, printed = run(tiny_onnx)
    assert page.sections == ALWAYS
    for option in ("--data clips:PATH", "--evaluation", "--latency 200"):
        assert option in page.text
    assert printed.strip().endswith("page.html")
    assert sum(tag == "svg" and "viewbox" in attributes for tag, attributes in page.tags) == 1


@pytest.mark.parametrize(
    ("part", "section", "texts"),
    [
        ({"gate": GATE["gate"]}, "gate", ("passed", "logits within 0.005")),
        (
            GATE,
            "gate",
            ("full-precision model: agreement 75.0%", "1.0e-06", "2.0e-02", "33.3", "98.6 %", "83.0 (82.0)"),
        ),
        (PROOF, "proof", ("75.0 %", "60.0 %", "87.5 % / 90.0 %", "1 of 4: mel", "250 fp32, 750 int8")),
        (SENSITIVITY, "sensitivity", ("gate.query", "17.2", "1 more of 2 operations")),
        (CONFIDENCE, "confidence", ("0.81 (0.70)", "12.3", "6.1", "91.0 %")),
    ],
)
def test_each_part_of_the_report_has_its_section(run, tiny_onnx, tmp_path, part, section, texts):
    page, _ = run(variant(tiny_onnx, tmp_path, "quantized", "int8", part))
    # Accuracy that the gate measured also gives the first chart.
    assert page.sections == ALWAYS | {section} | ({"cost"} if "accuracy" in part else set())
    for text in texts:
        assert text in page.text


def test_a_failed_gate_is_said_first(run, tiny_onnx, tmp_path):
    bad = {"gate": {"state": "failed", "reason": "the head was scaled"}}
    page, _ = run(tiny_onnx, variant(tiny_onnx, tmp_path, "broken", "int8", bad))
    assert page.text.index("Gate FAILED: broken.") < page.text.index("Bundles")
    assert "the head was scaled" in page.text


def test_names_from_files_are_escaped(run, tiny_onnx, tmp_path, saved):
    text = json.dumps(GATE | PROOF | SENSITIVITY | CONFIDENCE)
    for word in ("logits within 0.005", "mel", "gate.query", "audio"):
        text = text.replace(json.dumps(word), json.dumps(HOSTILE + word))
    manifest = json.loads((tiny_onnx / "manifest.json").read_text())
    labels = [HOSTILE + label for label in manifest["labels"]]
    named = {"name": HOSTILE, "model": HOSTILE, "scheme": HOSTILE, "gate": HOSTILE, "labels": labels}
    named["baseline"] = {**manifest["baseline"], "neutral_prior": 0.0}  # none of the labels is neutral
    bundle = variant(tiny_onnx, tmp_path, contents=json.loads(text), **named, tools={HOSTILE: HOSTILE})
    file = saved(bundle=HOSTILE, model=HOSTILE, scheme=HOSTILE, labels=labels)
    page, _ = run(bundle, "--evaluation", file)
    assert page.text.count(HOSTILE) > 10
    assert not [tag for tag, _ in page.tags if tag == "script"]


def test_two_bundles_of_one_name_are_told_apart(run, tiny_onnx, tmp_path):
    copy = variant(tiny_onnx, tmp_path, "tiny")
    page, _ = run(tiny_onnx, copy, tiny_onnx)
    assert "2 bundles of 1 model" in page.text
    assert f"tiny ({copy})" in page.text


def test_marks_lie_where_their_values_are():
    drawn = scatter([Point(100, 70, "onnx", "fp32", "a"), Point(50, 80, "tflite", "fp32", "b")], "kB", "UAR, %")
    marks = [attributes for tag, attributes in Page(drawn).tags if tag == "circle"]
    (x0, y0), (x1, y1) = ((float(item["cx"]), float(item["cy"])) for item in marks)
    assert x1 < x0
    assert y1 < y0  # better is higher up
    assert x1 - 44 == pytest.approx((x0 - 44) / 2, abs=0.2)  # the axis begins at 0


def test_inspect_prints_the_proof(tiny_onnx, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    bundle = variant(tiny_onnx, tmp_path, "quantized", "int8", PROOF)
    with pytest.raises(SystemExit):
        main(["inspect", str(bundle)])
    printed = capsys.readouterr().out
    for text in ("250 fp32, 750 int8", "75.0 %", "60.0 %", "87.5 %", "90.0 %", "audio, weight in float (1 of 4", "mel"):
        assert text in printed
    with pytest.raises(SystemExit):
        main(["inspect", str(bundle), "--json"])
    found = json.loads(capsys.readouterr().out)["proof"]
    assert (found["audio"]["mac_share"], found["face"]["int8_share"]) == (0.6, 1.0)
    with pytest.raises(SystemExit):
        main(["inspect", str(tiny_onnx), "--json"])
    assert json.loads(capsys.readouterr().out)["proof"] == {}
