"""From labelled dialogues to an AMB-DSGDN checkpoint that reads text: full precision and student are the same run."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from mer_fusion.checkpoint import Card, Checkpoint
from mer_fusion.dialogue_answers import NOT_FITTED
from mer_fusion.encoders import sentence
from mer_fusion.encoders.text import TextEncoder, TextEncoderConfig
from mer_fusion.models.amb_dsgdn import AmbDsgdn, AmbDsgdnConfig
from mer_fusion.models.amb_dsgdn_objective import UNLABELLED, AmbDsgdnObjective, AmbDsgdnOptions
from mer_fusion.network import EmotionNetwork, NetworkConfig
from mer_fusion.training.dialogue.task import (
    DialogueLearning,
    DialogueSet,
    DialogueTask,
    dialogue_logits,
    dialogue_predictions,
    dialogue_set,
)
from mer_fusion.training.episodes import PRIOR_STEPS
from mer_fusion.training.loop import LoopOptions, fit
from mer_fusion.training.run import Trained
from mer_fusion.training.text.encoder import text_features, text_ids
from mer_sdk.contract.manifest import BaselineContract, DataSource, Decision, DialogueContract
from mer_sdk.dialogue.dialogue_file import Dialogue
from mer_sdk.errors import CheckpointError, DataError
from mer_sdk.evaluation import metrics
from mer_sdk.evaluation.datasets.meld import BUNDLE_LABELS, LABELS, Meld
from mer_sdk.evaluation.datasets.published.features import FeatureDialogue

Encode = Callable[[Sequence[str]], np.ndarray]

# MELD's longest dialogue, so that none is cut, and the speakers that the authors tell apart.
UTTERANCES, SPEAKERS = 24, 9
TUNING_SHARE = 0.1
MELD_SOURCE = DataSource("MELD text and speakers (Poria et al. 2019, declare-lab/MELD)", Meld.licence, "dialogue model")


@dataclass(frozen=True)
class DialogueRecipe:
    """Shapes and options of one dialogue network that reads text."""

    role: str
    network: NetworkConfig
    loop: LoopOptions
    learning: DialogueLearning
    objective: AmbDsgdnOptions

    @property
    def fusion(self) -> AmbDsgdnConfig:
        """The options of the fusion network."""
        return AmbDsgdnConfig.from_dict(self.network.fusion)

    def with_fusion(self, fusion: AmbDsgdnConfig) -> DialogueRecipe:
        """The same recipe with another fusion network."""
        return replace(self, network=replace(self.network, fusion=fusion.to_dict()))


def full_dialogue_recipe(seed: int) -> DialogueRecipe:
    """The reference: vectors of the published sentence encoder, causal, MELD's published window of 6.

    Width, dropout and epochs were chosen on dialogues held out of MELD train: the published width of 512 is for the
    features of an encoder that was tuned on the task.
    """
    fusion = AmbDsgdnConfig(
        names=("text",),
        dims=(sentence.WIDTH,),
        utterances=UTTERANCES,
        classes=len(LABELS),
        speakers=SPEAKERS,
        hidden=128,
        past=6,
        future=6,
        causal=True,
        dropout=0.5,
        graph_dropout=0.3,
    )
    return DialogueRecipe(
        "full",
        NetworkConfig("amb_dsgdn", audio=None, face=None, fusion=fusion.to_dict()),
        LoopOptions(epochs=20, learning_rate=2e-3, weight_decay=0.05, precision="no", seed=seed),
        DialogueLearning(),
        AmbDsgdnOptions.meld(),
    )


def student_dialogue_recipe(seed: int, text: TextEncoderConfig) -> DialogueRecipe:
    """The student: the same class on the features of a small text encoder, half as wide."""
    full = full_dialogue_recipe(seed)
    fusion = replace(full.fusion, dims=(text.features,), hidden=64, dropout=0.3, graph_dropout=0.2)
    return replace(full, role="student", network=replace(full.network, text=text)).with_fusion(fusion)


def feature_dialogues(dialogues: Sequence[Dialogue], encode: Encode) -> list[FeatureDialogue]:
    """Dialogues with text features; labels are numbers into MELD's `LABELS`, speakers numbers by first appearance.

    Args:
        encode: texts -> float32 [n, D], zeros for a text without a word.

    Raises:
        DataError: an utterance whose label is none of MELD's.
    """
    rows = encode([line.text for talk in dialogues for line in talk.utterances])
    result, first = [], 0
    for talk in dialogues:
        lines = talk.utterances
        unknown = sorted({str(line.label) for line in lines if line.label not in LABELS})
        if unknown:
            raise DataError(f"dialogue {talk.id} has the labels {', '.join(unknown)}; MELD's are {', '.join(LABELS)}")
        numbers: dict[str | None, int] = {}
        who = np.array([numbers.setdefault(line.speaker, len(numbers)) for line in lines])
        labels = np.array([LABELS.index(line.label or "") for line in lines])
        features = {"text": rows[first : first + len(lines)]}
        result.append(FeatureDialogue(talk.id, features, who, labels, tuple(line.text for line in lines)))
        first += len(lines)
    return result


def sentence_features(cache: Path) -> Encode:
    """Vectors of the published sentence encoder, kept in `cache`; it is loaded at the first call.

    Raises (at the first call):
        MissingExtra: its package is not installed.
    """
    loaded: list[sentence.SentenceEncoder] = []

    def encode(texts: Sequence[str]) -> np.ndarray:
        if not loaded:
            loaded.append(sentence.SentenceEncoder())
        return loaded[0].embeddings(texts, cache)

    return encode


def small_encoder_features(encoder: TextEncoder) -> Encode:
    """Features of a small text encoder."""

    def encode(texts: Sequence[str]) -> np.ndarray:
        with torch.no_grad():
            return text_features(encoder, text_ids(texts, encoder.config)).numpy()

    return encode


def tuning_split(dialogues: Sequence[Dialogue], seed: int = 0) -> tuple[list[Dialogue], list[Dialogue]]:
    """(to learn from, held out): a tenth of the dialogues, drawn with the seed, both in their order."""
    drawn = torch.randperm(len(dialogues), generator=torch.Generator().manual_seed(seed)).tolist()
    held = set(drawn[: max(1, round(TUNING_SHARE * len(dialogues)))])
    parts: tuple[list[Dialogue], list[Dialogue]] = ([], [])
    for number, talk in enumerate(dialogues):
        parts[number in held].append(talk)
    return parts


def windows_of(recipe: DialogueRecipe, dialogues: Sequence[Dialogue], encode: Encode) -> DialogueSet:
    """Dialogues as the windows that a recipe's network reads."""
    fusion = recipe.fusion
    return dialogue_set(feature_dialogues(dialogues, encode), fusion.names, fusion.utterances, fusion.speakers)


def train_dialogue_network(
    recipe: DialogueRecipe,
    dialogues: Sequence[Dialogue],
    encode: Encode,
    run_dir: Path,
    text: TextEncoder | None = None,
    teacher: tuple[Checkpoint, Encode] | None = None,
    quiet: bool = False,
) -> Trained:
    """Train the fusion network on all but a tenth of the dialogues.

    The temperature is fitted on that tenth. A small text encoder learned from the labels of all of them, so that they
    say nothing about it: then the temperature is 1 and no figure is given.

    Args:
        encode: what gives the text features.
        run_dir: where state is kept; a run that was interrupted continues.
        text: the small encoder behind `encode`, which becomes part of the network; it is not trained further.
        teacher: a full-precision checkpoint and its text features, whose logits a student also learns.

    Raises:
        DataError: a label that is none of MELD's, or no dialogue.
        CheckpointError: `run_dir` holds a run with other options, or the teacher is no dialogue model.
    """
    torch.manual_seed(recipe.loop.seed)
    learned, held = tuning_split(dialogues)
    learning, tuning = windows_of(recipe, learned, encode), windows_of(recipe, held, encode)
    network = EmotionNetwork(recipe.network)
    objective = AmbDsgdnObjective(_dialogue_part(network), recipe.objective)
    wanted = None
    if teacher is not None:
        wanted = dialogue_logits(_dialogue_part(teacher[0].network), windows_of(recipe, learned, teacher[1]))
    task = DialogueTask(objective, learning, recipe.learning, tuning, wanted, f"dialogue-{recipe.role}")
    history = fit(task, recipe.loop, run_dir, quiet)
    fusion = objective.network.cpu().eval()
    network.fusion = fusion
    if text is not None:
        network.text.load_state_dict(text.state_dict())
    results, temperature = {}, 1.0
    if text is None:
        labels, _ = tuning.judged
        chosen = dialogue_predictions(fusion, tuning)
        temperature = fitted_temperature(fusion, tuning)
        results["dialogues held out of MELD train"] = {
            "utterances": len(labels),
            "weighted_f1": round(metrics.weighted_f1(labels, chosen), 4),
            "accuracy": round(metrics.war(labels, chosen), 4),
        }
    config = recipe.fusion
    card = Card(
        name=f"amb_dsgdn-{recipe.role}",
        role=recipe.role,
        network=recipe.network,
        labels=BUNDLE_LABELS,
        baseline=BaselineContract(PRIOR_STEPS, {}),
        data=(MELD_SOURCE, replace(sentence.SOURCE, use="text features, or teacher of the text encoder")),
        parameters=network.eval().parameters_by_part(),
        text=None if text is None else text.config.contract,
        dialogue=DialogueContract(config.utterances, config.speakers, config.causal),
        sentences=sentence.MODEL if text is None else None,
        decision=Decision(temperature=temperature),
        training={
            "options": {key: value for key, value in asdict(recipe).items() if key not in ("network", "role")},
            "dialogues": {"learned": len(learned), "held out": len(held)},
            "teacher_sha256": "" if teacher is None else teacher[0].sha256,
            "seconds": round(history.seconds),
            "machine": f"{platform.machine()}, torch {torch.__version__}",
        },
        results=results,
        notes=(
            "Text and speakers of one English TV comedy: scripted, written to be funny, half of it neutral.",
            "Fear and disgust are rare in MELD; expect them to be missed.",
            *(() if text is None else (f"The text encoder saw the labels of all of MELD train{NOT_FITTED}.",)),
        ),
    )
    return Trained(network, card)


def _dialogue_part(network: EmotionNetwork) -> AmbDsgdn:
    if not isinstance(network.fusion, AmbDsgdn):
        raise CheckpointError(f"{network.config.model} is no dialogue model; give a checkpoint of amb_dsgdn")
    return network.fusion


def fitted_temperature(network: AmbDsgdn, data: DialogueSet) -> float:
    """The temperature with the least negative log-likelihood on labelled utterances, 0.5-3 in steps of 0.05."""
    wanted = data.labels != UNLABELLED
    logits, labels = dialogue_logits(network, data)[wanted], data.labels[wanted]
    grid = [0.5 + 0.05 * i for i in range(51)]
    losses = torch.stack([F.cross_entropy(logits / heat, labels) for heat in grid])
    return round(grid[int(losses.argmin())], 2)
