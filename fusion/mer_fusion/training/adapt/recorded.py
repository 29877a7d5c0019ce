"""What the fusion network is shown while a sensor runs over clips, kept so that it can learn from it.

Encoders do not depend on the fusion network, and personal baselines only by how neutral it finds a person. So the
windows of the network that one begins with are recorded once: cold and warm, and in every modality state that the clips
can be in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from mer_fusion.checkpoint import Checkpoint
from mer_fusion.torch_bundle import manifest_of, torch_bundle
from mer_sdk.contract.bundle import Bundle
from mer_sdk.evaluation.calibration import StateAnswers, evaluable_states
from mer_sdk.evaluation.conditions import predict
from mer_sdk.evaluation.datasets import Clip
from mer_sdk.evaluation.features import ClipFeatures
from mer_sdk.evaluation.metrics import log_softmax
from mer_sdk.runtimes.graph import Graph
from mer_sdk.window.engine import StepEngine
from mer_sdk.window.step import StepOutput

PROTOCOLS = ("cold", "warm")
_BATCH = 512


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of clips, in the order in which a sensor met them.

    Attributes:
        inputs: what the fusion network takes, each (n, T, D) or (n, T).
        truth: (n,) index of the clip's label.
        weights: (n,) steps that the window holds.
        clips: (n,) number of the clip.
        runs: (n,) number of the run: a protocol and what is shown in it; `shown` and `protocols` say which.
        states: modality state of each window.
        shown, protocols: of each run.
    """

    inputs: tuple[Tensor, ...]
    truth: Tensor
    weights: Tensor
    clips: Tensor
    runs: Tensor
    states: tuple[str, ...]
    shown: tuple[str, ...]
    protocols: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.truth)

    @torch.inference_mode()
    def logits(self, network: nn.Module) -> Tensor:
        """(n, K) what a fusion network says."""
        network.eval()
        starts = range(0, len(self), _BATCH)
        rows = [network(*(item[start : start + _BATCH] for item in self.inputs)).logits for start in starts]
        return torch.cat(rows)

    def answers(self, logits: np.ndarray, people: np.ndarray) -> dict[str, StateAnswers]:
        """Modality state -> the windows in it.

        Args:
            logits: (n, K); people: number of the person of each clip.
        """
        states, clips = np.array(self.states), self.clips.numpy()
        found = {}
        for state in dict.fromkeys(self.states):
            rows = states == state
            weights = self.weights.numpy()[rows].astype(np.float64)
            found[state] = StateAnswers(
                self.truth.numpy()[rows], logits[rows].astype(np.float64), weights, people[clips[rows]]
            )
        return found

    def clip_labels(self, logits: np.ndarray, shown: str) -> tuple[np.ndarray, np.ndarray]:
        """Each clip's answer where `shown` is shown: clips (m,) that every run has, and their labels (runs, m).

        The answer is the likeliest of the labels that the clips have, as in `mer evaluate`.

        As in `mer_sdk.evaluation.conditions`: the mean log-probabilities of its windows, each by what it holds.
        """
        runs, numbers = self.runs.numpy(), self.clips.numpy()
        wanted = [number for number, name in enumerate(self.shown) if name == shown]
        said = np.zeros((len(self.shown), int(numbers.max()) + 1, logits.shape[1]))
        weighted = log_softmax(logits.astype(np.float64)) * self.weights.numpy()[:, None]
        np.add.at(said, (runs, numbers), weighted)
        there = np.zeros(said.shape[:2], bool)
        there[runs, numbers] = True
        clips = np.flatnonzero(there[wanted].all(axis=0))
        said[..., np.bincount(self.truth.numpy(), minlength=said.shape[2]) == 0] = -np.inf
        return clips, said[wanted][:, clips].argmax(axis=2)


class FusionRecorder:
    """A fusion graph that keeps what it is shown, in order, and answers as another does.

    Attributes:
        rows: of each window audio, face and their masks.
    """

    def __init__(self, fusion: Graph) -> None:
        self.rows: list[tuple[np.ndarray, ...]] = []
        self._fusion = fusion

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        names = ("audio", "face", "audio_mask", "face_mask")
        self.rows.append(tuple(np.array(inputs[name], np.float32) for name in names))
        return self._fusion.run(inputs)


def encoding_engine(checkpoint: Checkpoint) -> StepEngine:
    """An engine that encodes clips with a checkpoint's encoders."""
    return StepEngine(torch_bundle(checkpoint))


def record(
    checkpoint: Checkpoint, clips: Sequence[ClipFeatures], truth: Sequence[int], thin: int = 2, seed: int = 0
) -> Windows:
    """Run a sensor over encoded clips and keep every window that holds anything.

    Args:
        checkpoint: the baselines follow what its fusion says.
        clips: encoded by the checkpoint's encoders.
        truth: index of each clip's label.
        thin: one window in so many is kept, the last of each clip always: neighbours differ by one step.
        seed: of the order of the warm run.
    """
    manifest = manifest_of(checkpoint)
    graphs = dict(torch_bundle(checkpoint).load_graphs(None, 1))
    recorder = graphs["fusion"] = FusionRecorder(graphs["fusion"])
    engine = StepEngine(Bundle(manifest, None, loader=lambda threads: dict(graphs)))
    numbers = {item.clip.id: number for number, item in enumerate(clips)}
    inputs: list[tuple[np.ndarray, ...]] = []
    rows: list[tuple[int, int, int]] = []
    states: list[str] = []
    run = 0

    def watch(item: ClipFeatures, outputs: Sequence[StepOutput]) -> None:
        there = [output for output in outputs if output.steps]
        kept = [place for place in range(len(there)) if (len(there) - 1 - place) % thin == 0]
        for place in kept:
            inputs.append(recorder.rows[place])
            rows.append((numbers[item.clip.id], there[place].steps, run))
            states.append(there[place].state)
        recorder.rows.clear()

    shown, protocols = [], []
    for state in evaluable_states(clips):
        for protocol in PROTOCOLS:
            predict(clips, engine, (state,), (protocol,), orders=1, seed=seed, watch=watch)
            shown.append(state)
            protocols.append(protocol)
            run += 1
    columns = [torch.from_numpy(np.concatenate(column)) for column in zip(*inputs, strict=True)]
    table = torch.tensor(rows)
    return Windows(
        tuple(columns),
        torch.tensor(truth)[table[:, 0]],
        table[:, 1],
        table[:, 0],
        table[:, 2],
        tuple(states),
        tuple(shown),
        tuple(protocols),
    )


def people_of(clips: Sequence[Clip]) -> np.ndarray:
    """Numbers from 0 of the clips' people."""
    return np.unique([clip.speaker for clip in clips], return_inverse=True)[1]


def only(windows: Windows, rows: np.ndarray) -> Windows:
    """Some of the windows."""
    states = tuple(windows.states[row] for row in rows)
    return replace(
        windows,
        inputs=tuple(item[rows] for item in windows.inputs),
        truth=windows.truth[rows],
        weights=windows.weights[rows],
        clips=windows.clips[rows],
        runs=windows.runs[rows],
        states=states,
    )
