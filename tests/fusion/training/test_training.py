"""The loop, the tasks and the recipe: seeds, resuming, learning something, checkpoints."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from speech_like import face_set, sources, speech_set

from mer_fusion.calibration import learned_from
from mer_fusion.checkpoint import Card, load_checkpoint, save_checkpoint, shipped_checkpoint
from mer_fusion.encoders.audio import AudioEncoderConfig
from mer_fusion.encoders.face import FaceEncoderConfig
from mer_fusion.models.grjca import GrjcaConfig
from mer_fusion.network import EmotionNetwork
from mer_fusion.training.faces.encoder import FaceLearner, FaceOptions, FaceTask, augmented
from mer_fusion.training.faces.talking import TalkingLoss
from mer_fusion.training.faces.talking_sets import TalkingOptions
from mer_fusion.training.fusion import launch
from mer_fusion.training.fusion.data import LABELS, open_sources
from mer_fusion.training.fusion.feature_cache import CacheOptions
from mer_fusion.training.fusion.launch import run_recipe
from mer_fusion.training.fusion.recipe import Recipe, full_precision_recipe, shortened, student_recipe, with_encoders
from mer_fusion.training.fusion.task import FusionOptions
from mer_fusion.training.fusion.train import train_network
from mer_fusion.training.fusion.windows import WindowOptions
from mer_fusion.training.loop import LoopOptions, computes_bf16, fit
from mer_fusion.training.run import RunOptions
from mer_fusion.training.speech.encoder import AudioLearner, AudioOptions, AudioTask
from mer_quantization.distill import distill_student
from mer_sdk.contract.manifest import BaselineContract
from mer_sdk.errors import CheckpointError, DataError, OptionError

SMALL_AUDIO = AudioEncoderConfig(frames=40, stem=8, channels=(8, 12), blocks=(1, 1), separable=False, features=8)
SMALL_FACE = FaceEncoderConfig(stem=8, channels=(8, 12), blocks=(1, 1), separable=False, features=8)


def small_recipe(role: str) -> Recipe:
    fusion = GrjcaConfig(
        audio_dim=8,
        face_dim=8,
        audio_channels=(8,),
        face_channels=(8,),
        steps=16,
        attention_dropout=0.1,
        head_width=8,
        stable=True,
        norm_eps=1e-6,
        classes=len(LABELS),
        regression_outputs=0,
    )
    base = shortened(full_precision_recipe(0) if role == "full" else student_recipe(0), 0.0001)
    network = replace(base.network, audio=SMALL_AUDIO, face=SMALL_FACE, fusion=fusion.to_dict())
    return replace(
        base,
        network=network,
        audio=AudioOptions(people=2, clips=4),
        face=FaceOptions(batch=32),
        talking=TalkingOptions(people=2, takes=4, images=2),
        talking_loss=TalkingLoss(stills=8),
        fusion=FusionOptions(WindowOptions(people=2, takes=4)),
        cache=CacheOptions(copies=2, speaker_takes=4, noise_speakers=1),
    )


def face_task(seed: int = 0) -> FaceTask:
    torch.manual_seed(seed)
    return FaceTask(FaceLearner(SMALL_FACE, 3), face_set(), face_set(48), FaceOptions(batch=16))


def weights(task: FaceTask) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in task.module.parameters()])


OPTIONS = LoopOptions(epochs=4, precision="no", seed=5, threads=1)


def test_one_seed_gives_one_result_and_resuming_changes_nothing(tmp_path: Path) -> None:
    whole, twice, other = face_task(), face_task(), face_task()
    fit(whole, OPTIONS, tmp_path / "whole", quiet=True)
    fit(twice, OPTIONS, tmp_path / "twice", quiet=True)
    assert torch.equal(weights(whole), weights(twice))
    fit(other, replace(OPTIONS, seed=6), tmp_path / "other", quiet=True)
    assert not torch.equal(weights(whole), weights(other))

    class Interrupted(FaceTask):
        def validate(self, module: torch.nn.Module) -> dict[str, float]:
            raise KeyboardInterrupt

    torch.manual_seed(0)
    broken = Interrupted(FaceLearner(SMALL_FACE, 3), face_set(), face_set(48), FaceOptions(batch=16))
    with pytest.raises(KeyboardInterrupt):
        fit(broken, OPTIONS, tmp_path / "resumed", quiet=True, validate_every=3)
    resumed = face_task(seed=99)  # other initial weights: they must come from the saved state
    history = fit(resumed, OPTIONS, tmp_path / "resumed", quiet=True)
    assert len(history.epochs) == 4
    assert torch.equal(weights(whole), weights(resumed))


def test_a_run_with_other_options_is_not_continued(tmp_path: Path) -> None:
    fit(face_task(), OPTIONS, tmp_path, quiet=True)
    with pytest.raises(CheckpointError, match="other options"):
        fit(face_task(), replace(OPTIONS, learning_rate=1e-4), tmp_path, quiet=True)


@pytest.mark.parametrize(
    ("units", "wanted"),
    [
        ({"avx2": True}, False),
        ({"amx_bf16": True}, True),
        ({"avx512_bf16": True}, True),
        ({"neon": True, "bf16": True}, True),
    ],
)
def test_bfloat16_is_used_where_the_processor_computes_it(
    units: dict[str, bool], wanted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: units)
    assert computes_bf16(torch.device("cpu")) is wanted
    seen = []

    class Looking(FaceTask):
        def loss(self, module: torch.nn.Module, batch: Any) -> torch.Tensor:
            seen.append(torch.is_autocast_enabled("cpu"))
            return super().loss(module, batch)

    torch.manual_seed(0)
    task = Looking(FaceLearner(SMALL_FACE, 3), face_set(), face_set(48), FaceOptions(batch=16))
    fit(task, replace(OPTIONS, epochs=1, precision="bf16"), tmp_path, quiet=True)
    assert set(seen) == {wanted}


def test_faces_are_learned(tmp_path: Path) -> None:
    task = face_task()
    before = task.validate(task.module.eval())["accuracy"]
    fit(task, LoopOptions(epochs=25, precision="no", threads=1, average=0.9, learning_rate=5e-3), tmp_path, quiet=True)
    after = task.validate(task.module)["accuracy"]
    assert after > max(0.8, before)


def test_speech_is_learned(tmp_path: Path) -> None:
    torch.manual_seed(0)
    speech = speech_set(clips=48)
    learner = AudioLearner(SMALL_AUDIO, 3)
    task = AudioTask(learner, speech, speech, AudioOptions(people=2, clips=6))
    fit(task, LoopOptions(epochs=15, precision="no", threads=1, average=0.9, learning_rate=5e-3), tmp_path, quiet=True)
    figures = task.validate(task.module)
    assert figures["cold"] > 0.8
    assert figures["warm"] > 0.8


def test_augmented_faces_stay_faces() -> None:
    images = face_set(32).images
    options = FaceOptions()
    got = augmented(images, options, torch.Generator().manual_seed(0))
    assert got.shape == images.shape
    assert torch.isfinite(got).all()
    assert float(got.min()) > -0.5
    assert float(got.max()) < 2.0
    assert torch.equal(got, augmented(images, options, torch.Generator().manual_seed(0)))


@pytest.mark.slow
def test_recipe_from_data_to_student(tmp_path: Path) -> None:
    data, recipe = sources(classes=len(LABELS)), small_recipe("full")
    recipe = replace(recipe, network=replace(recipe.network, audio=replace(SMALL_AUDIO, channels=(12, 16))))
    full = train_network(recipe, data, tmp_path / "full", quiet=True)
    card = save_checkpoint(full.network, full.card, tmp_path / "full.safetensors")
    assert card.weights_sha256
    teacher = load_checkpoint(tmp_path / "full.safetensors")
    assert teacher.card.network == recipe.network
    assert teacher.card.baseline.population_mean.keys() == {"audio", "face"}
    assert {name: len(vector) for name, vector in teacher.card.baseline.neutral_offset.items()} == dict.fromkeys(
        ("audio", "face"), 8
    )
    assert teacher.card.training["speakers"] == [1, 2, 3]
    assert teacher.card.training["held_out_speakers"] == [0]
    student = train_network(small_recipe("student"), data, tmp_path / "student", teacher, quiet=True)
    assert student.card.role == "student"
    assert student.card.training["teacher_sha256"] == teacher.sha256
    # The teacher's audio encoder has another shape: the student trains its own.
    assert student.card.network.audio == SMALL_AUDIO
    assert "audio" in student.card.training["seconds"]
    again = train_network(small_recipe("student"), data, tmp_path / "student", teacher, quiet=True)
    for name, value in student.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name]), name


@pytest.mark.slow
def test_fusion_alone_is_trained_on_taken_encoders(tmp_path: Path) -> None:
    data = sources(classes=len(LABELS))
    first = train_network(small_recipe("full"), data, tmp_path / "full", quiet=True)
    save_checkpoint(first.network, first.card, tmp_path / "full.safetensors")
    donor = load_checkpoint(tmp_path / "full.safetensors")
    for name in ("atsuko", "fdrl"):
        base = shortened(full_precision_recipe(0, name), 0.0001)
        recipe = replace(
            with_encoders(base, donor.card.network), fusion=FusionOptions(WindowOptions(people=2, takes=4))
        )
        trained = train_network(recipe, data, tmp_path / name, encoders=donor, quiet=True)
        for part in ("audio", "face"):
            for key, value in getattr(donor.network, part).state_dict().items():
                assert torch.equal(value, getattr(trained.network, part).state_dict()[key])
        assert trained.card.baseline == donor.card.baseline
        assert trained.card.training["encoders_sha256"] == donor.sha256
        assert set(trained.card.training["seconds"]) == {"fusion"}
        assert any("reconstructed" in note for note in trained.card.notes)
        assert len(list((tmp_path / name).glob("audio-*.safetensors"))) == 1
        card = save_checkpoint(trained.network, trained.card, tmp_path / f"{name}.safetensors")
        again = load_checkpoint(tmp_path / f"{name}.safetensors").card
        assert (again.network, again.notes) == (card.network, card.notes)
        # A second run reads the features and the finished fusion from its folder and gives the same network.
        (kept,) = (tmp_path / name).glob("face-*.safetensors")
        kept.write_bytes(kept.read_bytes()[:1000])  # cut off: it is made again
        second = train_network(recipe, data, tmp_path / name, encoders=donor, quiet=True)
        for key, value in trained.network.state_dict().items():
            assert torch.equal(value, second.network.state_dict()[key]), key
        assert second.card == trained.card


@pytest.mark.slow
def test_encoders_side_by_side_are_kept_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "open_sources", lambda specs, labels: sources(classes=len(LABELS)))
    donor = EmotionNetwork(small_recipe("full").network)
    means = BaselineContract(64.0, {"audio": (0.5,) * 8, "face": (0.25,) * 8})
    card = Card("donor", "full", donor.config, LABELS, means, (), {})
    path = tmp_path / "donor.safetensors"
    save_checkpoint(donor.eval(), card, path)
    run = RunOptions(tmp_path / "run", epochs_share=0.0001, quiet=True, encoders=str(path))
    recipe = full_precision_recipe(0, "fdrl")
    beside, elsewhere = tmp_path / "fdrl.safetensors", tmp_path / "other" / "fdrl.safetensors"
    for out in (beside, elsewhere):
        assert run_recipe(recipe, [], out, run, None) == out
    one, other = load_checkpoint(beside), load_checkpoint(elsewhere)
    assert set(one.card.parts_from) == {"audio", "face"}
    assert other.card.parts_from == {}
    assert beside.stat().st_size < elsewhere.stat().st_size
    assert one.card.baseline.population_mean == means.population_mean
    for key, value in one.network.state_dict().items():
        assert torch.equal(value, other.network.state_dict()[key]), key
    # From a checkpoint that has borrowed them itself.
    again = replace(run, run_dir=tmp_path / "again", encoders=str(beside))
    run_recipe(full_precision_recipe(0, "atsuko"), [], tmp_path / "atsuko.safetensors", again, None)
    assert load_checkpoint(tmp_path / "atsuko.safetensors").card.parts_from == one.card.parts_from


def test_checkpoint_whose_weights_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "copy.safetensors"
    source = shipped_checkpoint("grjca", "student")
    data = bytearray(source.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    path.with_suffix(".json").write_text(source.with_suffix(".json").read_text())
    with pytest.raises(CheckpointError, match="sha256"):
        load_checkpoint(path)
    path.with_suffix(".json").unlink()
    with pytest.raises(CheckpointError, match="missing"):
        load_checkpoint(path)


@pytest.mark.parametrize("model", ["grjca", "atsuko", "fdrl"])
def test_shipped_checkpoints_are_small_and_say_where_they_come_from(model: str) -> None:
    student = load_checkpoint(shipped_checkpoint(model, "student"))
    full = load_checkpoint(shipped_checkpoint(model, "full"))
    assert student.path.stat().st_size <= 2_000_000
    assert full.path.stat().st_size <= 15_000_000
    assert student.card.parameters["total"] < 500_000
    assert student.card.training["teacher_sha256"] == full.sha256
    for checkpoint in (student, full):
        card = checkpoint.card
        assert card.name == checkpoint.path.stem
        assert any("CC BY-NC-SA" in source.licence for source in card.data)
        seen = set(card.training["speakers"]) | set(card.training["held_out_speakers"])
        assert not set(card.training["test_speakers"]) & seen
        assert card.parameters == checkpoint.network.parameters_by_part()
        if model != "grjca":
            donor = load_checkpoint(shipped_checkpoint("grjca", card.role))
            assert card.training["encoders_sha256"] == donor.sha256
            assert card.baseline == donor.card.baseline
            assert any("reconstructed" in note for note in card.notes)
            kept = {name.partition(".")[0] for name in load_file(checkpoint.path)}
            assert kept == {"fusion"}, "encoders are kept once"


def test_unknown_names_and_missing_data_are_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="grjca-huge"):
        shipped_checkpoint("grjca", "huge")
    with pytest.raises(OptionError, match=r"needs --data ravdess:PATH .*ravdess_pairs:PATH .*ferplus:PATH"):
        open_sources([])
    with pytest.raises(DataError, match=str(tmp_path)):
        open_sources([f"ravdess:{tmp_path}", f"ferplus:{tmp_path}"])
    with pytest.raises(OptionError, match="part"):
        RunOptions(tmp_path, part="everything")
    with pytest.raises(OptionError, match="safetensors"):
        run_recipe(full_precision_recipe(0), [], tmp_path / "x.bin", RunOptions(tmp_path), None)
    with pytest.raises(OptionError, match="student"):
        distill_student("grjca", shipped_checkpoint("grjca"), [], tmp_path / "x.safetensors", RunOptions(tmp_path), 0)
    with pytest.raises(OptionError, match="--encoders train"):
        run_recipe(
            full_precision_recipe(0, "fdrl"), [], tmp_path / "x.safetensors", RunOptions(tmp_path, "audio"), None
        )


@pytest.mark.slow
def test_the_network_that_is_asked_has_not_met_the_held_out_speakers(tmp_path: Path) -> None:
    data, recipe = sources(classes=len(LABELS)), small_recipe("full")
    away = set(data.speech.speakers[data.heldout].tolist())
    run = RunOptions(tmp_path / "run", quiet=True)
    out = tmp_path / "mine.safetensors"
    path = launch.train_unseen(recipe, data, out, run, None, None, None)
    assert path == tmp_path / "mine-unseen.safetensors"
    asked = load_checkpoint(path)
    assert away
    assert learned_from(asked.card) == set(data.speech.speakers.tolist()) - away
    assert asked.card.network == recipe.network
    # Of the checkpoint whose encoders are taken there is one, of another there is none.
    other = replace(recipe, fusion_loop=replace(recipe.fusion_loop, seed=3))
    own = replace(run, run_dir=tmp_path / "other")
    donor = replace(asked, path=out)
    second = launch.train_unseen(other, data, tmp_path / "second.safetensors", own, None, donor, None)
    assert second is not None
    assert torch.equal(
        load_checkpoint(second).network.audio.state_dict()["backbone.0.weight"],
        asked.network.audio.state_dict()["backbone.0.weight"],
    )
    nowhere = replace(asked, path=tmp_path / "nowhere.safetensors")
    assert launch.train_unseen(other, data, tmp_path / "third.safetensors", own, None, nowhere, None) is None
