"""AMB-DSGDN as published, on the feature files of its authors (IEMOCAP, MELD)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import torch

from mer_fusion.models.amb_dsgdn import AmbDsgdn, AmbDsgdnConfig
from mer_fusion.models.amb_dsgdn_objective import AmbDsgdnObjective, AmbDsgdnOptions
from mer_fusion.network import EmotionNetwork, NetworkConfig
from mer_fusion.training.cards import features_card, shortened_loop
from mer_fusion.training.dialogue.launch import dialogue_figures
from mer_fusion.training.dialogue.task import DialogueLearning, DialogueSet, DialogueTask, dialogue_set
from mer_fusion.training.loop import LoopOptions, fit
from mer_fusion.training.run import RunOptions, Trained
from mer_sdk.contract.manifest import DataSource
from mer_sdk.evaluation.datasets import DialogueFeatures, FeatureDialogue
from mer_sdk.evaluation.datasets.published.dialogue_features import IEMOCAP, MELD, DialogueLayout

_LOOP = LoopOptions(warmup_epochs=0.0, average=0.0, precision="no")


@dataclass(frozen=True)
class PublishedDialogues:
    """One of the paper's two configurations: sizes, objective, learning rate, L2, batch and epochs are the authors'.

    Different here: decay is decoupled (AdamW) and spares biases, the rate falls as a cosine and gradients are clipped
    (the authors use Adam at a constant rate), and speakers are numbered by first appearance in a window. The authors
    choose the epoch on the test set; here the last epoch is taken, and the test set is looked at once, after training.

    Attributes:
        dataset: name of the data set that --data takes.
        layout: labels, widths and speakers of the feature file.
        fusion: sizes; its modality "face" is the file's "visual".
        inverse_frequencies: whether classes are weighted as published for IEMOCAP, with late balancing.
        batch: dialogues.
    """

    dataset: str
    layout: DialogueLayout
    fusion: AmbDsgdnConfig
    inverse_frequencies: bool
    loop: LoopOptions
    batch: int
    source: DataSource

    def train(self, data: DialogueFeatures, run: RunOptions, seed: int) -> Trained:
        """Train on the file's training dialogues, measure on its test dialogues.

        Raises:
            DataError: features of another width, or labels and speakers out of range.
            CheckpointError: the run's folder holds a run with other options.
        """
        learning, test = (self.windows(data.dialogues(split)) for split in ("train", "test"))
        loop = shortened_loop(self.loop, run, seed)
        torch.manual_seed(seed)
        options = self.objective(-(-len(learning) // self.batch))
        objective = AmbDsgdnObjective(AmbDsgdn(self.fusion), options)
        task = DialogueTask(objective, learning, DialogueLearning(batch=self.batch), name=f"{self.dataset}-amb_dsgdn")
        history = fit(task, loop, run.run_dir, run.quiet)
        network = EmotionNetwork(NetworkConfig("amb_dsgdn", audio=None, face=None, fusion=self.fusion.to_dict()))
        network.fusion = objective.network.cpu().eval()
        training = {
            "options": {"loop": asdict(loop), "batch": self.batch, "objective": options.to_dict()},
            "windows": len(learning),
            "seconds": round(history.seconds),
        }
        results = {f"{self.dataset} test": dialogue_figures(objective.network, test)}
        notes = (
            "Published configuration on the authors' features; trained by whoever holds the data, never run by us.",
            "The last epoch, not the best one on the test set: not comparable with the published figures in that.",
        )
        return Trained(
            network.eval(), features_card(network, self.layout.labels, self.source, training, results, notes)
        )

    def objective(self, batches_per_epoch: int) -> AmbDsgdnOptions:
        """The published options of the objective."""
        return AmbDsgdnOptions.iemocap(batches_per_epoch) if self.inverse_frequencies else AmbDsgdnOptions.meld()

    def windows(self, dialogues: Sequence[FeatureDialogue]) -> DialogueSet:
        """Dialogues as windows with the modalities text, audio and face."""
        named = [replace(talk, features={**talk.features, "face": talk.features["visual"]}) for talk in dialogues]
        return dialogue_set(named, self.fusion.names, self.fusion.utterances, self.fusion.speakers)


IEMOCAP_DIALOGUES = PublishedDialogues(
    "iemocap-features",
    IEMOCAP,
    AmbDsgdnConfig.iemocap(),
    inverse_frequencies=True,
    loop=replace(_LOOP, epochs=61, learning_rate=6.8e-5, weight_decay=5e-5),
    batch=16,
    source=DataSource("IEMOCAP (Busso et al. 2008), features of wys-ljq/AMB-DSGDN", "on request, research", "fusion"),
)
MELD_DIALOGUES = PublishedDialogues(
    "meld-features",
    MELD,
    AmbDsgdnConfig.meld(),
    inverse_frequencies=False,
    loop=replace(_LOOP, epochs=20, learning_rate=5e-5, weight_decay=7.5e-5),
    batch=64,
    source=DataSource("MELD (Poria et al. 2019), features of wys-ljq/AMB-DSGDN", "GPL-3.0; research", "fusion"),
)
