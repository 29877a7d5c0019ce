"""GRJCA against what is published: the authors' own numbers, sizes, initialisation, temporal network and loss."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import grjca_equations as equations  # noqa: E402
from finite_differences import plain  # noqa: E402

from mer_fusion.models.grjca import Grjca, GrjcaConfig, ccc_loss, parameter_count  # noqa: E402
from mer_fusion.models.temporal import TemporalNetwork, fold_weight_norm  # noqa: E402
from mer_sdk.errors import SignalError  # noqa: E402

ORACLE = Path(__file__).resolve().parents[3].parent / "shared" / "reference" / "oracle"
LAYERS = {
    "query_linear": "joint",
    "key1_linear": "face_key",
    "key2_linear": "audio_key",
    "value1_linear": "face_value",
    "value2_linear": "audio_value",
}
GATES = {
    "gating_fc_layer": "levels.0",
    "gating_fc_layer_stage1": "levels.0",
    "gating_fc_layer_stage2": "levels.1",
    "gating_fc_layer_stage": "stage",
}


def published_weights(model_name):
    path = ORACLE / "parameters.json"
    if not path.exists():
        pytest.skip(f"no test vectors of the authors' modules at {ORACLE}")
    weights = {}
    for name, shape in json.loads(path.read_text())[model_name].items():
        draw = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
        weight = 0.05 * draw.astype(np.float32)
        weights[name] = torch.from_numpy(weight + (1 if name.endswith("weight_g") else 0)).float()
    return weights


def published_input(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


def assert_close(ours, theirs, tolerance=1e-5):
    error = np.abs(ours.detach().numpy() - theirs).max()
    assert error <= tolerance * min(1.0, np.abs(theirs).max()), error


def our_fusion_name(theirs):
    parts = theirs.split(".")
    if parts[0] == "coattn":
        layer = {"0": "face_out", "1": "audio_out"}[parts[4]] if parts[3] == "linears" else LAYERS[parts[4]]
        return f"iterations.{parts[2]}.{layer}.{parts[-1]}"
    modality, gate = parts[0].split("_", 1)
    return f"{'face' if modality == 'video' else 'audio'}_gates.{GATES[gate]}.{parts[-1]}"


@pytest.mark.parametrize("gating", ["grjca", "hgrjca"])
def test_fusion_gives_the_authors_numbers(gating):
    theirs = {our_fusion_name(name): weight for name, weight in published_weights(gating).items()}
    model = Grjca(GrjcaConfig(gating=gating)).eval()
    fusion_parts = ("iterations.", "face_gates.", "audio_gates.")
    ours = {name for name, _ in model.named_parameters() if name.startswith(fusion_parts)}
    assert set(theirs) == ours
    model.load_state_dict(theirs, strict=False)
    with torch.no_grad():
        fused = model.fuse(published_input(1, 1, 300, 256), published_input(2, 1, 300, 128))
    theirs = np.load(ORACLE / f"{gating}.npz")["fused"]
    assert_close(fused, theirs)
    # The equations that training is held to are theirs, too.
    video, audio = (published_input(seed, 1, 300, width).numpy() for seed, width in ((1, 256), (2, 128)))
    assert_close(torch.from_numpy(equations.fused(plain(model.state_dict()), video, audio, gating)), theirs)


def test_temporal_network_gives_the_authors_numbers():
    weights = published_weights("tcn_audio")
    network = TemporalNetwork(128, (128,) * 4, kernel=5, dropout=0.1, weight_norm=True).eval()
    ends = {
        "bias": "bias",
        "weight_g": "parametrizations.weight.original0",
        "weight_v": "parametrizations.weight.original1",
    }
    names = {name: name.rsplit(".", 1) for name in weights}
    state = {f"{head.replace('network', 'blocks')}.{ends[end]}": weights[name] for name, (head, end) in names.items()}
    network.load_state_dict(state, strict=True)
    theirs = np.load(ORACLE / "tcn_audio.npz")["out"]
    with torch.no_grad():
        assert_close(network(published_input(3, 1, 128, 300)), theirs)
        fold_weight_norm(network)
        assert_close(network(published_input(3, 1, 128, 300)), theirs)


@pytest.mark.parametrize(("gating", "count"), [("grjca", 8_894_583), ("hgrjca", 8_896_127)])
def test_published_parameter_count(gating, count):
    assert parameter_count(Grjca(GrjcaConfig(gating=gating))) == count


def test_initialisation_is_xavier_with_zero_bias():
    torch.manual_seed(0)
    model = Grjca(GrjcaConfig())
    conv = model.face_tcn.blocks[2].conv1
    length, direction = conv.parametrizations.weight.original0, conv.parametrizations.weight.original1
    bound = (6 / ((512 + 256) * 5)) ** 0.5
    assert direction.abs().max() <= bound
    assert direction.std().item() == pytest.approx(bound / 3**0.5, rel=0.01)
    torch.testing.assert_close(length.flatten(), direction.flatten(1).norm(dim=1))
    assert all(not p.any() for name, p in model.named_parameters() if name.endswith("bias"))


def test_temporal_network_is_causal_over_its_receptive_field():
    torch.manual_seed(0)
    network = TemporalNetwork(3, (4, 4), kernel=3, dropout=0.0, weight_norm=False).eval()
    assert network.receptive_field == 13
    x = torch.randn(1, 3, 30)
    changed = x.clone()
    changed[0, :, 10] += 1.0
    with torch.no_grad():
        moved = (network(x) != network(changed)).any(dim=1)[0]
    assert not moved[:10].any()
    assert moved[10]
    assert not moved[10 + network.receptive_field :].any()


def numpy_ccc_loss(prediction, target):
    total = []
    for p, t in zip(prediction, target, strict=True):
        n = len(p)
        covariance = sum((a - p.mean()) * (b - t.mean()) for a, b in zip(p, t, strict=True)) / n
        spread = ((p - p.mean()) ** 2).sum() / (n - 1) + ((t - t.mean()) ** 2).sum() / (n - 1)
        total.append(2 * covariance / (spread + (p.mean() - t.mean()) ** 2))
    return 1 - np.mean(total)


def test_ccc_loss_is_the_published_one():
    rng = np.random.default_rng(0)
    prediction, target = rng.standard_normal((4, 20)), 0.5 * rng.standard_normal((4, 20)) + 0.3
    ours = ccc_loss(torch.from_numpy(prediction), torch.from_numpy(target)).item()
    assert ours == pytest.approx(numpy_ccc_loss(prediction, target), abs=1e-12)
    pair = torch.from_numpy(np.stack((prediction, target), axis=-1))
    swapped = ccc_loss(pair, pair.flip(-1)).item()
    assert swapped == pytest.approx(ours, abs=1e-12)  # the measure is symmetric, so both columns give the same
    assert ccc_loss(torch.from_numpy(target), torch.from_numpy(target)).item() == pytest.approx(1 / 20, abs=1e-12)
    assert ccc_loss(torch.from_numpy(target), torch.from_numpy(-target + 1)).item() > 1
    constant = torch.ones(2, 5, requires_grad=True)
    loss = ccc_loss(constant, torch.ones(2, 5))
    loss.backward()
    assert loss.item() == 1
    assert torch.isfinite(constant.grad).all()
    with pytest.raises(SignalError, match="equal"):
        ccc_loss(torch.zeros(2, 5), torch.zeros(2, 6))
