"""Windows of random features for tests of fusion networks over M modalities."""

import torch
from torch import Tensor, nn


def window(config, batch: int = 4, seed: int = 1) -> tuple[Tensor, ...]:
    """Features of every modality, then masks with everything present."""
    generator = torch.Generator().manual_seed(seed)
    features = [torch.randn(batch, config.steps, dim, generator=generator) for dim in config.dims]
    return (*features, *(torch.ones(batch, config.steps) for _ in config.dims))


def with_gaps(inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The same window with steps missing here and there, row 1 without the first modality, row 2 with nothing."""
    count = len(inputs) // 2
    masks = [mask.clone() for mask in inputs[count:]]
    for index, mask in enumerate(masks):
        mask[:, index : index + 2] = 0
        mask[2] = 0
    masks[0][1] = 0
    return (*inputs[:count], *masks)


def with_statistics(network: nn.Module, config) -> nn.Module:
    """The network in evaluation mode after its norms have seen data, so that folding them wrongly would show."""
    network.train()
    with torch.no_grad():
        for seed in range(5):
            network(*window(config, batch=8, seed=seed))
        for parameter in network.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)))
    return network.eval()


def check_export_form(network: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Shapes, reliance, and that the export form gives the same without norms and dropout; `inputs` with gaps."""
    config = network.config
    with torch.no_grad():
        output, exported = network(*inputs), network.prepare_for_export()(*inputs)
    assert (output.logits is None) == (config.classes == 0)
    assert (output.regression is None) == (config.regression_outputs == 0)
    main = output.logits if config.classes else output.regression
    assert main.shape == (4, config.classes or config.regression_outputs)
    assert torch.isfinite(main).all()
    assert output.reliance.shape == (4, len(config.names))
    expected = torch.stack([mask.amax(1) for mask in inputs[len(config.names) :]]).amax(0)
    torch.testing.assert_close(output.reliance.sum(1), expected, atol=1e-5, rtol=0)
    assert output.reliance[1, 0] == 0
    for one, other in zip(output, exported, strict=True):
        if one is not None:
            torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-4)
    names = [type(part).__name__ for part in network.prepare_for_export().modules()]
    assert "BatchNorm1d" not in names
    assert "Dropout" not in names


def check_missing_features(network: nn.Module) -> None:
    """Whatever stands in missing steps changes nothing; that they are missing does."""
    whole, inputs = window(network.config), with_gaps(window(network.config))
    count = len(inputs) // 2
    features, masks = inputs[:count], inputs[count:]
    hidden = [torch.where(mask[..., None] == 0, 500.0 - x, x) for x, mask in zip(features, masks, strict=True)]
    with torch.no_grad():
        before, after, present = network(*inputs), network(*hidden, *masks), network(*whole)
    torch.testing.assert_close(before.logits, after.logits, atol=1e-4, rtol=1e-4)
    assert (before.logits - present.logits).abs().max() > 1e-3
