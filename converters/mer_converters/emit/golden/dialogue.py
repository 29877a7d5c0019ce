"""Dialogues outside of their graphs: words to ids, speakers, and the window of utterances."""

from __future__ import annotations

import numpy as np

from mer_converters.emit.golden.file import text_array
from mer_converters.emit.golden.recorder import FusionRecorder
from mer_converters.emit.source_bundle import SourceBundle
from mer_sdk.contract.bundle import Bundle
from mer_sdk.dialogue.engine import DialogueEngine, UtteranceFeatures
from mer_sdk.frontends.text import TextFrontend

TEXTS = (
    "I'm so happy, really!",
    "",
    "   \t\n ",
    "No... NO!!!! Why?? \u2014 don\u2019t",
    "\u00c4rger \u00fcber \u0130stanbul, na\u00efve caf\u00e9 \ufb01ne \u00bd \u2460",
    "cafe\u0301 = caf\u00e9; \u1e9b\u0323 a\u0323\u0307 a\u0307\u0323",
    "\ud55c\uad6d\uc5b4 \u304c\u304e \u30ac \uff76\uff9e \u4f60\u597d",
    "\U0001f600\U0001f44d\U0001f3fd great \U0001f1e9\U0001f1ea",
    "\u041f\u0440\u0438\u0432\u0435\u0442 \u0393\u0395\u0399\u0391 \u03a3\u03a3 \u1f88 \u01c4 \u1e9e",
    "supercalifragilisticexpialidociousandlonger it's 'quoted' rock'n'roll",
    "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd \u0645\u064e\u0631\u0652\u062d\u064e\u0628\u064b\u0627",
    "\u0928\u092e\u0938\u094d\u0924\u0947",
    "a b c d e f g h i j k l m n o p q r s t u v w x y z 1 2 3 4 5 6 7 8 9 0",
    "\u00abquotes\u00bb \u201clike these\u201d \u2018and\u2019 x\u2212y\u2010z\u200bq",
)
# Who speaks: more speakers than the network tells apart, one of them unknown.
MANY = 12


def stages(source: SourceBundle) -> dict[str, np.ndarray]:
    """`stage_text_*`: texts to ids; `stage_dialogue_*`: utterances to what the fusion graph is given at each."""
    manifest = source.manifest
    contract = manifest.dialogue
    assert contract is not None  # a dialogue bundle
    arrays: dict[str, np.ndarray] = {}
    if manifest.text is not None and "text" in manifest.graphs:
        encoded, frontend = [text.encode() for text in TEXTS], TextFrontend(manifest.text)
        arrays["stage_text"] = text_array(b"".join(encoded))
        arrays["stage_text_bytes"] = np.array([len(text) for text in encoded])
        arrays["stage_text_ids"] = np.stack([frontend.ids(text) for text in TEXTS])
    return arrays | _windows(source)


def _windows(source: SourceBundle) -> dict[str, np.ndarray]:
    random, contract = np.random.default_rng(25), source.manifest.dialogue
    assert contract is not None  # a dialogue bundle
    count, most = 2 * contract.utterances + 3, 3
    speakers = random.integers(0, min(MANY, 2 * contract.speakers), count)
    # Steps of each utterance that hold a modality; text has one, or none.
    steps = random.integers(0, most + 1, (count, len(source.modalities)))
    sizes = {name: source.size(name) for name in source.modalities}
    rows = {
        name: random.normal(0, 1, (count, 1 if name == "text" else most, size)).astype(np.float32)
        for name, size in sizes.items()
    }
    for place, name in enumerate(source.modalities):
        steps[:, place] = np.minimum(steps[:, place], rows[name].shape[1])
        rows[name] *= (np.arange(rows[name].shape[1]) < steps[:, place, None])[..., None]
    # The first utterance holds nothing at all.
    steps[0] = 0
    for value in rows.values():
        value[0] = 0.0
    fusion = FusionRecorder(source)
    engine = DialogueEngine(Bundle(source.manifest, loader=lambda _: {"fusion": fusion}))
    names = [*source.modalities, *(f"{name}_mask" for name in source.modalities), "speakers"]
    windows: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for number in range(count):
        given = {
            name: rows[name][number, : steps[number, place]]
            for place, name in enumerate(source.modalities)
            if steps[number, place]
        }
        fusion.clear()
        engine.advance(UtteranceFeatures(given), int(speakers[number]))
        for name in names:
            windows[name].append(fusion.seen(name))
    arrays: dict[str, np.ndarray] = {"stage_dialogue_speakers": speakers, "stage_dialogue_steps": steps}
    arrays |= {f"stage_dialogue_rows_{name}": value for name, value in rows.items()}
    arrays |= {f"stage_dialogue_window_{name}": np.stack(value) for name, value in windows.items()}
    for name in source.manifest.baseline.population_mean:
        arrays[f"stage_dialogue_mean_{name}"] = np.stack(
            [engine.baseline(speaker).mean(name) for speaker in range(int(speakers.max()) + 1)]
        )
    return arrays
