"""`mer report`: the page, its charts' numbers, what it measures; and the proof that `mer inspect` prints."""

import json
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from mer_sdk.cli import main
from mer_sdk.cli.report import report
from mer_sdk.contract.bundle import hash_files
from mer_sdk.contract.codec import to_json
from mer_sdk.errors import BundleError, OptionError
from mer_sdk.report.charts import Point, scatter

ALWAYS = {"bundles", "size", "made"}
HOSTILE = '<script>alert("x")</script>&'
VOID = {"meta", "br"}
GATE = {
    "gate": {"state": "passed", "reason": "logits within 0.005"},
    "student_vs_full": "student against the full-precision model: agreement 75.0%",
    "distances": {
        "conversion": {"logits": 1e-6, "sqnr_db": 120.0},
        "quantization": {"logits": 2e-2, "sqnr_db": 33.3},
    },
    "accuracy": {"clips": 70, "answers": 210, "agreement": 0.986, "uar_fp32": 0.82, "uar": 0.83},
}
PROOF = {
    "proof": {
        "audio": {
            "weight_bytes": {"fp32": 250, "int8": 750}, "operations": 4, "int8_operations": 3,
            "float_weights": ["mel"], "float_inputs": [], "macs": 1000, "int8_macs": 600, "int8_share": 0.75,
        },
        "face": {
            "weight_bytes": {"int8": 1000}, "operations": 2, "int8_operations": 2,
            "float_weights": [], "float_inputs": [], "macs": 3000, "int8_macs": 3000, "int8_share": 1.0,
        },
    }
}  # fmt: skip
SENSITIVITY = {"sensitivity": {"fusion": [{"name": "gate.query", "sqnr_db": 17.25}, {"name": "head", "sqnr_db": None}]}}
CONFIDENCE = {
    "confidence": {
        "temperature": 0.81, "temperature_before": 0.7, "abstention_threshold": 0.42, "coverage": 0.9,
        "ece_before": 0.123, "ece": 0.061, "accuracy": 0.86, "accuracy_covered": 0.9, "covered": 0.91, "answers": 210,
    }
}  # fmt: skip


class Page(HTMLParser):
    """A page whose elements are closed in order; ids of its sections, its text, its tags with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.sections, self.text, self.tags, self._open = set(), "", [], []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "section":
            self.sections.add(dict(attrs)["id"])
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if not self._open or self._open[-1] != "style":
            self.text += data + " "


def variant(tiny, folder, name, scheme="fp32", contents=None, **changes):
    """A copy of a bundle under another name, with a report."""
    copy = shutil.copytree(tiny, folder / f"{len(list(folder.iterdir()))}.mer")
    if contents is not None:
        (copy / "report.json").write_text(json.dumps(contents))
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest |= {"name": name, "scheme": scheme, "files": to_json(hash_files(copy)), **changes}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    return copy


@pytest.fixture
def run(tmp_path):
    """Runs the command; gives the page and what was printed."""
    app = typer.Typer()
    app.command()(report)

    def call(*arguments):
        out = tmp_path / "page.html"
        result = CliRunner().invoke(app, [*(str(argument) for argument in arguments), "--out", str(out)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        call.stderr = result.stderr
        text = out.read_text(encoding="utf-8")
        page = Page(text)
        assert not [tag for tag, _ in page.tags if tag in ("script", "link", "iframe", "object")]
        assert "http" not in text
        assert "url(" not in text
        assert "@import" not in text
        for _, attributes in page.tags:
            assert attributes.get("src", "data:").startswith("data:")
            assert attributes.get("href", "#").startswith("#")
            assert not any(key.startswith("on") for key in attributes)
        return page, result.stdout

    return call


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Actor 5 in RAVDESS's layout: 2 clips each of neutral, happy and sad, with sound and one face image."""
    import cv2
    import soundfile

    folder, random = tmp_path_factory.mktemp("ravdess"), np.random.default_rng(0)
    for emotion in ("01", "03", "04"):
        for repetition in ("01", "02"):
            name = f"01-{emotion}-01-01-{repetition}-05"
            samples = random.uniform(-0.2, 0.2, 12000).astype(np.float32)
            soundfile.write(str(folder / f"03-{name}.wav"), samples, 16000)
            cv2.imwrite(str(folder / f"01-{name}_00.jpg"), random.integers(0, 255, (48, 48, 3), np.uint8))
    return folder


@pytest.fixture
def saved(tiny_onnx, tmp_path):
    """A file as `mer evaluate --json` writes it, of the bundle "tiny", with the confusion matrix given."""

    def write(confusion=None, scores=(), **changes):
        labels = json.loads((tiny_onnx / "manifest.json").read_text())["labels"]
        result = {
            "state": "audio+face", "protocol": "warm", "clips": 14, "runs": 1, "nll": 1.0, "ece": 0.119,
            "recall": dict.fromkeys(labels, 0.5), "support": dict.fromkeys(labels, 2),
            "confusion": (np.eye(len(labels)) * 2).tolist() if confusion is None else confusion,
        }  # fmt: skip
        for name, value in (("war", 0.7), ("uar", 0.712), ("macro_f1", 0.6)):
            result |= {name: value, f"{name}_interval": {"low": 0.6, "high": 0.8}}
        result |= dict(scores)
        options = {"states": ["audio+face"], "protocols": ["warm"], "orders": 3, "seed": 11}
        data = {
            "bundle": "tiny", "model": "grjca", "target": "onnx", "scheme": "fp32", "runtime": "onnx",
            "labels": labels, "merged": {"calm": "neutral"}, "speakers": [5], "clips": 14, "steps": 99,
            "options": options, "results": [result, result | {"state": "face", "uar": 0.333}],
        } | changes  # fmt: skip
        path = tmp_path / "saved.json"
        path.write_text(json.dumps(data))
        return path

    return write


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


def checked(model, kind="phone", slower=1.0, **changes):
    """A device's entry as `mer phone-check` writes it, as far as the page reads it."""
    points = [{"seconds": 30.0 * turn, "p50": 4.0 + (slower - 1) * turn, "p90": 9.0} for turn in range(1, 5)]
    run = {
        "latency_ms": {"step": {"p50": 4.25, "p90": 5.5}},
        "sustained": {"seconds": 120.0, "first": 4.0, "last": 4.0 * slower, "points": points},
        "golden": {"max_abs_error": 2e-5},
    }
    battery = {"begin": 0.9, "end": 0.86, "charging": False}
    device = {"model": model, "platform": "Android 16", "browser": "Chrome 150"}
    return {"evidence": kind, "device": device, "runtime": "web 1", "runs": [run], "battery": battery, **changes}


def test_devices_stand_beside_one_another(run, tiny_onnx, tmp_path):
    old = {"device": {"model": "Old One"}, "runs": [{"latency_ms": {"step": {"p50": "fast"}}}]}
    odd = [{"device": HOSTILE, "runs": 3, "evidence": "moon"}, {"evidence": ["phone"]}]
    bundle = variant(tiny_onnx, tmp_path, "checked", device_verified=[checked("Pixel 9", slower=1.5), old, *odd])
    saved = tmp_path / "other.json"
    plugged = {"begin": 0.2, "end": 0.3, "charging": True}
    saved.write_text(json.dumps([{"bundle": "tiny", **checked("A PC", "loopback", battery=plugged)}]))
    page, printed = run(bundle, "--devices", saved, "--json")
    assert page.sections == ALWAYS | {"devices"}
    for said in ("Pixel 9 Android 16 Chrome 150", "browser on a phone or tablet", "4.25", "1.50", "Old One"):
        assert said in page.text
    assert "browser on the computer that ran the check" in page.text
    found = {one["device"]: one for one in json.loads(printed)["devices"]}
    assert len(found) == 4
    pixel, pc = found["Pixel 9 Android 16 Chrome 150"], found["A PC Android 16 Chrome 150"]
    assert (pixel["kind"], pixel["first_ms"], pixel["last_ms"], len(pixel["course"])) == ("phone", 4.0, 6.0, 4)
    assert pixel["battery"] == pytest.approx(0.04)
    assert (pc["bundle"], pc["kind"], pc["battery"]) == ("tiny", "loopback", None)
    assert (found["Old One"]["kind"], found["Old One"]["step_ms"], found["Old One"]["course"]) == ("untold", None, [])
    # One line for each run without a pause, named by its tooltip.
    assert sum(tag == "path" and attributes["class"].startswith("line") for tag, attributes in page.tags) == 2
    again, _ = run(tiny_onnx, "--devices", bundle)
    assert "Pixel 9" in again.text


@pytest.mark.parametrize("content", ["{", "[]x", '{"a": 1}', "[1]", '[{"bundle": "tiny"}]', None])
def test_what_is_no_check_of_a_device_is_refused(run, tiny_onnx, tmp_path, content):
    file = tmp_path / "check.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(OptionError, match=r"--devices .*check\.json") as caught:
        run(tiny_onnx, "--devices", file)
    assert "\n" not in str(caught.value)


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
    bundle = variant(tiny_onnx, tmp_path, contents=json.loads(text), **named, tools={HOSTILE: HOSTILE})
    file = saved(bundle=HOSTILE, model=HOSTILE, scheme=HOSTILE, labels=labels)
    page, _ = run(bundle, "--evaluation", file)
    assert page.text.count(HOSTILE) > 10
    assert not [tag for tag, _ in page.tags if tag == "script"]


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


def test_it_measures_what_it_is_asked_to(run, tiny_onnx, tmp_path, recordings):
    other = variant(tiny_onnx, tmp_path, "tiny-fp16", "fp16")
    page, printed = run(
        tiny_onnx, other, "--data", f"ravdess:{recordings}", "--orders", 2, "--latency", 3, "--seed", 4, "--json"
    )
    assert page.sections == ALWAYS | {"cost", "states", "confusion", "confidence"}
    assert "--data" not in page.text
    for text in ("6 clips of speaker 5", "seed 4", "CPUs", "3 rounds", "accuracy against latency"):
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
    (tmp_path / "meld").mkdir()
    (tmp_path / "meld" / "dev_sent_emo.csv").write_text("")
    for arguments, message in (
        (("--evaluation", broken), "is no saved evaluation"),
        (("--evaluation", tmp_path / "absent.json"), "is no saved evaluation"),
        (("--evaluation", broken, "--data", "ravdess:x"), "give one of them"),
        (("--data", f"meld:{tmp_path / 'meld'}"), "is read by none of the bundles"),
        (("--actors", "five", "--data", f"ravdess:{tmp_path}"), "list of numbers"),
    ):
        with pytest.raises(OptionError, match=message) as caught:
            run(tiny_onnx, *arguments)
        assert "\n" not in str(caught.value)
    for contents in ({"gate": "passed"}, {"sensitivity": {"audio": [{"name": "x", "sqnr_db": "NaN"}]}}, [1]):
        with pytest.raises(BundleError, match=r"report\.json cannot be read"):
            run(variant(tiny_onnx, tmp_path, "b", contents=contents))
    assert not (tmp_path / "page.html").exists()


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
