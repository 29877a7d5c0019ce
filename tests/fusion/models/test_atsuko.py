"""Atsuko: masks, routers, complementarity targets, export form."""

import json
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from windows import check_export_form, check_missing_features, window, with_gaps, with_statistics  # noqa: E402

from mer_fusion.models.atsuko import Atsuko, AtsukoConfig, AtsukoObjective, AtsukoOptions  # noqa: E402
from mer_sdk.errors import OptionError, SignalError  # noqa: E402

TINY = AtsukoConfig(dims=(6, 10), classes=5, width=8, layers=1, heads=2, feed_forward=12, router_width=6, head_width=8)
THREE = replace(TINY, names=("text", "audio", "vision"), dims=(6, 4, 5))


def build(config: AtsukoConfig, seed: int = 0) -> Atsuko:
    torch.manual_seed(seed)
    return Atsuko(config)


@pytest.mark.parametrize(
    "config", [TINY, THREE, replace(TINY, steps=1), replace(TINY, classes=0, regression_outputs=2)]
)
def test_shapes_reliance_and_export_form(config):
    network = with_statistics(build(config), config)
    check_export_form(network, with_gaps(window(config)))


def test_features_of_missing_steps_change_nothing():
    network = with_statistics(build(THREE), THREE)
    check_missing_features(network)


def test_a_missing_modality_gets_no_weight_and_says_nothing():
    network = with_statistics(build(TINY), TINY)
    audio, face, audio_mask, face_mask = window(TINY)
    with torch.no_grad():
        alone = network(audio, face, audio_mask, torch.zeros_like(face_mask))
        other = network(audio, -face, audio_mask, torch.zeros_like(face_mask))
    assert torch.equal(alone.reliance, torch.tensor([[1.0, 0.0]] * 4))
    torch.testing.assert_close(alone.logits, other.logits)


def test_band_routers_decide_what_goes_on():
    """A router that takes the low band alone makes the network deaf to fast changes; one that mixes hears them."""
    network = with_statistics(build(replace(TINY, kernel=1)), replace(TINY, kernel=1))
    for router in network.band_routers:
        torch.nn.init.zeros_(router.out.weight)
        router.out.bias.data = torch.tensor([40.0, -40.0, -40.0])
    inputs = window(TINY)
    with torch.no_grad():
        states, _ = network.represent(*inputs)
        low = network.bands.projectors()[0]
        for before in states.before:
            torch.testing.assert_close(torch.einsum("ts,bsd->btd", low, before), before, atol=1e-4, rtol=1e-4)
        for router in network.band_routers:
            router.out.bias.data = torch.zeros(3)
        even, _ = network.represent(*inputs)
        whole = network.first[0](inputs[0])
    torch.testing.assert_close(even.before[0], whole, atol=1e-5, rtol=1e-4)  # equal weights leave the sequence alone
    assert (states.before[0] - even.before[0]).abs().max() > 0.1
    torch.testing.assert_close(states.band_weights[0], torch.tensor([[1.0, 0.0, 0.0]] * 4))


def test_complementarity_target_follows_what_each_modality_adds():
    objective = AtsukoObjective(build(TINY), AtsukoOptions(temperature=0.5))
    everything = torch.ones(3, 2)
    target = objective.target(torch.tensor([[2.0, 0.0], [-3.0, -1.0], [0.0, 0.5]]), everything)
    torch.testing.assert_close(target.sum(1), torch.ones(3))
    assert target[0, 0] > 0.9
    torch.testing.assert_close(target[1], torch.tensor([0.5, 0.5]))  # neither adds anything: no preference
    torch.testing.assert_close(target[2], torch.softmax(torch.tensor([0.0, 1.0]), 0))
    alone = objective.target(torch.tensor([[0.0, 9.0]]), torch.tensor([[1.0, 0.0]]))
    torch.testing.assert_close(alone, torch.tensor([[1.0, 0.0]]))


def informative_batch(seed: int, batch: int = 40) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
    """Windows whose label is in the first modality and nowhere else."""
    inputs = window(TINY, batch=batch, seed=seed)
    labels = torch.arange(batch) % TINY.classes
    inputs[0][:, :, :5] += 3.0 * torch.nn.functional.one_hot(labels, 5)[:, None]
    return inputs, labels


def test_supervision_moves_the_router_to_the_modality_that_helps():
    torch.set_num_threads(1)
    weights = {}
    for weight in (0.0, 2.0):
        network = build(replace(TINY, dropout=0.0, head_dropout=0.0))
        objective = AtsukoObjective(network, AtsukoOptions(router_weight=weight)).train()
        optimizer = torch.optim.Adam(objective.parameters(), 5e-3)
        for step in range(60):  # fresh windows in every step: what is not there cannot be learned by heart
            inputs, labels = informative_batch(step)
            output, extra = objective(inputs, labels)
            loss = torch.nn.functional.cross_entropy(output.logits, labels) + extra
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        weights[weight] = network.eval()(*informative_batch(999)[0]).reliance[:, 0].mean().item()
    assert weights[2.0] > 0.75
    assert weights[2.0] > weights[0.0]


def test_gradients_reach_everything_that_learns_and_no_target():
    objective = AtsukoObjective(build(THREE)).train()
    inputs = with_gaps(window(THREE, batch=6))
    labels = torch.arange(6) % THREE.classes
    output, extra = objective(inputs, labels)
    assert extra.dim() == 0
    (torch.nn.functional.cross_entropy(output.logits, labels) + extra).backward()
    assert [
        name for name, p in objective.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()
    ] == []
    _, nothing = AtsukoObjective(objective.network, AtsukoOptions(0.0, 0.0))(inputs, labels)
    assert nothing.item() == 0


def test_config_round_trip_and_bad_options():
    assert AtsukoConfig.from_dict(json.loads(json.dumps(THREE.to_dict()))) == THREE
    for change in (
        {"width": 9},
        {"kernel": 2},
        {"names": ("a",)},
        {"dims": (3,)},
        {"classes": 1},
        {"band_pooling": "x"},
    ):
        with pytest.raises(OptionError):
            build(AtsukoConfig.from_dict(TINY.to_dict() | change))
    with pytest.raises(OptionError, match="no option bands"):
        AtsukoConfig.from_dict({"bands": 3})
    with pytest.raises(OptionError):
        AtsukoOptions(temperature=0.0)
    network = build(TINY)
    with pytest.raises(SignalError, match="takes 4"):
        network(*window(TINY)[:3])
    with pytest.raises(SignalError, match="face_mask"):
        network(*window(TINY)[:3], torch.ones(4, 3))
    with pytest.raises(SignalError, match="regression"):
        AtsukoObjective(network)(window(TINY), torch.zeros(4))
