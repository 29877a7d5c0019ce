"""Calibration inputs: which clips, which states and baselines, what is kept, and what is refused."""

from __future__ import annotations

import struct
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mer_quantization.calibration import calibration_inputs, read_samples, save_samples
from mer_quantization.recordings import DataOptions, dialogues, recordings
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.manifest import (
    AudioContract,
    BaselineContract,
    Clock,
    DialogueContract,
    FaceContract,
    Manifest,
    TextContract,
)
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets.ferplus import COLUMNS
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec

LABELS = ("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised")
ROWS, CHUNK, CROP = 16, 6000, 24


class Ones:
    """A graph whose outputs are ones."""

    def __init__(self, spec: GraphSpec) -> None:
        self._outputs = {tensor.name: np.ones(tensor.shape, np.float32) for tensor in spec.outputs}

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self._outputs


def bundle() -> Bundle:
    inputs = [TensorSpec(name, (1, ROWS, 4)) for name in ("audio", "face")]
    inputs += [TensorSpec(f"{name}_mask", (1, ROWS)) for name in ("audio", "face")]
    graphs = {
        "audio": GraphSpec("a", "fp32", (TensorSpec("pcm", (1, CHUNK)),), (TensorSpec("audio_features", (1, 4)),)),
        "face": GraphSpec(
            "f", "fp32", (TensorSpec("crop", (1, CROP, CROP, 3)),), (TensorSpec("face_features", (1, 4)),)
        ),
        "fusion": GraphSpec(
            "m", "fp32", tuple(inputs), (TensorSpec("logits", (1, len(LABELS))), TensorSpec("reliance", (1, 2)))
        ),
    }
    manifest = Manifest(
        name="toy",
        model="grjca",
        labels=LABELS,
        target="torch",
        scheme="fp32",
        graphs=graphs,
        baseline=BaselineContract(2.0, {"audio": (0.0,) * 4, "face": (0.0,) * 4}),
        files=(),
        checkpoint_sha256="0" * 64,
        parameters={},
        data=(),
        tools={},
        gate="reference",
        clock=Clock(),
        audio=AudioContract(chunk_samples=CHUNK),
        face=FaceContract(crop_size=CROP),
    )
    return Bundle(manifest, None, lambda threads: {name: Ones(spec) for name, spec in graphs.items()})


def ravdess(folder: Path, actors: tuple[int, ...] = (1, 2, 8), codes: range = range(1, 9), rate: int = 16000) -> Path:
    folder.mkdir()
    for actor in actors:
        for code in codes:
            tone = np.sin(np.arange(rate) * 0.01 * (code + actor)) * 8000
            with wave.open(str(folder / f"03-01-{code:02d}-01-01-01-{actor:02d}.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(rate)
                file.writeframes(tone.astype(np.int16).tobytes())
    return folder


def ferplus(folder: Path, labels: int = 8) -> Path:
    folder.mkdir()
    votes = np.zeros((2 * labels, len(COLUMNS)), np.int64)
    votes[np.arange(2 * labels), np.arange(2 * labels) % labels] = 10
    images = np.random.default_rng(0).integers(60, 200, (2 * labels, 48, 48)).astype(np.uint8)
    for split in ("train", "valid"):
        np.savez(folder / f"ferplus_{split}.npz", images=images, votes=votes, columns=np.array(COLUMNS))
    return folder


@pytest.fixture(scope="module")
def specs(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("data")
    return f"ravdess:{ravdess(folder / 'ravdess')}", f"ferplus:{ferplus(folder / 'ferplus')}"


def test_clips_take_turns_in_labels_and_the_test_fold_is_left_out(specs: tuple[str, str]) -> None:
    manifest = bundle().manifest
    chosen = list(recordings(DataOptions(specs, 8), manifest))
    assert {item.clip.label for item in chosen[:7]} == set(LABELS)
    assert all(item.clip.speaker != 8 for item in chosen)
    assert all(len(item.chunks) == len(item.crops) == 4 and item.chunks.shape[1] == CHUNK for item in chosen)
    assert any(crop is not None and crop.shape == (CROP, CROP, 3) for item in chosen for crop in item.crops)
    again = list(recordings(DataOptions(specs, 8), manifest))
    assert [item.clip.id for item in again] == [item.clip.id for item in chosen]
    other = list(recordings(DataOptions(specs, 8), manifest, held_out=True))
    assert len(other) == 8
    assert not {item.clip.id for item in other} & {item.clip.id for item in chosen}
    # Where none of them calibrates, all may check, though there are fewer than usually calibrate.
    alone = list(recordings(DataOptions(specs, 64, checks_alone=True), manifest, held_out=True))
    assert len(alone) == 16


def test_every_graph_gets_inputs_of_every_state(specs: tuple[str, str], tmp_path: Path) -> None:
    found = calibration_inputs(bundle(), DataOptions(specs, 14))
    assert {name: set(samples) for name, samples in found.items()} == {
        "audio": {"pcm"},
        "face": {"crop"},
        "fusion": {"audio", "face", "audio_mask", "face_mask"},
    }
    # 14 clips of 4 steps.
    assert found["audio"]["pcm"].shape == (56, CHUNK)
    masks = zip(found["fusion"]["audio_mask"], found["fusion"]["face_mask"], strict=True)
    assert {(bool(a.any()), bool(f.any())) for a, f in masks} == {(True, True), (True, False), (False, True)}
    # Cold features are 1 minus the population's 0, warm ones less than that.
    heard = found["fusion"]["audio"][found["fusion"]["audio_mask"] > 0]
    assert heard.max() == 1.0
    assert heard.min() < 1.0
    save_samples(tmp_path / "kept", found)
    rows = list(read_samples(tmp_path / "kept" / "fusion.npz"))
    assert len(rows) == len(found["fusion"]["audio"])
    assert rows[3]["audio"].shape == (1, ROWS, 4)
    np.testing.assert_array_equal(rows[3]["audio"][0], found["fusion"]["audio"][3])


def test_no_more_inputs_are_kept_than_asked_for(specs: tuple[str, str]) -> None:
    whole, few = (calibration_inputs(bundle(), DataOptions(specs, 8), rows) for rows in (512, 10))
    assert len(whole["audio"]["pcm"]) == 32
    assert len(few["audio"]["pcm"]) == 10
    kept = {row.tobytes() for row in few["audio"]["pcm"]}
    everything = [row.tobytes() for row in whole["audio"]["pcm"]]
    assert kept <= set(everything)
    # Not the first ten alone, and not the last ten.
    assert kept & set(everything[16:])
    assert kept & set(everything[:22])


def test_what_cannot_calibrate_is_refused(specs: tuple[str, str], tmp_path: Path) -> None:
    manifest = bundle().manifest
    sound, faces = specs

    def read(*data: str, clips: int = 8) -> list[object]:
        return list(recordings(DataOptions(data, clips), manifest))

    with pytest.raises(OptionError, match="no calibration data"):
        read()
    with pytest.raises(OptionError, match="--calibration-clips is 7; at least 8"):
        read(sound, clips=7)
    with pytest.raises(DataError, match="has no sound: add --data ravdess_pairs:PATH"):
        read(faces)
    with pytest.raises(DataError, match=r"16 of 16 clips of .* have no face.*add --data ferplus:PATH"):
        read(sound)
    with pytest.raises(OptionError, match="ravdess was given twice"):
        read(sound, sound, faces)
    with pytest.raises(DataError, match=r"all 2 clips are labelled happy.*at least two labels"):
        read(f"ravdess:{ravdess(tmp_path / 'happy', codes=range(3, 4))}", faces)
    with pytest.raises(DataError, match=r"no clear face labelled"):
        read(sound, f"ferplus:{ferplus(tmp_path / 'two', labels=2)}")
    with pytest.raises(DataError, match="none is left to check"):
        list(recordings(DataOptions(specs, 64), manifest, held_out=True))
    (ravdess(tmp_path / "cut") / "03-01-01-01-01-01-01.wav").write_bytes(b"")
    with pytest.raises(DataError, match="empty"):
        read(f"ravdess:{tmp_path / 'cut'}", faces, clips=16)


def float_wav(path: Path, samples: np.ndarray) -> None:
    """32-bit float PCM, which can hold what no integer can."""
    data = samples.astype("<f4").tobytes()
    form = struct.pack("<HHIIHH", 3, 1, 16000, 64000, 4, 32)
    parts = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(parts)) + parts)


def test_sound_that_is_no_number_and_a_folder_without_sound(specs: tuple[str, str], tmp_path: Path) -> None:
    tone = np.sin(np.arange(16000) * 0.02) * 0.2
    float_wav(ravdess(tmp_path / "nan") / "03-01-01-01-01-01-01.wav", np.where(np.arange(16000) == 900, np.nan, tone))
    options = DataOptions((f"ravdess:{tmp_path / 'nan'}", specs[1]), 16)
    with pytest.raises(DataError, match=r"03-01-01-01-01-01-01.wav holds samples that are not finite"):
        list(recordings(options, bundle().manifest))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty"):
        list(recordings(DataOptions((f"ravdess:{tmp_path / 'empty'}", specs[1])), bundle().manifest))


def test_another_sample_rate_is_brought_to_the_contracts(specs: tuple[str, str], tmp_path: Path) -> None:
    """A second at 8 kHz is as many steps as a second at 16 kHz."""
    slow = f"ravdess:{ravdess(tmp_path / 'slow', rate=8000)}"
    item = next(iter(recordings(DataOptions((slow, specs[1]), 8), bundle().manifest)))
    assert item.chunks.shape == (4, CHUNK)
    assert np.abs(item.chunks[-1]).max() > 0.2


def test_dialogues_for_dialogue_models_alone(specs: tuple[str, str], tmp_path: Path) -> None:
    manifest = replace(
        bundle().manifest, dialogue=DialogueContract(utterances=5, speakers=3, causal=True), text=TextContract()
    )
    with pytest.raises(OptionError, match="cannot calibrate a dialogue model; data sets that can: meld"):
        dialogues(DataOptions(specs, 8), manifest)
    lines = ["Dialogue_ID,Speaker,Utterance,Emotion"]
    lines += [f"{talk},Ann,hello number {talk},joy\n{talk},Bob,no,neutral" for talk in range(12)]
    (tmp_path / "train_sent_emo.csv").write_text("\n".join(lines) + "\n")
    options = DataOptions((f"meld:{tmp_path}",), 8)
    chosen, other = dialogues(options, manifest), dialogues(options, manifest, held_out=True)
    assert (len(chosen), len(other)) == (8, 4)
    assert not {talk.id for talk in chosen} & {talk.id for talk in other}
    assert len(dialogues(replace(options, clips=64, checks_alone=True), manifest, held_out=True)) == 12
    assert {line.label for talk in chosen for line in talk.utterances} == {"happy", "neutral"}
    with pytest.raises(OptionError, match="cannot calibrate a window model"):
        list(recordings(options, bundle().manifest))
