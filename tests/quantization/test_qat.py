"""Fine-tuning under fake quantization on small networks with random data, and the options that are refused."""

import copy
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

pytest.importorskip("torchao")
pytest.importorskip("executorch")
pytest.importorskip("accelerate")

from mer_fusion.checkpoint import shipped_checkpoint
from mer_fusion.encoders.audio import AudioEncoder, AudioEncoderConfig
from mer_fusion.encoders.face import FaceEncoder, FaceEncoderConfig
from mer_fusion.training.faces.encoder import FaceOptions, FaceSet
from mer_fusion.training.loop import LoopOptions
from mer_fusion.training.speech.encoder import AudioOptions
from mer_fusion.training.speech.spectra import device_chunks, make_speech_set
from mer_quantization.fake_quantize import (
    FakeQuantized,
    fold_norms,
    restore,
    restore_encoder,
    trainable,
)
from mer_quantization.qat import QatOptions
from mer_quantization.qat_tasks import audio_task, face_task, settle, tune
from mer_sdk.cli import main
from mer_sdk.errors import MissingExtra, OptionError


class Tiny(nn.Module):
    """A convolution without bias and with a batch norm, one with weight normalisation, dropout, a head with a norm."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU())
        self.temporal = weight_norm(nn.Conv1d(4, 4, 3))
        self.dropout = nn.Dropout(0.5)
        self.hidden = nn.Linear(4, 8)
        self.norm = nn.BatchNorm1d(8)
        self.out = nn.Linear(8, 2)

    def forward(self, x):
        x = self.dropout(self.temporal(self.backbone(x).mean(dim=2)).mean(dim=2))
        return self.out(F.relu(self.norm(self.hidden(x))))


def maps(rows, generator=None):
    """Random maps (rows, 1, 8, 8), each with its own mean."""
    return torch.randn(rows, 1, 8, 8, generator=generator) + 2 * torch.randn(rows, 1, 1, 1, generator=generator)


class Matching:
    """A task: a fake-quantized student matches what a float teacher gives on random maps."""

    name = "matching"

    def __init__(self, module, teacher):
        self.module, self.teacher = module, teacher.eval()

    def batches_per_epoch(self):
        return 20

    def epoch(self, generator, shard):
        for _ in range(self.batches_per_epoch()):
            yield maps(32, generator)

    @torch.no_grad()
    def error(self, module):
        fresh = maps(256, torch.Generator().manual_seed(9))
        return float(F.mse_loss(module(fresh), self.teacher(fresh)))

    def loss(self, module, batch):
        return F.mse_loss(module(batch), self.teacher(batch).detach())

    def validate(self, module):
        return {"error": self.error(module)}


def seen(module):
    """A network whose batch norms have seen data, in evaluation mode."""
    with torch.no_grad():
        for _ in range(8):
            module.train()(maps(64))
    return module.eval()


@pytest.fixture(scope="module")
def tiny():
    """A network one of whose channels is 200 times the others before a linear layer: int8 leaves those few steps."""
    torch.manual_seed(0)
    network = seen(Tiny())
    with torch.no_grad():
        network.temporal.parametrizations.weight.original0[0] *= 200
        network.temporal.bias[0] *= 200
        network.hidden.weight[:, 0] /= 200
    return network


@pytest.fixture(scope="module")
def tuned(tiny, tmp_path_factory):
    """The network, its float weights after fine-tuning, the task, and errors of the quantized before and after."""
    network = copy.deepcopy(tiny)
    fold_norms(network)
    quantized = FakeQuantized(trainable(network), (torch.randn(2, 1, 8, 8),))
    task = Matching(quantized, tiny)
    settle(task, 8, seed=0)
    before = task.error(quantized.eval())
    loop = LoopOptions(6, 1e-3, 0.0, warmup_epochs=0.5, average=0.9, precision="no")
    tune(task, loop, 0.5, tmp_path_factory.mktemp("run"), quiet=True)
    after = task.error(task.module)
    restore(network, task.module.weights())
    return network, task, before, after


def test_folding_changes_no_output(tiny):
    given, network = maps(16), copy.deepcopy(tiny)
    fold_norms(network)
    with torch.no_grad():
        wanted = tiny(given)
        torch.testing.assert_close(network(given), wanted, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(trainable(network)(given), wanted, rtol=1e-4, atol=1e-5)
    assert not any(isinstance(part, nn.BatchNorm2d | nn.BatchNorm1d) for part in trainable(network).modules())


@pytest.mark.slow
def test_training_lowers_the_error_of_rounding(tuned):
    _, _, before, after = tuned
    assert after < 0.5 * before


@pytest.mark.slow
def test_float_weights_are_back_by_name_and_shape(tiny, tuned):
    network, task, _, _ = tuned
    assert {name: value.shape for name, value in network.state_dict().items()} == {
        name: value.shape for name, value in tiny.state_dict().items()
    }
    given = maps(64)
    with torch.no_grad():
        learned = trainable(network)
        for name, value in task.module.weights().items():
            torch.testing.assert_close(learned.get_parameter(name), value)
        # The network in float is that of the quantized one but for rounding, and no longer the one before.
        assert F.mse_loss(network(given), task.module(given)) < 0.1 * network(given).var()
    assert not torch.equal(network.out.weight, tiny.out.weight)
    assert not torch.equal(network.backbone[0].weight, tiny.backbone[0].weight)


@pytest.mark.slow
def test_weights_and_activations_are_rounded_to_eight_bits(tuned):
    _, task, _, _ = tuned
    parts = task.module.graph.children()
    rounded = [part for part in parts if "FakeQuantize" in type(part).__name__ and part.is_per_channel]
    assert len(rounded) == 4
    weight = task.module.weights()["out.weight"]
    steps = rounded[-1](weight) / rounded[-1].scale[:, None]
    torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-3)
    assert steps.abs().max() <= 127
    assert (rounded[-1](weight) != weight).any()


@pytest.mark.slow
def test_a_copy_has_the_same_state_in_the_same_order(tuned):
    _, task, _, _ = tuned
    state, again = task.module.state_dict(), copy.deepcopy(task.module).state_dict()
    assert list(again) == list(state)
    assert all(torch.equal(again[name], value) for name, value in state.items())


def test_ranges_move_in_training_until_they_are_frozen():
    quantized = FakeQuantized(nn.Linear(3, 2), (torch.zeros(2, 3),))

    def ranges():
        return {name: value.clone() for name, value in quantized.state_dict().items() if name.endswith("max_val")}

    quantized.observed = 2
    quantized.train()(torch.ones(2, 3))
    first = ranges()
    quantized.eval()(torch.full((2, 3), 50.0))
    assert all(torch.equal(value, first[name]) for name, value in ranges().items())
    quantized.train()(torch.full((2, 3), 50.0))
    second = ranges()
    assert any(not torch.equal(value, first[name]) for name, value in second.items())
    quantized(torch.full((2, 3), 500.0))
    assert all(torch.equal(value, second[name]) for name, value in ranges().items())


@pytest.mark.slow
def test_an_encoder_learns_and_goes_back(tmp_path):
    torch.manual_seed(0)
    config = FaceEncoderConfig(stem=4, channels=(8,), blocks=(1,), separable=False, features=6, size=16)
    encoder = FaceEncoder(config)
    crops = F.interpolate(torch.rand(96, 1, 4, 4), size=16, mode="bilinear")[:, 0]
    with torch.no_grad():
        encoder.train().encode(crops)
        # A channel that is always 0 has weights in the last layer that leave the others a few steps.
        for norm in (encoder.backbone[3].layers[4], encoder.backbone[3].shortcut[1]):
            norm.weight[0] = norm.bias[0] = 0.0
        encoder.project.weight[:, 0] = 30 * encoder.project.weight.abs().max()
        wanted = encoder.eval().encode(crops)
    faces = FaceSet(crops, torch.ones(96, 2) / 2)
    task = face_task(encoder, faces, faces, FaceOptions(batch=16), "face")

    @torch.no_grad()
    def error():
        batches = task.epoch(torch.Generator().manual_seed(5), (0, 1))
        return sum(float(task.loss(task.module.eval(), batch)) for batch in batches)

    settle(task, 6, seed=0)
    before = error()
    assert task.validate(task.module)["sqnr_db"] > 0
    tune(task, LoopOptions(20, 2e-3, 0.0, warmup_epochs=0.5, average=0.9, precision="no"), 0.25, tmp_path, quiet=True)
    assert error() < 0.7 * before
    shapes = {name: value.shape for name, value in encoder.state_dict().items()}
    restore_encoder(encoder, task.module.encoder)
    assert {name: value.shape for name, value in encoder.state_dict().items()} == shapes
    with torch.no_grad():
        assert not torch.equal(encoder.encode(crops), wanted)
    for name in ("backbone", "project"):
        part, learned = trainable(encoder.get_submodule(name)), task.module.encoder.get_submodule(name)
        for key, value in learned.weights().items():
            torch.testing.assert_close(part.get_parameter(key), value)


@pytest.mark.slow
def test_an_audio_encoder_that_standardises_goes_through_and_back():
    torch.manual_seed(0)
    config = AudioEncoderConfig(
        frames=40, level="chunk", backbone="speech_embedding", channels=(4, 6), blocks=(1, 1), features=5
    )
    encoder = AudioEncoder(config)
    waves = [torch.randn(16000, generator=torch.Generator().manual_seed(n)).numpy() * 0.1 for n in range(24)]
    speech = make_speech_set(waves, [0, 1] * 12, [n // 6 for n in range(24)], [str(n) for n in range(24)], {}, 2)
    chunks = torch.cat([device_chunks(speech, row, 40) for row in range(24)])
    with torch.no_grad():
        for _ in range(5):
            encoder.train().encode(chunks)
        wanted = encoder.eval().encode(chunks)
    task = audio_task(encoder, speech, speech, AudioOptions(people=2, clips=4), 4, "audio")
    settle(task, 3, seed=0)
    assert task.validate(task.module)["sqnr_db"] > 10
    names = encoder.state_dict().keys()
    restore_encoder(encoder, task.module.encoder)
    assert encoder.state_dict().keys() == names
    # Nothing has learned yet, so that in float the encoder says what it said.
    with torch.no_grad():
        assert (encoder.eval().encode(chunks) - wanted).abs().max() < 1e-3 * wanted.abs().max()


def test_options_out_of_range():
    with pytest.raises(OptionError, match="0 to 1"):
        QatOptions(frozen=1.5)
    with pytest.raises(OptionError, match="1 or more"):
        QatOptions(settling=0)


def test_without_executorch_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "executorch.backends.xnnpack.quantizer.xnnpack_quantizer", None)
    with pytest.raises(MissingExtra, match=r"mer-edge\[convert\]"):
        FakeQuantized(nn.Linear(2, 2), (torch.zeros(2, 2),))


def test_what_does_not_fit_is_one_sentence(tmp_path, capsys):
    full, student = shipped_checkpoint("grjca", "full"), shipped_checkpoint("grjca")
    data = ("--data", f"ravdess:{tmp_path}", "--data", f"ferplus:{tmp_path}")
    cases = [
        (("grjca", "--qat", "int4"), "'int4' is unknown; did you mean int8? Allowed: int8"),
        (("amb_dsgdn", "--qat", "int8"), "for window models (grjca, hgrjca, atsuko, fdrl), not for amb_dsgdn"),
        (("grjca", "--student", student), "add --qat int8"),
        (("grjca", "--qat", "int8", "--student", full), "of the role 'full'"),
        (("fdrl", "--qat", "int8", "--student", student), "takes a student of fdrl"),
        (("grjca", "--qat", "int8", "--teacher", student), "has the role 'student'"),
        (("grjca", "--qat", "int8", "--out", tmp_path / "x.bin"), "ends in .safetensors"),
        (("fdrl", "--qat", "int8", "--part", "audio"), "add --encoders train"),
    ]
    for arguments, message in cases:
        with pytest.raises(SystemExit) as stopped:
            main(["distill", *map(str, arguments), *data, "--run-dir", str(tmp_path / "run")])
        assert stopped.value.code == 2
        assert message in capsys.readouterr().err
