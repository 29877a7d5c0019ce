"""Pictures as a player shows them: turned, mirrored, with square pixels, of a size that changes."""

import struct
from fractions import Fraction

import container_files as files
import numpy as np
import pytest

from mer_sdk.media.decode import MediaFile, VideoFrame
from mer_sdk.media.geometry import Geometry, geometry_of

# (a, b, c, d) of the matrix -> what becomes of a picture [height, width, 3].
ORIENTATIONS = {
    (1, 0, 0, 1): lambda p: p,
    (-1, 0, 0, 1): lambda p: p[:, ::-1],
    (1, 0, 0, -1): lambda p: p[::-1],
    (-1, 0, 0, -1): lambda p: p[::-1, ::-1],
    (0, 1, 1, 0): lambda p: p.swapaxes(0, 1),
    (0, 1, -1, 0): lambda p: np.rot90(p, -1),
    (0, -1, 1, 0): lambda p: np.rot90(p, 1),
    (0, -1, -1, 0): lambda p: p.swapaxes(0, 1)[::-1, ::-1],
}


def matrix_bytes(a, b, c, d):
    return struct.pack(
        "=9i", *(round(value * 65536) for value in (a, b)), 0, round(c * 65536), round(d * 65536), 0, 0, 0, 1 << 30
    )


def corners(path):
    """The first picture."""
    with MediaFile(path) as media:
        return next(item for item in media.read() if isinstance(item, VideoFrame)).rgb().astype(float)


def marked():
    """No orientation of it is like another: a white bar on top, a grey corner at the left of what is below."""
    image = np.zeros((64, 96, 3), np.uint8)
    image[:20] = 235
    image[20:40, :30] = 128
    return image


@pytest.mark.parametrize("entries", list(ORIENTATIONS))
def test_each_orientation_of_a_matrix(entries):
    found = geometry_of(matrix_bytes(*entries), None).upright(marked())
    np.testing.assert_array_equal(found, ORIENTATIONS[entries](marked()))


@pytest.mark.parametrize("entries", list(ORIENTATIONS))
def test_each_orientation_of_a_file(tmp_path, entries):
    """The matrix of the track header, as phones and front cameras write it."""
    path = files.write(tmp_path / "phone.mp4", frames=[(index / 25, marked()) for index in range(5)])
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44
    content[place : place + 36] = struct.pack(
        ">9i", *(value << 16 for value in entries[:2]), 0, *(value << 16 for value in entries[2:]), 0, 0, 0, 1 << 30
    )
    path.write_bytes(content)
    expected = ORIENTATIONS[entries](marked()).astype(float)
    found = corners(path)
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < 8


@pytest.mark.parametrize(
    ("entries", "expected"),
    [((0.99, 0.1, -0.1, 0.99), (1, 0, 0, 1)), ((0.1, 0.99, -0.99, 0.1), (0, 1, -1, 0)), ((2, 0, 0, 1), (1, 0, 0, 1))],
)
def test_other_angles_are_rounded_to_quarter_turns_and_scales_are_no_turn(entries, expected):
    np.testing.assert_array_equal(
        geometry_of(matrix_bytes(*entries), None).upright(marked()), ORIENTATIONS[expected](marked())
    )


def test_a_damaged_matrix_or_aspect_is_not_believed():
    assert geometry_of(b"\0" * 36, None) == geometry_of(None, None) == Geometry()
    for aspect in (Fraction(1, 65535), Fraction(65535), 0, None, Fraction(-1, 2)):
        assert geometry_of(b"short", aspect) == Geometry()


@pytest.mark.parametrize(("aspect", "size"), [("2/1", (192, 64)), ("1/2", (96, 128)), ("16/15", (102, 64))])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_pixels_that_are_not_square_are_made_so_and_the_picture_is_never_smaller(tmp_path, aspect, size, suffix):
    def oblong(streams):
        streams[0].codec_context.sample_aspect_ratio = Fraction(aspect)
        streams[0].sample_aspect_ratio = Fraction(aspect)

    frames = [(index / 25, marked()) for index in range(5)]
    path = tmp_path / f"oblong.{suffix}"
    try:
        files.write(path, frames=frames, video="libx264", tracks=oblong)
    except AttributeError:
        files.write(
            path,
            frames=frames,
            video="libx264",
            tracks=lambda s: setattr(s[0].codec_context, "sample_aspect_ratio", Fraction(aspect)),
        )
    found = corners(path)
    assert (found.shape[1], found.shape[0]) == size
    bar = found[: round(size[1] * 18 / 64)]
    assert bar.mean() > 200
    assert found[round(size[1] * 46 / 64) :].mean() < 30


def test_turned_and_oblong_at_once():
    geometry = geometry_of(matrix_bytes(0, 1, -1, 0), Fraction(2))
    assert geometry.size(96, 64) == (192, 64)
    assert geometry.upright(np.zeros((64, 192, 3), np.uint8)).shape == (192, 64, 3)


def test_a_size_that_changes_on_the_way(tiny_onnx, tmp_path):
    """Two recordings of other sizes, joined: a phone that was turned, a call that changed its quality."""
    from mer_sdk import EmotionSensor

    class Square:
        def detect(self, rgb):
            return [(8.0, 16.0, 24.0, 24.0, 1.0)]

    parts = [
        files.write(
            tmp_path / f"{size[0]}.ts",
            [files.voice(1.0, 48000)],
            files.shown(1.0, size=size),
            48000,
            "mp2",
            "mpeg2video",
        )
        for size in ((96, 64), (160, 120), (64, 96))
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with MediaFile(path) as media:
        shapes = [item.rgb().shape[:2] for item in media.read() if isinstance(item, VideoFrame)]
    assert list(dict.fromkeys(shapes)) == [(64, 96), (120, 160), (96, 64)]
    with EmotionSensor.open(tiny_onnx, detector=Square()) as sensor:
        estimates = list(sensor.stream(path))
    assert len(estimates) in (12, 13)
    assert sum(one.face is not None for one in estimates) >= 11
    assert [one.state for one in estimates[:11]] == ["audio+face"] * 11
