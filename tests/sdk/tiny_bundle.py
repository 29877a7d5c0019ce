"""A small real bundle for tests: random weights, the signatures of a window model, converted by the real exporters."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch

from mer_sdk.contract.bundle_files import hash_files
from mer_sdk.contract.golden import CaseInput, GoldenCase, save_golden
from mer_sdk.contract.manifest import AudioContract, BaselineContract, DataSource, FaceContract, Manifest
from mer_sdk.contract.manifest_file import manifest_to_text
from mer_sdk.parity.golden import run_case
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec

LABELS = ("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised")
CHUNK, CROP, AUDIO, FACE, STEPS = 6000, 16, 6, 5, 16


class Audio(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv1d(1, AUDIO, 400, stride=200)

    def forward(self, pcm: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.conv(pcm.unsqueeze(1))).mean(-1) * 10


class Face(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(CROP * CROP * 3, FACE)

    def forward(self, crop: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.linear(crop.reshape(1, -1) / 255.0))


class Fusion(torch.nn.Module):
    """Any function of masked features does; reliance is the share of present steps."""

    def __init__(self) -> None:
        super().__init__()
        self.audio, self.face = torch.nn.Linear(AUDIO, len(LABELS)), torch.nn.Linear(FACE, len(LABELS))

    def forward(
        self, audio: torch.Tensor, face: torch.Tensor, audio_mask: torch.Tensor, face_mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        heard = (self.audio(audio) * audio_mask.unsqueeze(-1)).sum(1) / STEPS
        seen = (self.face(face) * face_mask.unsqueeze(-1)).sum(1) / STEPS
        counts = torch.stack([audio_mask.sum(1), face_mask.sum(1)], dim=-1)
        return heard + seen, counts / counts.sum(-1, keepdim=True).clamp(min=1.0)


EXAMPLES = {
    "audio": (torch.zeros(1, CHUNK),),
    "face": (torch.zeros(1, CROP, CROP, 3),),
    "fusion": (
        torch.zeros(1, STEPS, AUDIO),
        torch.zeros(1, STEPS, FACE),
        torch.ones(1, STEPS),
        torch.ones(1, STEPS),
    ),
}
NAMES = {
    "audio": (("pcm",), ("audio_features",)),
    "face": (("crop",), ("face_features",)),
    "fusion": (("audio", "face", "audio_mask", "face_mask"), ("logits", "reliance")),
}


def networks() -> dict[str, torch.nn.Module]:
    torch.manual_seed(7)
    return {"audio": Audio().eval(), "face": Face().eval(), "fusion": Fusion().eval()}


class TorchGraph:
    """A network as a `Graph`, as a checkpoint's loader gives it."""

    def __init__(self, name: str, network: torch.nn.Module) -> None:
        self._names, self._network = NAMES[name], network

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        with torch.no_grad():
            result = self._network(*(torch.from_numpy(np.array(inputs[name])) for name in self._names[0]))
        results = result if isinstance(result, tuple) else (result,)
        return {name: value.numpy() for name, value in zip(self._names[1], results, strict=True)}


def specs(suffix: str) -> dict[str, GraphSpec]:
    result = {}
    for name, network in networks().items():
        outputs = network(*EXAMPLES[name])
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        result[name] = GraphSpec(
            file=f"{name}.{suffix}",
            scheme="fp32",
            inputs=tuple(TensorSpec(n, tuple(t.shape)) for n, t in zip(NAMES[name][0], EXAMPLES[name], strict=True)),
            outputs=tuple(TensorSpec(n, tuple(t.shape)) for n, t in zip(NAMES[name][1], outputs, strict=True)),
        )
    return result


def manifest(target: str, suffix: str, folder: Path | None) -> Manifest:
    return Manifest(
        name="tiny",
        model="grjca",
        labels=LABELS,
        target=target,
        scheme="fp32",
        graphs=specs(suffix),
        baseline=BaselineContract(
            20.0,
            {"audio": (0.1,) * AUDIO, "face": (-0.05,) * FACE},
            # No two places alike, and none near 0: a port that adds another's, or nothing, is found.
            {name: tuple(0.5 + 0.1 * i for i in range(size)) for name, size in (("audio", AUDIO), ("face", FACE))},
            neutral_prior=0.25,
        ),
        files=hash_files(folder) if folder else (),
        checkpoint_sha256=hashlib.sha256(b"random weights").hexdigest(),
        parameters={name: sum(p.numel() for p in net.parameters()) for name, net in networks().items()},
        data=(DataSource("none", "none", "random weights"),),
        tools={"torch": torch.__version__},
        gate="not measured",
        audio=AudioContract(chunk_samples=CHUNK),
        face=FaceContract(crop_size=CROP),
    )


def golden(graphs: dict[str, TorchGraph]) -> tuple[GoldenCase, ...]:
    """Cases of the golden file, computed by the given graphs (torch)."""
    random = np.random.default_rng(3)
    half = np.arange(STEPS) >= STEPS // 2
    masks = [(np.ones(STEPS), np.ones(STEPS)), (np.ones(STEPS), np.zeros(STEPS)), (np.zeros(STEPS), np.ones(STEPS))]
    cases, contract = [], manifest("torch", "pt", None)
    for audio, face in (*masks, (half, half)):
        raw = {
            "audio": random.uniform(-0.5, 0.5, (STEPS, CHUNK)).astype(np.float32),
            "face": random.uniform(0, 255, (STEPS, CROP, CROP, 3)).astype(np.float32),
        }
        given = CaseInput(raw, {"audio": audio.astype(np.float32), "face": face.astype(np.float32)})
        cases.append(GoldenCase(given, run_case(graphs, contract.graphs, contract.baseline, given)))
    return tuple(cases)


def write_bundle(folder: Path, target: str) -> Path:
    """Write `folder`/tiny-TARGET.mer and give its path."""
    suffix = {"tflite": "tflite", "onnx": "onnx"}[target]
    path = folder / f"tiny-{target}.mer"
    path.mkdir()
    nets = networks()
    for name, network in nets.items():
        file = path / f"{name}.{suffix}"
        if target == "onnx":
            torch.onnx.export(network, EXAMPLES[name], str(file), dynamo=False, opset_version=17)
        else:
            import litert_torch

            litert_torch.convert(network, EXAMPLES[name]).export(str(file))
    save_golden(path / "golden.npz", golden({name: TorchGraph(name, network) for name, network in nets.items()}))
    (path / "CARD.md").write_text("A bundle with random weights, for tests.\n")
    (path / "manifest.json").write_text(manifest_to_text(manifest(target, suffix, path)))
    return path
