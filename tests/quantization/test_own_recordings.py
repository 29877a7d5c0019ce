"""One's own clips for conversion: who calibrates and who checks, and what is refused before any work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile

from mer_quantization.clip_order import own_parts
from mer_quantization.recordings import DataOptions, check_data, recordings
from mer_sdk.contract.manifest import AudioContract, BaselineContract, Clock, FaceContract, Manifest
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets import OwnClips

LABELS = ("neutral", "happy", "sad")


def manifest() -> Manifest:
    return Manifest(
        name="toy", model="grjca", labels=LABELS, target="torch", scheme="fp32", graphs={},
        baseline=BaselineContract(2.0, {"audio": (0.0,), "face": (0.0,)}), files=(), checkpoint_sha256="",
        parameters={}, data=(), tools={}, gate="", clock=Clock(250, 4), audio=AudioContract(chunk_samples=6000),
        face=FaceContract(crop_size=24),
    )  # fmt: skip


def clips(folder: Path, people: int = 3, takes: int = 4, split: str = "", pictures: bool = True) -> OwnClips:
    """Sound of one second, and stills of the same label, of a few people."""
    rows = ["file,label,speaker,split"]
    for person in range(people):
        for number, label in enumerate(LABELS[1:] * takes):
            name = f"{person}-{number}"
            soundfile.write(folder / f"{name}.wav", 0.1 * np.sin(np.arange(16000) / (9 + number)), 16000)
            rows.append(f"{name}.wav,{label},p{person},{split if number == 1 else ''}")
        if pictures:
            cv2.imwrite(str(folder / f"{person}.png"), np.full((40, 40, 3), 90, np.uint8))
            rows.append(f"{person}.png,sad,p{person},")
    (folder / "clips.csv").write_text("\n".join(rows))
    return OwnClips(folder)


def ids(found) -> set[str]:
    return {clip.id for clip in found}


def test_other_people_check_where_people_are_named(tmp_path):
    own = clips(tmp_path)
    parts = own_parts(own, LABELS, 0, checks_alone=False, faces_elsewhere=False)
    assert ids(parts.calibrating) | ids(parts.checking) == ids(own.clips_all)
    people = [{clip.person for clip in part} for part in (parts.calibrating, parts.checking)]
    assert not people[0] & people[1]
    assert 3 * len(parts.checking) >= len(own.clips_all)
    assert {clip.label for clip in parts.calibrating[:2]} == {"happy", "sad"}
    assert parts == own_parts(own, LABELS, 0, checks_alone=False, faces_elsewhere=False)
    alone = own_parts(own, LABELS, 0, checks_alone=True, faces_elsewhere=False)
    assert (alone.calibrating, ids(alone.checking)) == ((), ids(own.clips_all))


def test_a_split_dev_checks_and_a_split_test_is_never_used(tmp_path):
    dev = own_parts(clips(tmp_path, split="valid"), LABELS, 0, False, False)
    assert ids(dev.checking) == {"0-1.wav", "1-1.wav", "2-1.wav"}
    test = own_parts(clips(tmp_path, split="test"), LABELS, 0, False, False)
    assert not {"0-1.wav", "1-1.wav", "2-1.wav"} & (ids(test.calibrating) | ids(test.checking))


def test_one_person_gives_every_second_clip_of_a_label(tmp_path):
    parts = own_parts(clips(tmp_path, people=1, takes=6), LABELS, 0, False, False)
    assert (len(parts.calibrating), len(parts.checking)) == (7, 6)
    assert not ids(parts.calibrating) & ids(parts.checking)


def test_recordings_read_them_and_no_more_are_counted_than_there_are(tmp_path):
    own = clips(tmp_path)
    (tmp_path / "0-0.wav").write_bytes(b"RIFF")
    look = check_data(DataOptions((f"clips:{tmp_path}",), 64), manifest())
    assert [item.clip for item in look.left_out] == ["0-0.wav"]
    found = list(recordings(look.options, manifest()))
    assert look.options.clips == len(found) < len(own.clips_all)
    sound = next(item for item in found if item.clip.id.endswith(".wav"))
    assert len(sound.chunks) == len(sound.crops) == 4
    assert sound.chunks[0].shape == (6000,)
    assert set(sound.crops) == {None}
    checking = list(recordings(look.options, manifest(), held_out=True))
    assert not {item.clip.id for item in checking} & {item.clip.id for item in found}


def test_what_cannot_calibrate_is_one_sentence_before_any_work(tmp_path):
    own = clips(tmp_path, people=1, takes=2, pictures=False)
    spec = f"clips:{own.folder}"
    with pytest.raises(DataError, match=r"have no pictures, so that no face can be found: .* add --data ferplus:PATH"):
        check_data(DataOptions((spec,)), manifest())
    clips(tmp_path, people=1, takes=2)
    with pytest.raises(DataError, match=r"has 3 clips to calibrate with, beside 2 that check; at least 8 are needed"):
        check_data(DataOptions((spec,)), manifest())
    with pytest.raises(DataError, match="all 5 clips are labelled happy"):
        check_data(DataOptions((spec,), labels=(("sad", "happy"),)), replace(manifest(), labels=("happy",)))
    with pytest.raises(OptionError, match="--labels renames the labels of clips:PATH, and none was given"):
        check_data(DataOptions((f"ravdess:{tmp_path}",), labels=(("sad", "happy"),)), manifest())
