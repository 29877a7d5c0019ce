"""The windows that an evaluation shows the fusion graph, recorded once and answered for many fusion networks.

Encoders do not depend on the fusion, and personal baselines only by how neutral it finds a person. So the windows that
one checkpoint meets under a protocol are shown to all networks over its encoders: an evaluation of minutes takes
seconds, and networks are compared on the same input. The protocol itself stays
`mer_sdk.evaluation.conditions.predict`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from mer_fusion.torch_bundle import open_checkpoint
from mer_fusion.training.adapt.recorded import FusionRecorder
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.manifest import Decision
from mer_sdk.evaluation.conditions import ConditionPredictions, predict
from mer_sdk.evaluation.datasets import Clip
from mer_sdk.evaluation.features import encode_clip
from mer_sdk.window.engine import StepEngine

_BATCH = 512


class _Answers:
    """A fusion graph that gives prepared answers in the order in which the windows were recorded."""

    def __init__(self, logits: np.ndarray, reliance: np.ndarray) -> None:
        self._logits, self._reliance, self._next = logits, reliance, 0

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        row = slice(self._next, self._next + 1)
        self._next += 1
        return {"logits": self._logits[row], "reliance": self._reliance[row]}


class RecordedWindows:
    """Every window of the clips under some states and protocols.

    Args:
        checkpoint: whose encoders and baselines are used; the baselines follow its own fusion.
        clips: with speakers, sound and faces.
        states, protocols: see `mer_sdk.evaluation.conditions`.
    """

    def __init__(
        self, checkpoint: Path, clips: Sequence[Clip], states: Sequence[str], protocols: Sequence[str]
    ) -> None:
        bundle = open_checkpoint(checkpoint)
        self._manifest = bundle.manifest
        self._graphs = bundle.load_graphs(None, 1)
        self._states, self._protocols = tuple(states), tuple(protocols)
        self.recorder = FusionRecorder(self._graphs["fusion"])
        engine = self._engine(self.recorder, self._manifest.decision)
        self._clips = [encode_clip(clip, engine) for clip in clips]
        predict(self._clips, engine, self._states, self._protocols)

    def predictions(self, fusion: nn.Module) -> list[ConditionPredictions]:
        """What a fusion network says under every state and protocol, with a temperature of 1."""
        fusion = fusion.eval()
        logits, reliance = [], []
        rows = self.recorder.rows
        with torch.inference_mode():
            for start in range(0, len(rows), _BATCH):
                columns = zip(*rows[start : start + _BATCH], strict=True)
                output = fusion(*(torch.from_numpy(np.concatenate(column)) for column in columns))
                logits.append(output.logits.numpy())
                reliance.append(output.reliance.numpy())
        answers = _Answers(np.concatenate(logits), np.concatenate(reliance))
        engine = self._engine(answers, Decision())
        return predict(self._clips, engine, self._states, self._protocols)

    def _engine(self, fusion: FusionRecorder | _Answers, decision: Decision) -> StepEngine:
        graphs, manifest = {**self._graphs, "fusion": fusion}, replace(self._manifest, decision=decision)
        return StepEngine(Bundle(manifest, None, loader=lambda threads: dict(graphs)))
