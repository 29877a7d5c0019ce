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
