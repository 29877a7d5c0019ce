"""The parity gate lets through what agrees and stops what does not: each artifact here must fail."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from mer_converters.pipeline.accuracy import Accuracy, Agreement, Answers, compare_answers
from mer_converters.pipeline.export import ExportInputs, build
from mer_converters.pipeline.gate import Distance, distance, judge
from mer_converters.pipeline.golden import golden_cases
from mer_converters.pipeline.graphs import network_graphs
from mer_converters.targets import ExportJob
from mer_converters.targets.onnx.exporter import Onnx
from mer_fusion.checkpoint import load_checkpoint
from mer_fusion.network import EmotionNetwork
from mer_quantization.schemes import FP16, FP32, INT8, W8
from mer_sdk.contract.golden import CaseOutput
from mer_sdk.evaluation.metrics import Interval


def _flat(value: float) -> Distance:
    return Distance(value, 0.0, {})


@pytest.mark.parametrize(
    ("scheme", "conversion", "quantization", "state"),
    [
        (FP32, 1e-4, None, "passed"),
        (FP32, 1.1e-4, None, "failed"),
        (FP32, math.inf, None, "failed"),
        (FP32, math.nan, None, "failed"),
        (FP16, 1e-5, 5e-3, "passed"),
        (FP16, 1e-5, 5.1e-3, "failed"),
        (FP16, 1e-5, math.nan, "failed"),
        (FP16, 1e-3, 1e-5, "failed"),
    ],
)
def test_limits(scheme, conversion, quantization, state) -> None:
    found = judge(scheme, _flat(conversion), None if quantization is None else _flat(quantization))
    assert found.state == state


def test_a_scheme_is_never_judged_without_its_distance() -> None:
    with pytest.raises(ValueError, match="fp16 is judged by its distance from fp32"):
        judge(FP16, _flat(1e-5), None)


@pytest.mark.parametrize(
    ("sqnr", "logits", "state"),
    [(20.0, 0.5, "passed"), (19.9, 0.5, "failed"), (None, 0.0, "passed"), (None, math.inf, "failed")],
)
def test_quantized_schemes_without_labels_need_their_sqnr(sqnr, logits, state) -> None:
    found = judge(W8, _flat(1e-5), replace(_flat(logits), sqnr_db=sqnr))
    assert found.state == state
    assert ("nearest scheme with more precision is fp16" in found.reason) == (sqnr == 19.9)


@pytest.mark.parametrize(
    ("agreement", "uar", "state"),
    [(0.98, 0.61, "passed"), (0.979, 0.62, "failed"), (1.0, 0.60, "failed"), (0.99, 0.7, "passed")],
)
def test_quantized_schemes_with_labels_need_agreement_and_accuracy(agreement, uar, state) -> None:
    noisy = replace(_flat(0.5), sqnr_db=3.0)
    found = judge(INT8, _flat(1e-5), noisy, accuracy=Accuracy(70, 210, agreement, 0.62, uar, Interval(-0.1, 0.1)))
    assert found.state == state
    assert "answers on 70 clips that did not calibrate it" in found.reason
    assert judge(INT8, _flat(1e-5), noisy).state == "failed"


def test_labels_must_not_clearly_disagree_in_one_modality_state() -> None:
    """Sound keeps answers sure: the share over all states hides one in which every twentieth turns over."""
    states = {"audio+face": Agreement(140, 140), "audio": Agreement(140, 140), "face": Agreement(134, 140)}
    accuracy = Accuracy(140, 420, 0.985, 0.62, 0.62, Interval(-0.1, 0.1), by_state=states)
    noisy = replace(_flat(0.5), sqnr_db=3.0)
    # Below 98 %, but 140 answers cannot tell it from 98 %.
    assert judge(INT8, _flat(1e-5), noisy, accuracy=accuracy).state == "passed"
    worse = replace(accuracy, by_state={**states, "face": Agreement(133, 140)})
    found = judge(INT8, _flat(1e-5), noisy, accuracy=worse)
    assert found.state == "failed"
    assert "95.0% with face (at least 98% is needed, and none clearly below it)" in found.reason


@pytest.mark.parametrize(
    ("same", "answers", "below"), [(140, 140, False), (1, 1, False), (968, 1000, True), (0, 5, True)]
)
def test_agreement_is_below_a_limit_where_its_interval_is(same: int, answers: int, below: bool) -> None:
    assert Agreement(same, answers).is_below(0.98) == below


def _answers(truth: np.ndarray, chosen: list[int]) -> Answers:
    return Answers(len(truth), truth, np.log(np.eye(2)[chosen] * 0.8 + 0.1), np.arange(len(truth)))


def test_answers_are_compared_with_those_of_the_same_clips() -> None:
    truth = np.array([0, 0, 1, 1])
    fp32, other = _answers(truth, [0, 0, 1, 0]), _answers(truth, [0, 1, 1, 0])
    found = compare_answers(other, fp32)
    assert found == Accuracy(4, 4, 0.75, 0.75, 0.5, found.interval, found.loudness)
    assert found.interval.low < -0.25 < found.interval.high
    assert not compare_answers(other, fp32).passed
    assert compare_answers(fp32, fp32).passed
    apart = replace(fp32, states={"audio": slice(0, 1), "face": slice(1, 4)})
    assert compare_answers(other, apart).by_state == {"audio": Agreement(1, 1), "face": Agreement(2, 3)}
    with pytest.raises(ValueError, match="different clips"):
        compare_answers(replace(other, truth=truth[::-1]), fp32)


def test_the_reason_says_what_the_runtime_does_not_prove() -> None:
    assert judge(FP32, _flat(1e-5), None, "spec-level check: no kernel ran").reason.endswith(
        "of torch; spec-level check: no kernel ran"
    )
    assert judge(FP32, _flat(1e-5), None).reason == "logits within 0.0001 of torch"


def test_a_value_that_is_not_finite_is_infinitely_far() -> None:
    features = {"audio": np.zeros((2, 4), np.float32), "face": np.zeros((2, 3), np.float32)}
    good = CaseOutput(features, np.zeros(3, np.float32), np.zeros(2, np.float32))
    bad = replace(good, logits=np.array([0, np.nan, 0]))
    assert distance((good,), (good,)) == Distance(0.0, 0.0, {"audio": 0.0, "face": 0.0}, None)
    assert distance((good, good), (good, bad)).logits == math.inf
    far = replace(good, features=features | {"face": features["face"] + 0.5})
    assert distance((far, good), (good, good)).features == {"audio": 0.0, "face": 0.5}
    with pytest.raises(ValueError, match="cannot be compared"):
        distance((good,), (replace(good, logits=np.zeros(4)),))
    with pytest.raises(ValueError, match=r"'face'.*cannot be compared"):
        distance((good,), (replace(good, features={"audio": features["audio"]}),))


def _scale_head(network: EmotionNetwork) -> None:
    layer = [m for m in network.fusion.modules() if isinstance(m, torch.nn.Linear) and m.out_features == 4][-1]
    layer.weight.data *= 1.01


def _zero_channel(network: EmotionNetwork) -> None:
    network.face.project.weight.data[1] = 0.0


def _forget_mask(network: EmotionNetwork) -> None:
    network.fusion.audio_missing.data += 1.0


def _nothing(network: EmotionNetwork) -> None:
    del network


class Remembering(Onnx):
    """Writes a graph of the same weights again as it was: exporting is what takes time here."""

    written: ClassVar[dict[object, bytes]] = {}

    def export(self, job: ExportJob, path: Path) -> None:
        state = ((name, value.numpy().tobytes()) for name, value in job.module.state_dict().items())
        key = (job.spec.outputs[0].name, *state)
        if key not in self.written:
            super().export(job, path)
            self.written[key] = path.read_bytes()
        path.write_bytes(self.written[key])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "state"),
    [(_nothing, "passed"), (_scale_head, "failed"), (_zero_channel, "failed"), (_forget_mask, "failed")],
)
def test_a_damaged_artifact_fails(student: Path, tmp_path: Path, damage, state: str) -> None:
    checkpoint = load_checkpoint(student)
    card = checkpoint.card
    cases = golden_cases(checkpoint.network.prepare_for_export(), card)
    damaged = copy.deepcopy(checkpoint.network)
    damage(damaged)
    graphs = network_graphs(damaged.prepare_for_export(), card)
    material = ExportInputs(Remembering(), graphs, card.baseline, 1.0, cases)
    artifact = build(material, (FP32,), tmp_path / "onnx", time.time())[0]
    assert judge(FP32, artifact.conversion, None).state == state
