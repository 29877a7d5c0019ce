"""AMB-DSGDN beyond what is published: missing modalities, causality, any window, export form, reliance."""

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from mer_fusion.models.amb_dsgdn import AmbDsgdn, AmbDsgdnConfig, reliance_shares  # noqa: E402
from mer_sdk.errors import OptionError, SignalError  # noqa: E402

TINY = AmbDsgdnConfig(
    dims=(5, 4, 3), utterances=7, classes=3, speakers=3, hidden=16, attention_heads=2, past=3, future=2, dropout=0.2
)
TEXT = replace(TINY, names=("text",), dims=(5,))


def network(config, seed=0):
    torch.manual_seed(seed)
    model = AmbDsgdn(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():  # away from their starts, so that each has a say
            if not name.startswith("speaker_table"):
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def window(config, seed=1, batch=2):
    generator = torch.Generator().manual_seed(seed)
    rows = config.utterances
    features = [torch.randn(batch, rows, dim, generator=generator) for dim in config.dims]
    masks = [torch.ones(batch, rows) for _ in config.dims]
    return [*features, *masks, torch.randint(0, config.speakers, (batch, rows), generator=generator).float()]


@torch.no_grad()
def run(model, inputs):
    return model(*inputs)


@pytest.mark.parametrize("config", [TINY, TEXT, replace(TINY, causal=True), replace(TINY, differential=False)])
def test_export_form_gives_the_same_numbers(config):
    model, inputs = network(config), window(config)
    inputs[len(config.dims)][:, :2] = 0.0
    wanted, got = run(model, inputs), run(model.prepare_for_export(), inputs)
    torch.testing.assert_close(got.logits, wanted.logits, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(got.reliance, wanted.reliance, rtol=1e-5, atol=1e-5)
    assert wanted.logits.std() > 0.05


def test_missing_modality_is_left_out_and_does_not_matter():
    model, inputs = network(TINY), window(TINY)
    inputs[4][:, 3] = 0.0  # audio of utterance 3
    output = run(model, inputs)
    text, _, face = output.unimodal
    torch.testing.assert_close(output.logits[:, 3], (text + face)[:, 3])
    assert (output.reliance[:, 3, 1] == 0).all()
    changed = list(inputs)
    changed[1] = inputs[1].clone()
    changed[1][:, 3] += 5.0
    torch.testing.assert_close(run(model, changed).logits, output.logits)
    inputs[4][:, 3] = 1.0
    assert (run(model, inputs).logits - output.logits).abs().amax(dim=(0, 2)).gt(1e-4).sum() > 1  # others saw it too


@pytest.mark.parametrize("config", [replace(TINY, causal=True), TINY])
def test_causal_answers_do_not_depend_on_later_utterances(config):
    model, inputs = network(config), window(config)
    later = [x.clone() for x in inputs]
    for x in later[:3]:
        x[:, 4:] += 1.0
    later[-1][:, 4:] = (later[-1][:, 4:] + 1) % config.speakers
    moved = (run(model, later).logits - run(model, inputs).logits).abs().amax(dim=(0, 2))
    assert moved[4:].min() > 1e-4
    assert (moved[:4].max() < 1e-5) == config.causal


def test_utterances_that_are_not_there_change_nothing():
    short, long = network(TEXT), network(replace(TEXT, utterances=11))
    features, mask, speakers = window(TEXT)
    padded = [
        torch.nn.functional.pad(features, (0, 0, 4, 0), value=3.0),
        torch.nn.functional.pad(mask, (4, 0)),
        torch.nn.functional.pad(speakers, (4, 0), value=1.0),
    ]
    wanted, got = run(short, [features, mask, speakers]), run(long, padded)
    torch.testing.assert_close(got.logits[:, 4:], wanted.logits)
    assert (got.reliance[:, :4] == 0).all()


def test_who_speaks_matters_but_not_by_which_number():
    model, (features, mask, _) = network(TEXT), window(TEXT)
    speakers = torch.tensor([[0, 1, 0, 1, 2, 0, 1]] * 2).float()
    output = run(model, [features, mask, speakers]).logits
    torch.testing.assert_close(run(model, [features, mask, 2 - speakers]).logits, output)
    assert (run(model, [features, mask, torch.zeros_like(speakers)]).logits - output).abs().max() > 1e-3


def test_reach_of_the_graph():
    features, mask, speakers = window(replace(TEXT, utterances=30), batch=1)
    changed = features.clone()
    changed[:, 15] += 1.0
    for past, future in ((0, 0), (1, 0), (1, 2)):
        model = network(replace(TEXT, utterances=30, past=past, future=future))
        before, after = run(model, [features, mask, speakers]), run(model, [changed, mask, speakers])
        moved = torch.nonzero((after.logits - before.logits).abs().amax(dim=(0, 2)) > 1e-6).flatten()
        # Four layers one after the other; rows that come later look back at it.
        assert 15 - 4 * future <= moved.min() <= moved.max() <= 15 + 4 * past
        assert (moved.max() > 15) == (past > 0)
        assert (moved.min() < 15) == (future > 0)


def test_half_precision_stays_finite_with_nothing_there():
    model = network(TINY).prepare_for_export().half()
    inputs = [x.half() for x in window(TINY)]
    for mask in inputs[3:6]:
        mask[0] = 0.0
        mask[1, :3] = 0.0
    output = run(model, inputs)
    assert all(torch.isfinite(x).all() for x in (output.logits, output.reliance, *output.unimodal))
    assert (output.logits[0] == 0).all()
    single = run(network(TINY).prepare_for_export(), [x.float() for x in inputs])
    assert (output.logits.float() - single.logits).abs().max() < 2e-2


@pytest.mark.parametrize("names", [("audio",), ("text", "face"), ("audio", "face")])
def test_any_subset_and_a_dialogue_of_one(names):
    config = replace(TINY, names=names, dims=(4,) * len(names), utterances=1)
    output = run(network(config), window(config))
    assert output.logits.shape == (2, 1, 3)
    torch.testing.assert_close(output.reliance.sum(dim=2), torch.ones(2, 1))


def test_reliance_on_hand_made_logits():
    text = torch.tensor([[[4.0, 0.0, 0.0]]])
    agrees, opposes, silent = 0.5 * text, -0.5 * text, torch.zeros_like(text)
    ones = torch.ones(1, 1)

    def shares(*heard):
        return reliance_shares(sum(heard), list(heard), (ones,) * len(heard))[0, 0]

    torch.testing.assert_close(shares(text, agrees), torch.tensor([2 / 3, 1 / 3]), rtol=0, atol=1e-3)
    torch.testing.assert_close(shares(text, opposes), torch.tensor([1.0, 0.0]), rtol=0, atol=1e-3)
    torch.testing.assert_close(shares(silent, silent), torch.tensor([0.5, 0.5]))
    nothing = reliance_shares(silent, [silent, silent], (0 * ones, 0 * ones))
    assert (nothing == 0).all()


def test_configuration_round_trip_and_refusals():
    assert AmbDsgdnConfig.from_dict(TINY.to_dict()) == TINY
    assert isinstance(TINY.to_dict()["names"], list)
    for change in (
        {"names": ("face", "text"), "dims": (1, 2)},
        {"names": ()},
        {"dims": (1, 2)},
        {"hidden": 15},
        {"hidden": 18, "attention_heads": 4},
        {"classes": 1},
        {"dropout": 1.0},
        {"past": -1},
    ):
        with pytest.raises(OptionError, match=next(iter(change))):
            replace(TINY, **change)
    with pytest.raises(OptionError, match="window"):
        AmbDsgdnConfig.from_dict({"window": 3})


def test_wrong_tensors_are_refused():
    model, inputs = network(TINY), window(TINY)
    with pytest.raises(SignalError, match="7 are needed"):
        model(*inputs[:-1])
    longer = replace(TINY, utterances=8)
    with pytest.raises(SignalError, match="text"):
        model(*window(longer))
