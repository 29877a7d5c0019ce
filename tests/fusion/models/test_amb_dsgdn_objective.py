"""What AMB-DSGDN's paper adds in training, on numbers made by hand."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mer_fusion.models.amb_dsgdn import AmbDsgdn, AmbDsgdnConfig  # noqa: E402
from mer_fusion.models.amb_dsgdn_objective import (  # noqa: E402
    AmbDsgdnObjective,
    AmbDsgdnOptions,
    drop_rates,
    weighted_f1,
)
from mer_fusion.models.registry import fusion_model  # noqa: E402
from mer_sdk.errors import OptionError  # noqa: E402
from mer_sdk.evaluation import metrics  # noqa: E402

CONFIG = AmbDsgdnConfig(
    dims=(5, 4, 3),
    utterances=6,
    classes=3,
    hidden=8,
    attention_heads=2,
    past=2,
    future=2,
    dropout=0.0,
    graph_dropout=0.0,
)
ALWAYS = AmbDsgdnOptions(drop_rate=1.0, drop_chance=1.0)


def objective(options, config=CONFIG):
    torch.manual_seed(0)
    return AmbDsgdnObjective(AmbDsgdn(config), options)


def batch(dialogues=4):
    generator = torch.Generator().manual_seed(1)
    features = [torch.randn(dialogues, 6, dim, generator=generator) for dim in CONFIG.dims]
    masks = [torch.ones(dialogues, 6) for _ in CONFIG.dims]
    labels = torch.randint(0, 3, (dialogues, 6), generator=generator)
    return (*features, *masks, torch.zeros(dialogues, 6)), labels


def test_drop_rates_follow_the_published_formula():
    # The best of three: ahead of 0.5 by 0.2 and of 0.3 by 1.0, weighted by softmax of these, over two.
    f1, base, slope = torch.tensor([0.6, 0.5, 0.3]), 0.2, 0.9
    ahead = np.array([0.6 / (0.5 + 1e-5) - 1, 0.6 / (0.3 + 1e-5) - 1])
    weights = np.exp(ahead) / np.exp(ahead).sum()
    best = base * (1 + slope * (weights * ahead).sum() / 2)
    ahead = np.array([0.5 / (0.6 + 1e-5) - 1, 0.5 / (0.3 + 1e-5) - 1])
    weights = np.exp(np.maximum(ahead, 0)) / np.exp(np.maximum(ahead, 0)).sum()
    second = base * (1 + slope * (weights * ahead).sum() / 2)
    np.testing.assert_allclose(drop_rates(f1, base, slope).numpy(), [best, second, 0.0], rtol=1e-5)


def test_drop_rates_at_the_ends():
    assert drop_rates(torch.tensor([0.5]), 0.2, 0.9).tolist() == [0.0]
    assert drop_rates(torch.tensor([0.4, 0.4]), 0.2, 0.9).tolist() == [0.0, 0.0]
    assert drop_rates(torch.tensor([0.4, 0.0]), 0.2, 0.9).tolist() == [0.0, 0.0]  # 0 is no measure to compare with
    assert drop_rates(torch.tensor([0.9, 0.01]), 0.5, 0.9).tolist() == [1.0, 0.0]


def test_weighted_f1_is_that_of_the_evaluation():
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    unlabelled = rng.random(200) < 0.3
    ours = weighted_f1(torch.from_numpy(predictions), torch.from_numpy(np.where(unlabelled, -1, labels)), 4)
    assert ours.item() == pytest.approx(metrics.weighted_f1(labels[~unlabelled], predictions[~unlabelled]), abs=1e-6)
    assert weighted_f1(torch.tensor([1]), torch.tensor([-1]), 3).item() == 0.0


def test_extra_loss_is_the_weighted_sum_of_squared_unimodal_losses():
    inputs, labels = batch()
    labels[0, :3] = -1
    inputs[4][:, 5] = 0.0  # audio of the last utterance is missing, so its head is not judged there
    part = objective(AmbDsgdnOptions(unimodal_weight=0.3)).eval()
    with torch.no_grad():
        output, extra = part(inputs, labels)
    wanted = 0.0
    for logits, mask in zip(output.unimodal, inputs[3:6], strict=True):
        keep = (labels >= 0) & (mask > 0)
        wanted += torch.nn.functional.cross_entropy(logits[keep], labels[keep]) ** 2
    assert extra.item() == pytest.approx(0.3 * wanted.item(), rel=1e-5)
    with torch.no_grad():
        assert part(inputs, torch.full_like(labels, -1))[1].item() == 0.0


def test_class_weights_are_those_of_the_weighted_mean():
    inputs, labels = batch()
    weights = (1.0, 5.0, 2.0)
    part = objective(AmbDsgdnOptions(class_weights=weights)).eval()
    logits = part.network(*inputs).logits
    rows = torch.log_softmax(logits, 2).gather(2, labels[..., None])[..., 0]
    scale = torch.tensor(weights)[labels]
    assert part.cross_entropy(logits, labels).item() == pytest.approx((-(rows * scale).sum() / scale.sum()).item())


def test_a_drop_takes_whole_dialogues_of_better_modalities_and_rescales(monkeypatch):
    inputs, labels = batch(40)
    part = objective(ALWAYS).train()
    monkeypatch.setattr("mer_fusion.models.amb_dsgdn_objective.drop_rates", lambda *_: torch.tensor([0.6, 0.3, 0.0]))
    with torch.no_grad():
        output, _ = part(inputs, labels)
        part.eval()
        whole = part(inputs, labels)[0]
        hidden = part.network.represented(inputs[:3], inputs[3:6], inputs[6])
        for m, (name, share) in enumerate(zip(CONFIG.names, (0.6, 0.3, 0.0), strict=True)):
            bias = part.network.heads[m][-1].bias
            dropped = (output.unimodal[m] == bias).all(dim=(1, 2))
            assert dropped.float().mean().item() == pytest.approx(share, abs=0.25), name
            kept = part.network.heads[m](hidden[m] / (1 - 0.3))[~dropped]  # theta: the mean of 0.6, 0.3 and 0
            torch.testing.assert_close(output.unimodal[m][~dropped], kept, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(whole.logits, output.logits)


def test_a_dialogue_never_loses_all_that_it_has(monkeypatch):
    inputs, labels = batch(40)
    inputs[4][:], inputs[5][:] = 0.0, 0.0  # text alone
    monkeypatch.setattr("mer_fusion.models.amb_dsgdn_objective.drop_rates", lambda *_: torch.tensor([0.9, 0.0, 0.0]))
    part = objective(ALWAYS).train()
    output, _ = part(inputs, labels)
    assert not (output.unimodal[0] == part.network.heads[0][-1].bias).all(dim=(1, 2)).any()


@pytest.mark.parametrize(
    ("options", "training"),
    [(ALWAYS, False), (replace(ALWAYS, warm_up_updates=1), True), (replace(ALWAYS, drop_chance=0.0), True)],
)
def test_when_nothing_is_dropped(options, training, monkeypatch):
    monkeypatch.setattr("mer_fusion.models.amb_dsgdn_objective.drop_rates", lambda *_: torch.tensor([0.9, 0.9, 0.9]))
    inputs, labels = batch()
    part = objective(options).train(training)
    with torch.no_grad():
        torch.testing.assert_close(part(inputs, labels)[0].logits, part.network(*inputs).logits)
    if options.warm_up_updates:
        assert not torch.allclose(part(inputs, labels)[0].logits, part.network(*inputs).logits)


def test_published_options_and_refusals():
    meld, iemocap = AmbDsgdnOptions.meld(), AmbDsgdnOptions.iemocap(batches_per_epoch=8)
    assert (meld.drop_rate, meld.drop_slope, meld.drop_chance, meld.warm_up_updates) == (0.2, 0.9, 0.2, 0)
    assert (iemocap.drop_rate, iemocap.drop_chance, iemocap.warm_up_updates) == (0.3, 0.5, 480)
    assert AmbDsgdnOptions.from_dict(iemocap.to_dict()) == iemocap
    with pytest.raises(OptionError, match="drop_chance"):
        AmbDsgdnOptions(drop_chance=1.5)
    with pytest.raises(OptionError, match="class_weights"):
        objective(iemocap)  # six weights, three classes
    built = fusion_model("amb_dsgdn").objective(AmbDsgdn(CONFIG), {"drop_rate": 0.0})
    assert built.options.drop_rate == 0.0
