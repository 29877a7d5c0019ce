"""Tables of utterances: baselines of every condition, corruption that keeps the label, runs that are kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mer_fusion.models.amb_dsgdn import AmbDsgdn, AmbDsgdnConfig
from mer_fusion.training.loop import LoopOptions
from mer_fusion.training.utterances.networks import MODELS, DialogueOfOne, fusion_objective, logistic_regression
from mer_fusion.training.utterances.runs import Case, RunOptions, run_answers
from mer_fusion.training.utterances.table import (
    CONDITIONS,
    UtteranceTable,
    condition_baselines,
    population_means,
    random_baselines,
    single_step,
)
from mer_fusion.training.utterances.task import UtteranceOptions, UtteranceTask, log_probabilities
from mer_sdk.errors import OptionError

PEOPLE, CLIPS, CLASSES = 6, 20, 3
REMOVED = CONDITIONS[2]


def people_table(offset=3.0, seed=0):
    """Two modalities in which each person is shifted; the label shows in both, weakly in each."""
    generator = torch.Generator().manual_seed(seed)
    people = torch.arange(PEOPLE).repeat_interleave(CLIPS)
    labels = torch.arange(CLASSES).repeat(PEOPLE * CLIPS // CLASSES + 1)[: len(people)]
    modalities = []
    for name, dim in (("audio", 6), ("face", 5)):
        shift = torch.randn(PEOPLE, dim, generator=generator)[people] * offset
        signal = torch.randn(CLASSES, dim, generator=generator)[labels]
        noise = torch.randn(len(people), dim, generator=generator)
        modalities.append(single_step(name, shift + 1.5 * signal + noise))
    return UtteranceTable(tuple(modalities), labels, people)


def options(**changed):
    values = {"drop": (0.2, 0.2), "swap": (0.0, 0.0), "mixing": (0.0, 0.0), "noise": (0.1, 0.1), "batch": 32}
    return UtteranceOptions(**(values | changed))


def batches(table, rows, chosen):
    task = UtteranceTask(torch.nn.Identity(), table, rows, chosen)
    return task, list(task.epoch(torch.Generator().manual_seed(0), (0, 1)))


def test_baselines_of_the_three_conditions():
    table, rows = people_table(), torch.arange(2 * CLIPS)
    population = population_means(table, torch.arange(2 * CLIPS, len(people_table())))
    features = table.modalities[0].sums[rows]
    cold = condition_baselines(table, rows, population, "cold")[0]
    assert torch.equal(cold, population[0].expand(len(rows), -1))
    removed = condition_baselines(table, rows, population, REMOVED)[0]
    for person in range(2):
        mine = table.people[rows] == person
        torch.testing.assert_close((features - removed)[mine].mean(dim=0), torch.zeros(6), atol=1e-5, rtol=0)
    warm = condition_baselines(table, rows, population, "warm", seed=1)[0]
    assert not torch.equal(warm, condition_baselines(table, rows, population, "warm", seed=2)[0])
    for person in range(2):
        mine = torch.nonzero(table.people[rows] == person).flatten()
        first = (warm[mine] - population[0]).abs().sum(dim=1).argmin()
        torch.testing.assert_close(warm[mine][first], population[0])
        # The last one heard all others: 4 parts population, 19 parts person.
        totals = features[mine].sum(dim=0) - features[mine]
        expected = (4 * population[0] + totals) / (4 + CLIPS - 1)
        assert ((warm[mine] - expected).abs().amax(dim=1) < 1e-5).sum() == 1


def test_baselines_need_known_people_and_a_known_condition():
    table = people_table()
    rows = torch.arange(5)
    with pytest.raises(OptionError, match=r"'tepid' is unknown; allowed are cold, warm"):
        condition_baselines(table, rows, population_means(table, rows), "tepid")
    nobody = replace(table, people=None)
    assert [mean.abs().sum() for mean in population_means(nobody, rows)] == [0, 0]
    with pytest.raises(OptionError, match="does not; use cold"):
        condition_baselines(nobody, rows, population_means(nobody, rows), "warm")
    with pytest.raises(OptionError, match="allowed are audio, face"):
        table.only("text")


def test_training_baselines_use_the_learning_rows_of_the_same_person_alone():
    table = people_table()
    among = torch.arange(0, len(table), 2)
    poisoned = table.modalities[0].sums.clone()
    poisoned[1::2] = torch.nan  # rows that must not be looked at
    table = replace(table, modalities=(replace(table.modalities[0], sums=poisoned), table.modalities[1]))
    population = population_means(table, among)
    drawn = random_baselines(table, among, among, population, torch.Generator().manual_seed(0))[0]
    assert torch.isfinite(drawn).all()
    cold = (drawn == population[0]).all(dim=1)
    whole = torch.stack([poisoned[among][table.people[among] == p].mean(dim=0) for p in range(PEOPLE)])
    removed = (drawn - whole[table.people[among]]).abs().amax(dim=1) < 1e-4
    assert 0.15 < cold.float().mean() < 0.6
    assert 0.15 < removed.float().mean() < 0.6
    assert (~cold & ~removed).any()


def test_a_swap_takes_another_utterance_of_the_same_person_and_keeps_the_label():
    table = people_table(offset=100.0)
    chosen = options(drop=(0.0, 0.0), swap=(1.0, 0.0), noise=(0.0, 0.0), batch=120)
    _, (batch,) = batches(table, torch.arange(len(table)), chosen)
    order = [int(((table.modalities[1].sums - x).abs().amax(dim=1) < 1e-3).nonzero()[0]) for x in _raw(batch, 1, table)]
    assert batch["labels"].tolist() == table.labels[order].tolist()
    heard = _raw(batch, 0, table)
    other = [int((table.modalities[0].sums - x).abs().amax(dim=1).argmin()) for x in heard]
    assert table.people[other].tolist() == table.people[order].tolist()
    assert (torch.tensor(other) != torch.tensor(order)).float().mean() > 0.8


def _raw(batch, index, table):
    """Features before the baseline was taken off: the baseline is the only unknown, so it is drawn again."""
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(table), generator=generator)
    baselines = random_baselines(
        table, order, torch.arange(len(table)), population_means(table, torch.arange(len(table))), generator
    )
    return batch[f"input{index}"][:, 0] + baselines[index]


def test_modalities_are_dropped_but_never_all():
    table = people_table()
    _, got = batches(table, torch.arange(len(table)), options(drop=(0.9, 0.9)))
    masks = torch.cat([torch.cat((b["input2"], b["input3"]), dim=1) for b in got])
    assert masks.sum(dim=1).min() == 1
    assert (masks.sum(dim=1) == 1).float().mean() > 0.1
    for batch in got:
        assert (batch["input0"][batch["input2"] == 0] == 0).all()
    only = table.only("face")
    _, got = batches(only, torch.arange(len(table)), options(drop=(0.0, 0.0)))
    assert all(torch.isfinite(b["input0"]).all() and b["input2"].sum() == 0 for b in got)


def test_impossible_options_are_refused():
    for changed, message in (
        ({"drop": (1.5, 0.0)}, r"drop is \(1.5, 0.0\)"),
        ({"batch": 1}, "batch 1 must be at least 2"),
        ({"teacher_weight": 2.0}, "teacher_weight 2.0"),
    ):
        with pytest.raises(OptionError, match=message):
            options(**changed)
    with pytest.raises(OptionError, match="'resnet' is unknown; allowed are grjca"):
        fusion_objective("resnet", people_table(), CLASSES, 8, 0.3)
    table = people_table()
    turned = replace(table, modalities=table.modalities[::-1])
    with pytest.raises(OptionError, match="GRJCA reads audio and face, not face, audio"):
        fusion_objective("grjca", turned, CLASSES, 8, 0.3)


@pytest.mark.parametrize("model", [*MODELS, "concatenation"])
def test_every_model_learns_people_it_never_saw(model, tmp_path):
    table = people_table()
    learning, asked = torch.arange(4 * CLIPS), torch.arange(4 * CLIPS, len(table))
    loop = LoopOptions(epochs=14, learning_rate=5e-3, average=0.9, precision="no", threads=1)
    run = RunOptions(model, 16, 0.3, CLASSES, options(), loop)
    cases = [Case(REMOVED, 0, (True, True)), Case("cold", 0, (True, True))]
    answers = run_answers(run, table, learning, asked, cases, tmp_path)
    assert answers.log_probabilities.shape == (2, len(asked), CLASSES)
    np.testing.assert_allclose(np.exp(answers.log_probabilities).sum(axis=2), 1, atol=1e-5)
    right = (answers.log_probabilities.argmax(axis=2) == table.labels[asked].numpy()).mean(axis=1)
    # People are shifted by twice what separates the labels: without their mean the task is hard.
    assert right[0] > 0.7
    assert right[0] > right[1]
    assert answers.parameters > 0
    kept = list(tmp_path.iterdir())
    again = run_answers(run, table, learning, asked, cases, tmp_path)
    np.testing.assert_array_equal(again.log_probabilities, answers.log_probabilities)
    assert again.seconds == answers.seconds
    assert list(tmp_path.iterdir()) == kept
    network = fusion_objective(model, table, CLASSES, 16, 0.3).network
    network.load_state_dict(load_file(again.weights))
    said = log_probabilities(network.eval(), table, asked, population_means(table, learning), REMOVED)
    np.testing.assert_allclose(said, answers.log_probabilities[0], atol=1e-5)


def test_a_changed_table_or_seed_is_another_run(tmp_path):
    table = people_table()
    rows = torch.arange(len(table))
    run = RunOptions("concatenation", 8, 0.3, CLASSES, options(), LoopOptions(epochs=1, precision="no", threads=1))
    cases = [Case("cold", 0, (True, True))]
    for changed_run, changed_table in (
        (run, table),
        (replace(run, loop=replace(run.loop, seed=1)), table),
        (run, people_table(seed=1)),
    ):
        run_answers(changed_run, changed_table, rows, rows, cases, tmp_path)
    assert len(list(tmp_path.glob("*.npz"))) == 3


def test_distillation_follows_the_teacher_and_not_the_labels():
    table, rows = people_table(), torch.arange(PEOPLE * CLIPS)
    wrong = torch.log_softmax(8.0 * torch.nn.functional.one_hot((table.labels + 1) % CLASSES).float(), dim=1)
    chosen = options(drop=(0.0, 0.0), teacher_weight=1.0, batch=120)
    torch.manual_seed(0)
    objective = fusion_objective("concatenation", table, CLASSES, 16, 0.3)
    task = UtteranceTask(objective, table, rows, chosen, wrong)
    solver = torch.optim.Adam(objective.parameters(), 2e-2)
    for epoch in range(60):
        for batch in task.epoch(torch.Generator().manual_seed(epoch), (0, 1)):
            solver.zero_grad()
            task.loss(objective, batch).backward()
            solver.step()
    said = log_probabilities(objective.network.eval(), table, rows, task.populations, REMOVED).argmax(dim=1)
    assert (said == (table.labels + 1) % CLASSES).float().mean() > 0.8


def test_logistic_regression_finds_the_optimum():
    table = people_table(offset=0.0)
    x, labels = table.modalities[0].sums, table.labels
    scores = logistic_regression(x, labels, x, CLASSES)
    torch.testing.assert_close(scores.exp().sum(dim=1), torch.ones(len(x)))
    assert (scores.argmax(dim=1) == labels).float().mean() > 0.75
    # Features of another scale and origin are the same features.
    torch.testing.assert_close(
        logistic_regression(100 * x + 7, labels, 100 * x + 7, CLASSES), scores, atol=2e-3, rtol=1e-2
    )


def test_a_dialogue_of_one_is_the_dialogue_network_on_the_mean_over_present_steps():
    torch.manual_seed(0)
    config = AmbDsgdnConfig(names=("audio", "face"), dims=(4, 3), utterances=1, classes=2, speakers=1, hidden=8)
    network = AmbDsgdn(config).eval()
    audio, face = torch.randn(5, 6, 4), torch.randn(5, 6, 3)
    mask = torch.tensor([0.0, 0, 1, 1, 1, 1]).expand(5, 6)
    nothing = torch.zeros(5, 6)
    got = DialogueOfOne(network)(audio, face, mask, nothing)
    ones = torch.ones(5, 1)
    wanted = network(audio[:, 2:].mean(dim=1, keepdim=True), torch.zeros(5, 1, 3), ones, 0 * ones, 0 * ones)
    torch.testing.assert_close(got.logits, wanted.logits[:, 0])
    torch.testing.assert_close(got.reliance, torch.tensor([[1.0, 0.0]]).expand(5, 2))
    with pytest.raises(OptionError, match="reads 2 utterances; configure utterances=1"):
        DialogueOfOne(AmbDsgdn(replace(config, utterances=2)))
