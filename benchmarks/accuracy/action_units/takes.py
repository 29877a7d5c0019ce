"""P1's takes as a device meets them: sound cut by the SDK's front end, graphs of any runtime, calibration, checks.

Used by action_units/schemes.py. What is calibrated and what the gate asks are takes of a fold's training speakers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from mer_converters.pipeline.accuracy import Answers
from mer_fusion.checkpoint import Checkpoint
from mer_fusion.models.window import WindowOutput
from mer_fusion.torch_bundle import manifest_of, torch_graphs
from mer_fusion.training.utterances.networks import DialogueOfOne
from mer_fusion.training.utterances.paired_clips import PairedClips
from mer_fusion.training.utterances.students import device_table
from mer_fusion.training.utterances.table import CONDITIONS, UtteranceTable
from mer_fusion.training.utterances.task import log_probabilities, network_inputs
from mer_quantization.calibration import ROWS, STATES, Samples
from mer_sdk.contract.golden import CaseInput, GoldenCase
from mer_sdk.evaluation.datasets import Clip, Ravdess
from mer_sdk.evaluation.features import audio_chunks
from mer_sdk.parity.golden import run_case
from mer_sdk.runtimes import Graph

# Takes of training speakers whose sound gives the audio graph's ranges; those that the gate asks; golden cases.
SOUND_TAKES, CHECK_TAKES, GOLDEN_TAKES = 64, 96, 4


class FusionGraph:
    """A fusion graph on some runtime, asked as the network in torch is: windows in, an output with `logits`.

    Args:
        graph: loaded.
        checkpoint: of the student.
    """

    def __init__(self, graph: Graph, checkpoint: Checkpoint) -> None:
        self._graph, self._checkpoint = graph, checkpoint

    def __call__(self, *windows: torch.Tensor) -> WindowOutput:
        inputs = graph_inputs(self._checkpoint, windows)
        outputs = [
            self._graph.run({name: x[row : row + 1] for name, x in inputs.items()}) for row in range(len(windows[0]))
        ]
        logits, reliance = (np.stack([one[name].reshape(-1) for one in outputs]) for name in ("logits", "reliance"))
        return WindowOutput(torch.from_numpy(logits), torch.from_numpy(reliance), None)


@dataclass(frozen=True, eq=False)
class Takes:
    """A fold's takes as the device hears them.

    Attributes:
        clips: code -> clip.
        fold: left out of training.
        calibrating: (R,) places in `paired` of training speakers' takes, label by label in turn; checking: others.
        tables: what `table` made.
    """

    paired: PairedClips
    clips: Mapping[str, Clip]
    fold: int
    calibrating: np.ndarray
    checking: np.ndarray
    tables: dict[tuple[bytes, bytes], UtteranceTable] = field(default_factory=dict)

    @property
    def asked(self) -> np.ndarray:
        """The fold's own takes."""
        return np.flatnonzero(self.paired.folds == self.fold)

    def chunks(self, row: int, checkpoint: Checkpoint) -> np.ndarray:
        """PCM of each step, float32 [steps, chunk_samples], cut by the SDK's front end."""
        return audio_chunks(self.clips[self.paired.codes[row]], manifest_of(checkpoint))

    def table(self, audio: Graph, rows: np.ndarray, checkpoint: Checkpoint) -> UtteranceTable:
        """Windows of the takes `rows` with the sound encoded by a loaded graph.

        A fold's models share their encoder: a graph that gives the numbers of an earlier one for the first take is
        taken to be it, and the table of that one is returned.
        """

        def encoded(row: int) -> np.ndarray:
            chunks = self.chunks(row, checkpoint)
            return np.concatenate([audio.run({"pcm": chunk[None]})["audio_features"] for chunk in chunks])

        first = encoded(rows[0])
        key = (first.tobytes(), rows.tobytes())
        if key not in self.tables:
            features = [torch.from_numpy(take) for take in (first, *map(encoded, rows[1:]))]
            self.tables[key] = device_table(features, self.paired, rows)
        return self.tables[key]


def read_takes(ravdess: Ravdess, paired: PairedClips, fold: int) -> Takes:
    """The fold's takes; training speakers' takes are drawn label by label in turn."""
    rng = np.random.default_rng(fold)
    known = np.flatnonzero(paired.folds != fold)
    groups = [rng.permutation(known[paired.labels[known] == label]) for label in np.unique(paired.labels)]
    longest = max(map(len, groups))
    order = np.array([group[turn] for turn in range(longest) for group in groups if turn < len(group)])
    # The last ones are of the labels with the most takes; the gate is to ask every label.
    checking, calibrating = order[:CHECK_TAKES], order[CHECK_TAKES : CHECK_TAKES + ROWS]
    return Takes(paired, {clip.id: clip for clip in ravdess.clips()}, fold, calibrating, checking)


def graph_inputs(checkpoint: Checkpoint, windows: Sequence[torch.Tensor]) -> Samples:
    """The fusion graph's inputs by name, from features and masks of windows; AMB-DSGDN reads the mean over steps."""
    if checkpoint.card.dialogue is not None:
        windows = DialogueOfOne(checkpoint.network.fusion).dialogue(tuple(windows))
    names = [item.name for item in manifest_of(checkpoint).graphs["fusion"].inputs]
    return {name: x.numpy() for name, x in zip(names, windows, strict=True)}


def populations(checkpoint: Checkpoint) -> tuple[torch.Tensor, ...]:
    """The cold baseline of each modality."""
    return tuple(torch.tensor(mean) for mean in checkpoint.card.baseline.population_mean.values())


def fusion_samples(takes: Takes, table: UtteranceTable, checkpoint: Checkpoint) -> Samples:
    """Calibration inputs of the fusion graph: the takes take turns in modality state and baseline.

    Args:
        table: all takes with their sound encoded in torch; read are those of training speakers.
    """
    known = np.flatnonzero(takes.paired.folds != takes.fold)
    place = {row: number for number, row in enumerate(known)}
    wanted = np.array([place[row] for row in takes.calibrating])
    combinations = [(condition, state) for condition in CONDITIONS for state in STATES]
    # Labels take turns too, in another number, so that each of them meets every combination.
    turns = np.arange(len(wanted)) % len(combinations)
    kept = []
    for number, (condition, state) in enumerate(combinations):
        present = [name in state for name in table.names]
        inputs = network_inputs(table, torch.from_numpy(known), populations(checkpoint), condition, 0, present)
        mine = torch.from_numpy(wanted[turns == number])
        kept.append(graph_inputs(checkpoint, [x[mine] for x in inputs]))
    return {name: np.concatenate([inputs[name] for inputs in kept]) for name in kept[0]}


def sound_samples(takes: Takes, checkpoint: Checkpoint) -> Samples:
    """Calibration inputs of the audio graph: chunks drawn evenly from some of the calibrating takes."""
    chunks = np.concatenate([takes.chunks(row, checkpoint) for row in takes.calibrating[:SOUND_TAKES]])
    return {"pcm": chunks[np.random.default_rng(takes.fold).permutation(len(chunks))[:ROWS]]}


def golden(takes: Takes, checkpoint: Checkpoint) -> tuple[GoldenCase, ...]:
    """Takes of training speakers with the network's own answers, by which fp32 of a target is held against torch."""
    specs, card = manifest_of(checkpoint).graphs, checkpoint.card
    graphs = torch_graphs(checkpoint.network.prepare_for_export(), specs)
    found = []
    for row, state in zip(takes.checking[:GOLDEN_TAKES], (*STATES, STATES[0]), strict=True):
        chunks = takes.chunks(row, checkpoint)[-card.clock.window_steps :]
        units = np.sqrt(takes.paired.action_units[row])
        if card.dialogue is not None:
            ones, sound, face = np.ones(1, np.float32), chunks[None], units[None]
        else:
            missing = card.clock.window_steps - len(chunks)
            ones = np.concatenate([np.zeros(missing, np.float32), np.ones(len(chunks), np.float32)])
            sound = np.concatenate([np.zeros((missing, chunks.shape[1]), np.float32), chunks])
            face = np.tile(units, (len(ones), 1))
        masks = {name: ones * (name in state) for name in ("audio", "face")}
        speakers = np.zeros(1, np.float32) if card.dialogue is not None else None
        given = CaseInput({"audio": sound, "face": face}, masks, speakers)
        found.append(GoldenCase(given, run_case(graphs, specs, card.baseline, given)))
    return tuple(found)


def check_answers(takes: Takes, checkpoint: Checkpoint, graphs: Mapping[str, Graph]) -> Answers:
    """Loaded graphs on the gate's takes, in each modality state, baselines warm."""
    table, count = takes.table(graphs["audio"], takes.checking, checkpoint), len(takes.checking)
    fusion, rows = FusionGraph(graphs["fusion"], checkpoint), torch.arange(count)
    said = []
    for state in STATES:
        present = [name in state for name in table.names]
        said.append(
            log_probabilities(fusion, table, rows, populations(checkpoint), "warm", 0, present).double().numpy()
        )
    return Answers(
        count, np.tile(table.labels.numpy(), len(STATES)), np.concatenate(said), np.tile(np.arange(count), len(STATES))
    )
