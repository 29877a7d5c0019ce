"""A small real dialogue bundle for tests: random weights, the signatures of a dialogue model, torch's ONNX exporter."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import tiny_bundle
import torch

from mer_sdk.contract.bundle_files import hash_files
from mer_sdk.contract.golden import CaseInput, GoldenCase, save_golden
from mer_sdk.contract.manifest import (
    AudioContract,
    BaselineContract,
    DataSource,
    DialogueContract,
    FaceContract,
    Manifest,
    TextContract,
)
from mer_sdk.contract.manifest_file import manifest_to_text
from mer_sdk.dialogue.engine import speaker_numbers
from mer_sdk.frontends.text import TextFrontend
from mer_sdk.parity.golden import run_case
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec

LABELS = ("neutral", "happy", "sad", "angry")
ROWS, SPEAKERS = 4, 3
TEXT = TextContract(words=6, slots=4, buckets=300)
CHUNK, CROP = tiny_bundle.CHUNK, tiny_bundle.CROP
SIZES = {"text": 7, "audio": tiny_bundle.AUDIO, "face": tiny_bundle.FACE}


class Text(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(TEXT.buckets, SIZES["text"], padding_idx=0)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.table(ids).sum(dim=(1, 2))


class Fusion(torch.nn.Module):
    """Each utterance with those before it, the same speaker's counted once more; reliance by what is present."""

    def __init__(self, names: tuple[str, ...], causal: bool) -> None:
        super().__init__()
        self.heads = torch.nn.ModuleList(torch.nn.Linear(SIZES[name], len(LABELS)) for name in names)
        reach = torch.ones(ROWS, ROWS)
        self.register_buffer("reach", reach.tril() if causal else reach)

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        count = len(self.heads)
        masks, speakers = inputs[count:-1], inputs[-1]
        same = 1.0 - torch.clamp(torch.abs(speakers.unsqueeze(2) - speakers.unsqueeze(1)), 0.0, 1.0)
        edges = (1.0 + same) * self.reach / ROWS
        logits = torch.zeros(())
        for head, x, mask in zip(self.heads, inputs[:count], masks, strict=True):
            said = head(x) * mask.unsqueeze(2)
            logits = logits + (said + torch.matmul(edges, said)) * mask.unsqueeze(2)
        present = torch.stack(masks, dim=2)
        return logits, present / present.sum(dim=2, keepdim=True).clamp(min=1.0)


RAW = {"text": "ids", "audio": "pcm", "face": "crop"}


def networks(names: tuple[str, ...], causal: bool = True) -> dict[str, torch.nn.Module]:
    """Sound and faces are encoded as in the window of tiny_bundle.py: who exports both exports them once."""
    encoders = tiny_bundle.networks()
    torch.manual_seed(11)
    made = {name: Text().eval() if name == "text" else encoders[name] for name in names}
    return made | {"fusion": Fusion(names, causal).eval()}


def specs(names: tuple[str, ...], suffix: str) -> dict[str, GraphSpec]:
    shapes = {"text": (1, TEXT.words, TEXT.slots), "audio": (1, CHUNK), "face": (1, CROP, CROP, 3)}
    found = {
        name: GraphSpec(
            f"{name}.{suffix}",
            "fp32",
            (TensorSpec(RAW[name], shapes[name], "int32" if name == "text" else "float32"),),
            (TensorSpec(f"{name}_features", (1, SIZES[name])),),
        )
        for name in names
    }
    inputs = [TensorSpec(name, (1, ROWS, SIZES[name])) for name in names]
    inputs += [TensorSpec(f"{name}_mask", (1, ROWS)) for name in names]
    outputs = (TensorSpec("logits", (1, ROWS, len(LABELS))), TensorSpec("reliance", (1, ROWS, len(names))))
    fusion = GraphSpec(f"fusion.{suffix}", "fp32", (*inputs, TensorSpec("speakers", (1, ROWS))), outputs)
    return found | {"fusion": fusion}


class TorchGraph:
    """A network as a `Graph`, as a checkpoint's loader gives it."""

    def __init__(self, network: torch.nn.Module, spec: GraphSpec) -> None:
        self._network, self._spec = network, spec

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        with torch.no_grad():
            result = self._network(*(torch.from_numpy(np.array(inputs[item.name])) for item in self._spec.inputs))
        results = result if isinstance(result, tuple) else (result,)
        return {item.name: value.numpy() for item, value in zip(self._spec.outputs, results, strict=True)}


def torch_graphs(names: tuple[str, ...], causal: bool = True) -> dict[str, TorchGraph]:
    return {name: TorchGraph(net, specs(names, "pt")[name]) for name, net in networks(names, causal).items()}


def manifest(names: tuple[str, ...], target: str, folder: Path | None, causal: bool = True) -> Manifest:
    means = {"audio": (0.1,) * SIZES["audio"], "face": (-0.05,) * SIZES["face"]}
    return Manifest(
        name="tiny talk",
        model="amb_dsgdn",
        labels=LABELS,
        target=target,
        scheme="fp32",
        graphs=specs(names, target),
        baseline=BaselineContract(4.0, {name: mean for name, mean in means.items() if name in names}),
        files=hash_files(folder) if folder else (),
        checkpoint_sha256=hashlib.sha256(b"random weights").hexdigest(),
        parameters={name: sum(p.numel() for p in net.parameters()) for name, net in networks(names).items()},
        data=(DataSource("none", "none", "random weights"),),
        tools={"torch": torch.__version__},
        gate="not measured",
        audio=AudioContract(chunk_samples=CHUNK),
        face=FaceContract(crop_size=CROP),
        text=TEXT if "text" in names else None,
        dialogue=DialogueContract(utterances=ROWS, speakers=SPEAKERS, causal=causal),
    )


def golden(names: tuple[str, ...]) -> tuple[GoldenCase, ...]:
    """A full dialogue and one that has just begun, computed in torch."""
    random, frontend = np.random.default_rng(3), TextFrontend(TEXT)
    contract, cases = manifest(names, "pt", None), []
    for texts, people in (
        (("Hi!", "", "Schön, dich zu sehen", "ok"), ("a", "b", "a", "c")),
        (("", "", "", "Who?"), ("", "", "", "b")),
    ):
        begun = np.array([bool(name) for name in people], np.float32)
        ids = np.stack([frontend.ids(text) for text in texts])
        raw = {
            "text": ids,
            "audio": random.uniform(-0.5, 0.5, (ROWS, 2, CHUNK)).astype(np.float32),
            "face": random.uniform(0, 255, (ROWS, 2, CROP, CROP, 3)).astype(np.float32),
        }
        masks = {"text": ids.any(axis=(1, 2)).astype(np.float32), "audio": begun, "face": begun}
        numbers = np.zeros(ROWS, np.float32)
        numbers[begun > 0] = speaker_numbers([name for name in people if name], SPEAKERS)
        given = CaseInput(
            {name: raw[name] for name in names},
            {name: masks[name] for name in names},
            numbers,
            people,
            texts if "text" in names else (),
        )
        answer = run_case(torch_graphs(names), contract.graphs, contract.baseline, given)
        cases.append(GoldenCase(given, answer))
    return tuple(cases)


def write_dialogue_bundle(folder: Path, names: tuple[str, ...]) -> Path:
    """Write an ONNX bundle and give its path."""
    path = folder / "tiny-talk.mer"
    path.mkdir()
    for name, network in networks(names).items():
        spec = specs(names, "onnx")[name]
        example = tuple(
            torch.zeros(item.shape, dtype=torch.int32 if item.dtype == "int32" else torch.float32)
            for item in spec.inputs
        )
        torch.onnx.export(network, example, str(path / f"{name}.onnx"), dynamo=False, opset_version=17)
    save_golden(path / "golden.npz", golden(names))
    (path / "CARD.md").write_text("A dialogue bundle with random weights, for tests.\n")
    (path / "manifest.json").write_text(manifest_to_text(manifest(names, "onnx", path)))
    return path
