"""The files of a bundle beside its graphs: manifest.json, report.json and CARD.md."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mer_converters.accuracy import LEAST_AGREEMENT, MOST_UAR_LOST, Accuracy
from mer_converters.parity import PASSED, Distance, Distillation, GateResult
from mer_converters.scenes import scenes
from mer_converters.targets import Target, tool_versions
from mer_fusion.checkpoint import Card, Checkpoint
from mer_fusion.torch_bundle import graph_specs, manifest_of
from mer_quantization.proof import GraphProof
from mer_quantization.recordings import DataOptions
from mer_quantization.schemes import FP32, Scheme
from mer_sdk.agreement import SQNR_DB
from mer_sdk.bundle import hash_files
from mer_sdk.codec import to_json
from mer_sdk.manifest import Manifest, manifest_to_text
from mer_sdk.runtimes import runtime_note


@dataclass(frozen=True)
class BundleFacts:
    """What is known of a bundle that is about to be written; see `ConversionResult` for the measurements."""

    name: str
    target: Target
    scheme: Scheme
    distillation: Distillation | None
    conversion: Distance
    quantization: Distance | None
    gate: GateResult
    check: dict[str, str]
    accuracy: Accuracy | None = None
    proof: dict[str, GraphProof] = field(default_factory=dict)
    data: DataOptions | None = None


def write_bundle_files(folder: Path, checkpoint: Checkpoint, facts: BundleFacts) -> Manifest:
    """Write report.json, CARD.md and then manifest.json, which hashes everything in the folder.

    No time and no random value goes in: the same checkpoint and tools give the same bytes.

    Raises:
        OSError: the folder cannot be written.
    """
    (folder / "report.json").write_text(json.dumps(_report(checkpoint, facts), indent=2, allow_nan=False) + "\n")
    (folder / "CARD.md").write_text(card_text(checkpoint, facts))
    manifest = replace(
        manifest_of(checkpoint),
        name=facts.name,
        target=facts.target.name,
        scheme=facts.scheme.name,
        graphs=graph_specs(checkpoint.card, facts.scheme.name, lambda name: f"{name}{facts.target.suffix}"),
        files=hash_files(folder),
        tools=tool_versions(facts.target),
        gate=facts.gate.state,
    )
    (folder / "manifest.json").write_text(manifest_to_text(manifest))
    return manifest


def _report(checkpoint: Checkpoint, facts: BundleFacts) -> dict[str, Any]:
    card = checkpoint.card
    return {
        "bundle": facts.name,
        "checkpoint": {
            "name": card.name,
            "role": card.role,
            "sha256": checkpoint.sha256,
            "parts_from": to_json(card.parts_from),
        },
        "distances": {
            "distillation": _plain(facts.distillation),
            "conversion": _plain(facts.conversion),
            "quantization": _plain(facts.quantization),
        },
        "limits": _limits(facts),
        "gate": to_json(facts.gate),
        "accuracy": to_json(facts.accuracy),
        "calibration": _calibration(facts),
        "proof": {name: _shares(proof) for name, proof in facts.proof.items()},
        "program_check": facts.check,
        "golden_cases": [scene.name for scene in scenes(card)],
        "device_verified": [],
        "training": to_json(card.training),
        "results": to_json(card.results),
    }


def _limits(facts: BundleFacts) -> dict[str, float | None]:
    limits = {"conversion": FP32.limit, "quantization": None if facts.scheme == FP32 else facts.scheme.limit}
    if not facts.scheme.quantized:
        return limits
    if facts.accuracy is not None:
        return limits | {"agreement": LEAST_AGREEMENT, "uar_lost": MOST_UAR_LOST}
    return limits | {"sqnr_db": SQNR_DB}


def _calibration(facts: BundleFacts) -> dict[str, Any] | None:
    """What calibrated the scheme, without paths: they say something of the machine and nothing of the bundle."""
    if facts.data is None or not facts.scheme.calibrated:
        return None
    names = [spec.partition(":")[0] for spec in facts.data.data]
    return {"data": names, "clips": facts.data.clips, "seed": facts.data.seed}


def _shares(proof: GraphProof) -> dict[str, Any]:
    shares = {"int8_share": proof.share(8), "int4_share": proof.share(4)}
    return {**to_json(proof), **{name: round(share, 4) for name, share in shares.items()}}


def card_text(checkpoint: Checkpoint, facts: BundleFacts) -> str:
    """CARD.md: what the bundle is, where it comes from, what was verified where, and what it must not be used for."""
    card = checkpoint.card
    lines = [
        f"# {facts.name}",
        "",
        f"{card.network.model.upper()} for {facts.target.name}, scheme `{facts.scheme.name}`: {facts.scheme.summary}.",
        f"Made from the checkpoint `{card.name}` (role: {card.role}, sha256 `{checkpoint.sha256[:16]}`).",
        "",
        f"- Labels: {', '.join(card.labels)}",
        *_inputs(card),
        f"- Parameters: {', '.join(f'{part} {count:,}' for part, count in card.parameters.items())}",
        "",
        "## Data and licences",
        "",
        *(f"- {source.name}: {source.use}. Licence: {source.licence}" for source in card.data),
        "",
        "The licences of the data bind the weights too.",
        "",
        "## What was verified, and where",
        "",
        *_verified(facts),
        "- Verified on a device: no",
        "",
    ]
    if card.results:
        lines += ["## Results of the checkpoint", "", "```json", json.dumps(to_json(card.results), indent=2), "```", ""]
    if card.notes:
        lines += ["## Notes", "", *(f"- {note}" for note in card.notes), ""]
    lines += [
        "## Limits",
        "",
        "The estimate says which of the labels an expression resembles, not what a person feels. It is not for",
        "decisions about people: hiring, schooling, policing, health.",
        "",
    ]
    return "\n".join(lines)


def _inputs(card: Card) -> list[str]:
    """What the model reads, a line each."""
    step = card.clock.step_ms / 1000
    lines = [f"- One estimate every {step:g} s over a window of {step * card.clock.window_steps:g} s"]
    if card.dialogue is not None:
        before = "it and earlier ones" if card.dialogue.causal else "the whole window"
        lines = [
            f"- One estimate an utterance, from {before}, over a window of {card.dialogue.utterances} utterances; "
            f"{card.dialogue.speakers} speakers are told apart"
        ]
    if card.text is not None:
        text = card.text
        lines.append(f"- Text: {text.words} words of {text.slots} hashed subwords ({text.hash}, {text.buckets} rows)")
    if card.network.audio is not None:
        lines.append(f"- Audio: {card.audio.sample_rate} Hz mono, chunks of {card.audio.chunk_samples} samples")
    if card.network.face is not None:
        lines.append(f"- Face: RGB crops of {card.face.crop_size} x {card.face.crop_size} pixels")
    return lines


def _verified(facts: BundleFacts) -> list[str]:
    gate = "passed" if facts.gate.state == PASSED else "FAILED"
    lines = [f"- Gate: {gate}: {facts.gate.reason}"]
    if facts.distillation is None:
        lines.append("- Student against the full-precision model: not measured at conversion")
    else:
        d = facts.distillation
        lines.append(
            f"- Student against the full-precision model, {d.windows} answers to synthetic input: log-probabilities "
            f"differ by {d.mean_abs_log_probability:.3f} on average, the same label on {d.agreement:.0%}"
        )
    measured = (("fp32 against torch", facts.conversion), (f"{facts.scheme.name} against fp32", facts.quantization))
    where = "computed by the spec-level check" if runtime_note(facts.target.runtime) else "run on the CPU"
    for what, value in measured:
        if value is not None:
            lines.append(
                f"- {facts.target.name} {what}, largest difference over the golden cases, {where} of the "
                f"converting machine: logits {value.logits:.1e}"
                + "".join(f", {name} features {error:.1e}" for name, error in value.features.items())
            )
    for graph, proof in facts.proof.items():
        kinds = ", ".join(f"{size:,} bytes {kind}" for kind, size in proof.weight_bytes.items())
        lines.append(
            f"- Weights of `{graph}`, read back from the artifact: {kinds}; {proof.int8_operations} of "
            f"{proof.operations} operations with a weight also take their input in 8 bits; "
            f"{len(proof.float_weights)} keep a weight in float"
        )
    calibrated = _calibration(facts)
    if calibrated is not None:
        lines.append(
            f"- Ranges of activations: smallest and largest value over {calibrated['clips']} clips of "
            f"{', '.join(calibrated['data'])}"
        )
    lines += [f"- Program of `{graph}`: {said}" for graph, said in facts.check.items()]
    return lines


def _plain(value: Distance | Distillation | None) -> Any:
    """As JSON, which has no infinity: such a distance becomes null."""
    return None if value is None else _finite(to_json(value))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
