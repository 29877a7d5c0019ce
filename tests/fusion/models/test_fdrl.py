"""FDRL: masks, shared and private parts, each loss on numbers made by hand, export form."""

import json
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from windows import check_export_form, check_missing_features, window, with_gaps, with_statistics  # noqa: E402

from mer_fusion.models.fdrl import (  # noqa: E402
    Fdrl,
    FdrlConfig,
    FdrlObjective,
    FdrlOptions,
    FdrlStates,
    alignment_loss,
    disparity_loss,
)
from mer_sdk.errors import OptionError  # noqa: E402

TINY = FdrlConfig(dims=(6, 10), classes=5, width=8, heads=2, feed_forward=12, head_width=8)
THREE = replace(TINY, names=("text", "audio", "vision"), dims=(6, 4, 5))


def build(config: FdrlConfig, seed: int = 0) -> Fdrl:
    torch.manual_seed(seed)
    return Fdrl(config)


def states(shared, private, present=None) -> FdrlStates:
    """States of two modalities out of nested lists."""
    shared, private = torch.tensor(shared), torch.tensor(private)
    present = torch.ones(shared.shape[1], 2) if present is None else torch.tensor(present)
    return FdrlStates(tuple(shared), tuple(private), present / 2, present)


@pytest.mark.parametrize(
    "config", [TINY, THREE, replace(TINY, steps=1), replace(TINY, classes=0, regression_outputs=2)]
)
def test_shapes_reliance_and_export_form(config):
    network = with_statistics(build(config), config)
    check_export_form(network, with_gaps(window(config)))


def test_features_of_missing_steps_change_nothing():
    network = with_statistics(build(THREE), THREE)
    check_missing_features(network)


def test_shared_encoder_is_one_and_private_ones_are_not():
    network = build(replace(TINY, dims=(6, 6))).eval()
    network.front_ends[1].load_state_dict(network.front_ends[0].state_dict())
    x = window(network.config)[0]
    mask = torch.ones(4, 16)
    with torch.no_grad():
        seen = network.represent(x, x, mask, mask)
    torch.testing.assert_close(seen.shared[0], seen.shared[1])
    assert (seen.private[0] - seen.private[1]).abs().max() > 0.1


def test_alignment_is_per_class_and_counts_present_windows():
    members = torch.eye(2)[[0, 0, 1, 1]]
    one = [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
    swapped = [[0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]
    private = [one, one]
    assert alignment_loss(states([one, one], private), members) == 0
    # The means over all windows are equal; what differs is which class lies where.
    assert alignment_loss(states([one, swapped], private), members).item() == pytest.approx(1.0)
    # Where the second modality has no window of class 0, only class 1 counts; the means of all are 1/2 apart.
    gone = [[1.0, 0.0], [1.0, 0.0], [1.0, 1.0], [1.0, 1.0]]
    assert alignment_loss(states([one, one], private, gone), members).item() == pytest.approx(0.25)


def test_disparity_is_the_squared_cosine_averaged_per_class():
    members = torch.eye(2)[[0, 0, 0, 1]]
    east, north = [1.0, 0.0], [0.0, 1.0]
    shared = [[north] * 4, [[0.0, 0.0]] * 4]
    apart = states(shared, [[east] * 4, [north] * 4])
    assert disparity_loss(apart, members) == 0
    # Class 1 has one window of four, and half of the weight.
    mixed = states(shared, [[east] * 4, [north, north, north, east]])
    assert disparity_loss(mixed, members).item() == pytest.approx(0.5 / 3)
    opposite = states(shared, [[east] * 4, [[-1.0, 0.0]] * 4])
    assert disparity_loss(opposite, members).item() == pytest.approx(1 / 3)


def test_each_loss_does_what_it_is_for():
    """Training with one extra loss alone lowers that quantity; leaving all out leaves the extra loss at 0."""
    torch.set_num_threads(1)
    inputs = window(TINY, batch=40, seed=2)
    labels = torch.arange(40) % TINY.classes
    members = torch.nn.functional.one_hot(labels, TINY.classes).float()

    def measured(objective: FdrlObjective) -> tuple[float, float, float]:
        with torch.no_grad():
            seen = objective.network.eval().represent(*inputs)
            figures = (
                alignment_loss(seen, members),
                disparity_loss(seen, members),
                objective.prediction_loss(seen, labels),
            )
        return tuple(float(value) for value in figures)

    for place, name in enumerate(("alignment", "disparity", "prediction")):
        weights = {"alignment": 0.0, "disparity": 0.0, "prediction": 0.0} | {name: 1.0}
        objective = FdrlObjective(build(replace(TINY, dropout=0.0)), FdrlOptions(**weights))
        before = measured(objective)[place]
        optimizer = torch.optim.Adam(objective.parameters(), 5e-3)
        for _ in range(40):
            _, extra = objective.train()(inputs, labels)
            optimizer.zero_grad()
            extra.backward()
            optimizer.step()
        assert measured(objective)[place] < 0.7 * before, name
    _, nothing = FdrlObjective(build(TINY), FdrlOptions(0.0, 0.0, 0.0))(inputs, labels)
    assert nothing.item() == 0


def test_gradients_reach_everything_that_learns():
    for config, labels in (
        (THREE, torch.arange(6) % 5),
        (replace(THREE, classes=0, regression_outputs=1), torch.randn(6)),
    ):
        objective = FdrlObjective(build(config)).train()
        output, extra = objective(with_gaps(window(config, batch=6)), labels)
        main = output.logits if config.classes else output.regression
        (main.square().sum() + extra).backward()
        missing = [n for n, p in objective.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
        assert missing == []


def test_config_round_trip_and_bad_options():
    assert FdrlConfig.from_dict(json.loads(json.dumps(THREE.to_dict()))) == THREE
    for change in ({"width": 9}, {"kernel": 2}, {"layers": 0}, {"dropout": 1.0}, {"steps": 0}):
        with pytest.raises(OptionError):
            build(FdrlConfig.from_dict(TINY.to_dict() | change))
    with pytest.raises(OptionError, match="alignment"):
        FdrlOptions(alignment=-1.0)
