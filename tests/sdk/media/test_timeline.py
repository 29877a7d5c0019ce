"""Stamps that step back, begin again, are wrong, or pause: one clock that goes forward comes of them."""

import container_files as files
import numpy as np
import pytest

from mer_sdk.media.decode import AudioPiece, MediaFile, VideoFrame
from mer_sdk.media.timeline import Timeline, TimelineFindings


def read(path, **options):
    """(pieces of sound, frames, notes) of a file; the sound neither overlaps nor goes back."""
    with MediaFile(path, **options) as media:
        items = list(media.read())
        notes = " ".join(media.notes)
    sound = [item for item in items if isinstance(item, AudioPiece)]
    ends = [piece.time + len(piece.pcm) / piece.sample_rate for piece in sound]
    assert all(piece.time >= end - 1e-6 for piece, end in zip(sound[1:], ends, strict=False))
    frames = [item for item in items if isinstance(item, VideoFrame)]
    assert [frame.time for frame in frames] == sorted(frame.time for frame in frames)
    return sound, frames, notes


def seconds_of(sound):
    return sum(len(piece.pcm) / piece.sample_rate for piece in sound)


@pytest.mark.parametrize("times", [2, 3])
@pytest.mark.parametrize("codecs", [("mp2", "mpeg2video"), ("aac", "libx264")])
def test_recordings_joined_end_to_end_go_on(tmp_path, times, codecs):
    one = files.write(
        tmp_path / "one.ts", [files.voice(1.5, 48000)], files.shown(1.5), 48000, audio=codecs[0], video=codecs[1]
    )
    joined = tmp_path / "joined.ts"
    joined.write_bytes(one.read_bytes() * times)
    sound, frames, notes = read(joined)
    assert seconds_of(sound) == pytest.approx(1.5 * times, abs=0.1 * times)
    assert sound[-1].time == pytest.approx(1.5 * times, abs=0.15 * times)
    assert frames[-1].time == pytest.approx(1.5 * times, abs=0.15 * times)
    assert len(frames) >= 37 * times - times
    assert f"begins again {'once' if times == 2 else '2 times'}" in notes
    # Pictures and sound stay together: both parts begin within a frame or two of each other.
    part = [frame.time for frame in frames if frame.time > 1.5 * (times - 1)]
    heard = [piece.time for piece in sound if piece.time >= 1.5 * (times - 1)]
    assert abs(part[0] - heard[0]) < 0.15


@pytest.mark.parametrize("overlap", [0.072, 0.3])
def test_a_join_that_steps_back_a_little_is_trimmed(tmp_path, overlap):
    """As `ffmpeg -f concat -c copy` makes it of AAC: each clip's sound begins with the encoder's priming."""
    two = [(files.voice(3.0, 48000), 0.0), (files.voice(3.0, 48000), 3.0 - overlap)]
    sound, _, notes = read(files.transport_stream(tmp_path / "joined.ts", two))
    assert seconds_of(sound) == pytest.approx(6.0 - overlap, abs=0.06)
    assert "of sound or pictures left out" in notes
    assert "begins again" not in notes


class Steps:
    """Packets of two streams on a timeline, by hand."""

    def __init__(self, origin=0.0, declared=0.0):
        self.told = TimelineFindings()
        self.line = Timeline(origin, declared, self.told)

    def times(self, *packets, length=0.1):
        return [round(stamp + self.line.place(stream, stamp, length), 6) for stream, stamp in packets]


def test_both_streams_take_the_same_step_when_the_clock_begins_again():
    steps = Steps()
    before = steps.times((0, 0.0), (1, 0.0), (0, 0.1), (1, 0.1), (0, 5.0), (1, 4.9))
    after = steps.times((0, 0.0), (1, 0.0), (0, 0.1), (1, 0.1))
    assert before[-2:] == [5.0, 4.9]
    assert after == [5.1, 5.1, 5.2, 5.2]
    assert steps.told.restarts == 1


def test_a_straggler_of_the_old_clock_stays_on_it():
    steps = Steps()
    steps.times((0, 0.0), (1, 0.0), (0, 5.0), (1, 4.8))
    assert steps.times((0, 0.0), (1, 4.9), (1, 0.0)) == [5.1, 4.9, 5.1]


def test_a_stream_that_began_later_begins_later_again():
    steps = Steps(origin=10.0)
    assert steps.times((0, 10.0), (1, 10.3), (0, 14.9), (1, 14.8)) == [0.0, 0.3, 4.9, 4.8]
    assert steps.times((1, 10.3), (0, 10.0)) == [5.3, 5.0]


def test_a_wrong_header_is_not_believed():
    assert Steps(origin=1e6).times((0, 3.0), (0, 3.1)) == [0.0, 0.1]


def test_a_pause_is_told_and_keeps_its_length():
    steps = Steps()
    assert steps.times((0, 0.0), (0, 3600.0)) == [0.0, 3600.0]
    assert "1 pause of 3600 s" in " ".join(steps.told.notes())


@pytest.mark.parametrize("wrong", [20000.0, 30.0, 0.5])
def test_one_wrong_stamp_stands_where_its_stream_was(tmp_path, wrong):
    parts = [
        (files.voice(8.0, 48000), 0.0),
        (files.voice(0.024, 48000), wrong),
        (files.voice(4.0, 48000), 8.024),
    ]
    sound, _, notes = read(files.transport_stream(tmp_path / "wrong.ts", parts))
    assert seconds_of(sound) == pytest.approx(12.024, abs=0.15)
    assert sound[-1].time < 12.1
    assert "1 wrong time stamp mended" in notes


def test_stamps_far_ahead_that_go_on_are_a_pause(tmp_path):
    one = files.write(tmp_path / "one.mkv", [files.voice(3.0)], audio="pcm_s16le")

    def change(packets):
        for packet in packets[len(packets) // 2 :]:
            packet.pts += round(3600 / packet.time_base)
            packet.dts = packet.pts
        return packets

    sound, _, notes = read(files.remux(one, tmp_path / "paused.mkv", change))
    assert sound[-1].time == pytest.approx(3602.9, abs=0.3)
    assert seconds_of(sound) == pytest.approx(3.0, abs=0.05)
    assert "1 pause of 3600 s in all" in notes


def test_raw_video_has_the_times_of_its_frame_rate(tmp_path):
    for rate in (10, 25, 30):
        path = tmp_path / f"{rate}.h264"
        with files.av.open(str(path), "w") as out:
            stream = out.add_stream("libx264", rate=rate)
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            for index in range(2 * rate):
                frame = files.av.VideoFrame.from_ndarray(files.picture(index), format="rgb24")
                frame.pts, frame.time_base = index, files.Fraction(1, rate)
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        _, frames, notes = read(path)
        np.testing.assert_allclose([frame.time for frame in frames], np.arange(2 * rate) / rate, atol=1e-6)
        assert notes == ""


def test_a_file_that_is_well_has_nothing_told(tmp_path):
    path = files.write(tmp_path / "well.mp4", [files.voice(2.0)], files.shown(2.0), video="libx264")
    sound, frames, notes = read(path)
    assert notes == ""
    assert (len(frames), frames[-1].time) == (50, pytest.approx(1.96))
    assert seconds_of(sound) == pytest.approx(2.0, abs=0.07)
