"""Files that are damaged, cut off, or only look so: all that can be decoded is, and what is wrong is said."""

import random
import struct

import container_files as files
import numpy as np
import pytest

from mer_sdk import EmotionSensor
from mer_sdk.errors import MediaError
from mer_sdk.media.decode import AudioPiece, MediaFile, VideoFrame


class Square:
    """Finds the bright square of the test pictures."""

    def detect(self, rgb):
        rows, columns = np.nonzero(rgb.min(axis=2) > 150)
        if not len(rows):
            return []
        return [(columns.min(), rows.min(), np.ptp(columns), np.ptp(rows), 1.0)]


def read(path):
    """(seconds of sound, frames, notes, error) of a file."""
    items, error = [], ""
    with MediaFile(path) as media:
        try:
            items.extend(media.read())
        except MediaError as broken:
            error = str(broken)
        sound = [item for item in items if isinstance(item, AudioPiece)]
        seconds = sum(len(piece.pcm) / piece.sample_rate for piece in sound)
        return seconds, [item for item in items if isinstance(item, VideoFrame)], " ".join(media.notes), error


def noise_over(path, begin, length, seed=1):
    content = bytearray(path.read_bytes())
    content[begin : begin + length] = random.Random(seed).randbytes(length)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("name", "codec"), [("sound.mp3", "libmp3lame"), ("sound.aac", "aac"), ("sound.flac", "flac")])
def test_noise_in_the_middle_costs_what_it_covers(tmp_path, name, codec):
    path = files.write(tmp_path / name, [files.voice(4.0, 44100)], rate=44100, audio=codec)
    noise_over(path, path.stat().st_size // 2, 700)
    seconds, _, notes, error = read(path)
    assert error == ""
    assert 3.0 < seconds < 4.1
    # FFmpeg itself leaves out what is no frame of flac, before anybody sees it.
    assert codec == "flac" or "damaged packet" in notes


def test_a_damaged_picture_is_left_out_and_the_file_goes_on(tmp_path):
    path = files.write(tmp_path / "clip.mp4", [files.voice(4.0)], files.shown(4.0), video="libx264", gop=10)
    noise_over(path, path.stat().st_size // 3, 900)
    seconds, frames, notes, error = read(path)
    assert error == ""
    assert seconds > 3.0
    assert frames[-1].time > 3.8
    assert len(frames) >= 60
    assert "damaged packet" in notes


def test_a_file_that_begins_between_two_whole_pictures(tmp_path):
    whole = files.write(tmp_path / "whole.ts", [files.voice(4.0, 48000)], files.shown(4.0), 48000, "mp2", "mpeg2video")
    content = whole.read_bytes()
    path = tmp_path / "cut.ts"
    # From the middle of the first group of pictures on, at a packet of the transport stream.
    path.write_bytes(content[len(content) // 16 // 188 * 188 :])
    _, frames, notes, error = read(path)
    assert error == ""
    assert frames[-1].time > 3.0
    with MediaFile(whole) as media:
        last = [item for item in media.read() if isinstance(item, VideoFrame)][-1].rgb()
    np.testing.assert_allclose(frames[-1].rgb(), last, atol=2)
    first = frames[0].rgb().astype(float)
    # A whole picture: grey with a square in it, no remains of one.
    assert np.median(first) == pytest.approx(90, abs=6)
    assert "begins between two whole pictures" in notes


@pytest.mark.parametrize("share", [0.45, 0.6, 0.9])
def test_what_was_decoded_before_a_break_is_estimated(tiny_onnx, tmp_path, share):
    fragments = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    path = files.write(
        tmp_path / "live.mp4", [files.voice(6.0)], files.shown(6.0), video="libx264", options=fragments, gop=25
    )
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    given: list = []
    with EmotionSensor.open(tiny_onnx, detector=Square()) as sensor:
        stream = sensor.stream(path)
        with pytest.raises(MediaError, match=r"live\.mp4 breaks off after \d\.\d\d s.*truncated"):
            given.extend(stream)
    assert len(given) >= int(6.0 * 4 * share) - 5
    assert given[-1].time == 0.25 * len(given)
    assert {one.state for one in given} <= {"audio+face", "face"}


def test_a_longer_track_that_is_not_read_is_no_break(tmp_path):
    sounds = [files.voice(2.0), files.voice(9.0)]
    for suffix in ("mp4", "mkv", "mov"):
        path = files.write(tmp_path / f"two.{suffix}", sounds, files.shown(2.0), video="libx264")
        seconds, frames, notes, error = read(path)
        assert (error, len(frames)) == ("", 50)
        assert seconds == pytest.approx(2.0, abs=0.1)
        assert "sound track 1 of 2 is heard" in notes


def test_a_subtitle_that_is_longer_is_no_break(tmp_path):
    import av

    path = tmp_path / "words.mkv"
    clip = files.write(tmp_path / "clip.mkv", [files.voice(2.0)], files.shown(2.0), video="libx264")
    with av.open(str(clip)) as given, av.open(str(path), "w") as out:
        streams = {stream.index: out.add_stream_from_template(stream) for stream in given.streams}
        words = out.add_stream("ass") if "ass" in av.codecs_available else None
        if words is None:
            pytest.skip("this FFmpeg has no subtitles")
        packets = [packet for packet in given.demux() if packet.size]
        for packet in packets:
            packet.stream = streams[packet.stream_index]
            out.mux_one(packet)
        try:
            line = av.Packet(b"0,0,Default,,0,0,0,,hello")
            line.stream, line.time_base = words, files.Fraction(1, 1000)
            line.pts = line.dts = 28000
            line.duration = 2000
            out.mux_one(line)
        except (av.FFmpegError, ValueError):
            pytest.skip("this FFmpeg writes no subtitle packets")
    _, frames, _, error = read(path)
    assert (error, len(frames)) == ("", 50)


@pytest.mark.parametrize("length", [0, 0x7FFFFFFF, 0x7FFFF000, 0xFFFFFFFF, 0xFFFFFFFF - 36])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_a_wav_whose_length_was_not_known_is_whole(tmp_path, length, rate):
    samples = (files.voice(2.0, rate) * 32767).astype("<i2").tobytes()
    path = tmp_path / "piped.wav"
    path.write_bytes(files.wav_header(rate, 1, 16, length) + samples)
    seconds, _, notes, error = read(path)
    assert (error, notes) == ("", "")
    assert seconds == pytest.approx(2.0, abs=0.001)


def test_a_wav_that_is_cut_off_is_called_so(tmp_path):
    samples = (files.voice(4.0) * 32767).astype("<i2").tobytes()
    path = tmp_path / "cut.wav"
    path.write_bytes(files.wav_header(16000, 1, 16, len(samples)) + samples[: len(samples) // 2])
    seconds, _, _, error = read(path)
    assert seconds == pytest.approx(2.0, abs=0.1)
    assert "breaks off after 2.00 s of 4.00 s; it is truncated" in error


def test_lost_packets_near_the_end_are_no_cut(tmp_path):
    whole = files.write(tmp_path / "whole.ts", [files.voice(4.0, 48000)], files.shown(4.0), 48000, "mp2", "mpeg2video")
    content = whole.read_bytes()
    place = len(content) * 9 // 10 // 188 * 188
    path = tmp_path / "lost.ts"
    path.write_bytes(content[:place] + content[place + 5 * 188 :])
    seconds, frames, _, error = read(path)
    assert error == ""
    assert seconds > 3.5
    assert frames[-1].time > 3.5


def test_a_file_in_which_nothing_can_be_decoded_is_one_sentence(tmp_path):
    path = files.write(tmp_path / "noise.mp4", [files.voice(2.0)], options={"movflags": "faststart"})
    content = path.read_bytes()
    begin = content.index(b"mdat") + 4
    path.write_bytes(content[:begin] + bytes(0xFF for _ in content[begin:]))
    _, _, _, error = read(path)
    assert "can be decoded" in error or "holds no samples" in error


def test_numbers_that_are_no_sound_in_a_float_file(tiny_onnx, tmp_path):
    values = files.voice(2.0).astype("<f4")
    values[5000], values[9000], values[12000] = np.nan, np.inf, 1e30
    header = files.wav_header(16000, 1, 32, values.nbytes, tag=3)
    path = tmp_path / "float.wav"
    path.write_bytes(header + values.tobytes())
    with EmotionSensor.open(tiny_onnx) as sensor:
        assert len(list(sensor.stream(path))) == 8
        assert "damaged packets left out" in " ".join(sensor.notes)
    loud = tmp_path / "loud.wav"
    loud.write_bytes(header + (files.voice(2.0) * 32768).astype("<f4").tobytes())
    with EmotionSensor.open(tiny_onnx) as sensor, pytest.raises(MediaError, match="divide 16-bit samples by 32768"):
        list(sensor.stream(loud))


def test_a_header_that_promises_a_giant_picture_costs_no_memory(tmp_path):
    import resource

    path = files.write(tmp_path / "clip.avi", frames=files.shown(0.4), video="mpeg4")
    content = bytearray(path.read_bytes())
    place = content.index(b"strf") + 12
    content[place : place + 8] = struct.pack("<II", 60000, 60000)
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


class Changing:
    """A container in which, at every fortieth packet, one comes of a stream that PyAV does not know."""

    def __init__(self, container):
        self._container = container

    def __getattr__(self, name):
        return getattr(self._container, name)

    def demux(self, *streams):
        for number, packet in enumerate(self._container.demux(*streams)):
            if number % 40 == 39:
                raise IndexError("list index out of range")
            yield packet


def test_a_stream_that_begins_within_the_file_is_left_out(tmp_path):
    """As where the tables of a broadcast change: what was there at the beginning goes on."""
    path = files.write(tmp_path / "sound.ts", [files.voice(8.0, 48000)], rate=48000, audio="mp2")
    with MediaFile(path) as media:
        media._container = Changing(media._container)
        sound = list(media.read())
        seconds = sum(len(piece.pcm) / piece.sample_rate for piece in sound)
        notes = " ".join(media.notes)
    assert seconds == pytest.approx(8.0, abs=0.2)
    assert sound[-1].time == pytest.approx(8.0, abs=0.1)
    assert "packets of streams that begin within the file left out" in notes
