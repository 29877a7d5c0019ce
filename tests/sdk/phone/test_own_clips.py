"""One's own clips for the phone: what is sent is what is compared, and what cannot be sent is told."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from mer_sdk.cli.phone_check import _clip_set, _ClipOptions
from mer_sdk.contract.bundle import Bundle
from mer_sdk.errors import OptionError
from mer_sdk.phone.clips import packed


@pytest.fixture
def clips(tmp_path, write_media):
    """Two clips with sound, one without, one that is none."""
    write_media(tmp_path / "a.mp4", 1.3)
    write_media(tmp_path / "b.wav", 1.0, video=False)
    write_media(tmp_path / "mute.mp4", 1.0, audio=False)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    rows = ["file,label", "a.mp4,joy", "b.wav,glad", "mute.mp4,joy", "broken.mp4,joy"]
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    return f"clips:{tmp_path}"


def test_what_is_sent_is_what_is_compared(tiny_onnx, clips, capsys):
    bundle = Bundle.open(tiny_onnx)
    found = _clip_set(bundle, _ClipOptions(clips, {"glad": "sad"}, None, 16, None), Console(stderr=True))
    assert found is not None
    assert {clip.id: clip.label for clip in found.clips} == {"a.mp4": "happy", "b.wav": "sad"}
    said = capsys.readouterr().err
    assert "left out: mute.mp4: it has no sound" in said
    assert "left out: broken.mp4" in said
    for clip, (logits, held, _) in zip(found.clips, found.reference.answers, strict=True):
        with np.load(io.BytesIO(packed(clip, bundle.manifest))) as sent:
            assert len(sent["present"]) == len(sent["crops"]) == len(logits) == len(held)
            assert len(sent["pcm"]) / sent["rate"][0] == pytest.approx(1.3 if clip.id == "a.mp4" else 1.0, abs=0.05)


def test_actors_are_of_ravdess(tiny_onnx, clips):
    with pytest.raises(OptionError, match="--actors are of RAVDESS"):
        _clip_set(Bundle.open(tiny_onnx), _ClipOptions(clips, {"glad": "sad"}, (5,), 16, None), Console(stderr=True))
    with pytest.raises(OptionError, match="--reference, --actors and --labels are for labelled clips"):
        _clip_set(Bundle.open(tiny_onnx), _ClipOptions("", {"glad": "sad"}, None, 16, None), Console(stderr=True))
