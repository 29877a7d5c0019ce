"""GRJCA: what its masks, gates, reliance, options and export promise (test_grjca_published.py: fidelity)."""

import json

import pytest

torch = pytest.importorskip("torch")

from mer_fusion.models.grjca import Grjca, GrjcaConfig, ccc_loss  # noqa: E402
from mer_fusion.models.heads import masked_softmax  # noqa: E402
from mer_sdk.errors import OptionError, SignalError  # noqa: E402


def tiny(**options):
    """A student's shape, small enough for a test."""
    base = {
        "audio_dim": 6,
        "face_dim": 10,
        "audio_channels": (8, 8),
        "face_channels": (12, 16),
        "steps": 16,
        "head_width": 12,
        "classes": 5,
        "regression_outputs": 0,
        "stable": True,
        "norm_eps": 1e-6,
    }
    return GrjcaConfig(**(base | options))


def build(config, seed=0):
    torch.manual_seed(seed)
    return Grjca(config)


def window(config, batch=3, seed=1):
    generator = torch.Generator().manual_seed(seed)
    audio = torch.randn(batch, config.steps, config.audio_dim, generator=generator)
    face = torch.randn(batch, config.steps, config.face_dim, generator=generator)
    return audio, face, torch.ones(batch, config.steps), torch.ones(batch, config.steps)


def trained_statistics(model, config):
    """Batch normalisation that does something, so that folding it wrongly would show."""
    model.train()
    with torch.no_grad():
        for seed in range(5):
            model(*window(config, batch=8, seed=seed))
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)))
    return model.eval()


def test_additions_exist_only_when_configured():
    plain = build(tiny(classes=0, regression_outputs=1, stable=True))
    assert plain.face_missing is None
    assert plain.audio_missing is None
    output = plain(*window(plain.config))
    assert output.logits is None
    assert output.reliance is None
    assert output.regression.shape == (3, 16, 1)
    both = build(tiny(regression_outputs=2))
    output = both(*window(both.config))
    assert output.logits.shape == (3, 5)
    assert output.reliance.shape == (3, 2)
    assert output.regression.shape == (3, 16, 2)
    assert output.fused.shape == (3, 16, 24)
    assert output.regression.abs().max() < 1


def test_gate_temperature_sharpens():
    model = build(tiny(temperature=0.1))
    gates = model.face_gates
    x = torch.randn(2, 16, 16)
    expected = torch.softmax(gates.levels[0](x) / 0.1, dim=-1)
    torch.testing.assert_close(gates.weights(gates.levels[0], x), expected)
    flat = build(tiny(temperature=1.0)).face_gates
    assert gates.weights(gates.levels[0], x).amax(-1).mean() > flat.weights(flat.levels[0], x).amax(-1).mean() + 0.1


def saturate(layer, way):
    """A gate that always takes one way."""
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.fill_(-100.0)
        layer.bias[way] = 100.0


def test_gates_take_the_state_they_choose():
    states = [torch.rand(2, 16, 16) for _ in range(3)]
    grjca = build(tiny()).face_gates
    hgrjca = build(tiny(gating="hgrjca")).face_gates
    assert [level.out_features for level in grjca.levels] == [3]
    assert [level.out_features for level in hgrjca.levels] == [2, 3]
    for way in range(3):
        saturate(grjca.levels[0], way)
        assert torch.equal(grjca(states), states[way])
    saturate(hgrjca.levels[0], 1)
    saturate(hgrjca.levels[1], 2)
    for way, expected in ((0, states[1]), (1, states[2])):
        saturate(hgrjca.stage, way)
        assert torch.equal(hgrjca(states), expected)
    assert torch.equal(hgrjca([-s for s in states]), torch.zeros(2, 16, 16))


def test_features_of_missing_steps_change_nothing():
    config = tiny(regression_outputs=1)
    model = trained_statistics(build(config), config)
    audio, face, audio_mask, face_mask = window(config)
    audio_mask[:, :5] = 0
    face_mask[:, 7:9] = 0
    face_mask[2] = 0
    hidden_audio = torch.where(audio_mask[..., None] == 0, torch.full_like(audio, -37.5), audio)
    hidden_face = torch.where(face_mask[..., None] == 0, 1000 * face, face)
    with torch.no_grad():
        before = model(audio, face, audio_mask, face_mask)
        after = model(hidden_audio, hidden_face, audio_mask, face_mask)
        present = model(audio, face, torch.ones(3, 16), torch.ones(3, 16))
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one, other)
    assert not torch.allclose(before.logits, present.logits)


def test_missing_is_told_apart_from_zero_features():
    config = tiny()
    model = build(config).eval()
    audio, face, ones, _ = window(config)
    with torch.no_grad():
        zeros = model(audio, torch.zeros_like(face), ones, ones)
        missing = model(audio, torch.zeros_like(face), ones, torch.zeros_like(ones))
    assert not torch.allclose(zeros.fused, missing.fused, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_reliance_follows_the_masks(dtype):
    config = tiny()
    model = trained_statistics(build(config), config).to(dtype)
    with torch.no_grad():
        model.classifier.router.bias[:] = torch.tensor([9.0, -9.0])
    audio, face, audio_mask, face_mask = (t.to(dtype) for t in window(config, batch=4))
    audio_mask[1] = 0
    face_mask[2] = 0
    audio_mask[3] = face_mask[3] = 0
    with torch.no_grad():
        logits, reliance, _, _ = model(audio, face, audio_mask, face_mask)
    assert torch.isfinite(logits).all()
    assert reliance[0].sum().item() == pytest.approx(1, abs=2e-3 if dtype == torch.float16 else 1e-6)
    assert reliance[0, 0] > 0.9
    # A router that leans hard towards audio must still hand everything to the face when there is no audio.
    assert reliance[1:].tolist() == [[0, 1], [1, 0], [0, 0]]


def test_nothing_present_gives_the_same_answer_for_everyone():
    config = tiny()
    model = build(config).eval()
    none = torch.zeros(3, 16)
    with torch.no_grad():
        audio, face, _, _ = window(config)
        logits = model(audio, face, none, none).logits
    assert torch.equal(logits[0], logits[1])
    assert torch.isfinite(logits).all()


def test_masked_softmax_is_the_softmax_of_what_is_there():
    scores = torch.tensor([[1.0, 20.0, -3.0, 0.5], [1.0, 2.0, 3.0, 4.0]])
    mask = torch.tensor([[1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    weights = masked_softmax(scores, mask)
    torch.testing.assert_close(weights[0, [0, 2, 3]], torch.softmax(scores[0, [0, 2, 3]], dim=0))
    assert weights[0, 1] == 0
    assert weights[1].tolist() == [0, 0, 0, 0]


def test_stable_normalises_between_the_iterations():
    config = tiny(iterations=2)
    model = build(config).eval()
    for gates in (model.face_gates, model.audio_gates):
        saturate(gates.levels[0], 2)
    with torch.no_grad():
        for iteration in model.iterations:
            iteration.face_out.bias.fill_(5000.0)
        video, audio = torch.rand(2, 16, 16), torch.rand(2, 16, 8)
        stable = model.fuse(video, audio)
        model.config = tiny(iterations=2, stable=False)
        published = model.fuse(video, audio)
    torch.testing.assert_close(stable[..., :16].norm(dim=-1), torch.ones(2, 16), atol=1e-4, rtol=0)
    assert published[..., :16].abs().min() > 9000


def test_half_precision_agrees_with_single():
    config = tiny()
    model = trained_statistics(build(config), config)
    inputs = window(config)
    with torch.no_grad():
        single = model(*inputs).logits
        half = model.half()(*(t.half() for t in inputs)).logits.float()
    assert (single - half).abs().max() < 2e-2


def test_a_seed_makes_the_same_network_and_the_same_step():
    config = tiny()
    outputs = []
    for seed in (4, 4, 5):
        model = build(config, seed).train()
        outputs.append(model(*window(config)).logits)
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])


@pytest.mark.parametrize("gating", ["grjca", "hgrjca"])
@pytest.mark.parametrize("classes", [0, 5])
def test_every_parameter_learns(gating, classes):
    config = tiny(gating=gating, classes=classes, regression_outputs=1, stable=classes > 0)
    model = build(config).train()
    audio, face, audio_mask, face_mask = window(config, batch=8)
    audio_mask[:, :3] = 0
    face_mask[:, 4:6] = 0
    output = model(audio, face, audio_mask, face_mask)
    loss = ccc_loss(output.regression, torch.randn(8, 16, 1))
    if classes:
        loss = loss + torch.nn.functional.cross_entropy(output.logits, torch.arange(8) % classes)
    loss.backward()
    # A bias ahead of batch normalisation and one that shifts all scores of a softmax alike have no effect by design.
    without_effect = ("regressor.hidden.bias", "classifier.hidden.bias", "_score.bias")
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        if not name.endswith(without_effect):
            assert parameter.grad.abs().max() > 0, name


def test_it_learns_a_separable_task():
    config = tiny(attention_dropout=0.2)
    model = build(config).train()
    audio, face, audio_mask, face_mask = window(config, batch=40)
    labels = torch.arange(40) % 5
    audio[..., :5] += 2.0 * torch.nn.functional.one_hot(labels, 5)[:, None]
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(60):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(audio, face, audio_mask, face_mask).logits, labels)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        accuracy = (model.eval()(audio, face, audio_mask, face_mask).logits.argmax(-1) == labels).float().mean()
    assert accuracy > 0.9


@pytest.mark.parametrize("gating", ["grjca", "hgrjca"])
def test_prepare_for_export_keeps_the_output(gating):
    config = tiny(gating=gating, regression_outputs=1)
    model = trained_statistics(build(config), config)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    ready = model.prepare_for_export()
    kinds = {type(module).__name__ for module in ready.modules()}
    assert not any(kind.startswith(("Dropout", "BatchNorm", "Parametrized")) for kind in kinds)
    assert not ready.training
    inputs = window(config)
    with torch.no_grad():
        for one, other in zip(model(*inputs), ready(*inputs), strict=True):
            torch.testing.assert_close(other, one, atol=1e-6, rtol=1e-6)
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("gating", ["grjca", "hgrjca"])
def test_torch_export(gating):
    config = tiny(gating=gating)
    ready = trained_statistics(build(config), config).prepare_for_export()
    inputs = window(config, batch=1)
    program = torch.export.export(ready, inputs)
    operators = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert not any("dropout" in name or "repeat" in name or "where" in name for name in operators)
    other = window(config, batch=1, seed=9)
    other[3][:] = 0
    exported, eager = program.module()(*other), ready(*other)
    assert torch.equal(exported.reliance, torch.tensor([[1.0, 0.0]]))
    torch.testing.assert_close(exported.logits, eager.logits, atol=1e-6, rtol=1e-6)


def test_config_survives_json():
    config = tiny(gating="hgrjca")
    assert GrjcaConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert GrjcaConfig(classes=7).mask_embeddings is True
    assert GrjcaConfig().mask_embeddings is False


@pytest.mark.parametrize(
    "options",
    [
        {"gating": "gated"},
        {"steps": 0},
        {"steps": 2.5},
        {"audio_channels": ()},
        {"face_channels": (64, 0)},
        {"face_channels": 64},
        {"head_dropout": "0.5"},
        {"attention_dropout": 1.0},
        {"temperature": 0.0},
        {"norm_eps": -1.0},
        {"classes": 1},
        {"classes": 0},
        {"gating": "hgrjca", "iterations": 1},
        {"heads": 4},
    ],
)
def test_bad_options_are_named(options):
    values = tiny().to_dict() | options
    with pytest.raises(OptionError, match=next(iter(options)) if "iterations" not in options else "iterations"):
        GrjcaConfig.from_dict(values)


def test_wrong_shapes_are_named():
    config = tiny()
    model = build(config)
    audio, face, audio_mask, face_mask = window(config)
    with pytest.raises(SignalError, match=r"face has shape \(3, 15, 10\)"):
        model(audio, face[:, 1:], audio_mask, face_mask)
