"""Run by tests in a process of its own, which what they look for would kill: narrow networks in channels_last learn.

Arguments: "float" or "int8", and for each network its first two widths, such as 1,4.
"""

import sys

import torch

from mer_fusion.encoders.backbone import EncoderConfig, PointwiseConv2d, convolution_backbone

kind, *widths = sys.argv[1:]


def check_gradients(layer: PointwiseConv2d, maps: torch.Tensor) -> None:
    """Against float64, in which oneDNN computes nothing."""
    wanted = layer.weight.detach().double().requires_grad_()
    seen = maps.detach().double().requires_grad_()
    layer.weight.grad = None
    found = layer(maps)
    slopes = torch.randn_like(found)
    found.backward(slopes)
    torch.nn.functional.conv2d(seen, wanted, stride=2).backward(slopes.double())
    torch.testing.assert_close(layer.weight.grad.double(), wanted.grad, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(maps.grad.double(), seen.grad, atol=1e-4, rtol=1e-4)


def in_channels_last(*shape: int) -> torch.Tensor:
    return torch.randn(*shape).to(memory_format=torch.channels_last).requires_grad_()


for width in widths:
    inputs, outputs = map(int, width.split(","))
    torch.manual_seed(0)
    layer = PointwiseConv2d(inputs, outputs, 2).to(memory_format=torch.channels_last)
    network: torch.nn.Module = convolution_backbone(EncoderConfig(inputs, (outputs,), (1,), separable=False))
    if kind == "int8":
        from mer_quantization.fake_quantize import FakeQuantized, fold_norms, trainable

        fold_norms(network.eval())
        network = FakeQuantized(trainable(network), (torch.zeros(2, 1, 96, 96),))
    network = network.to(memory_format=torch.channels_last)
    for _ in range(12):
        check_gradients(layer, in_channels_last(32, inputs, 48, 48))
        network(torch.randn(32, 1, 96, 96)).square().mean().backward()
    print(width, "learned", flush=True)
