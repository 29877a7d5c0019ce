"""Live streams give what the whole recording gives: pieces of any size, late, from any threads."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from live_streams import LONG, PATIENT, Faces, assert_same, noise, offline, open_live, pieces_of, scene, table

from mer_sdk import EmotionSensor, Smoothing
from mer_sdk.errors import OptionError


@pytest.mark.parametrize(("seed", "rate"), [(0, 44100), (1, 16000), (2, 8000), (3, 48000)])
def test_random_pieces_out_of_order_give_the_estimates_of_the_whole(tiny_onnx, seed, rate):
    random = np.random.default_rng(seed)
    pcm, frames = scene(seed, rate=rate)
    plain, steps = offline(tiny_onnx, pcm, rate, frames, Smoothing(seconds=0.7, margin=0.05))
    # Each stream's pieces come up to 0.3 s late, and the streams up to 2 s apart.
    events = [(time + random.uniform(0, 0.29), "audio", piece, time) for piece, time in pieces_of(pcm, rate, random)]
    events += [(time + random.uniform(0, 0.29) + 2 * (seed % 2), "video", rgb, time) for rgb, time in frames]
    with open_live(tiny_onnx, smoothing=Smoothing(seconds=0.7, margin=0.05)) as live:
        for _, stream, what, time in sorted(events, key=lambda event: event[0]):
            assert live.push_audio(what, rate, time) if stream == "audio" else live.push_frame(what, time)
        live.finish()
        estimates = list(live)
        assert live.over
        assert live.baseline.steps == steps
    assert len(estimates) == 14
    assert_same(estimates, plain)


@pytest.mark.parametrize("seed", [4, 5, 6])
def test_many_threads_give_the_estimates_of_the_whole(tiny_onnx, seed):
    random = np.random.default_rng(seed)
    pcm, frames = scene(seed)
    plain, _ = offline(tiny_onnx, pcm, 44100, frames)
    work = [("audio", *item) for item in pieces_of(pcm, 44100, random)] + [("video", *item) for item in frames]
    random.shuffle(work)
    options = replace(PATIENT, tolerance=59.0)
    with open_live(tiny_onnx, options) as live:

        def push(part):
            for stream, what, time in part:
                live.push_audio(what, 44100, time) if stream == "audio" else live.push_frame(what, time)

        threads = [threading.Thread(target=push, args=(work[i::4],)) for i in range(4)]
        ender = threading.Thread(target=lambda: ([thread.join() for thread in threads], live.finish()))
        for thread in (*threads, ender):
            thread.start()
        estimates = list(live)
        ender.join(LONG)
    assert_same(estimates, plain)


def test_a_file_in_pieces_gives_what_stream_gives(tiny_onnx, write_media, tmp_path):
    pytest.importorskip("av")
    from mer_sdk.media.decode import AudioPiece, MediaFile

    path, random = write_media(tmp_path / "clip.mp4"), np.random.default_rng(8)
    with EmotionSensor.open(tiny_onnx, detector=Faces()) as sensor:
        plain = list(sensor.stream(path))
    with open_live(tiny_onnx) as live, MediaFile(path) as media:
        for item in media.read():
            if isinstance(item, AudioPiece):
                parts = pieces_of(item.pcm, item.sample_rate, random, 3)
                for part, start in (parts[i] for i in random.permutation(len(parts))):
                    live.push_audio(part, item.sample_rate, item.time + start)
            else:
                live.push_frame(item.rgb(), item.time)
        live.finish()
        assert_same(list(live), plain)


def test_a_callback_gets_every_estimate_and_finish_waits_for_it(tiny_onnx):
    pcm, frames = scene(9)
    given = []
    with open_live(tiny_onnx, on_estimate=given.append) as live:
        for rgb, time in frames:
            live.push_frame(rgb, time)
        live.push_audio(pcm, 44100)
        assert live.finish(LONG)
        with pytest.raises(OptionError, match="go to on_estimate"):
            next(iter(live))
    assert_same(given, offline(tiny_onnx, pcm, 44100, frames)[0])


def test_two_sensors_do_not_disturb_each_other(tiny_onnx):
    pcm, frames = scene(11)
    plain, _ = offline(tiny_onnx, pcm, 44100, frames)
    with open_live(tiny_onnx) as one, open_live(tiny_onnx) as other:
        for rgb, time in frames:
            one.push_frame(rgb, time)
            other.push_frame(255 - rgb, time)
        one.push_audio(pcm, 44100, 0.0)
        other.push_audio(pcm[::-1], 44100, 0.0)
        one.finish()
        other.finish()
        assert_same(list(one), plain)
        assert np.abs(table(list(other)) - table(plain)).max() > 1e-3


def test_a_frame_is_copied(tiny_onnx):
    picture = np.full((60, 80, 3), 207, np.uint8)
    with open_live(tiny_onnx) as live:
        live.push_frame(picture, 0.0)
        picture[:] = 205  # Faces finds none in this one
        live.push_audio(noise(0.25), 16000)
        live.finish()
        assert next(iter(live)).face.id == 0
