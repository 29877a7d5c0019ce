"""What a large face network sees in faces that are changed once and kept, for a small one to learn from.

The large network reads a face in more time than a small one learns from it. So it is asked once about each of a few
changed versions of every face, and the small one passes over those many times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mer_fusion.training.faces.encoder import FaceOptions, FaceSet, at_size, augmented, label_weights
from mer_sdk.cli.progress import with_progress

_BATCH = 64


@dataclass(frozen=True)
class Seen:
    """What a network sees in a batch of faces.

    Attributes:
        features: (B, D).
        decisions: (B, K) log probabilities of the labels; None where it has no decision.
    """

    features: Tensor
    decisions: Tensor | None = None


@dataclass(frozen=True)
class SeenFaces:
    """Faces and what a network sees in them.

    Attributes:
        images: (N, size, size) uint8, grey.
        features: (N, D) float16, of mean 0.
        targets: (N, K) label distributions, zeros where a face has no label.
        weights: (N,) of the labels, 1 on average where there is one.
        decisions: (N, K) log probabilities, None where the network has no decision.
    """

    images: Tensor
    features: Tensor
    targets: Tensor
    weights: Tensor
    decisions: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, index: Tensor) -> dict[str, Tensor]:
        """Images in 0-1, features, targets, weights, and decisions where there are some, of the given rows."""
        found = {
            "images": self.images[index].float().div(255.0),
            "features": self.features[index].float(),
            "targets": self.targets[index],
            "weights": self.weights[index],
        }
        return found if self.decisions is None else found | {"decisions": self.decisions[index]}


@torch.no_grad()
def seen_faces(
    stills: FaceSet,
    more: Tensor,
    see: Callable[[Tensor], Seen],
    size: int,
    changes: FaceOptions,
    versions: int = 2,
    seed: int = 3,
) -> SeenFaces:
    """Changed versions of still faces and of further ones without a label, and what is seen in them.

    Args:
        more: (M, S, S) uint8, grey.
        see: reads crops (B, size, size), grey, 0-1.
        size: side of the crops that the small network reads.
        changes, versions: how a face is changed, and how often.
    """
    generator = torch.Generator().manual_seed(seed)
    starts = [(source, begin) for source in (0, 1) for begin in range(0, (len(stills), len(more))[source], _BATCH)]
    images, seen, targets = [], [], []
    for source, begin in with_progress(starts * versions, "asking the large face network"):
        part = slice(begin, begin + _BATCH)
        faces = stills.images[part] if source == 0 else more[part].float().div(255.0)
        changed = augmented(at_size(faces, size), changes, generator)
        images.append((changed.clamp(0, 1) * 255.0 + 0.5).to(torch.uint8))
        seen.append(see(images[-1].float().div(255.0)))
        targets.append(stills.targets[part] if source == 0 else torch.zeros(len(changed), stills.targets.shape[1]))
    features, labels = torch.cat([item.features for item in seen]), torch.cat(targets)
    decided = [item.decisions for item in seen if item.decisions is not None]
    weights = label_weights(labels, changes.balance)
    return SeenFaces(
        torch.cat(images),
        (features - features.mean(dim=0)).to(torch.float16),
        labels,
        weights * (int((weights > 0).sum()) / float(weights.sum())),
        torch.cat(decided) if decided else None,
    )
