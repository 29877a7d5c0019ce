"""Small files of the published layouts of features and annotations, for the tests of adapters and of training."""

import pickle

import numpy as np


class Planted:
    """What a hostile file would hold."""

    def __reduce__(self):
        return (print, ("this must never run",))


def dump(path, value, protocol=4):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


def draw(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def mmsa_part(count, audio=5):
    part = {"text": draw(count, 6, 768), "audio": draw(count, 9, audio), "vision": draw(count, 8, 20)}
    part["audio"][0, 0, 0] = -np.inf
    part["vision"][0, 5:] = 0
    return part | {
        "regression_labels": np.linspace(-3, 3, count),
        "id": [f"video$_${i}" for i in range(count)],
        "raw_text": ["so good"] * count,
        "audio_lengths": [4] * count,
    }


def mmsa(folder, **changes):
    content = {split: mmsa_part(3, **changes) for split in ("train", "valid", "test")}
    return dump(folder / "unaligned_50.pkl", content)


def dialogues(audio, speakers, extra=(), **changes):
    names, lengths = ["Ses01", "Ses02"], {"Ses01": 3, "Ses02": 2}

    def each(width):
        return {name: list(draw(count, width)) for name, count in lengths.items()}

    fields = {
        "ids": names,
        "speakers": {name: speakers(count) for name, count in lengths.items()},
        "labels": {name: [i % 3 for i in range(count)] for name, count in lengths.items()},
        "text": each(1024),
        "text2": each(4),
        "text3": each(4),
        "text4": each(4),
        "audio": each(audio),
        "visual": each(342),
        "sentences": {name: ["hm"] * count for name, count in lengths.items()},
        "train": ["Ses01"],
        "test": ["Ses02"],
    }
    return (*(fields | changes).values(), *extra)


def genders(count):
    return ["M" if i % 2 else "F" for i in range(count)]


def one_hot(count):
    return np.eye(9, dtype=int)[np.arange(count) % 9].tolist()


def mintrec(folder, label="Joke", video_width=256, clips=1):
    """MIntRec's folder with some clips in each split."""
    folder.mkdir(exist_ok=True)
    names = {split: [f"{split}{number or ''}" for number in range(clips)] for split in ("train", "dev", "test")}
    for split, found in names.items():
        rows = [f'S04\tE01\t{name}\tso "what\t{label}' for name in found]
        (folder / f"{split}.tsv").write_text("\n".join(["season\tepisode\tclip\ttext\tlabel", *rows]) + "\n")
    keys = [f"S04_E01_{name}" for found in names.values() for name in found]
    dump(folder / "video_data" / "video_feats.pkl", {key: list(draw(240, 1, video_width)) for key in keys})
    dump(folder / "audio_data" / "audio_feats.pkl", {key: draw(7, 768) for key in keys})
    return folder


def affwild2(folder, lines, split="Train_Set", frames=(1, 3), image=b""):
    """Annotations of one video and some of its frames, all the same image."""
    annotations = folder / "annotations" / "VA_Estimation_Challenge" / split
    annotations.mkdir(parents=True, exist_ok=True)
    (annotations / "12-24-1920x1080_left.txt").write_text("\n".join(lines) + "\n")
    crops = folder / "cropped_aligned" / "12-24-1920x1080_left"
    crops.mkdir(parents=True, exist_ok=True)
    for number in frames:
        (crops / f"{number:05d}.jpg").write_bytes(image)
    return folder
