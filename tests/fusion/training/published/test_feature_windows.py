"""Windows of features that others extracted, the task on them, and the figures that are usually reported."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from mer_fusion.models.fdrl import Fdrl, FdrlConfig, FdrlObjective  # noqa: E402
from mer_fusion.training.loop import LoopOptions, fit  # noqa: E402
from mer_fusion.training.published.feature_windows import (  # noqa: E402
    WindowTask,
    averaged_steps,
    class_figures,
    correlation,
    sentiment_figures,
    sims_figures,
    window_answers,
    window_set,
)
from mer_sdk.errors import DataError  # noqa: E402


def test_steps_are_averaged_over_equal_parts_of_what_is_present():
    values = np.arange(6, dtype=np.float32)[None, :, None]
    everything = np.ones((1, 6), bool)
    for steps, wanted in ((3, [0.5, 2.5, 4.5]), (6, range(6)), (1, [2.5]), (12, np.repeat(range(6), 2))):
        averaged, mask = averaged_steps(values, everything, steps)
        np.testing.assert_allclose(averaged[0, :, 0], list(wanted), atol=1e-6)
        assert mask.tolist() == [[1.0] * steps]
    averaged, _ = averaged_steps(values, everything, 4)  # parts of 1.5 steps
    np.testing.assert_allclose(averaged[0, :, 0], [1 / 3, 5 / 3, 10 / 3, 14 / 3], atol=1e-6)


def test_missing_steps_do_not_count_and_an_empty_sequence_is_missing():
    values = np.array([[[1.0], [99.0], [3.0]], [[5.0], [6.0], [7.0]]], np.float32)
    averaged, mask = averaged_steps(values, np.array([[True, False, True], [False] * 3]), 2)
    np.testing.assert_allclose(averaged[:, :, 0], [[1, 3], [0, 0]])
    assert mask.tolist() == [[1, 1], [0, 0]]


def test_the_mean_over_time_is_kept():
    values = np.random.default_rng(0).standard_normal((3, 17, 4)).astype(np.float32)
    for steps in (2, 5, 17, 40):
        averaged, _ = averaged_steps(values, np.ones((3, 17), bool), steps)
        np.testing.assert_allclose(averaged.mean(axis=1), values.mean(axis=1), atol=1e-5)


def drawn(labels):
    """Clips whose audio holds the label, of two lengths, and a modality of noise."""
    rng = np.random.default_rng(0)
    audio = rng.standard_normal((len(labels), 6, 3)).astype(np.float32) + np.asarray(labels)[:, None, None]
    features = {"text": rng.standard_normal((len(labels), 9, 2)).astype(np.float32), "audio": audio}
    masks = {name: np.ones(x.shape[:2], bool) for name, x in features.items()}
    return window_set(features, masks, labels, 4)


@pytest.mark.parametrize("classes", [2, 0])
def test_a_network_learns_classes_and_values(tmp_path, classes):
    labels = np.tile([0, 1], 24) if classes else np.linspace(-2, 2, 48).astype(np.float32)
    data = drawn(labels)
    torch.manual_seed(0)
    sizes = {"width": 16, "feed_forward": 16, "head_width": 16, "dropout": 0.0, "head_dropout": 0.0}
    config = FdrlConfig(data.names, data.dims, 4, classes, 0 if classes else 1, **sizes)
    task = WindowTask(FdrlObjective(Fdrl(config)), data, data, 12, "x")
    loop = LoopOptions(epochs=12, learning_rate=2e-2, average=0.8, threads=1, precision="no")
    history = fit(task, loop, tmp_path, quiet=True)
    answers = window_answers(task.module.network, data)
    if classes:
        assert (answers == labels).mean() > 0.9
        assert history.epochs[-1]["war"] == pytest.approx((answers == labels).mean())
    else:
        assert correlation(labels, answers) > 0.9
        assert history.epochs[-1]["mae"] == pytest.approx(np.abs(labels - answers).mean(), abs=1e-4)


def test_too_few_clips_are_one_sentence():
    with pytest.raises(DataError, match="no clips"):
        drawn(np.zeros(0, np.int64))
    with pytest.raises(DataError, match="too few to learn from"):
        WindowTask(torch.nn.Identity(), drawn(np.zeros(1, np.int64)), None, 12, "x")


def test_sentiment_in_both_conventions():
    truth = np.array([-2.0, 0.0, 0.0, 1.0, 3.0])
    said = np.array([-1.0, 0.5, -0.5, 1.0, -1.0])
    found = sentiment_figures(truth, said)
    assert found["mae"] == pytest.approx(1.2)
    assert found["correlation"] == pytest.approx(np.corrcoef(truth, said)[0, 1], abs=1e-4)
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["accuracy_without_zeros"] == pytest.approx(2 / 3, abs=1e-4)
    assert found["f1_without_zeros"] == pytest.approx(2 / 3, abs=1e-4)  # 2 x F1 2/3 and 1 x F1 2/3
    assert sims_figures(truth, said)["accuracy"] == pytest.approx(3 / 5)
    assert sims_figures(np.array([0.0, 0.0]), np.array([-1.0, 0.0])) == {
        "clips": 2,
        "mae": 0.5,
        "correlation": 0.0,
        "accuracy": 1.0,
        "f1": 1.0,
    }
    assert "accuracy_without_zeros" not in sentiment_figures(np.zeros(2), np.ones(2))


def test_class_figures():
    found = class_figures(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]))
    assert (found["clips"], found["war"], found["uar"]) == (4, 0.75, pytest.approx(0.8333))
