"""Golden files whose hashes are right and whose arrays are not: a sentence each, never a traceback."""

import numpy as np
import pytest

from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.golden import load_golden
from mer_sdk.errors import BundleError


def with_arrays(bundle, folder, change):
    """A bundle of these graphs whose golden file is changed."""
    with np.load(bundle / "golden.npz") as file:
        arrays = dict(file)
    change(arrays)
    np.savez(folder / "golden.npz", **arrays)
    return Bundle(Bundle.open(bundle).manifest, folder)


def replaced(name, make):
    return lambda arrays: arrays.update({f"case0_{name}": make(arrays[f"case0_{name}"])})


def first(value):
    """The array with another first value, of the same type where that holds it."""

    def make(array):
        changed = np.array(array, np.int64)
        changed.flat[0] = value
        return changed

    return make


def moved(counts):
    """Lengths of the same sum, one of them below zero."""
    changed = np.array(counts, np.int64)
    changed[1] += changed[0] + 1
    changed[0] = -1
    return changed


LENGTHS = [
    lambda counts: counts.astype(np.float32),
    lambda counts: np.zeros(0, np.uint32),
    lambda counts: np.array(3, np.uint32),
    lambda counts: counts.reshape(1, -1),
    lambda counts: np.append(counts, np.uint32(5)),
    first(0),
    first(2**62),
    first(-1),
    moved,
]


@pytest.mark.parametrize("name", ["texts", "names"])
@pytest.mark.parametrize("make", LENGTHS)
def test_lengths_that_are_none_of_the_bytes_are_refused(tiny_talk, tmp_path, name, make):
    with pytest.raises(BundleError, match=f"case0_{name}_bytes does not say how many bytes of case0_{name} each row"):
        load_golden(with_arrays(tiny_talk, tmp_path, replaced(f"{name}_bytes", make)))


@pytest.mark.parametrize("name", ["texts", "names"])
def test_texts_are_bytes_and_one_a_row(tiny_talk, tmp_path, name):
    with pytest.raises(BundleError, match=f"case0_{name}_bytes does not say"):
        load_golden(with_arrays(tiny_talk, tmp_path, replaced(name, lambda texts: texts.astype(np.float32))))
    with pytest.raises(BundleError, match=f"case0_{name} is not UTF-8"):
        load_golden(with_arrays(tiny_talk, tmp_path, replaced(name, lambda texts: np.full_like(texts, 255))))
    more = replaced(f"{name}_bytes", lambda counts: np.append(counts, np.uint32(0)))
    with pytest.raises(BundleError, match=rf"case 0: {name} is of \d+ rows and should be of \d+; convert"):
        load_golden(with_arrays(tiny_talk, tmp_path, more))


@pytest.mark.parametrize("make", [first(-1), first(2**31), lambda ids: ids.astype(np.float32)])
def test_ids_are_rows_of_the_table(tiny_talk, tmp_path, make):
    with pytest.raises(BundleError, match=r"case 0: ids should be whole numbers from 0 to \d+; convert"):
        load_golden(with_arrays(tiny_talk, tmp_path, replaced("ids", make)))


def test_utterances_of_no_step_are_refused(tiny_senses, tmp_path):
    with pytest.raises(BundleError, match="case 0: pcm is "):
        load_golden(with_arrays(tiny_senses, tmp_path, replaced("pcm", lambda pcm: pcm[:, :0])))


def test_numbers_beyond_float32_are_refused(tiny_onnx, tmp_path):
    huge = replaced("logits", lambda logits: np.full(logits.shape, 1e300))
    with pytest.raises(BundleError, match=r"case 0: logits is .* finite numbers"):
        load_golden(with_arrays(tiny_onnx, tmp_path, huge))
