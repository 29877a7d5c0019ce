"""Adaptation to own clips: what learns, who judges, and that nothing worse is written."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from mer_fusion.checkpoint import find_checkpoint, load_checkpoint, shipped_checkpoint
from mer_fusion.tables import show_adaptation
from mer_fusion.torch_bundle import torch_bundle
from mer_fusion.training.adapt import parts
from mer_fusion.training.adapt.learning import AdaptOptions, last_layer, learned_fusion, learned_head
from mer_fusion.training.adapt.parts import left_out_parts
from mer_fusion.training.adapt.procedure import Adaptation, HeldOutComparison, adapt
from mer_fusion.training.adapt.recorded import Windows, record
from mer_sdk.contract.manifest import Decision
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.conditions import predict
from mer_sdk.evaluation.datasets import OwnClips
from mer_sdk.evaluation.datasets.clip import Clip
from mer_sdk.evaluation.features import ClipFeatures
from mer_sdk.evaluation.metrics import Interval, uar
from mer_sdk.window.engine import StepEngine
from mer_sdk.window.step import StepFeatures

TONES = {"happy": 900.0, "sad": 250.0}


def own_clips(folder: Path, each: int = 12) -> Path:
    """Short tones, high ones called happy and low ones sad, of one person."""
    rng, time = np.random.default_rng(0), np.arange(12000) / 16000
    for label, tone in TONES.items():
        (folder / "me" / label).mkdir(parents=True)
        for number in range(each):
            wave = np.sin(2 * np.pi * tone * rng.uniform(0.9, 1.1) * time) * np.hanning(len(time))
            wave += rng.normal(0, 0.02, len(time))
            soundfile.write(folder / "me" / label / f"{number}.wav", 0.3 * wave, 16000)
    return folder


def drawn_windows(model: str, count: int = 40) -> tuple[torch.nn.Module, Windows]:
    """A shipped student's fusion and windows of noise, the label given by the mean of the sound's features."""
    fusion = load_checkpoint(shipped_checkpoint(model)).network.fusion
    generator = torch.Generator().manual_seed(0)
    audio, face = (torch.randn(count, 16, 64, generator=generator) for _ in range(2))
    audio = audio + torch.randn(count, 1, 1, generator=generator)
    truth = (audio.mean(dim=(1, 2)) > 0).long()
    ones, numbers = torch.ones(count, 16), torch.arange(count)
    inputs = (audio, face, ones, ones)
    states, run = ("audio+face",) * count, torch.zeros(count, dtype=torch.long)
    return fusion, Windows(inputs, truth, 16 * torch.ones(count), numbers, run, states, ("audio+face",), ("cold",))


@pytest.mark.parametrize("model", ["grjca", "atsuko", "fdrl"])
def test_the_last_layer_of_every_model_is_found(model: str) -> None:
    fusion, windows = drawn_windows(model)
    layer, read = last_layer(fusion, windows)
    torch.testing.assert_close(read @ layer.weight.T + layer.bias, windows.logits(fusion), rtol=1e-4, atol=1e-4)


def test_the_head_learns_and_an_anchor_holds_it() -> None:
    fusion, windows = drawn_windows("grjca")
    layer, read = last_layer(fusion, windows)
    weight, bias = learned_head(layer, read, windows.truth, windows.weights, 1e-4)
    assert uar(windows.truth.numpy(), (read @ weight.T + bias).argmax(dim=1).numpy()[None]) > 0.95
    # Labels that nobody has are not taught as absent.
    assert torch.equal(bias[2:], layer.bias[2:].detach())
    torch.testing.assert_close(weight[2:], layer.weight[2:].detach())
    held, still = learned_head(layer, read, windows.truth, windows.weights, 1e6)
    torch.testing.assert_close(held, layer.weight.detach(), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(still, layer.bias.detach(), atol=1e-3, rtol=1e-3)


def test_the_whole_fusion_learns_from_some_windows_and_the_old_one_stays() -> None:
    fusion, windows = drawn_windows("fdrl")
    before = windows.logits(fusion).clone()
    rows = torch.arange(0, 40, 2)
    learner = learned_fusion(fusion, windows, rows, AdaptOptions(epochs=15, keep=0.0, learning_rate=2e-3))
    assert torch.equal(windows.logits(fusion), before)
    after = windows.logits(learner)
    right = windows.truth[:, None]
    assert after.log_softmax(1).gather(1, right).mean() > before.log_softmax(1).gather(1, right).mean() + 0.5


def test_clips_are_left_out_by_person_where_there_are_many_and_with_labels_alike_where_not() -> None:
    clips = [Clip(str(n), "happy" if n % 3 else "sad", n % 6, person=f"p{n % 6}") for n in range(36)]
    found, how = left_out_parts(clips, AdaptOptions())
    assert how == "by person"
    assert all(not ({clips[n].speaker for n in part} & {clips[n].speaker for n in rest})
               for part in found for rest in found if rest is not part)  # fmt: skip
    alone = [replace(clip, speaker=0) for clip in clips]
    found, how = left_out_parts(alone, AdaptOptions(folds=4))
    assert sorted(n for part in found for n in part) == list(range(36))
    assert all(Counter(alone[n].label for n in part)["sad"] == 3 for part in found)
    assert "labels alike" in how


def test_what_is_recorded_is_what_a_sensor_meets() -> None:
    checkpoint = load_checkpoint(find_checkpoint("grjca-student"))
    assert checkpoint.card.baseline.neutral_prior > 0  # baselines follow what is said
    random, clips = np.random.default_rng(0), []
    for number in range(3):
        steps = tuple(StepFeatures(random.normal(0, 2, 64).astype(np.float32), None) for _ in range(24))
        clips.append(ClipFeatures(Clip(str(number), "happy", 1), steps))
    plain: list[np.ndarray] = []
    engine = StepEngine(torch_bundle(checkpoint))
    for protocol in ("cold", "warm"):
        predict(
            clips,
            engine,
            ("audio",),
            (protocol,),
            orders=1,
            watch=lambda _, said: plain.extend(one.logits for one in said),
        )
    found = record(checkpoint, clips, [1, 1, 1], thin=1).logits(checkpoint.network.fusion)
    np.testing.assert_allclose(found.numpy(), np.stack(plain), atol=1e-4)


def test_own_clips_make_a_checkpoint_that_says_so(tmp_path: Path) -> None:
    folder, out = own_clips(tmp_path / "mine"), tmp_path / "adapted.safetensors"
    source = find_checkpoint("grjca-student")
    found = adapt(source, f"clips:{folder}", out)
    assert (found.checkpoint, found.level, found.learned) == (out, "head", 24)
    (judged,) = found.judged
    assert judged.clips == 24
    assert judged.after > 0.9 > judged.before
    assert judged.difference_interval.low > 0
    written, old = load_checkpoint(out), load_checkpoint(source)
    card = written.card
    assert card.name == "adapted"
    assert card.data[:-1] == old.card.data
    assert card.data[-1].licence == OwnClips.licence
    assert card.training["adapted"]["clips"] == {"happy": 12, "sad": 12}
    assert "--check-data was not given" in card.notes[-1]
    assert card.distillation is None
    assert card.decision.states == {**old.card.decision.states, "audio": found.decision.of("audio")}
    changed = [name for name, value in written.network.state_dict().items()
               if not torch.equal(value, old.network.state_dict()[name])]  # fmt: skip
    assert sorted(changed) == ["fusion.classifier.out.bias", "fusion.classifier.out.weight"]


def test_what_is_worse_is_refused_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoiled(layer: torch.nn.Linear, *rest: object) -> tuple[torch.Tensor, torch.Tensor]:
        bias = torch.zeros(layer.out_features)
        bias[3] = 1.0
        return torch.zeros_like(layer.weight), bias

    out = tmp_path / "adapted.safetensors"
    good = tmp_path / "good.safetensors"
    folder = own_clips(tmp_path / "mine", 10)
    # A network that is right before.
    assert adapt(find_checkpoint("grjca-student"), f"clips:{folder}", good).checkpoint == good
    monkeypatch.setattr(parts, "learned_head", spoiled)
    found = adapt(good, f"clips:{folder}", out)
    assert found.checkpoint is None
    assert found.judged[0].difference < 0
    assert not out.exists()
    assert not out.with_suffix(".json").exists()


def test_what_cannot_be_adapted_is_said(tmp_path: Path) -> None:
    source, out = find_checkpoint("grjca-student"), tmp_path / "a.safetensors"
    folder = own_clips(tmp_path / "few", 4)
    with pytest.raises(DataError, match=r"8 clips to learn from \(4 happy, 4 sad\); needed are 20"):
        adapt(source, f"clips:{folder}", out)
    with pytest.raises(OptionError, match="no window model"):
        adapt(shipped_checkpoint("amb_dsgdn"), f"clips:{folder}", out)
    with pytest.raises(OptionError, match=r"ends in \.safetensors"):
        adapt(source, f"clips:{folder}", tmp_path / "a.bin")
    with pytest.raises(OptionError, match="level"):
        AdaptOptions(level="everything")
    with pytest.raises(OptionError, match="grjca-huge"):
        find_checkpoint("grjca-huge")


def test_what_an_adaptation_is_worth_fits_eighty_columns(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    some = Interval(1.0, 1.0)
    judged = HeldOutComparison(
        "your clips, audio+face shown", 1200, 1.0, some, 1.0, some, -0.213, Interval(-0.213, 1.0), 0.0
    )
    found = Adaptation(None, "head", 1200, "judged by person", (judged,), Decision(), ())
    show_adaptation(found, Path("grjca-student.safetensors"))
    out = capsys.readouterr().out
    assert "cold and warm together" in out
    for part in ("[-21.3, +100.0]", "1200", "FAILED"):
        assert part in out
    assert max(map(len, out.splitlines()[:8])) <= 80
