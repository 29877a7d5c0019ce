"""The small text encoder: what it ignores, its empty row, its size, and its probe and corpus."""

import numpy as np
import pytest
import torch

from mer_fusion.encoders.text import TextEncoder, TextEncoderConfig
from mer_fusion.training.text.encoder import text_features, text_ids
from mer_fusion.training.text.probe import ProbeOptions, fit_probe
from mer_sdk.errors import OptionError

SMALL = TextEncoderConfig(words=6, slots=4, buckets=64, width=8, channels=10, blocks=2, features=5)


@pytest.fixture
def encoder() -> TextEncoder:
    torch.manual_seed(0)
    return TextEncoder(SMALL).eval()


def test_rows_are_independent_and_int32_is_enough(encoder: TextEncoder) -> None:
    ids = text_ids(["so happy", "oh no!", "a b c d e f g h"], SMALL)
    assert ids.dtype == torch.int32
    together = encoder(ids)
    assert together.shape == (3, 5)
    alone = torch.cat([encoder(row[None]) for row in ids])
    assert (together - alone).abs().max() < 1e-6
    assert (encoder(ids.long()) - together).abs().max() == 0


def test_room_that_is_not_used_changes_nothing(encoder: TextEncoder) -> None:
    torch.manual_seed(0)
    wide = TextEncoder(TextEncoderConfig(**(SMALL.to_dict() | {"words": 20}))).eval()
    wide.load_state_dict(encoder.state_dict())
    text = ["what a day"]
    assert (encoder(text_ids(text, SMALL)) - wide(text_ids(text, wide.config))).abs().max() < 1e-6


def test_order_of_words_matters_unless_there_are_no_blocks(encoder: TextEncoder) -> None:
    one, two = text_ids(["not bad it is good", "not good it is bad"], SMALL)[:, None]
    assert (encoder(one) - encoder(two)).abs().max() > 1e-4
    bag = TextEncoder(TextEncoderConfig(**(SMALL.to_dict() | {"blocks": 0}))).eval()
    assert (bag(one) - bag(two)).abs().max() < 1e-6


def test_empty_text_is_finite_and_its_features_are_zero(encoder: TextEncoder) -> None:
    ids = text_ids(["", "yes"], SMALL)
    assert torch.isfinite(encoder(ids)).all()
    features = text_features(encoder, ids)
    assert not features[0].any()
    assert features[1].any()


def test_the_empty_row_stays_zero_in_training() -> None:
    torch.manual_seed(0)
    encoder = TextEncoder(SMALL)
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=0.1)
    before = encoder.table.weight.detach().clone()
    for _ in range(3):
        optimizer.zero_grad()
        encoder(text_ids(["a", "to be or"], SMALL)).square().sum().backward()
        optimizer.step()
    assert not encoder.table.weight[0].any()
    assert (encoder.table.weight - before).abs().max() > 0.1


def test_the_usual_size_keeps_to_its_budget() -> None:
    config = TextEncoderConfig()
    assert sum(p.numel() for p in TextEncoder(config).parameters()) <= 600_000
    assert TextEncoderConfig.from_dict(config.to_dict()) == config
    assert (config.contract.words, config.contract.slots, config.contract.buckets) == (32, 8, 8192)
    with pytest.raises(OptionError, match="buckets"):
        TextEncoderConfig(buckets=1)


@pytest.mark.parametrize("hidden", [0, 8])
def test_a_probe_finds_what_is_there_and_nothing_in_noise(hidden: int) -> None:
    rng = np.random.default_rng(0)
    labels = torch.from_numpy(rng.integers(0, 3, 600))
    noise = torch.from_numpy(rng.standard_normal((600, 6)).astype(np.float32))
    centres = torch.eye(6)[:3] * 4
    options = ProbeOptions(hidden=hidden, decay=1e-2)
    for features, low, high in ((noise + centres[labels], 0.95, 1.0), (noise, 0.2, 0.47)):
        probe = fit_probe(features[:300], labels[:300], 3, options)
        with torch.no_grad():
            right = (probe(features[300:]).argmax(dim=1) == labels[300:]).float().mean()
        assert low <= right <= high


def test_balance_lifts_the_rare_class() -> None:
    rng = np.random.default_rng(0)
    labels = torch.from_numpy((rng.random(2000) < 0.05).astype(np.int64))
    features = torch.from_numpy(rng.standard_normal((2000, 2)).astype(np.float32)) + labels[:, None]
    found = []
    for balance in (0.0, 1.0):
        with torch.no_grad():
            found.append(int(fit_probe(features, labels, 2, ProbeOptions(balance=balance))(features).argmax(1).sum()))
    assert found[0] < 100 < found[1]
    with pytest.raises(OptionError, match="0 or more"):
        ProbeOptions(decay=-1)
