"""MELD: dialogues of the TV series Friends with speakers and emotions (Poria and others 2019), text only.

Read from the published csv files `train_sent_emo.csv`, `dev_sent_emo.csv` and `test_sent_emo.csv`, anywhere below the
folder, with the columns Utterance, Speaker, Emotion and Dialogue_ID. Utterances of a dialogue are taken in the order of
their lines; numbers that the published files skip are not filled in. Encoding: see `read_dialogues`. An utterance
without text is kept, as what was said before and after it still belongs together.
"""

from __future__ import annotations

from pathlib import Path

from mer_sdk.dialogue.dialogue_file import Dialogue, read_dialogues
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets.registry import register

LABELS = ("neutral", "joy", "sadness", "anger", "fear", "disgust", "surprise")
# Bundles of the project say the same in their own words, in this order.
BUNDLE_LABELS = ("neutral", "happy", "sad", "angry", "fearful", "disgust", "surprised")
SPLITS = ("train", "dev", "test")
_REQUIRED = ("dialogue_id", "speaker", "utterance", "emotion")


@register("meld")
class Meld:
    """The MELD csv files below a folder.

    Args:
        folder: searched with all its subfolders; or the path of one of the files, for that split alone.

    Raises:
        DataError: none of the three files is there.
    """

    name = "meld"
    labels = LABELS
    licence = "GPL-3.0 (annotations); dialogue of a TV series: research use"

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        names = {split: f"{split}_sent_emo.csv" for split in SPLITS}
        if self.folder.is_file():
            self._files = {split: self.folder for split, name in names.items() if self.folder.name == name}
        else:
            found = {split: sorted(self.folder.rglob(name)) for split, name in names.items()}
            self._files = {split: paths[0] for split, paths in found.items() if paths}
        if not self._files:
            raise DataError(
                f"{self.folder} is or holds none of {', '.join(names.values())}; get MELD from "
                "github.com/declare-lab/MELD (data/MELD) and give its folder"
            )

    @property
    def splits(self) -> tuple[str, ...]:
        """Which of train, dev and test are there."""
        return tuple(self._files)

    def dialogues(self, split: str = "dev") -> tuple[Dialogue, ...]:
        """The dialogues of a split in the order of the file; every label is one of `LABELS`.

        Raises:
            OptionError: a split that MELD does not have.
            DataError: the split's file is not there or cannot be read, or an utterance has no label or an unknown one.
        """
        if split not in SPLITS:
            raise OptionError.unknown("split of MELD", split, SPLITS)
        if split not in self._files:
            raise DataError(f"{self.folder} has no {split}_sent_emo.csv; it has: {', '.join(self.splits)}")
        path = self._files[split]
        dialogues = read_dialogues(path, _REQUIRED)
        for dialogue in dialogues:
            for number, utterance in enumerate(dialogue.utterances):
                if utterance.label not in LABELS:
                    raise DataError(
                        f"{path}: utterance {number} of dialogue {dialogue.id} has the emotion {utterance.label!r}; "
                        f"MELD's are {', '.join(LABELS)}: correct the line or fetch the file again"
                    )
        return dialogues
