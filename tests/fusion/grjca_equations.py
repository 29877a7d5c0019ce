"""GRJCA and HGRJCA written anew in numpy from their equations (arXiv 2503.12261, its authors' code), to hold ours to.

Double precision, and nothing of torch: loops over time and taps where that is how it is written. `weights` are arrays
by our parameters' names; `kept` are the dropout masks (0, or one over the share that is kept) of each dropout layer in
the order of its use, None for none.
"""

from collections.abc import Mapping, Sequence

import numpy as np

Weights = Mapping[str, np.ndarray]
Kept = Mapping[str, Sequence[np.ndarray]] | None


def linear(weights: Weights, name: str, x: np.ndarray) -> np.ndarray:
    return np.einsum("...i,oi->...o", x, weights[f"{name}.weight"]) + weights[f"{name}.bias"]


def leaky(x: np.ndarray, slope: float = 0.01) -> np.ndarray:
    return np.where(x > 0, x, slope * x)


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def dropped(kept: Kept, layer: str, use: int, x: np.ndarray) -> np.ndarray:
    return x if kept is None else x * kept[layer][use]


def causal_convolution(weights: Weights, name: str, x: np.ndarray, dilation: int) -> np.ndarray:
    """[B, inputs, T] with weight normalisation: each output's kernel is its direction times its length."""
    direction = weights[f"{name}.parametrizations.weight.original1"]
    length = weights[f"{name}.parametrizations.weight.original0"]
    kernel = length * direction / np.sqrt((direction**2).sum(axis=(1, 2), keepdims=True))
    batch, _, steps = x.shape
    taps = kernel.shape[2]
    result = np.zeros((batch, len(kernel), steps))
    for step in range(steps):
        for tap in range(taps):
            seen = step - (taps - 1 - tap) * dilation
            if seen >= 0:
                result[:, :, step] += x[:, :, seen] @ kernel[:, :, tap].T
    return result + weights[f"{name}.bias"][:, None]


def temporal(weights: Weights, name: str, x: np.ndarray, blocks: int, kept: Kept = None) -> np.ndarray:
    """[B, inputs, T] through residual blocks of dilations 1, 2, 4, ..."""
    for number in range(blocks):
        block = f"{name}.blocks.{number}"
        y = x
        for use, convolution in enumerate(("conv1", "conv2")):
            y = leaky(causal_convolution(weights, f"{block}.{convolution}", y, 2**number))
            y = dropped(kept, f"{block}.dropout", use, y)
        short = f"{block}.shortcut"
        if f"{short}.weight" in weights:
            x = np.einsum("oi,bit->bot", weights[f"{short}.weight"][:, :, 0], x) + weights[f"{short}.bias"][:, None]
        x = leaky(y + x)
    return x


def batch_norm(weights: Weights, name: str, x: np.ndarray) -> np.ndarray:
    """[B, C, T] by the batch's own mean and (biased) variance, as in training."""
    mean, variance = x.mean(axis=(0, 2), keepdims=True), x.var(axis=(0, 2), keepdims=True)
    scaled = (x - mean) / np.sqrt(variance + 1e-5)
    return scaled * weights[f"{name}.weight"][:, None] + weights[f"{name}.bias"][:, None]


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.sqrt((x**2).sum(axis=-1, keepdims=True) + 1e-12)


def attended(
    weights: Weights, layer: str, name: str, x: np.ndarray, joint: np.ndarray, kept: Kept, use: int
) -> np.ndarray:
    """One modality after one iteration; two dropouts, of the map and of what is added."""
    keys = np.swapaxes(linear(weights, f"{layer}.{name}_key", np.swapaxes(x, 1, 2)), 1, 2)  # [B, T, d]
    scores = np.tanh(np.einsum("btd,btj->bdj", keys, joint) / np.sqrt(joint.shape[2]))
    scores = dropped(kept, f"{layer}.dropout", use, scores)
    values = linear(weights, f"{layer}.{name}_value", x)
    seen = np.maximum(np.tanh(np.einsum("btd,bdj->btj", values, scores)), 0.0)
    added = np.maximum(linear(weights, f"{layer}.{name}_out", seen), 0.0)
    return x + dropped(kept, f"{layer}.dropout", use + 1, added)


def mixed(weights: Weights, name: str, by: np.ndarray, parts: Sequence[np.ndarray]) -> np.ndarray:
    shares = softmax(linear(weights, name, by) / 0.1)
    return np.maximum(sum(shares[..., i, None] * part for i, part in enumerate(parts)), 0.0)


def gated(weights: Weights, name: str, states: Sequence[np.ndarray], gating: str) -> np.ndarray:
    """Input and both iterations of a modality -> what goes on."""
    start, first, second = states
    if gating == "grjca":
        return mixed(weights, f"{name}.levels.0", second, states)
    one = mixed(weights, f"{name}.levels.0", first, (start, first))
    two = mixed(weights, f"{name}.levels.1", second, states)
    return mixed(weights, f"{name}.stage", second, (one, two))


def fused(weights: Weights, video: np.ndarray, audio: np.ndarray, gating: str, kept: Kept = None) -> np.ndarray:
    """Video [B, T, d_v] and audio [B, T, d_a] -> [B, T, d_v + d_a]."""
    faces, voices = [unit(video)], [unit(audio)]
    for number in range(2):
        layer = f"iterations.{number}"
        joint = linear(weights, f"{layer}.joint", np.concatenate((faces[-1], voices[-1]), axis=2))
        face = attended(weights, layer, "face", faces[-1], joint, kept, 0)
        voices.append(attended(weights, layer, "audio", voices[-1], joint, kept, 2))
        faces.append(face)
    parts = (gated(weights, "face_gates", faces, gating), gated(weights, "audio_gates", voices, gating))
    return np.concatenate(parts, axis=2)


def network(
    weights: Weights, audio: np.ndarray, face: np.ndarray, gating: str, blocks: int, kept: Kept = None
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Features [B, T, D] -> regression [B, T, 1] in training, and what each batch normalisation reads, [B, C, T]."""
    read = {
        "audio_norm": temporal(weights, "audio_tcn", np.swapaxes(audio, 1, 2), blocks, kept),
        "face_norm": temporal(weights, "face_tcn", np.swapaxes(face, 1, 2), blocks, kept),
    }
    heard, seen = (np.swapaxes(batch_norm(weights, name, x), 1, 2) for name, x in read.items())
    hidden = linear(weights, "regressor.hidden", fused(weights, seen, heard, gating, kept))
    read["regressor.norm"] = np.swapaxes(hidden, 1, 2)
    normed = np.swapaxes(batch_norm(weights, "regressor.norm", read["regressor.norm"]), 1, 2)
    return np.tanh(linear(weights, "regressor.out", leaky(normed))), read


def ccc_loss(prediction: np.ndarray, target: np.ndarray) -> float:
    """1 - CCC of each sequence [B, T], the covariance over T and the variances over T - 1, as the authors have it."""
    losses = []
    for p, t in zip(prediction, target, strict=True):
        covariance = ((p - p.mean()) * (t - t.mean())).mean()
        spread = p.var(ddof=1) + t.var(ddof=1) + (p.mean() - t.mean()) ** 2
        losses.append(1 - 2 * covariance / spread)
    return float(np.mean(losses))
