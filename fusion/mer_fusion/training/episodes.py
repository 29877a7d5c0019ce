"""Personal baselines in training: batches of few speakers, and baselines from cold to warm."""

from __future__ import annotations

import torch
from torch import Tensor

PRIOR_STEPS = 64.0


def speaker_batches(speakers: Tensor, people: int, clips: int, generator: torch.Generator) -> list[Tensor]:
    """Indices of one epoch's batches, each `clips` clips of `people` speakers; a clip comes at most once."""
    groups = []
    for speaker in torch.unique(speakers).tolist():
        mine = torch.nonzero(speakers == speaker).flatten()
        mine = mine[torch.randperm(len(mine), generator=generator)]
        groups += [mine[i : i + clips] for i in range(0, len(mine) - clips + 1, clips)]
    order = torch.randperm(len(groups), generator=generator).tolist()
    groups = [groups[i] for i in order]
    return [torch.cat(groups[i : i + people]) for i in range(0, len(groups) - people + 1, people)]


def balanced_batches(
    speakers: Tensor,
    corpora: Tensor,
    shares: tuple[float, ...],
    people: int,
    clips: int,
    generator: torch.Generator,
) -> list[Tensor]:
    """Indices of one epoch's batches as `speaker_batches` gives them, each group from a corpus drawn by its share.

    An epoch has as many groups as all clips would fill. Speakers are drawn by their number of clips, and clips of one
    group without repetition; a speaker with fewer than `clips` gives those there are.
    """
    groups: list[Tensor] = []
    wanted = len(speakers) // clips // people * people
    chosen = torch.multinomial(torch.tensor(shares), wanted, replacement=True, generator=generator)
    for corpus in range(len(shares)):
        rows = torch.nonzero(corpora == corpus).flatten()
        for _ in range(int((chosen == corpus).sum())):
            speaker = speakers[rows[torch.randint(len(rows), (), generator=generator)]]
            mine = torch.nonzero(speakers == speaker).flatten()
            groups.append(mine[torch.randperm(len(mine), generator=generator)[:clips]])
    order = torch.randperm(len(groups), generator=generator).tolist()
    return [torch.cat([groups[i] for i in order[first : first + people]]) for first in range(0, wanted, people)]


def episode_baselines(
    features: Tensor,
    mask: Tensor,
    speakers: Tensor,
    population: Tensor,
    history_mask: Tensor,
    prior: float = PRIOR_STEPS,
) -> Tensor:
    """The baseline that each clip of a batch meets, (B, D): the running mean after some clips of its speaker.

    Args:
        features: (B, T, D) raw features; no gradient flows through the baseline.
        mask: (B, T) steps that are present.
        speakers: (B,) speaker of each clip.
        population: (D,) population mean.
        history_mask: (B, B) 0 or 1: whether clip j was heard before clip i; clips of other speakers never count.
    """
    with torch.no_grad():
        same = (speakers[:, None] == speakers[None, :]).to(features.dtype) * history_mask.to(features.dtype)
        same = same * (1 - torch.eye(len(same), dtype=features.dtype, device=features.device))
        sums = (features * mask[..., None]).sum(dim=1)
        total = prior * population[None] + same @ sums
        return total / (prior + same @ mask.sum(dim=1))[:, None]


def random_history_mask(count: int, generator: torch.Generator) -> Tensor:
    """(B, B) which clips were heard before each clip: from none (cold, a third of the clips) to all of the batch's."""
    share = torch.rand(count, 1, generator=generator) * 1.5 - 0.5
    return (torch.rand(count, count, generator=generator) < share).float()


def running_baselines(
    sums: Tensor, counts: Tensor, order: Tensor, population: Tensor, prior: float = PRIOR_STEPS
) -> Tensor:
    """The baselines that one person's clips meet in a given order, (N, D), row i for clip i.

    Args:
        sums: (N, D) sum of each clip's features; counts: (N,) steps in it; order: (N,) permutation, first heard first.
    """
    result = torch.empty_like(sums)
    total, heard = prior * population, torch.tensor(prior, dtype=sums.dtype)
    for index in order.tolist():
        result[index] = total / heard
        total, heard = total + sums[index], heard + counts[index]
    return result
