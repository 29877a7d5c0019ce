"""The face finder: its graph, the scenes it learns from, its targets, and a training that learns and resumes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mer_fusion.checkpoint import SHIPPED
from mer_fusion.models.face_finder import (
    FaceFinder,
    FaceFinderCard,
    FaceFinderConfig,
    load_face_finder,
    save_face_finder,
)
from mer_fusion.models.temporal import parameter_count
from mer_fusion.training.finder.banks import FaceBank, cut_out, kept
from mer_fusion.training.finder.convention import brought_to_convention, differences
from mer_fusion.training.finder.figures import (
    HUNDREDTHS,
    RULE,
    SEED,
    STEPS,
    chosen_threshold,
    drawn,
    figures,
    judged,
    matched,
)
from mer_fusion.training.finder.scenes import SceneOptions, Scenes, read_pictures
from mer_fusion.training.finder.targets import FinderOptions, cell_targets, finder_loss
from mer_fusion.training.finder.teachers import FRAMED, corner_box, label_faces, square_from
from mer_fusion.training.finder.train import FinderLearner, FinderTask
from mer_fusion.training.loop import LoopOptions, fit
from mer_sdk.errors import CheckpointError, DataError, OptionError
from mer_sdk.frontends.face_finder import FinderContract

SMALL = FaceFinderConfig(64, 64, stem=8, early=8, channels=(16, 16, 16), blocks=(1, 1, 1, 1))
LIVELY = SceneOptions(64, 64, smallest=0.3, largest=0.8, empty=0.1, decoys=0.0, faces=(1.0,))


def bank() -> FaceBank:
    """Drawn faces: a light disc with dark eyes and mouth."""
    y, x = np.mgrid[:48, :48] - 23.5
    face = np.where(x**2 + y**2 < 20**2, 190.0, 60.0)
    for at, down in ((-8, -6), (8, -6), (0, 9)):
        face[(x - at) ** 2 + (y - down) ** 2 < 16] = 20
    return FaceBank(face.astype(np.uint8)[None], np.array([[0.5, 0.5, 0.9]], np.float32))


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return Scenes([bank()], [], LIVELY, seed=0, stock=12)


def test_the_graph_gives_probabilities_and_square_boxes_in_shares() -> None:
    torch.manual_seed(0)
    finder = FaceFinder(SMALL).eval()
    scores, boxes = finder(torch.rand(2, 64, 64, 3) * 255)
    assert scores.shape == (2, SMALL.cells) == (2, 64 + 16 + 4)
    assert boxes.shape == (2, SMALL.cells, 4)
    assert bool(((scores > 0) & (scores < 1)).all())
    torch.testing.assert_close(boxes[..., 2], boxes[..., 3])
    assert bool((boxes[..., 2] > 0).all())


def test_the_shipped_size_is_small() -> None:
    assert parameter_count(FaceFinder(FaceFinderConfig())) < 80_000
    with pytest.raises(OptionError, match="multiples of 32"):
        FaceFinderConfig(100, 160)


def test_boxes_that_the_targets_ask_for_can_be_said_and_cost_nothing() -> None:
    squares = torch.tensor([[[20.0, 30.0, 12.0], [40.0, 20.0, 26.0]], [[32.0, 32.0, 60.0], [0.0, 0.0, 0.0]]])
    targets = cell_targets(squares, SMALL, FinderOptions())
    assert targets.face.any(dim=1).all()
    assert not (targets.face & targets.unsure).any()
    asked = {tuple(round(v * 64, 3) for v in box) for box in targets.boxes[targets.face].tolist()}
    assert asked == {tuple(corner_box(square)) for square in squares.reshape(-1, 3).tolist() if square[2]}
    logits = torch.where(targets.face, 20.0, -20.0)
    assert float(finder_loss(logits, targets.boxes, targets, FinderOptions())) < 1e-4
    shifted = targets.boxes + torch.tensor([0.1, 0.0, 0.0, 0.0])
    assert float(finder_loss(logits, shifted, targets, FinderOptions())) > 0.3
    assert float(finder_loss(-logits, targets.boxes, targets, FinderOptions())) > 1


def test_no_face_is_a_target_of_its_own() -> None:
    targets = cell_targets(torch.zeros(1, 6, 3), SMALL, FinderOptions())
    assert not targets.face.any()
    assert not targets.unsure.any()
    loss = finder_loss(torch.zeros(1, SMALL.cells), targets.boxes, targets, FinderOptions())
    assert bool(torch.isfinite(loss))
    assert float(loss) > 0


def test_scenes_are_repeatable_and_their_boxes_lie_on_the_faces(scenes: Scenes) -> None:
    first, again = drawn(scenes, 30, 5), drawn(scenes, 30, 5)
    assert all(np.array_equal(a, b) and np.array_equal(c, d) for (a, c), (b, d) in zip(first, again, strict=True))
    other = drawn(scenes, 30, 6)
    assert not all(np.array_equal(a, b) for (a, _), (b, _) in zip(first, other, strict=True))
    counts = [len(squares) for _, squares in first]
    assert 0 in counts
    assert 1 in counts
    for frame, squares in first:
        assert frame.shape == (64, 64, 3)
        assert frame.dtype == np.uint8
        for x, y, side in squares:
            assert 8 <= side <= 64 * 0.8
            assert 0 <= x < 64
            assert 0 <= y < 64


def test_a_teachers_box_becomes_the_projects_square() -> None:
    assert square_from((10, 20, 30, 40), (1.2, -0.1)) == pytest.approx((25.0, 36.0, 1.2 * 1200**0.5))


class Finds:
    """A teacher that finds one bright region."""

    def detect(self, rgb: np.ndarray) -> list[tuple[float, float, float, float, float]]:
        found = []
        for left in range(0, rgb.shape[1], 80):
            for top in range(0, rgb.shape[0], 80):
                part = rgb[top : top + 80, left : left + 80, 0] > 128
                if part.any() and not part.all():
                    y, x = np.nonzero(part)
                    box = (left + x.min(), top + y.min(), x.max() - x.min() + 1, y.max() - y.min() + 1)
                    found.append((*map(float, box), 1.0))
        return found


class Blind:
    def detect(self, rgb: np.ndarray) -> list[tuple[float, float, float, float, float]]:
        return []


def test_labels_are_in_shares_of_each_crop_and_absent_without_a_face() -> None:
    crops = np.zeros((14, 48, 48), np.uint8)
    crops[:13, 12:36, 12:36] = 255
    squares = label_faces(crops, Finds(), Blind())
    assert np.isnan(squares[13]).all()
    np.testing.assert_allclose(squares[:13, 0], 0.5, atol=0.02)
    np.testing.assert_allclose(squares[:13, 2], 1.106 / FRAMED * 0.5, atol=0.05)


def test_figures_count_what_is_found_and_what_is_false() -> None:
    shown = [(np.zeros((64, 64, 3), np.uint8), np.array([[20.0, 20.0, 16.0]], np.float32))] * 2

    class Says(FaceFinder):
        def forward(self, frame: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            boxes = torch.tensor([[[12.0, 12.0, 16.0, 16.0], [40.0, 40.0, 16.0, 16.0]]]) / 64
            return torch.tensor([[0.8, 0.45]]).expand(len(frame), 2), boxes.expand(len(frame), 2, 4)

    low, high = figures(Says(SMALL).eval(), shown, (0.4, 0.5))
    assert (low["recall"], low["false_faces"], low["f1"], low["overlap"]) == (1.0, 1.0, 0.6667, 1.0)
    assert (high["recall"], high["false_faces"], high["f1"]) == (1.0, 0.0, 1.0)


def test_a_box_that_lies_badly_on_a_face_is_no_false_face() -> None:
    shown = [(np.zeros((64, 64, 3), np.uint8), np.array([[20.0, 20.0, 16.0]], np.float32))]

    class Says(FaceFinder):
        def forward(self, frame: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return torch.tensor([[0.8]]), torch.tensor([[[19.0, 12.0, 16.0, 16.0]]]) / 64  # overlap 0.39

    (row,) = figures(Says(SMALL).eval(), shown, (0.5,))
    assert (row["recall"], row["false_faces"], row["f1"]) == (0.0, 0.0, 0.0)


def test_the_threshold_is_chosen_where_nothing_is_pasted_to_be_taken_for_a_face() -> None:
    torch.manual_seed(0)
    finder, options = FaceFinder(SMALL).eval(), replace(LIVELY, decoys=1.0)
    with torch.no_grad():
        for head in finder.heads:
            head.score.bias.fill_(-0.8)
    threshold, results = judged(finder, [bank()], [], options, 3, count=4)
    plain = figures(finder, drawn(Scenes([bank()], [], LIVELY, seed=3), 4, SEED), HUNDREDTHS)
    assert results["threshold"] == {"rule": RULE, **chosen_threshold(plain)}
    assert threshold == results["threshold"]["threshold"]
    assert 0.2 < threshold < 0.7
    assert [row["threshold"] for row in results["held-out scenes"]] == list(STEPS)
    assert results["held-out scenes"] != results["held-out scenes without decoys"]


def test_the_threshold_is_the_lowest_that_leaves_few_false_faces() -> None:
    rows = [{"threshold": value, "false_faces": false} for value, false in ((0.6, 0.01), (0.3, 0.4), (0.5, 0.09))]
    assert chosen_threshold(rows)["threshold"] == 0.5
    assert chosen_threshold(rows[1:2])["threshold"] == 0.3


def test_matching_gives_each_face_once() -> None:
    found = [(0.0, 0.0, 10.0, 10.0, 0.9), (1.0, 0.0, 10.0, 10.0, 0.8), (50.0, 0.0, 5.0, 5.0, 0.7)]
    assert matched(found, [(0, 0, 10, 10)]) == [1.0]
    assert matched(found, [(30, 0, 10, 10)]) == []
    assert matched([], [(0, 0, 1, 1)]) == []


def test_a_short_training_learns_and_resumes(scenes: Scenes, tmp_path: Path) -> None:
    loop = LoopOptions(epochs=2, learning_rate=1e-2, warmup_epochs=0.2, average=0.9, precision="no")
    options = FinderOptions(batch=16, scenes=256, held_out=32)

    def task() -> FinderTask:
        torch.manual_seed(0)
        return FinderTask(SMALL, scenes, scenes, options)

    whole = task()
    history = fit(whole, loop, tmp_path / "whole", quiet=True)
    assert history.epochs[-1]["loss"] < 0.95 * history.epochs[0]["loss"]

    class Cut(Exception):
        pass

    class CutTask(FinderTask):
        epochs_left = 1

        def epoch(self, generator, shard):  # type: ignore[no-untyped-def]
            if self.epochs_left == 0:
                raise Cut
            self.epochs_left -= 1
            return super().epoch(generator, shard)

    torch.manual_seed(0)
    with pytest.raises(Cut):
        fit(CutTask(SMALL, scenes, scenes, options), loop, tmp_path / "cut", quiet=True)
    resumed = task()
    fit(resumed, loop, tmp_path / "cut", quiet=True)
    for name, value in resumed.module.state_dict().items():
        torch.testing.assert_close(value, whole.module.state_dict()[name], rtol=0, atol=0)


def test_a_checkpoint_is_read_back_and_checked(tmp_path: Path) -> None:
    finder = FaceFinder(SMALL).eval()
    card = FaceFinderCard("small", SMALL, FinderContract(64, 64), (), 1)
    save_face_finder(finder, card, tmp_path / "small.safetensors")
    read, found = load_face_finder(tmp_path / "small.safetensors")
    assert found.network == SMALL
    frame = torch.rand(1, 64, 64, 3) * 255
    torch.testing.assert_close(read(frame), finder(frame))
    save_face_finder(FaceFinder(SMALL), card, tmp_path / "other.safetensors")
    (tmp_path / "other.safetensors").replace(tmp_path / "small.safetensors")
    with pytest.raises(CheckpointError, match="not those of its card"):
        load_face_finder(tmp_path / "small.safetensors")
    with pytest.raises(CheckpointError, match="side by side"):
        load_face_finder(tmp_path / "none.safetensors")


def test_the_shipped_finder_fits_its_card() -> None:
    finder, card = load_face_finder(SHIPPED / "face_finder.safetensors")
    assert card.parameters == parameter_count(finder) < 80_000
    assert (card.contract.height, card.contract.width) == (card.network.height, card.network.width)
    assert card.contract.threshold == card.results["threshold"]["threshold"]
    assert card.results["threshold"]["rule"] == RULE
    assert all(source.licence for source in card.data)


def test_backgrounds_are_pictures(tmp_path: Path) -> None:
    assert read_pictures(None) == []
    with pytest.raises(DataError, match="holds no"):
        read_pictures(tmp_path)


def test_learner_and_graph_say_the_same() -> None:
    learner = FinderLearner(SMALL).eval()
    frame = torch.rand(1, 64, 64, 3) * 255
    logits, boxes = learner(frame)
    scores, same = learner.finder(frame)
    torch.testing.assert_close(torch.sigmoid(logits), scores)
    torch.testing.assert_close(boxes, same)


def test_twins_are_mirror_images_with_boxes_to_match(scenes: Scenes) -> None:
    rng = np.random.default_rng(3)
    pairs = [scenes.draw_twins(rng) for _ in range(20)]
    for (frame, squares), (other, mirrored) in pairs:
        assert frame.shape == other.shape
        assert not np.array_equal(frame, other)
        np.testing.assert_array_equal(squares[:, 1:], mirrored[:, 1:])
        wide = squares[:, 0] + mirrored[:, 0]
        assert all(32 <= one <= 64 and one == pytest.approx(wide[0], abs=1e-3) for one in wide)
    assert any(len(squares) for (_, squares), _ in pairs)


def test_a_portrait_is_cut_out_and_pasted_where_its_box_says() -> None:
    y, x = np.mgrid[:96, :96] + 0.5
    picture = np.full((96, 96, 3), 220, np.uint8)
    picture[((x - 48) / 22) ** 2 + ((y - 40) / 28) ** 2 < 1] = (180, 120, 90)
    picture[(np.abs(x - 48) < 36) & (y > 72)] = (40, 60, 160)
    square = np.array([0.5, 0.42, 0.42], np.float32)
    mask = cut_out(picture, square)
    assert mask[40, 48] == 255
    assert mask[5, 5] == 0
    assert mask[60, 4] == 0
    bank = FaceBank(picture[None], square[None], mask[None])
    scenes = Scenes([bank], [], LIVELY, seed=0, stock=4)
    shown = [squares for _, squares in drawn(scenes, 12, 1)]
    assert sum(len(squares) for squares in shown) > 4


def test_a_bank_is_kept(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> FaceBank:
        made.append(1)
        return bank()

    first, again = (kept(tmp_path / "banks" / "drawn.npz", make) for _ in range(2))
    assert made == [1]
    assert again.masks is None
    assert again.share == 1.0
    np.testing.assert_array_equal(first.faces, again.faces)


def test_boxes_are_brought_to_the_convention() -> None:
    """A finder whose boxes are too large and too high gives the bank's own boxes afterwards."""

    class Says(FaceFinder):
        """The face at (32, 32) of 32 pixels, half as large again and a quarter of a side too high."""

        def forward(self, frame: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            scores = torch.tensor([[0.9]]).expand(len(frame), 1)
            return scores, torch.tensor([[[8.0, 4.0, 40.0, 40.0]]]).expand(len(frame), 1, 4) / 64

    square = np.array([[0.5, 0.5, 0.5]], np.float32)
    portrait = FaceBank(np.zeros((1, 64, 64, 3), np.uint8), square)
    found = differences(Says(SMALL).eval(), portrait)
    np.testing.assert_allclose(np.median(found, axis=0), [1.25, -0.125, -0.25], atol=0.01)
    corrected = brought_to_convention(Says(SMALL).eval(), portrait)
    assert corrected.config.scale == pytest.approx(0.8)
    assert corrected.config.drop == pytest.approx(0.25)
    plain, moved = FaceFinder(SMALL).eval(), corrected
    moved.load_state_dict(plain.state_dict())
    frame = torch.rand(1, 64, 64, 3) * 255
    before, after = plain(frame)[1], moved(frame)[1]
    torch.testing.assert_close(after[..., 2], 0.8 * before[..., 2])
    middle = before[..., 1] + before[..., 3] / 2
    torch.testing.assert_close(after[..., 1] + after[..., 3] / 2, middle + 0.25 * after[..., 3])
