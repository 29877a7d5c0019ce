"""Decoding ahead in a thread: the same items in the same order, errors at their place, and no thread left behind."""

import threading
from contextlib import closing

import pytest

from mer_sdk.media import read_ahead as module
from mer_sdk.media.read_ahead import read_ahead


@pytest.fixture(params=[1, 2], ids=["one core", "two cores"])
def cores(request, monkeypatch):
    monkeypatch.setattr(module, "_cores", lambda: request.param)
    return request.param


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "mer-decoding"]


def test_items_come_in_order_and_no_more_than_asked_for_wait(cores):
    given = []

    def numbers():
        for number in range(100):
            given.append(number)
            yield number

    with closing(read_ahead(numbers(), most=3)) as items:
        for number, item in enumerate(items):
            assert item == number
            # One is with the reader, and one in the hands of the thread.
            assert len(given) <= number + 5
    assert len(given) == 100
    assert threads() == []


def test_an_error_comes_after_what_was_given_before_it(cores):
    def two():
        yield 1
        yield 2
        raise ValueError("broken")

    items = read_ahead(two())
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(ValueError, match="broken"):
        next(items)
    assert threads() == []


def test_who_leaves_early_leaves_no_thread(cores):
    def endless():
        number = 0
        while True:
            yield number
            number += 1

    with closing(read_ahead(endless(), most=2)) as items:
        assert [next(items) for _ in range(5)] == [0, 1, 2, 3, 4]
        assert len(threads()) == cores - 1
    assert threads() == []


def test_a_file_says_the_same_on_one_core_and_on_two(tiny_onnx, write_media, tmp_path, monkeypatch):
    from mer_sdk import EmotionSensor

    clip = write_media(tmp_path / "clip.mp4", seconds=1.5)
    found = []
    for count in (1, 2):
        monkeypatch.setattr(module, "_cores", lambda count=count: count)
        with EmotionSensor.open(tiny_onnx) as sensor:
            found.append([(one.time, one.probabilities, one.face) for one in sensor.stream(clip)])
            assert next(sensor.stream(clip)).time == 0.25
    assert found[0] == found[1]
    assert len(found[0]) > 1
    assert threads() == []
