"""Which channels are heard: a voice keeps its level wherever it is, and nothing vanishes."""

import container_files as files
import numpy as np
import pytest

from mer_sdk import EmotionSensor
from mer_sdk.media.decode import AudioPiece, MediaFile
from mer_sdk.media.layout import Downmix, MonoMix

SURROUND = ("FL", "FR", "FC", "LFE", "BL", "BR")


def hiss(count, level, seed=0):
    return (level * np.random.default_rng(seed).standard_normal(count)).astype(np.float32)


VOICE = hiss(16000, 0.1)
ZERO = np.zeros_like(VOICE)


def mixed(channels, names=(), cuts=()):
    mix = Downmix(len(channels), 16000, names)
    pieces = np.split(np.stack(channels, axis=1), cuts)
    return np.concatenate([*(mix.push(piece) for piece in pieces), mix.flush()]), mix.choice


@pytest.mark.parametrize("other", [ZERO, np.full_like(VOICE, 0.3), hiss(16000, 0.0005, 1)])
@pytest.mark.parametrize("first", [True, False])
def test_a_voice_in_one_of_two_channels_keeps_its_level(other, first):
    mono, choice = mixed([VOICE, other] if first else [other, VOICE])
    np.testing.assert_array_equal(mono, VOICE)
    assert choice == f"channel {1 if first else 2} of 2, as the others are silent or far fainter"


def test_the_same_in_both_is_as_in_one_and_says_nothing():
    mono, choice = mixed([VOICE, VOICE])
    np.testing.assert_allclose(mono, VOICE, atol=1e-7)
    assert choice == ""


def test_two_that_differ_are_averaged():
    other = hiss(16000, 0.1, 1)
    mono, choice = mixed([VOICE, other])
    np.testing.assert_allclose(mono, (VOICE + other) / 2, atol=1e-7)
    assert choice == ""


@pytest.mark.parametrize("gain", [-1.0, -0.9, -1.1])
def test_channels_that_cancel_one_another_do_not_vanish(gain):
    mono, choice = mixed([VOICE, np.float32(gain) * VOICE])
    loudest = VOICE if abs(gain) <= 1 else np.float32(gain) * VOICE
    np.testing.assert_array_equal(mono, loudest)
    assert choice.endswith("of 2, as the channels cancel one another")


@pytest.mark.parametrize("rest", [0.0, 0.05])
def test_the_centre_of_a_surround_layout_is_heard(rest):
    channels = [VOICE if name == "FC" else hiss(16000, rest, place) for place, name in enumerate(SURROUND)]
    mono, choice = mixed(channels, SURROUND)
    np.testing.assert_array_equal(mono, VOICE)
    assert choice == "channel 3 of 6 (centre), where voices are"


def test_a_surround_layout_without_a_centre_gives_what_is_there_without_the_bass():
    channels = [VOICE if name in ("FL", "FR") else ZERO for name in SURROUND]
    channels[3] = hiss(16000, 0.5, 9)
    mono, _ = mixed(channels, SURROUND)
    np.testing.assert_allclose(mono, VOICE, atol=1e-7)


def test_eight_microphones_are_averaged_without_the_dead_ones():
    channels = [VOICE + hiss(16000, 0.01, place) if place < 5 else ZERO for place in range(8)]
    mono, choice = mixed(channels)
    np.testing.assert_allclose(mono, np.mean(channels[:5], axis=0), atol=1e-6)
    assert choice == "the mean of 5 of 8 channels, as the others are silent or far fainter"


def test_pieces_of_any_size_give_the_same():
    channels = [np.concatenate([VOICE, ZERO]), np.concatenate([ZERO, VOICE])]
    whole, _ = mixed(channels)
    cuts = np.sort(np.random.default_rng(4).integers(0, 32000, 70))
    pieces, _ = mixed(channels, cuts=cuts)
    np.testing.assert_array_equal(pieces, whole)
    # Two who speak by turns, each on a channel: both are heard, the change is no click.
    assert np.abs(whole[:16000] - VOICE).max() == 0
    assert np.abs(whole[-9000:] - VOICE[-9000:]).max() == 0


def test_a_layout_that_changes_on_the_way():
    mix = MonoMix(16000)
    parts = [mix.push(VOICE[:5000]), mix.push(np.stack([VOICE[5000:9001], ZERO[5000:9001]], axis=1))]
    parts += [mix.push(VOICE[9001:]), mix.flush()]
    np.testing.assert_array_equal(np.concatenate(parts), VOICE)


def estimates(bundle, path):
    with EmotionSensor.open(bundle) as sensor:
        found = list(sensor.stream(path))
        return np.array([list(one.probabilities.values()) for one in found]), " ".join(sensor.notes)


def test_files_of_all_layouts_say_what_the_voice_alone_says(tiny_onnx, tmp_path):
    speech = files.voice(2.0)
    alone, notes = estimates(tiny_onnx, files.write(tmp_path / "mono.flac", [speech], audio="flac"))
    assert notes == ""
    dead = np.zeros_like(speech)
    for name, layout, channels, said in (
        ("left", "stereo", [speech, dead], "channel 1 of 2 (left), as the others are silent"),
        ("right", "stereo", [dead, speech], "channel 2 of 2 (right), as the others are silent"),
        ("both", "stereo", [speech, speech], ""),
        ("swapped", "stereo", [speech, -speech], "of 2 (left), as the channels cancel"),
        ("centre", "5.1", [dead, dead, speech, dead, dead, dead], "channel 3 of 6 (centre), where voices are"),
        ("seven", "7.1", [dead, dead, speech, *[dead] * 5], "channel 3 of 8 (centre), where voices are"),
        ("back", "quad", [dead, dead, dead, speech], "channel 4 of 4 (BR), as the others"),
    ):
        path = files.write(tmp_path / f"{name}.flac", [np.stack(channels, axis=1)], audio="flac", layout=layout)
        found, notes = estimates(tiny_onnx, path)
        np.testing.assert_allclose(found, alone, atol=1e-4, err_msg=name)
        assert said in notes, name


def test_a_push_of_stereo_is_heard_as_a_file_is(tiny_onnx):
    speech = files.voice(2.0)
    with EmotionSensor.open(tiny_onnx) as sensor:
        alone = sensor.push_audio(speech, 16000) + sensor.flush()
        sensor.reset()
        one = sensor.push_audio(np.stack([np.zeros_like(speech), speech], axis=1), 16000) + sensor.flush()
        assert sensor.notes == ("of the sound is heard: channel 2 of 2, as the others are silent or far fainter",)
    assert [list(e.probabilities.values()) for e in one] == [list(e.probabilities.values()) for e in alone]


def samples(path, **options):
    with MediaFile(path, **options) as media:
        return np.concatenate([one.pcm for one in media.read() if isinstance(one, AudioPiece)]), media.notes


def test_the_sound_track_that_is_flagged_is_heard_and_another_can_be_chosen(tmp_path):
    from mer_sdk.errors import MediaError

    tones = [files.voice(1.0, hertz=hertz) for hertz in (200, 400, 800)]

    def second(streams):
        import av

        flag = int(av.stream.Disposition.default)
        for place, stream in enumerate(streams):
            stream.disposition = flag if place == 1 else 0

    path = files.write(tmp_path / "three.mkv", tones, audio="flac", tracks=second)
    for number, place, said in ((None, 1, "2 of 3"), (1, 0, "1 of 3"), (2, 1, "2 of 3"), (3, 2, "3 of 3")):
        heard, notes = samples(path, audio_track=number)
        np.testing.assert_allclose(heard[:, 0], tones[place], atol=2e-4)
        assert f"sound track {said} is heard" in notes[0]
    for number in (0, 4):
        with pytest.raises(MediaError, match=rf"sound track {number} was asked for, and .* has sound tracks 1 to 3"):
            MediaFile(path, audio_track=number)
    silent = files.write(tmp_path / "silent.mp4", frames=files.shown(0.4))
    with pytest.raises(MediaError, match="has no sound track"):
        MediaFile(silent, audio_track=1)


@pytest.mark.parametrize("rate", [48000, 96000, 192000])
def test_at_high_rates_the_choice_is_the_same(rate):
    voice = hiss(rate // 2, 0.1)
    mix = Downmix(2, rate)
    pcm = np.stack([voice, hiss(rate // 2, 0.0005, 1)], axis=1)
    mono = np.concatenate([*(mix.push(piece) for piece in np.array_split(pcm, 7)), mix.flush()])
    np.testing.assert_array_equal(mono, voice)
    assert mix.choice.startswith("channel 1 of 2")
