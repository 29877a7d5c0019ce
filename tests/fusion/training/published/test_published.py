"""The papers' configurations on tiny files of their data sets' layouts; networks are shrunk, the rest is as shipped."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from feature_files import Planted, affwild2, dialogues, dump, genders, mintrec, mmsa, mmsa_part, one_hot

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from mer_fusion.checkpoint import load_checkpoint  # noqa: E402
from mer_fusion.training.published import windows as published_windows  # noqa: E402
from mer_fusion.training.published.configs import PUBLISHED, published_config, train_published  # noqa: E402
from mer_fusion.training.published.frames import FrameSet, FrameTask, frame_values  # noqa: E402
from mer_fusion.training.run import RunOptions  # noqa: E402
from mer_sdk.cli import main  # noqa: E402
from mer_sdk.errors import DataError, OptionError  # noqa: E402

SMALL = {"width": 16, "feed_forward": 16, "head_width": 16}
FRAMES = {"steps": 8, "audio_channels": (8,), "face_channels": (8,), "head_width": 8}
SIZES = {
    "amb_dsgdn": {"hidden": 16, "utterances": 6},
    "fdrl": SMALL,
    "atsuko": SMALL | {"layers": 1, "heads": 4, "router_width": 8, "steps": 6},
    "grjca": FRAMES,
}


class Vectors:
    """Stand-in of the sentence encoder."""

    def embeddings(self, texts, cache=None):
        return np.stack([np.random.default_rng(len(text)).standard_normal(384).astype(np.float32) for text in texts])


def picture(value):
    cv2 = pytest.importorskip("cv2")
    image = np.full((60, 60, 3), value, np.uint8)
    image[20:40, 15:45] = 255 - value
    return cv2.imencode(".jpg", image)[1].tobytes()


def films(folder, sound=True):
    lines = ["valence,arousal", *(f"{math.sin(i):.3f},{math.cos(i):.3f}" for i in range(11)), "-5,-5"]
    for split in ("Train_Set", "Validation_Set"):
        affwild2(folder, lines, split, frames=range(1, 10), image=picture(60))
    if sound:
        soundfile = pytest.importorskip("soundfile")
        noise = 0.1 * np.random.default_rng(0).standard_normal(16000).astype(np.float32)
        soundfile.write(folder / "12-24-1920x1080.wav", noise, 16000)
    return folder


def wide(audio, vision):
    part = mmsa_part(4, audio=audio)
    part["vision"] = np.random.default_rng(1).standard_normal((4, 8, vision)).astype(np.float32)
    return part


def written(folder, model, name):
    """The data of a configuration in a folder, as --data takes it."""
    folder.mkdir()
    if name == "meld":
        dump(folder / "meld_multimodal_features.pkl", dialogues(300, one_hot, extra=({},)))
        return f"meld-features:{folder}"
    if name == "iemocap":
        dump(folder / "iemocap_multimodal_features.pkl", dialogues(1582, genders))
        return f"iemocap-features:{folder}"
    if name == "mintrec":
        return f"mintrec:{mintrec(folder, clips=3)}"
    if name == "affwild2":
        return f"affwild2:{films(folder)}"
    widths = {"mosi": (5, 20), "mosei": (74, 35), "sims": (33, 709), "simsv2": (25, 177)}[name]
    dump(folder / "unaligned_50.pkl", {split: wide(*widths) for split in ("train", "valid", "test")})
    return f"mmsa:{folder}"


@pytest.mark.parametrize(("model", "name"), PUBLISHED)
def test_every_configuration_trains_measures_and_saves(tmp_path, monkeypatch, capsys, model, name):
    monkeypatch.setattr(published_windows, "SentenceEncoder", Vectors)
    config = published_config(model, name)
    data = written(tmp_path / "data", model, name)
    small = replace(config, fusion=replace(config.fusion, **SIZES[model]))
    run = RunOptions(tmp_path / "run", epochs_share=0.02, threads=1, quiet=True)
    out = train_published(small, [data], tmp_path / f"{model}-{name}-full.safetensors", run, seed=0)
    card = load_checkpoint(out).card
    assert (card.name, card.role, card.network.model) == (f"{model}-{name}-full", "full", model)
    assert (card.network.audio, card.network.face, card.network.text) == (None, None, None)
    ((where, figures),) = card.results.items()
    assert name in where
    assert all(math.isfinite(value) for value in figures.values())
    assert "never run by us" in " ".join(card.notes)
    assert where in capsys.readouterr().out
    regression = {"mosi", "mosei", "sims", "simsv2", "affwild2"}
    assert bool(card.labels) == (name not in regression)
    assert ("mae" in figures) == (name in regression - {"affwild2"})
    if name == "simsv2":
        assert card.network.modalities == {"text": 768, "audio": 25, "face": 177}
    if name == "affwild2":
        assert card.training["frames with sound"] == 12
        assert set(figures) == {"ccc_valence", "ccc_arousal"}


def test_iemocap_with_four_classes_merges_excited_and_leaves_frustrated_out(tmp_path):
    labels = {"Ses01": [0, 4, 5], "Ses02": [3, 2]}
    dump(tmp_path / "iemocap_multimodal_features.pkl", dialogues(1582, genders, labels=labels))
    data = published_windows.DialogueFeatures(tmp_path, published_windows.IEMOCAP)
    splits = published_windows.read_iemocap(data, 1, tmp_path)
    names = published_windows.FOUR_EMOTIONS
    assert [names[label] for label in splits.learning.labels] == ["happy", "happy"]
    assert [names[label] for label in splits.test.labels] == ["angry", "neutral"]
    talk = data.dialogues("train")[0]
    np.testing.assert_allclose(splits.learning.features[1][:, 0].numpy(), talk.features["audio"][:2], atol=1e-6)
    dump(tmp_path / "iemocap_multimodal_features.pkl", dialogues(1582, genders, labels=labels | {"Ses01": [5, 5, 5]}))
    with pytest.raises(DataError, match="train has no utterance"):
        published_windows.read_iemocap(
            published_windows.DialogueFeatures(tmp_path, published_windows.IEMOCAP), 1, tmp_path
        )


def frames(lengths, annotated=None):
    count = sum(lengths)
    generator = torch.Generator().manual_seed(0)
    features = (torch.randn(count, 3, generator=generator), torch.randn(count, 4, generator=generator))
    known = torch.ones(count, dtype=torch.bool) if annotated is None else annotated
    masks = (torch.ones(count), torch.ones(count))
    return FrameSet(features, masks, torch.randn(count, 2, generator=generator), known, tuple(lengths))


def test_windows_cover_every_video_and_never_two_at_once():
    spans = frames([501, 300, 7]).spans(300)
    assert spans == [(0, 300), (200, 500), (400, 501), (501, 801), (801, 808)]
    window = frames([5]).window([(0, 5)], 8)
    assert window["input0"].shape == (1, 8, 3)
    assert window["input3"].tolist() == [[1.0] * 5 + [0.0] * 3]
    assert not window["annotated"][0, 5:].any()


class Echo(torch.nn.Module):
    """Says the first two features of audio, and in the second half of a window one more."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, audio, face, audio_mask, face_mask):
        half = (torch.arange(audio.shape[1]) >= audio.shape[1] // 2).float()[None, :, None]
        return type("Output", (), {"regression": (audio[..., :2] + half) * self.weight})


def test_overlapping_windows_are_averaged():
    data = frames([400])
    extra = frame_values(Echo(), data, 300) - data.features[0][:, :2]
    np.testing.assert_allclose(extra[:150], 0.0, atol=1e-6)
    np.testing.assert_allclose(extra[200:300], 0.5, atol=1e-6)  # second half of one window, first half of the next
    np.testing.assert_allclose(extra[350:], 1.0, atol=1e-6)


def test_frames_without_annotation_do_not_change_the_loss():
    known = torch.arange(8) % 3 > 0
    data = frames([8], known)
    other = replace(data, values=torch.where(known[:, None], data.values, torch.tensor(9.0)))
    losses = []
    for each in (data, other):
        task = FrameTask(Echo(), each, each, 8, 12)
        (batch,) = task.epoch(torch.Generator().manual_seed(0), (0, 1))
        losses.append(float(task.loss(task.module, batch).detach()))
    assert losses[0] == losses[1] > 0
    with pytest.raises(DataError, match="two annotated frames"):
        FrameTask(Echo(), frames([8], torch.arange(8) == 1), data, 8, 12)


def test_films_without_sound_have_no_audio(tmp_path):
    config = published_config("grjca", "affwild2")
    small = replace(config, fusion=replace(config.fusion, **FRAMES))
    run = RunOptions(tmp_path / "run", epochs_share=0.01, threads=1, quiet=True)
    (tmp_path / "data").mkdir()
    data = f"affwild2:{films(tmp_path / 'data', sound=False)}"
    out = train_published(small, [data], tmp_path / "x.safetensors", run, seed=0)
    assert load_checkpoint(out).card.training["frames with sound"] == 0


def mer(*arguments):
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    return stopped.value.code or 0


def train(tmp_path, model, config, data, *more):
    out = ("--out", tmp_path / "x.safetensors", "--run-dir", tmp_path / "run", "--threads", 1, "--quiet")
    return mer("train", model, "--config", config, "--data", data, "--epochs-share", 0.01, *out, *more)


def test_from_the_command_line(tmp_path, capsys):
    assert train(tmp_path, "fdrl", "iemocap", written(tmp_path / "data", "fdrl", "iemocap")) == 0
    assert "iemocap test: clips 2, war" in capsys.readouterr().out
    card = json.loads((tmp_path / "x.json").read_text())
    assert card["labels"] == ["angry", "happy", "neutral", "sad"]
    assert card["network"]["fusion"]["steps"] == 1


def test_bad_input_is_one_sentence(tmp_path, capsys):
    mmsa(tmp_path / "wide", audio=7)
    dump(tmp_path / "hostile" / "x.pkl", {"train": Planted()})
    spec = written(tmp_path / "data", "fdrl", "iemocap")
    cases = [
        (("atsuko", "mosi", f"mmsa:{tmp_path / 'wide'}"), "train/audio has 7 features, published are 5"),
        (("atsuko", "mosi", f"mmsa:{tmp_path / 'hostile'}"), "names builtins.print, which could run code"),
        (("atsuko", "iemocap", spec), "allowed: mosi, mosei, sims, simsv2, mintrec"),
        (("hgrjca", "iemocap", spec), "models that have some: amb_dsgdn, atsuko, fdrl, grjca"),
        (("fdrl", "iemocap", f"mmsa:{tmp_path / 'wide'}"), "reads --data iemocap-features:PATH and nothing else"),
        (("fdrl", "iemocap", spec, "--part", "audio"), "leave it out"),
        (("fdrl", "iemocap", spec, "--encoders", "train"), "leave it out"),
        (("grjca", "affwild2", f"affwild2:{tmp_path}", "--encoders", "train"), "has no VA_"),
    ]
    for arguments, message in cases:
        assert train(tmp_path, *arguments) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.startswith("mer: ")
        assert error.count("\n") == 1
    assert not (tmp_path / "x.safetensors").exists()


def test_a_configuration_refuses_encoders_without_both(tmp_path):
    config = published_config("grjca", "affwild2")
    with pytest.raises(OptionError, match="takes encoders"):
        config.encoders(RunOptions(tmp_path, encoders="train"))


def test_help_names_every_model_and_configuration(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "160")
    assert mer("train", "--help") == 0
    shown = capsys.readouterr().out
    for model, name in PUBLISHED:
        assert model in shown
        assert name in shown
    assert "meld:PATH" in shown
