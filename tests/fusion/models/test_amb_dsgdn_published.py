"""AMB-DSGDN against what is published: the authors' own numbers and sizes."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import amb_dsgdn_equations as equations  # noqa: E402
from finite_differences import plain  # noqa: E402

from mer_fusion.models.amb_dsgdn import AmbDsgdn, AmbDsgdnConfig  # noqa: E402
from mer_fusion.models.dialogue_graph import OTHER_SPEAKER, SAME_SPEAKER, band, same_speaker  # noqa: E402
from mer_fusion.models.temporal import parameter_count  # noqa: E402

MODALITIES = {"text": "t", "audio": "a", "face": "v"}  # ours -> the authors' letter
TRANSFORMER = {
    "query": "self_attn.linear_q",
    "key": "self_attn.linear_k",
    "value": "self_attn.linear_v",
    "out": "self_attn.linear",
    "attention_norm": "layer_norm",
    "norm": "feed_forward.layer_norm",
    "expand": "feed_forward.w_1",
    "contract": "feed_forward.w_2",
}
SIGNS = {"0": "pos", "1": "neg"}


def published_weight(name, shape):
    draw = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    weight = 0.05 * draw.astype(np.float32)
    if name.endswith("layer_norm.weight"):
        weight += 1
    if "relation_embedding" in name or "speaker_embeddings" in name:
        weight *= 10
    if any(part in name for part in ("a_left_", "a_right_", "a_rel_")):
        weight *= 4
    return torch.from_numpy(weight)


def published_input(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


def their_attention_name(rest):
    """Of one graph attention layer: (the authors' names, stacked in our order; whether theirs is turned)."""
    part, *tail = rest.split(".")
    if part == "project":
        return ["W"], True
    if part == "lambdas":
        return ["lambda_left1", "lambda_right1", "lambda_left2", "lambda_right2"], False
    if part == "relations":
        return ["relation_embedding.weight"], False
    if part == "norm":
        return [f"layer_norm.{tail[0]}"], False
    side = {"left": "left", "right": "right", "relation": "rel"}[part]
    return [f"a_{side}_{SIGNS[tail[0]]}.weight"], False


def their_names(ours):
    """Our parameter name -> (the authors' names, whether theirs is turned)."""
    parts = ours.split(".")
    if parts[0] == "speaker_table":
        return ["speaker_embeddings.weight"], False
    letter = list(MODALITIES.values())[int(parts[1])]
    if parts[0] == "heads":
        return [f"{letter}_output_layer.2.{parts[-1]}"], False
    part, rest = parts[2], parts[3:]
    if part == "inputs":
        return [f"{ {'t': 'text', 'a': 'acou', 'v': 'visu'}[letter] }f_input.{parts[-1]}"], False
    if part == "gate":
        return [f"{letter}gate.gate.0.{parts[-1]}"], False
    if part == "transformer":
        return [f"{letter}_{letter}.transformer_inter.0.{TRANSFORMER[rest[0]]}.{parts[-1]}"], False
    graph = f"gat{letter.upper()}{'er' if part == 'cross' else ''}"
    if rest[0] in ("out", "norm"):
        return [f"{graph}.{'fc' if rest[0] == 'out' else 'layer_norm'}.{parts[-1]}"], False
    layer, tail = ("out_att", rest[1:]) if rest[0] == "mix" else (f"attention_{rest[1]}", rest[2:])
    names, turned = their_attention_name(".".join(tail))
    return [f"{graph}.{layer}.{name}" for name in names], turned


def with_published_weights(model, shapes):
    used, state = set(), {}
    for ours, parameter in model.named_parameters():
        names, turned = their_names(ours)
        used |= set(names)
        weights = [published_weight(name, shapes[name]) for name in names]
        weight = torch.stack(weights) if len(weights) > 1 else weights[0]
        state[ours] = (weight.T if turned else weight).reshape(parameter.shape)
    assert used == set(shapes)
    model.load_state_dict(state, strict=True)
    return model.eval()


@pytest.fixture(scope="module")
def published(shared_reference):
    oracle = np.load(shared_reference / "oracle" / "amb_dsgdn_iemocap.npz")
    shapes = json.loads(Path(shared_reference / "oracle" / "parameters.json").read_text())["amb_dsgdn_iemocap"]
    model = with_published_weights(AmbDsgdn(AmbDsgdnConfig(utterances=12)), shapes)
    features = [published_input(s, 12, 2, d).transpose(0, 1) for s, d in ((4, 1024), (6, 1582), (5, 342))]
    mask = (torch.arange(12)[None, :] < torch.from_numpy(oracle["lengths"])[:, None]).float()
    inputs = (*features, mask, mask, mask, torch.from_numpy(oracle["speaker"]).float())
    return model, inputs, mask.bool().numpy(), oracle


@pytest.mark.parametrize("exported", [False, True])
def test_network_gives_the_authors_numbers(published, exported):
    model, inputs, valid, oracle = published
    network = model.prepare_for_export() if exported else model
    with torch.no_grad():
        output = network(*inputs)
    assert np.abs(output.logits.numpy() - oracle["logits"])[valid].max() < 1e-4
    for name, logits in zip(MODALITIES, output.unimodal, strict=True):
        theirs = oracle[f"log_prob_{'visual' if name == 'face' else name}"]
        assert np.abs(torch.log_softmax(logits, 2).numpy() - theirs)[valid].max() < 1e-4
    assert np.ptp(oracle["logits"][valid], axis=0).max() > 1e-2  # the weights make utterances differ


def test_the_equations_give_the_authors_numbers(published):
    """Those that nine speakers, other windows and gradients are held to in test_amb_dsgdn_equations.py."""
    model, inputs, _, oracle = published
    weights, speakers = plain(model.state_dict()), inputs[-1].numpy().astype(int)
    for row, length in enumerate(oracle["lengths"]):
        features = [x[row, :length].numpy() for x in inputs[:3]]
        unimodal = equations.dialogue(weights, model.config.names, features, speakers[row, :length], 20, 20, 8, 2)
        assert np.abs(sum(unimodal) - oracle["logits"][row, :length]).max() < 1e-4


def test_graphs_are_the_published_ones(published):
    _, inputs, valid, oracle = published
    itself, earlier, later = band(12, 20, 20)
    same = same_speaker(inputs[-1])
    exists = torch.from_numpy(valid[:, :, None] & valid[:, None, :]).float()
    for name, rows, edge in (("own", SAME_SPEAKER, same), ("cross", OTHER_SPEAKER, 1 - same)):
        ours = (rows[0] * itself + edge * (rows[1] * earlier + rows[2] * later)) * exists
        np.testing.assert_array_equal(ours.numpy(), oracle[name])


@pytest.mark.parametrize(
    ("config", "count"), [(AmbDsgdnConfig.iemocap(), 13_133_234), (AmbDsgdnConfig.meld(), 12_481_973)]
)
def test_published_parameter_count(config, count):
    assert parameter_count(AmbDsgdn(config)) == count
