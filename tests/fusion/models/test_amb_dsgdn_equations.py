"""AMB-DSGDN with nine speakers and other windows, and its gradients, against its equations in numpy."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import amb_dsgdn_equations as equations  # noqa: E402
from finite_differences import assert_gradients, plain  # noqa: E402

from mer_fusion.models.amb_dsgdn import AmbDsgdn, AmbDsgdnConfig  # noqa: E402

# The published form for MELD, narrow: nine speakers, seven classes, no batch of one length.
NARROW = replace(
    AmbDsgdnConfig.meld(), dims=(5, 4, 3), utterances=14, hidden=16, attention_heads=2, dropout=0.0, graph_dropout=0.0
)
LENGTHS = (14, 9, 5)


def build(config):
    torch.manual_seed(2)
    model = AmbDsgdn(config).double()
    with torch.no_grad():
        for parameter in model.parameters():  # away from their starts, so that each has a say
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def dialogues(config, lengths, seed=1):
    """Features, masks and speakers; every speaker number occurs, in no order."""
    draw = np.random.default_rng(seed)
    rows = config.utterances
    features = [draw.standard_normal((len(lengths), rows, dim)) for dim in config.dims]
    mask = (np.arange(rows)[None, :] < np.array(lengths)[:, None]).astype(float)
    speakers = np.stack([draw.permutation(np.arange(rows) % config.speakers) for _ in lengths])
    return features, mask, speakers


def expected(weights, config, features, length, speakers, row):
    sizes = (config.past, config.future, config.attention_heads, config.graph_heads)
    given = [x[row, :length] for x in features]
    return equations.dialogue(weights, config.names, given, speakers[row, :length].tolist(), *sizes)


@pytest.mark.parametrize(("past", "future"), [(6, 6), (3, 5), (20, 1), (2, 0)])
@pytest.mark.parametrize("exported", [False, True])
def test_nine_speakers_and_any_window(past, future, exported):
    config = replace(NARROW, past=past, future=future)
    model = build(config).eval()
    weights = plain(model.state_dict())
    features, mask, speakers = dialogues(config, LENGTHS)
    assert set(speakers[0]) == set(range(9))
    # What is exported is made of a network in single precision, as the table of positions is always.
    network = model.float().prepare_for_export() if exported else model
    inputs = [torch.from_numpy(x).to(next(network.parameters()).dtype) for x in (*features, mask, mask, mask, speakers)]
    with torch.no_grad():
        output = network(*inputs)
    for row, length in enumerate(LENGTHS):
        unimodal = expected(weights, config, features, length, speakers, row)
        for ours, theirs in zip(output.unimodal, unimodal, strict=True):
            np.testing.assert_allclose(ours[row, :length].numpy(), theirs, rtol=0, atol=1e-4 if exported else 1e-6)
        np.testing.assert_allclose(
            output.logits[row, :length].numpy(), sum(unimodal), rtol=0, atol=1e-4 if exported else 1e-6
        )
    assert np.ptp(output.logits[0].numpy(), axis=0).min() > 0.1  # utterances differ


def test_gradients_are_those_of_the_equations():
    config = replace(NARROW, names=("text", "audio"), dims=(3, 4), utterances=6, hidden=8, past=2, future=3)
    model = build(config).train()
    lengths = (6, 4)
    features, mask, speakers = dialogues(config, lengths)
    labels = np.random.default_rng(4).integers(0, config.classes, (2, 6))
    masks = [torch.from_numpy(mask)] * 2
    output = model(*map(torch.from_numpy, features), *masks, torch.from_numpy(speakers).double())
    chosen = torch.log_softmax(output.logits, dim=2).gather(2, torch.from_numpy(labels)[:, :, None]).squeeze(2)
    loss = -(chosen * masks[0]).sum() / masks[0].sum()
    loss.backward()

    def numpy_loss(weights):
        total = 0.0
        for row, length in enumerate(lengths):
            shares = equations.softmax(sum(expected(weights, config, features, length, speakers, row)))
            total -= np.log(shares[np.arange(length), labels[row, :length]]).sum()
        return total / sum(lengths)

    assert loss.item() == pytest.approx(numpy_loss(plain(model.state_dict())), abs=1e-6)
    learned = sum(1 for parameter in model.parameters() if parameter.grad is not None)
    assert assert_gradients(model, numpy_loss, places=1, tolerance=1e-4) == learned > 60
