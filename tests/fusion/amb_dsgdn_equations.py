"""AMB-DSGDN written anew from its equations (arXiv 2603.10043 and its authors' code), in numpy, to hold ours to.

One dialogue at a time and only the utterances that are there, with the published integer matrices of relations and
look-ups in their table; double precision, and nothing of torch. `weights` are arrays by our parameters' names.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

Weights = Mapping[str, np.ndarray]
LAMBDA_INIT = 0.8 - 0.6 * math.exp(-0.3)
_erf = np.vectorize(math.erf)


def linear(weights: Weights, name: str, x: np.ndarray) -> np.ndarray:
    return x @ weights[f"{name}.weight"].T + weights.get(f"{name}.bias", 0.0)


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def gelu(x: np.ndarray) -> np.ndarray:
    return x * 0.5 * (1 + _erf(x / math.sqrt(2)))


def layer_norm(weights: Weights, name: str, x: np.ndarray, eps: float = 1e-5) -> np.ndarray:
    scaled = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + eps)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def relations(speakers: Sequence[int], past: int, future: int) -> tuple[np.ndarray, np.ndarray]:
    """The published matrices, of other speakers and of the own: how row i attends to column j; 0 is not at all."""
    count = len(speakers)
    cross, own = np.zeros((count, count), int), np.zeros((count, count), int)
    for i in range(count):
        for j in range(count):
            if i == j:
                cross[i, j] = own[i, j] = 1
            elif (j < i and i - j > past) or (j > i and j - i > future):
                continue
            elif speakers[i] == speakers[j]:
                own[i, j] = 2 if j < i else 3
            else:
                cross[i, j] = 5 if j < i else 4
    return cross, own


def graph_attention(weights: Weights, name: str, x: np.ndarray, relation: np.ndarray) -> np.ndarray:
    z = linear(weights, f"{name}.project", x)
    half = z.shape[1] // 2
    maps = []
    for sign, part in enumerate((z[:, :half], z[:, half:])):
        left = part @ weights[f"{name}.left.{sign}.weight"][0]
        right = part @ weights[f"{name}.right.{sign}.weight"][0]
        scored = weights[f"{name}.relations"][relation] @ weights[f"{name}.relation.{sign}.weight"][0]
        scores = left[:, None] + right[None, :] + scored
        scores = np.where(scores > 0, scores, 0.2 * scores)
        maps.append(softmax(np.where(relation > 0, scores, -9e15)))
    p1, q1, p2, q2 = weights[f"{name}.lambdas"]
    balance = math.exp(p1 @ q1) - math.exp(p2 @ q2) + LAMBDA_INIT
    mixed = (maps[0] - balance * maps[1]) @ z
    return gelu(layer_norm(weights, f"{name}.norm", mixed) * (1 - LAMBDA_INIT))


def graph_network(weights: Weights, name: str, x: np.ndarray, relation: np.ndarray, heads: int) -> np.ndarray:
    joined = [graph_attention(weights, f"{name}.heads.{head}", x, relation) for head in range(heads)]
    mixed = graph_attention(weights, f"{name}.mix", np.concatenate(joined, axis=1), relation)
    return layer_norm(weights, f"{name}.norm", linear(weights, f"{name}.out", gelu(mixed)) + x)


def transformer(weights: Weights, name: str, x: np.ndarray, speakers: Sequence[int], heads: int) -> np.ndarray:
    count, width = x.shape
    position = np.zeros((count, width))
    for row in range(count):
        for pair in range(0, width, 2):
            angle = row / 10000 ** (pair / width)
            position[row, pair], position[row, pair + 1] = math.sin(angle), math.cos(angle)
    x = x + position + weights["speaker_table.weight"][list(speakers)]
    query, key, value = (linear(weights, f"{name}.{part}", x) for part in ("query", "key", "value"))
    size, seen = width // heads, []
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        seen.append(softmax(query[:, part] @ key[:, part].T / math.sqrt(size)) @ value[:, part])
    x = x + linear(weights, f"{name}.out", np.concatenate(seen, axis=1))
    inner = linear(weights, f"{name}.expand", layer_norm(weights, f"{name}.norm", x, 1e-6))
    inner = 0.5 * inner * (1 + np.tanh(math.sqrt(2 / math.pi) * (inner + 0.044715 * inner**3)))
    return x + linear(weights, f"{name}.contract", inner)


def dialogue(
    weights: Weights,
    names: Sequence[str],
    features: Sequence[np.ndarray],
    speakers: Sequence[int],
    past: int,
    future: int,
    attention_heads: int,
    graph_heads: int,
) -> list[np.ndarray]:
    """Features [n, D] of each modality of one dialogue -> each modality's logits [n, K]; the answer is their sum."""
    cross, own = relations(speakers, past, future)
    unimodal = []
    for number, (name, x) in enumerate(zip(names, features, strict=True)):
        path = f"paths.{number}"
        x = linear(weights, f"{path}.inputs", x)
        if name != "text":
            x = transformer(weights, f"{path}.transformer", x, speakers, attention_heads)
        x = graph_network(weights, f"{path}.cross", x, cross, graph_heads)
        x = graph_network(weights, f"{path}.own", x, own, graph_heads)
        if name != "text":
            x = x / (1 + np.exp(-linear(weights, f"{path}.gate", x)))
        unimodal.append(linear(weights, f"heads.{number}.2", np.maximum(x, 0.0)))
    return unimodal
