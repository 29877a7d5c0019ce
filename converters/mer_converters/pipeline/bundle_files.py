"""The files of a bundle beside its graphs: manifest.json, report.json and CARD.md."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mer_converters.pipeline.accuracy import LEAST_AGREEMENT, MOST_UAR_LOST
from mer_converters.pipeline.export import Artifact, Sensitivities
from mer_converters.pipeline.gate import PASSED, Distance, GateResult
from mer_converters.pipeline.synthetic_inputs import synthetic_inputs
from mer_converters.targets import Target, tool_versions
from mer_fusion.checkpoint import Card, Checkpoint
from mer_fusion.torch_bundle import graph_specs, manifest_of
from mer_quantization.proof import GraphProof
from mer_quantization.recordings import DataOptions
from mer_quantization.schemes import FP32, Scheme
from mer_sdk.contract.bundle_files import hash_files
from mer_sdk.contract.codec import to_json
from mer_sdk.contract.licences import commercial_use
from mer_sdk.contract.manifest import Decision, Manifest
from mer_sdk.contract.manifest_file import manifest_to_text
from mer_sdk.parity.agreement import SQNR_DB
from mer_sdk.runtimes import runtime_note


@dataclass(frozen=True)
class BundleFacts:
    """What is known of a bundle that is about to be written; see `ConversionResult` for the measurements."""

    name: str
    target: Target
    scheme: Scheme
    artifact: Artifact
    gate: GateResult
    data: DataOptions | None = None
    check_data: DataOptions | None = None
    sensitivity: Sensitivities = field(default_factory=dict)


def write_bundle_files(folder: Path, checkpoint: Checkpoint, facts: BundleFacts) -> Manifest:
    """Write report.json, CARD.md and then manifest.json, which hashes everything in the folder.

    No time and no random value goes in: the same checkpoint and tools give the same bytes.

    Raises:
        OSError: the folder cannot be written.
    """
    (folder / "report.json").write_text(json.dumps(_report(checkpoint, facts), indent=2, allow_nan=False) + "\n")
    (folder / "CARD.md").write_text(card_text(checkpoint, facts))
    card, proof = checkpoint.card, facts.artifact.proof
    specs = graph_specs(card, facts.scheme.name, lambda name: f"{name}{facts.target.suffix}")
    quantized = {name: _left_in_float(facts.scheme, found) for name, found in proof.items()}
    manifest = replace(
        manifest_of(checkpoint),
        name=facts.name,
        target=facts.target.name,
        scheme=facts.scheme.name,
        graphs={name: replace(spec, float_operations=quantized.get(name, ())) for name, spec in specs.items()},
        decision=_decision(card, facts.artifact),
        files=hash_files(folder),
        tools=tool_versions(facts.target),
        gate=facts.gate.state,
    )
    (folder / "manifest.json").write_text(manifest_to_text(manifest))
    return manifest


def _left_in_float(scheme: Scheme, proof: GraphProof) -> tuple[str, ...]:
    """Operations that a scheme left in float: their weight, or, where it quantizes activations too, their input."""
    inputs = proof.float_inputs if scheme.calibrated else ()
    return tuple(sorted({*proof.float_weights, *inputs}))


def _decision(card: Card, artifact: Artifact) -> Decision:
    """The card's decision, its temperatures multiplied by what makes the artifact as sure as the network was.

    That is what was fitted to labelled clips of people whom the network has not met, or else how much louder the
    artifact is than fp32 on the same clips.
    """
    decision, sure = card.decision, artifact.confidence
    if sure is None:
        louder = artifact.accuracy.loudness if artifact.accuracy else 1.0
        # What is not louder or quieter but another graph failed the gate; no temperature makes it as sure.
        if not louder > 0:
            return decision
        return _scaled(decision, louder)
    found = _scaled(decision, sure.temperature / sure.temperature_before)
    limit, coverage = sure.abstention_threshold, sure.coverage
    states = {state: replace(one, abstention_threshold=limit, coverage=coverage) for state, one in found.states.items()}
    return Decision(sure.temperature, limit, coverage, states)


def _scaled(decision: Decision, factor: float) -> Decision:
    states = {
        state: replace(one, temperature=round(one.temperature * factor, 4)) for state, one in decision.states.items()
    }
    return replace(decision, temperature=round(decision.temperature * factor, 4), states=states)


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
            "conversion": _plain(facts.artifact.conversion),
            "quantization": _plain(facts.artifact.quantization),
        },
        "student_vs_full": student_vs_full(card) or None,
        "limits": _limits(facts),
        "gate": to_json(facts.gate),
        "accuracy": to_json(facts.artifact.accuracy),
        "confidence": to_json(facts.artifact.confidence),
        "calibration": _data(facts.data if facts.scheme.calibrated else None, facts, calibrating=True),
        "checked_on": _data(facts.check_data, facts, calibrating=False),
        "proof": {name: _shares(proof) for name, proof in facts.artifact.proof.items()},
        "float_modules": facts.artifact.float_modules,
        "moved_to_float": {"layers": list(facts.artifact.moved), "tries": facts.artifact.tries},
        "sensitivity": to_json(facts.sensitivity),
        "program_check": facts.artifact.check,
        "golden_cases": [synthetic.name for synthetic in synthetic_inputs(card)],
        "device_verified": [],
        "training": to_json(card.training),
        "results": to_json(card.results),
    }


def _limits(facts: BundleFacts) -> dict[str, float | None]:
    limits = {"conversion": FP32.limit, "quantization": None if facts.scheme == FP32 else facts.scheme.limit}
    if not facts.scheme.quantized:
        return limits
    if facts.artifact.accuracy is not None:
        return limits | {"agreement": LEAST_AGREEMENT, "uar_lost": MOST_UAR_LOST}
    return limits | {"sqnr_db": SQNR_DB}


def _data(options: DataOptions | None, facts: BundleFacts, calibrating: bool) -> dict[str, Any] | None:
    """Clips that calibrated or checked, without paths: they say something of the machine and nothing of the bundle."""
    if options is None:
        return None
    names = [spec.partition(":")[0] for spec in options.data]
    accuracy = facts.artifact.accuracy
    clips = options.clips if calibrating else accuracy.clips if accuracy else options.check_clips
    return {"data": names, "clips": clips, "seed": options.seed}


def _shares(proof: GraphProof) -> dict[str, Any]:
    shares = {"int8_share": proof.share(8), "int4_share": proof.share(4), "int8_mac_share": proof.mac_share}
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
        f"Commercial use of the weights: {commercial_use(card.data).sentence}.",
        "",
        "## What was verified, and where",
        "",
        *_verified(card, facts),
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


def student_vs_full(card: Card) -> str:
    """One sentence of what the card says of it, "" where it says nothing."""
    found = card.distillation
    if found is None:
        return ""
    return (
        f"student against the full-precision model: the same label on {found.agreement:.0%} of {found.answers} "
        f"answers, log-probabilities {found.mean_abs_log_probability:.2f} apart on average; measured once, {found.data}"
    )


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


def _verified(card: Card, facts: BundleFacts) -> list[str]:
    gate = "passed" if facts.gate.state == PASSED else "FAILED"
    lines = [f"- Gate: {gate}: {facts.gate.reason}"]
    apart = student_vs_full(card)
    if apart:
        lines.append(f"- {apart[0].upper()}{apart[1:]}")
    measured = (
        ("fp32 against torch", facts.artifact.conversion),
        (f"{facts.scheme.name} against fp32", facts.artifact.quantization),
    )
    where = "computed by the spec-level check" if runtime_note(facts.target.runtime) else "run on the CPU"
    for what, value in measured:
        if value is not None:
            lines.append(
                f"- {facts.target.name} {what}, largest difference over the golden cases, {where} of the "
                f"converting machine: logits {value.logits:.1e}"
                + "".join(f", {name} features {error:.1e}" for name, error in value.features.items())
            )
    for graph, proof in facts.artifact.proof.items():
        kinds = ", ".join(f"{size:,} bytes {kind}" for kind, size in proof.weight_bytes.items())
        lines.append(
            f"- Weights of `{graph}`, read back from the artifact: {kinds}; {proof.int8_operations} of "
            f"{proof.operations} operations with a weight also take their input in 8 bits, {proof.mac_share:.0%} of "
            f"their multiply-accumulates; {len(proof.float_weights)} keep a weight in float"
        )
    if facts.artifact.moved:
        lines.append(
            f"- Moved to float, the most sensitive first, as the gate did not let the artifact through without: "
            f"{', '.join(facts.artifact.moved)}"
        )
    calibrated = _data(facts.data if facts.scheme.calibrated else None, facts, calibrating=True)
    if calibrated is not None:
        lines.append(
            f"- Ranges of activations: smallest and largest value over {calibrated['clips']} clips of "
            f"{', '.join(calibrated['data'])}"
        )
    sure = facts.artifact.confidence
    if sure is not None:
        lines.append(
            f"- Confidence, fitted to {sure.answers} answers of this artifact: temperature {sure.temperature:.2f}; "
            f"expected calibration error {sure.ece:.1%} (cross-fitted), {sure.ece_before:.1%} with the checkpoint's; "
            f"below {sure.abstention_threshold:.2f} it says unknown, which leaves {sure.covered:.0%} of the answers "
            f"with an accuracy of {sure.accuracy_covered:.1%} (all: {sure.accuracy:.1%})"
        )
    lines += [
        f"- With {state.replace('+', ' and ')}: temperature {one.temperature:.2f}, unknown below "
        f"{one.abstention_threshold:.2f}, as fitted where {one.coverage:.0%} of the answers were surer"
        for state, one in _decision(card, facts.artifact).states.items()
    ]
    lines += [f"- Program of `{graph}`: {said}" for graph, said in facts.artifact.check.items()]
    return lines


def _plain(value: Distance | None) -> Any:
    """As JSON, which has no infinity: such a distance becomes null."""
    return None if value is None else _finite(to_json(value))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
