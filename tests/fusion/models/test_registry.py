"""The registry: every model is built from its plain dict, with an objective that trains it."""

import pytest

torch = pytest.importorskip("torch")

from mer_fusion.models.registry import FUSION_MODELS, fusion_model  # noqa: E402
from mer_fusion.training.fusion.recipe import WINDOW_MODELS, full_precision_recipe, student_recipe  # noqa: E402
from mer_sdk.errors import OptionError  # noqa: E402


@pytest.mark.parametrize("name", WINDOW_MODELS)
def test_recipe_of_every_model_builds_and_is_small(name):
    sizes = {}
    for recipe in (full_precision_recipe(0, name), student_recipe(0, name)):
        torch.manual_seed(0)
        model = fusion_model(recipe.network.model)
        network = model.network(recipe.network.fusion)
        objective = model.objective(network, recipe.objective)
        dims = (recipe.network.audio.features, recipe.network.face.features)
        inputs = (*(torch.randn(3, 16, dim) for dim in dims), *(torch.ones(3, 16) for _ in dims))
        output, extra = objective(inputs, torch.tensor([0, 1, 2]))
        assert output.logits.shape == (3, 7)
        assert extra.dim() == 0
        assert (extra.item() == 0) == name.endswith("grjca")
        assert objective.network is network
        sizes[recipe.role] = sum(p.numel() for p in network.prepare_for_export().parameters())
    assert sizes["student"] < 130_000
    assert sizes["full"] < 800_000


def test_unknown_models_and_options_are_named():
    with pytest.raises(OptionError, match="atsuko"):
        fusion_model("transformer")
    with pytest.raises(OptionError, match="allowed"):
        full_precision_recipe(0, "amb_dsgdn")
    for name in ("grjca", "atsuko", "fdrl"):
        network = fusion_model(name).network(student_recipe(0, name).network.fusion)
        with pytest.raises(OptionError, match="speed"):
            FUSION_MODELS[name].objective(network, {"speed": 1})
