"""The descriptor of a face and the memory of persons."""

import numpy as np
import pytest

from mer_sdk.frontends import face_identity as persons
from mer_sdk.frontends.face_identity import IdentityMemory, describe, descriptor, similarity


def skin(seed, shape=(200, 200)):
    """Random texture of some pixels' grain, uint8 RGB."""
    grid = np.random.default_rng(seed).uniform(40, 200, (25, 25))
    return np.repeat(np.kron(grid, np.ones((8, 8)))[: shape[0], : shape[1], None], 3, axis=2).astype(np.uint8)


def view(seed):
    found = describe(skin(seed), (0, 0, 200, 200))
    assert found is not None
    return found


def test_a_descriptor_does_not_change_with_brightness_and_contrast():
    picture = skin(1)[:192:4, :192:4, 0].astype(np.float32)
    one, brighter = descriptor(picture), descriptor(0.5 * picture + 60)
    assert (one.shape, one.dtype) == ((6 * 6 * 59,), np.float32)
    assert float(one @ one) == pytest.approx(1.0, abs=1e-5)
    assert float(one @ brighter) == pytest.approx(1.0, abs=1e-4)


def test_every_pixel_is_counted_once():
    histogram = (descriptor(np.random.default_rng(0).uniform(0, 255, (48, 48))) * persons.CELLS) ** 2
    np.testing.assert_allclose(histogram.reshape(36, 59).sum(axis=1), 1.0, atol=1e-5)


def test_the_same_picture_at_another_size_is_similar_and_another_is_not():
    large = describe(np.kron(skin(1), np.ones((2, 2, 1), np.uint8)), (0, 0, 400, 400))
    assert similarity(view(1), [large]) > 0.95
    assert similarity(view(1), [view(2)]) < persons.SAME_PERSON


def test_small_faces_are_not_described():
    assert describe(skin(1), (0, 0, 39, 30)) is None


def test_persons_are_recognised_and_strangers_are_new():
    memory = IdentityMemory(100.0)
    assert [memory.recognise(view(seed), 0.0) for seed in (1, 2, 1, 3, 2)] == [0, 1, 0, 2, 1]


def test_who_is_present_cannot_be_somebody_else():
    memory = IdentityMemory(100.0)
    assert memory.recognise(view(1), 0.0) == 0
    assert memory.recognise(view(1), 0.0, present={0}) == 1


def test_a_face_without_description_is_new():
    memory = IdentityMemory(100.0)
    assert [memory.recognise(None, 0.0), memory.recognise(view(1), 0.0), memory.recognise(None, 0.0)] == [0, 1, 2]


def test_forgotten_ids_are_not_given_again():
    memory = IdentityMemory(100.0)
    memory.recognise(view(1), 0.0)
    memory.forget(0)
    memory.forget(17)
    assert memory.known == ()
    assert memory.recognise(view(1), 1.0) == 1
    memory.forget(1)
    assert memory.recognise(view(1), 1.0) == 2


def test_the_memory_is_bounded():
    memory = IdentityMemory(1000.0)
    for seed in range(persons.PERSONS + 8):
        memory.recognise(view(seed), float(seed))
    assert memory.known == tuple(range(8, persons.PERSONS + 8))
    for seed in range(3 * persons.VIEWS):
        memory.observe(8, view(100 + seed), 99.0)
    assert len(memory._persons[8].views) == persons.VIEWS
