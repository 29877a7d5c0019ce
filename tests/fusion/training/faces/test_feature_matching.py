"""A small face encoder learns what another one sees."""

from __future__ import annotations

from pathlib import Path

import torch
from speech_like import face_set, sources
from torch import Tensor

from mer_fusion.encoders.face import FaceEncoder, FaceEncoderConfig
from mer_fusion.training.faces.encoder import FaceLearner, FaceOptions
from mer_fusion.training.faces.feature_matching import MatchingOptions, MatchingTask
from mer_fusion.training.faces.seen_faces import Seen, SeenFaces, seen_faces
from mer_fusion.training.faces.talking import TalkingLearner, TalkingLoss, TalkingTask
from mer_fusion.training.faces.talking_sets import TalkingOptions
from mer_fusion.training.loop import LoopOptions, fit

SMALL = FaceEncoderConfig(stem=8, channels=(8, 12), blocks=(1, 1), separable=False, features=8)
OPTIONS = MatchingOptions(batch=16)


def large() -> FaceEncoder:
    torch.manual_seed(7)
    return FaceEncoder(FaceEncoderConfig(stem=8, channels=(8,), blocks=(1,), features=6)).eval()


def matched_faces() -> SeenFaces:
    network, found = large(), sources()

    def see(grey: Tensor) -> Seen:
        return Seen(network.encode(grey))

    return seen_faces(found.faces, found.talking.images, see, 48, FaceOptions())


def test_every_version_of_every_face_is_asked_about() -> None:
    stills, more, network = face_set(10), sources().talking.images[:5], large()

    def see(grey: Tensor) -> Seen:
        return Seen(network.encode(grey))

    seen = seen_faces(stills, more, see, 48, FaceOptions())
    assert seen.images.shape == (30, 48, 48)
    assert seen.images.dtype == torch.uint8
    assert not torch.equal(seen.images[:10], seen.images[15:25])
    assert torch.equal(seen.targets[:10], stills.targets)
    assert not seen.targets[10:15].any()
    torch.testing.assert_close(seen.weights[seen.weights > 0].mean(), torch.tensor(1.0))
    assert seen.decisions is None
    with torch.no_grad():
        features = network.encode(seen.images.float() / 255)
    torch.testing.assert_close(seen.features.float(), features - features.mean(dim=0), rtol=1e-2, atol=1e-2)
    assert torch.equal(seen.features, seen_faces(stills, more, see, 48, FaceOptions()).features)


def test_a_small_encoder_comes_to_see_what_the_large_one_sees(tmp_path: Path) -> None:
    found = sources()
    torch.manual_seed(0)
    learner = FaceLearner(SMALL, 3, hint=6)
    task = MatchingTask(learner, matched_faces, 96, found.tuning_faces, OPTIONS)
    batch = next(iter(task.epoch(torch.Generator().manual_seed(0), (0, 1))))
    with torch.no_grad():
        start = float(task.loss(learner, batch))
    history = fit(task, LoopOptions(epochs=6, precision="no", warmup_epochs=0.5), tmp_path, quiet=True)
    assert history.epochs[-1]["loss"] < 0.8 * start
    assert set(task.validate(learner.eval())) == {"accuracy", "uar"}


def test_a_small_encoder_learns_how_a_large_one_decides_about_strangers(tmp_path: Path) -> None:
    """The large one decides at random; its decisions weigh more here than the labels of takes and stills."""
    found = sources()
    torch.manual_seed(3)
    adviser = TalkingLearner(large(), 3, width=6).eval()
    with torch.no_grad():
        adviser.classify.weight.mul_(8.0)  # as drawn it would be sure of nothing
        faces = seen_faces(found.faces, found.talking.images, adviser.see, 48, FaceOptions())
    assert faces.decisions is not None
    torch.testing.assert_close(faces.decisions.exp().sum(dim=1), torch.ones(len(faces)))

    learner = TalkingLearner(FaceEncoder(SMALL), 3, hint=6)
    options, loss = TalkingOptions(people=2, takes=4, images=2), TalkingLoss(decisions=20.0)
    task = TalkingTask(learner, found.talking, None, found.faces, options, loss, advice=lambda: faces)

    def apart() -> float:
        with torch.no_grad():
            seen = learner.eval().see(faces.images.float() / 255)
            assert seen.decisions is not None
            return float((faces.decisions.exp() * (faces.decisions - seen.decisions)).sum(dim=1).mean())

    before = apart()
    fit(task, LoopOptions(epochs=20, precision="no", warmup_epochs=0.5, average=0.9), tmp_path, quiet=True)
    assert apart() < 0.7 * before
