"""Reading sound, pictures and face tracks, whole and broken."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest

from mer_sdk.errors import DataError, MissingExtra
from mer_sdk.evaluation.datasets import (
    Clip,
    clip_duration,
    load_audio,
    load_audio_at,
    load_faces,
    load_frames,
    load_image,
)

TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)).astype(np.float32)
EMPTY = Clip("x", "happy", 5)


def clip_of(path, **more):
    return dataclasses.replace(EMPTY, audio=path, **more)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_audio_is_mono_float(tmp_path, media, suffix):
    stereo = np.stack([TONE, 0 * TONE], axis=1)
    clip = clip_of(media["wav"](tmp_path / f"a.{suffix}", stereo))
    samples, rate = load_audio(clip)
    assert (samples.dtype, rate) == (np.float32, 16000)
    np.testing.assert_allclose(samples, TONE / 2, atol=1e-4)
    assert clip_duration(clip) == pytest.approx(1.0)


def test_audio_comes_at_the_wanted_rate(tmp_path, media):
    clip = clip_of(media["wav"](tmp_path / "a.wav", TONE))
    np.testing.assert_array_equal(load_audio_at(clip, 16000), load_audio(clip)[0])
    slower = load_audio_at(clip, 8000)
    assert slower.dtype == np.float32
    # In the middle, where the resampler's filter sees no beginning and no end.
    np.testing.assert_allclose(slower[1000:7000], TONE[::2][1000:7000], atol=1e-3)


def test_audio_of_mp4(tmp_path, media):
    clip = clip_of(media["mp4"](tmp_path / "a.mp4"))
    samples, rate = load_audio(clip)
    assert rate == 48000
    assert len(samples) == pytest.approx(48000, abs=3000)
    spectrum = np.abs(np.fft.rfft(samples[4800:43200]))
    assert np.argmax(spectrum) * 48000 / 38400 == pytest.approx(440, abs=3)
    assert clip_duration(clip) == pytest.approx(1.0, abs=0.08)


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp4"])
@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "text"])
def test_broken_audio_names_the_file(tmp_path, media, suffix, damage):
    path = tmp_path / f"broken.{suffix}"
    if suffix == "mp4":
        media["mp4"](path)
    else:
        media["wav"](path, np.random.default_rng(0).uniform(-0.5, 0.5, 16000))
    if damage == "missing":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        path.write_text("this is a text file\n" * 20)
    with pytest.raises(DataError, match=rf"broken\.{suffix}"):
        load_audio(clip_of(path))


def test_audio_without_samples_or_with_nan(tmp_path, media):
    import soundfile

    with pytest.raises(DataError, match="no audio samples"):
        load_audio(clip_of(media["wav"](tmp_path / "none.wav", np.zeros(0, np.float32))))
    samples = TONE.copy()
    samples[7] = np.nan
    soundfile.write(str(tmp_path / "nan.wav"), samples, 16000, subtype="FLOAT")
    with pytest.raises(DataError, match=r"nan\.wav holds samples that are not finite"):
        load_audio(clip_of(tmp_path / "nan.wav"))
    with pytest.raises(DataError, match="no audio file"):
        load_audio(EMPTY)
    with pytest.raises(DataError, match="no sound"):
        load_audio(clip_of(media["mp4"](tmp_path / "silent.mp4", sound=False)))


def test_track_times_are_the_middles_of_equal_parts_and_black_is_no_face(tmp_path, media):
    audio = media["wav"](tmp_path / "a.wav", np.tile(TONE, 2))
    levels = [200, 0, 100, 50]
    faces = tuple(
        media["jpg"](tmp_path / f"f_{index:02d}.jpg", np.full((10, 12, 3), level, np.uint8))
        for index, level in enumerate(levels)
    )
    found = load_faces(clip_of(audio, faces=faces))
    assert [time for time, _ in found] == pytest.approx([0.25, 1.25, 1.75])
    assert [round(float(image.mean()), -1) for _, image in found] == [200, 100, 50]
    assert found[0][1].shape == (10, 12, 3)
    assert load_faces(clip_of(audio)) == []


def test_image_is_rgb(tmp_path, media):
    red = np.zeros((16, 16, 3), np.uint8)
    red[:, :, 0] = 200
    image = load_image(media["jpg"](tmp_path / "red.jpg", red))
    assert image[..., 0].mean() > 150 > 50 > image[..., 2].mean()


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "text"])
def test_broken_image_names_the_file(tmp_path, media, damage):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    path = media["jpg"](tmp_path / "face.jpg", noise)
    if damage == "missing":
        path.unlink()
    else:
        whole = path.read_bytes()
        path.write_bytes({"empty": b"", "truncated": whole[: len(whole) // 2], "text": b"no image"}[damage])
    with pytest.raises(DataError, match=r"face\.jpg"):
        load_image(path)


def test_frames_of_a_video(tmp_path, media):
    clip = dataclasses.replace(EMPTY, video=media["mp4"](tmp_path / "v.mp4", sound=False))
    frames = list(load_frames(clip))
    assert len(frames) == 25
    assert [time for time, _ in frames[:3]] == pytest.approx([0, 0.04, 0.08], abs=1e-3)
    assert frames[0][1].shape == (64, 64, 3)
    assert frames[-1][1].mean() > frames[0][1].mean() + 80
    assert list(load_frames(EMPTY)) == []


def test_broken_video_names_the_file(tmp_path, media):
    path = media["mp4"](tmp_path / "v.mp4")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"v\.mp4"):
        list(load_frames(dataclasses.replace(EMPTY, video=path)))
    with pytest.raises(DataError, match="no picture"):
        list(load_frames(dataclasses.replace(EMPTY, video=media["mp4"](tmp_path / "s.mp4", picture=False))))


def test_clip_of_faces_alone_has_no_time(tmp_path, media):
    face = media["jpg"](tmp_path / "f.jpg", np.full((8, 8, 3), 99, np.uint8))
    with pytest.raises(DataError, match="neither audio nor video"):
        load_faces(dataclasses.replace(EMPTY, faces=(face,)))


def test_missing_package_names_the_extra(tmp_path, media, monkeypatch):
    path = media["wav"](tmp_path / "a.wav", TONE)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(MissingExtra, match=r"mer-edge\[media\]"):
        load_audio(clip_of(path))
