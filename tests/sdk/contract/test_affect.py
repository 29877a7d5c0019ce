import pytest

from mer_sdk.contract.affect import check_labels, expected, norm
from mer_sdk.errors import OptionError


def test_the_expectation_is_linear_in_the_probabilities():
    assert expected(("happy", "sad"), (1.0, 0.0)) == norm("happy")
    valence, arousal = expected(("happy", "sad", "neutral"), (0.5, 0.25, 0.25))
    assert valence == pytest.approx(0.5 * 0.81 - 0.25 * 0.63)
    assert arousal == pytest.approx(0.5 * 0.51 - 0.25 * 0.27)


def test_words_lie_in_their_quadrant():
    signs = {word: tuple(value > 0 for value in norm(word)) for word in ("happy", "sad", "angry", "fearful")}
    assert signs == {"happy": (1, 1), "sad": (0, 0), "angry": (0, 1), "fearful": (0, 1)}
    assert norm("Anger") == norm("angry")
    assert norm("neutral") == norm("calm") == (0.0, 0.0)


def test_a_label_without_a_norm_is_refused():
    with pytest.raises(OptionError, match="no affect norm is known for the label 'sleepy'"):
        check_labels(["happy", "sleepy"])
