"""`mer inspect`: what a bundle is, or several are."""

from __future__ import annotations

import json as json_module
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mer_sdk.cli.bundles import open_bundles, without_runtime
from mer_sdk.cli.options import BundlesArgument, JsonOption, TrustOption
from mer_sdk.contract.bundle import Bundle, BundleSummary
from mer_sdk.contract.codec import to_json
from mer_sdk.contract.device_evidence import EVIDENCE, PHONE, device_name, evidence_of
from mer_sdk.contract.licences import commercial_use
from mer_sdk.contract.manifest import Decision, Manifest
from mer_sdk.contract.signature import key_id, key_line, until_text
from mer_sdk.report.evidence import GraphProof, percent, read_evidence, stored, total_shares

if TYPE_CHECKING:
    from rich.console import Console


def inspect(bundles: BundlesArgument, trust: TrustOption = None, json: JsonOption = False) -> None:
    """Show what a bundle holds: model, labels, graphs, front-end contract, data and licences, what was verified where.

    Its second line says whether the weights may be used commercially, by the licences of the data behind them.

    Every file is checked against its hash first. For a quantized bundle the proof of quantization follows, as the
    converter read it back from the written files: shares in 8-bit integers, and what stays in float.

    Of several bundles each gets one line; --json prints a list of them.

    Examples:

    mer inspect bundles/grjca-tflite-fp32.mer

    mer inspect bundles/*.mer
    """
    opened = open_bundles(bundles, trust=trust)
    if json:
        found = [_to_json(bundle, trust) for bundle in opened]
        print(json_module.dumps(found if len(bundles) > 1 else found[0], indent=2))
    elif len(opened) > 1:
        _show_several(opened)
    else:
        _show(opened[0], trust)


def _proof_of(bundle: Bundle) -> dict[str, GraphProof]:
    """What the converter read back from the graphs; a face finder's bundle holds no such proof."""
    return read_evidence(bundle.path).proof if bundle.manifest.finder is None else {}


def _to_json(bundle: Bundle, trust: Sequence[str] | None) -> dict[str, Any]:
    trusted = bundle.check_trust(trust) if trust else None
    signatures = [
        {"key": key_line(one.key), "expires": one.expires, "trusted": one == trusted} for one in bundle.signatures
    ]
    use = to_json(commercial_use(bundle.manifest.data))
    return {
        "commercial_use": use,
        **to_json(bundle.describe()),
        "signatures": signatures,
        "proof": _plain(_proof_of(bundle)),
    }


def _show_several(bundles: Sequence[Bundle]) -> None:
    from rich.console import Console

    from mer_sdk.cli.tables.columns import narrow_table

    table = narrow_table("kB are of the graphs", ("bundle", "reads", "gate", "runs here"), ("kB", "parameters"))
    for bundle in bundles:
        summary, manifest = bundle.describe(), bundle.manifest
        reads = "pictures" if manifest.finder is not None else ", ".join(manifest.modalities)
        here = without_runtime(bundle) or summary.runtime
        total = manifest.parameters.get("total", sum(manifest.parameters.values()))
        table.add_row(summary.name, reads, manifest.gate, here, f"{_graph_bytes(summary) / 1000:.0f}", f"{total:,}")
    console = Console(highlight=False)
    console.print(table)
    for note in dict.fromkeys(bundle.describe().note for bundle in bundles):
        if note:
            console.print(note, style="yellow")


def _graph_bytes(summary: BundleSummary) -> int:
    """Of the graphs' files alone, as mer-convert and the report say it."""
    return sum(graph.bytes for graph in summary.graphs)


def _plain(proof: dict[str, GraphProof]) -> dict[str, object]:
    """Graph -> its proof with the share of multiply-accumulates, null where the bundle does not count them."""
    return {name: {**to_json(graph), "mac_share": graph.mac_share} for name, graph in proof.items()}


def _signed(bundle: Bundle, trust: Sequence[str] | None) -> str:
    """Who signed it, as far as is known."""
    if trust:
        one = bundle.check_trust(trust)
        return f"by {key_id(one.key)}, a trusted key, {until_text(one.expires)}"
    found = (f"{key_id(one.key)} {until_text(one.expires)}" for one in bundle.signatures)
    listed = ", ".join(found)
    return f"by {listed}; not checked, give --trust" if listed else "no"


def _show(bundle: Bundle, trust: Sequence[str] | None) -> None:
    from rich.console import Console
    from rich.table import Table

    from mer_sdk.cli.tables.columns import narrow_table

    console = Console(highlight=False)
    summary, proof = bundle.describe(), _proof_of(bundle)
    manifest = summary.manifest
    facts = Table(show_header=False, box=None)
    facts.add_column(style="cyan")
    facts.add_column(overflow="fold")
    rows = {
        "name": f"{summary.name} ({summary.model})",
        "commercial use": commercial_use(manifest.data).sentence,
        "path": summary.path or "-",
        "target": f"{summary.target} {summary.scheme}, runs in {summary.runtime}",
        **({"runs as": summary.note} if summary.note else {}),
        "size": f"graphs {_graph_bytes(summary) / 1000:.0f} kB; with golden cases and reports "
        f"{summary.bytes / 1000:.0f} kB in {len(manifest.files)} files",
        "parameters": f"{manifest.parameters.get('total', sum(manifest.parameters.values())):,}",
        "labels": ", ".join(summary.labels),
        **_contract(manifest),
        "decision": _decision(manifest.decision),
        "baseline": f"prior of {manifest.baseline.prior_steps:g} steps",
        "valence/arousal": manifest.va_source,
        "data": "; ".join(f"{source.name} ({source.licence})" for source in manifest.data) or "-",
        "gate": manifest.gate,
        "signed": _signed(bundle, trust),
        **_verified(manifest),
        "made with": ", ".join(f"{name} {version}" for name, version in manifest.tools.items()) or "-",
    }
    for name, value in rows.items():
        facts.add_row(name, value)
    console.print(facts)
    table = narrow_table("Graphs", ("graph", "file", "scheme", "reads and gives"), ("kB", "parameters"))
    for graph in summary.graphs:
        tensors = "\n".join([*graph.inputs, *(f"= {output}" for output in graph.outputs)])
        size = f"{graph.bytes / 1000:.0f}" if graph.bytes else "-"
        table.add_row(graph.name, graph.file, graph.scheme, tensors, size, f"{graph.parameters:,}")
    console.print(table)
    if proof:
        _show_proof(console, proof)


def _show_proof(console: Console, proof: dict[str, GraphProof]) -> None:
    from rich.table import Table

    table = Table(
        "graph", "weight bytes", "in int8", "MACs in int8", title="In 8-bit integers, read back from the files"
    )
    for name, graph in proof.items():
        table.add_row(name, stored(graph), percent(graph.int8_share), percent(graph.mac_share))
    weights, macs = total_shares(proof)
    table.add_section()
    table.add_row("all", "", percent(weights), percent(macs))
    console.print(table)
    for name, graph in proof.items():
        for what, kept in (("weight in float", graph.float_weights), ("input in float", graph.float_inputs)):
            if kept:
                said = f"{name}, {what} ({len(kept)} of {graph.operations} operations): {', '.join(kept)}"
                console.print(said, soft_wrap=True, markup=False)


def _verified(manifest: Manifest) -> dict[str, str]:
    """Devices that proved it, and apart from them what is no device; --json has the whole reports."""
    kinds = [(evidence_of(item), device_name(item)) for item in manifest.device_verified]
    devices = "; ".join(name for kind, name in kinds if kind == PHONE)
    others = "; ".join(f"{EVIDENCE[kind]}: {name}" for kind, name in kinds if kind != PHONE)
    return {"verified on devices": devices or "no", **({"checked elsewhere": others} if others else {})}


def _decision(decision: Decision) -> str:
    """Temperature and threshold, of each modality state where they have their own."""
    shown = decision.states or {"": decision}
    return "; ".join(
        f"{state}{': ' if state else ''}temperature {one.temperature:g}, unknown below {one.abstention_threshold:g}"
        for state, one in shown.items()
    )


def _contract(manifest: Manifest) -> dict[str, str]:
    """What the bundle reads: its window, and the front end of each modality that it has."""
    clock, audio, face, text, talk = manifest.clock, manifest.audio, manifest.face, manifest.text, manifest.dialogue
    if manifest.finder is not None:
        finder = manifest.finder
        return {
            "finder": f"{finder.width}x{finder.height}, faces from a score of {finder.threshold:g}, box {finder.box}"
        }
    rows = {"reads": ", ".join(manifest.modalities)}
    if talk is None:
        rows["clock"] = f"a step of {clock.step_ms} ms, a window of {clock.window_steps} steps"
    else:
        direction = "looks back only" if talk.causal else "looks back and ahead"
        rows["dialogue"] = f"a window of {talk.utterances} utterances, {direction}; {talk.speakers} speakers told apart"
    if "text" in manifest.modalities and text is not None:
        rows["text"] = f"{text.words} words, {text.slots} ids each, {text.buckets} rows, {text.hash}"
    if "audio" in manifest.modalities:
        rows["audio"] = f"{audio.sample_rate} Hz mono, chunks of {audio.chunk_samples} samples"
    if "face" in manifest.modalities:
        size = f"{face.crop_size}x{face.crop_size}"
        rows["face"] = f"{size} {face.channel_order}, margin {face.margin:g}, {face.resize_filter}"
    return rows
