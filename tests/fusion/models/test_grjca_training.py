"""GRJCA and HGRJCA in training mode: dropout, batch statistics and gradients, against their equations in numpy."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import grjca_equations as equations  # noqa: E402
from finite_differences import assert_gradients, plain  # noqa: E402

from mer_fusion.models.grjca import Grjca, GrjcaConfig, ccc_loss  # noqa: E402

BATCH, STEPS = 3, 6


def build(gating):
    config = GrjcaConfig(
        audio_dim=3,
        face_dim=4,
        audio_channels=(3, 4),
        face_channels=(5, 5),
        kernel=3,
        tcn_dropout=0.2,
        attention_dropout=0.3,
        steps=STEPS,
        head_width=5,
        gating=gating,
    )
    torch.manual_seed(3)
    model = Grjca(config).double().train()
    with torch.no_grad():
        for parameter in model.parameters():  # away from their starts, so that each has a say
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def batch(seed=5):
    draw = np.random.default_rng(seed)
    audio, face = draw.standard_normal((BATCH, STEPS, 3)), draw.standard_normal((BATCH, STEPS, 4))
    return audio, face, draw.uniform(-1, 1, (BATCH, STEPS))


def run(model, audio, face):
    """The regression, and the dropout masks by layer in the order of their use."""
    kept = {}

    def record(name, share):
        def hook(layer, given, result):
            mask = np.where(result.detach().numpy() != 0, 1 / (1 - share), 0.0)
            np.testing.assert_allclose(result.detach().numpy(), given[0].detach().numpy() * mask, rtol=1e-12)
            kept.setdefault(name, []).append(mask)

        return hook

    hooks = [
        layer.register_forward_hook(record(name, layer.p))
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Dropout)
    ]
    ones = torch.ones(BATCH, STEPS, dtype=torch.float64)
    regression = model(torch.from_numpy(audio), torch.from_numpy(face), ones, ones).regression
    for hook in hooks:
        hook.remove()
    return regression, kept


@pytest.mark.parametrize("gating", ["grjca", "hgrjca"])
def test_a_training_step_is_that_of_the_equations(gating):
    model, (audio, face, _) = build(gating), batch()
    weights = plain(model.state_dict())
    regression, kept = run(model, audio, face)
    assert sum(map(len, kept.values())) == 2 * 2 * 2 + 2 * 4  # of two blocks of each modality, and of two iterations
    assert all((mask == 0).any() for masks in kept.values() for mask in masks)
    wanted, read = equations.network(weights, audio, face, gating, 2, kept)
    np.testing.assert_allclose(regression.detach().numpy(), wanted, atol=1e-12)
    # What is kept for evaluation: a tenth of the batch's mean and unbiased variance, added to nine tenths of before.
    buffers = dict(model.named_buffers())
    for name, x in read.items():
        mean, variance = x.mean(axis=(0, 2)), x.var(axis=(0, 2)) * BATCH * STEPS / (BATCH * STEPS - 1)
        np.testing.assert_allclose(buffers[f"{name}.running_mean"].numpy(), 0.1 * mean, atol=1e-12)
        np.testing.assert_allclose(buffers[f"{name}.running_var"].numpy(), 0.9 + 0.1 * variance, atol=1e-12)


@pytest.mark.parametrize("gating", ["grjca", "hgrjca"])
def test_gradients_are_those_of_the_equations(gating):
    model, (audio, face, target) = build(gating), batch()
    regression, kept = run(model, audio, face)
    loss = ccc_loss(regression.squeeze(2), torch.from_numpy(target))
    loss.backward()

    def numpy_loss(weights):
        found, _ = equations.network(weights, audio, face, gating, 2, kept)
        return equations.ccc_loss(found[..., 0], target)

    assert loss.item() == pytest.approx(numpy_loss(plain(model.state_dict())), abs=1e-12)
    parameters = sum(1 for _ in model.named_parameters())
    assert assert_gradients(model, numpy_loss) >= parameters
