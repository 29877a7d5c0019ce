"""The face finder beside the packaged cascade: how much of what published detectors find, and what a search costs.

    python -m benchmarks.faces.face_finder --data ferplus:PATH --media PATH --ravdess PATH --portraits PATH \
        --ultraface version-RFB-320.onnx --mediapipe face_detection_short_range.tflite

Nothing of the media was trained on or used to choose a setting. Measures the packaged finder, writes
docs/results/face_finder.json and the tables between the markers in docs/results/faces.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.faces.finder_framing import ravdess_crops, relations, squares
from benchmarks.faces.finder_measures import Squared, jitter, landmark_fit, on_made_scenes, same_emotions
from benchmarks.faces.finder_tables import measured_section
from benchmarks.faces.made_scenes import made_sets
from benchmarks.results.result_tables import prose, table, write_result
from mer_converters.targets import find_target
from mer_converters.targets.registry import ExportJob
from mer_fusion.checkpoint import SHIPPED
from mer_fusion.models.face_finder import FaceFinder, FaceFinderCard, load_face_finder
from mer_fusion.training.finder.banks import FaceBank
from mer_fusion.training.finder.figures import drawn, matched
from mer_fusion.training.finder.scenes import SceneOptions, Scenes
from mer_fusion.training.finder.teachers import (
    MEDIAPIPE_TO_SQUARE,
    ULTRAFACE_TO_SQUARE,
    MediaPipe,
    UltraFace,
    label_faces,
)
from mer_quantization.calibration import save_samples
from mer_quantization.schemes import find_scheme
from mer_sdk.bench.timing import measure, ratio
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import to_json
from mer_sdk.contract.manifest import FINDER
from mer_sdk.evaluation.datasets import open_dataset
from mer_sdk.frontends.face_crop import overlap
from mer_sdk.frontends.face_detection import FaceDetector, HaarDetector
from mer_sdk.frontends.face_finder import PACKAGED_FINDERS, PACKAGED_FOLDER, FinderDetector
from mer_sdk.media.decode import MediaFile, VideoFrame
from mer_sdk.runtimes import load_graph
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- finder: written by benchmarks/faces/face_finder.py -->", "<!-- end of finder -->"
SMALLEST = 0.1  # faces below this share of the shorter side are asked of nobody, and no one's mistake
RIGHT, WRONG = 0.5, 0.3  # overlap with a reference from which a face is found, below which it is false
GRAPHS = (("tflite", "int8"),)  # converted for this alone, with --int8
Frames = list[np.ndarray]


def media_sets(media: Path, ravdess: Path) -> dict[str, Frames]:
    """Name -> frames of what is looked at."""
    photos = [cv2.imread(str(path))[:, :, ::-1] for path in sorted(media.glob("*.jpg"))]
    sets = {"photos": [np.ascontiguousarray(photo) for photo in photos]}
    sets["single_face.mp4"] = list(video_frames(media / "single_face.mp4", 6))
    sets["Langer clip"] = list(video_frames(media / "WolfgangLanger_Pexels.mp4", 16))
    clips = sorted((ravdess / "mp4").glob("*.mp4"))
    sets[f"RAVDESS 720p, {len(clips)} clips"] = [frame for clip in clips for frame in video_frames(clip, 9)]
    return sets


def video_frames(path: Path, every: int) -> Iterator[np.ndarray]:
    with MediaFile(path) as file:
        pictures = (piece for piece in file.read() if isinstance(piece, VideoFrame))
        for number, picture in enumerate(pictures):
            if number % every == 0:
                yield picture.rgb()


class Timed:
    """A graph that keeps how long its last run took, milliseconds."""

    def __init__(self, graph: Any) -> None:
        self._graph, self.taken = graph, 0.0

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        begun = time.perf_counter()
        found: dict[str, np.ndarray] = self._graph.run(inputs)
        self.taken = 1000 * (time.perf_counter() - begun)
        return found


def converted(finder: FaceFinder, card: FaceFinderCard, calibration: Path, folder: Path) -> dict[str, Any]:
    """ "target scheme" -> (graph, bytes of its file), through the project's own converters."""
    import torch

    size = (1, card.contract.height, card.contract.width, 3)
    cells = finder.config.cells
    built: dict[str, Any] = {}
    for target_name, scheme_name in GRAPHS:
        target = find_target(target_name)
        path = folder / f"finder-{scheme_name}{target.suffix}"
        spec = GraphSpec(
            path.name,
            scheme_name,
            (TensorSpec("frame", size, range=(0.0, 255.0)),),
            (TensorSpec("scores", (1, cells)), TensorSpec("boxes", (1, cells, 4))),
        )
        scheme = find_scheme(scheme_name, target.schemes, target.name)
        job = ExportJob(finder, (torch.zeros(size),), spec, scheme, calibration=calibration, float_modules=("decode",))
        target.export(job, path)
        graph = Timed(load_graph(target.runtime, path, spec))
        built[f"{target_name} {scheme_name}"] = (graph, path.stat().st_size)
    return built


def packaged() -> dict[str, Any]:
    """The graphs that come with the SDK: "target scheme" -> (graph, bytes of its file)."""
    found: dict[str, Any] = {}
    for name in PACKAGED_FINDERS:
        bundle = Bundle.open(PACKAGED_FOLDER / name)
        assert bundle.path is not None  # it was opened from a folder
        spec = bundle.manifest.graphs[FINDER]
        size = (bundle.path / spec.file).stat().st_size
        found[f"{bundle.manifest.target} {bundle.manifest.scheme}"] = (Timed(bundle.load_graphs()[FINDER]), size)
    return found


def compared(
    detectors: Mapping[str, FaceDetector], teachers: Mapping[str, tuple[FaceDetector, Any]], frames: Frames
) -> dict[str, Any]:
    """Every detector against every teacher on the frames of one set."""
    said = {name: [detector.detect(frame) for frame in frames] for name, detector in detectors.items()}
    wanted = {name: [squares(one.detect(frame), how) for frame in frames] for name, (one, how) in teachers.items()}
    for name, boxes in wanted.items():  # a yardstick: one reference beside the other
        said[name] = [[(*box, 1.0) for box in faces] for faces in boxes]
    result: dict[str, Any] = {}
    for name, per_frame in said.items():
        row: dict[str, Any] = {}
        for teacher, boxes in wanted.items():
            overlaps, faces = [], 0
            for index, frame in enumerate(frames):
                large = [box for box in boxes[index] if box[2] >= SMALLEST * min(frame.shape[:2])]
                overlaps += matched(per_frame[index], large, RIGHT)
                faces += len(large)
            row[teacher] = {
                "faces": faces,
                "recall": round(len(overlaps) / max(faces, 1), 4),
                "overlap": round(float(np.mean(overlaps)), 4) if overlaps else None,
            }
        false = sum(
            all(overlap(face[:4], box) < WRONG for boxes in wanted.values() for box in boxes[index])
            for index, seen in enumerate(per_frame)
            for face in seen
        )
        row["false_per_frame"] = round(false / len(frames), 4)
        result[name] = row
    return result


def times(detectors: Mapping[str, FaceDetector], graphs: Mapping[str, Any], frame: np.ndarray, rounds: int) -> Any:
    """Milliseconds of one search of every detector on one core, interleaved, and the ratio to the cascade's."""

    def runner(name: str) -> Any:
        def run() -> dict[str, float]:
            begun = time.perf_counter()
            detectors[name].detect(frame)
            taken = 1000 * (time.perf_counter() - begun)
            return {"graph": graphs[name].taken, "search": taken} if name in graphs else {"search": taken}

        return run

    measured = measure({name: runner(name) for name in detectors}, rounds)
    first = measured["cascade"].counted["search"]
    return {
        name: {
            "quantiles": to_json(value.quantiles()),
            "ratio": to_json(ratio(value.counted["search"], first)),
        }
        for name, value in measured.items()
    }


def section(result: dict[str, Any]) -> list[str]:
    """The tables of docs/results/faces.md."""
    lines = prose(
        f"Recall: share of the reference's faces, of at least {100 * SMALLEST:g} % of the shorter side, with an "
        f"overlap of {RIGHT} or more. Overlap: mean intersection over union of those. False: faces a frame that "
        f"overlap no face of either reference by {WRONG}. References are brought to the project's box first; their own "
        "rows say how far they agree with each other. Finders: the packaged bundles, "
        f"threshold {result['threshold']:g}."
    )
    rows = []
    for name, one in result["sets"].items():
        for detector, row in one["detectors"].items():
            ultra, media = row["UltraFace"], row["MediaPipe"]

            def share(item: dict[str, Any]) -> tuple[str, str]:
                value = item["overlap"]
                return f"{100 * item['recall']:.0f}", "" if value is None else f"{value:.2f}"

            own = {"UltraFace": ultra, "MediaPipe": media}
            cells = [cell for key, item in own.items() for cell in (("", "") if key == detector else share(item))]
            rows.append(
                (
                    f"{name}: {one['frames']} frames, {ultra['faces']} / {media['faces']} faces",
                    detector,
                    *cells,
                    f"{row['false_per_frame']:.2f}" if detector not in own else "",
                )
            )
    header = ("set (faces of UltraFace / MediaPipe)", "detector", "recall, UltraFace", "overlap", "recall, MediaPipe")
    lines += table((*header, "overlap", "false"), rows)
    lines += measured_section(result)
    lines += prose(
        f"One search, one core, {result['rounds']} interleaved rounds, milliseconds; ratio: of medians, to the cascade "
        "[95 % interval]."
    )
    rows = []
    for size, name, one in ((size, name, one) for size, each in result["times"].items() for name, one in each.items()):
        search, graph = one["quantiles"]["search"], one["quantiles"].get("graph")
        low, high = one["ratio"]["low"], one["ratio"]["high"]
        rows.append(
            (
                size,
                name,
                f"{result['bytes'][name] / 1000:.0f}" if name in result["bytes"] else "",
                f"{graph['p50']:.2f}" if graph else "",
                f"{search['p50']:.2f}",
                f"{search['p90']:.2f}",
                f"{one['ratio']['p50']:.2f} [{low:.2f}, {high:.2f}]",
            )
        )
    lines += table(("frame", "detector", "kB", "graph p50", "search p50", "search p90", "ratio"), rows)
    tied, crops = result["relations"], result["ravdess_crops"]
    x, y, side = tied["cascade_in_crop"]
    return lines + prose(
        f"The convention, medians: in {tied['crops']} FER+ crops the cascade's square is centred at ({x:.2f}, {y:.2f}) "
        f"and {side:.2f} of the crop wide, {tied['UltraFace'][0]:.2f} times the root of UltraFace's area and "
        f"{tied['MediaPipe'][0]:.2f} times MediaPipe's side. In {crops['crops']} of RAVDESS's face crops, which were "
        f"cut otherwise, the square is centred at ({crops['square'][0]:.2f}, {crops['square'][1]:.2f}) and "
        f"{crops['square'][2]:.2f} of the crop wide: they show less of a face than the project's crops do."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="ferplus:PATH, for calibration and the convention")
    parser.add_argument("--media", required=True, type=Path, help="folder of photos and clips")
    parser.add_argument("--ravdess", required=True, type=Path, help="folder with mp4/ and faces/")
    parser.add_argument("--portraits", required=True, type=Path, help="folder of portraits with labels.csv")
    parser.add_argument("--bundle", type=Path, default=ROOT / "bundles" / "grjca-tflite-fp32.mer")
    parser.add_argument("--int8", action="store_true", help="quantize the finder, too: takes a minute more")
    parser.add_argument("--made", type=int, default=100, help="scenes of every kind that are made")
    parser.add_argument("--ultraface", required=True, type=Path)
    parser.add_argument("--mediapipe", required=True, type=Path)
    parser.add_argument("--checkpoint", type=Path, default=SHIPPED / "face_finder.safetensors")
    parser.add_argument("--rounds", type=int, default=150)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "face_finder.json")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    finder, card = load_face_finder(options.checkpoint)
    ultraface, mediapipe = UltraFace(options.ultraface), MediaPipe(options.mediapipe)
    source = open_dataset(options.data)
    with tempfile.TemporaryDirectory() as folder:
        built = packaged()
        if options.int8:
            crops = source.read("valid").images[:300]
            places = label_faces(crops, UltraFace(options.ultraface, 0.5), mediapipe)
            known = np.isfinite(places[:, 0])
            scenes = Scenes(
                [FaceBank(crops[known], places[known])],
                [],
                SceneOptions(card.contract.height, card.contract.width),
                3,
                60,
            )
            frames = np.stack([frame for frame, _ in drawn(scenes, 96, 3)]).astype(np.float32)
            save_samples(Path(folder), {"finder": {"frame": frames}})
            built |= converted(finder, card, Path(folder) / "finder.npz", Path(folder))
        detectors: dict[str, FaceDetector] = {"cascade": HaarDetector()}
        detectors |= {f"finder {name}": FinderDetector(graph, card.contract) for name, (graph, _) in built.items()}
        judged = {name: one for name, one in detectors.items() if "onnx" not in name}
        teachers = {"UltraFace": (ultraface, ULTRAFACE_TO_SQUARE), "MediaPipe": (mediapipe, MEDIAPIPE_TO_SQUARE)}
        sets = {}
        for name, pictures in media_sets(options.media, options.ravdess).items():
            sets[name] = {"frames": len(pictures), "detectors": compared(judged, teachers, pictures)}
            print(name, json.dumps(sets[name]), flush=True)
            last = pictures[-1]
        named = {
            **judged,
            "MediaPipe": Squared(mediapipe, MEDIAPIPE_TO_SQUARE),
            "UltraFace": Squared(ultraface, ULTRAFACE_TO_SQUARE),
        }
        clips = sorted((options.ravdess / "mp4").glob("*.mp4"))
        steady = [list(video_frames(path, 1))[20:60] for path in clips]
        yardstick = {"cascade at 440 pixels": HaarDetector(width=440)}
        result = {
            "made": on_made_scenes(named, made_sets(options.portraits, options.made)),
            "jitter": {name: jitter(one, steady) for name, one in named.items()},
            "emotions": same_emotions(options.bundle, clips, {**named, **yardstick}, "cascade"),
            "landmarks": landmark_fit(mediapipe, detectors["cascade"], [clip[0] for clip in steady]),
            "threshold": card.contract.threshold,
            "sets": sets,
            "bytes": {f"finder {name}": size for name, (_, size) in built.items()},
            "rounds": options.rounds,
            "times": {
                size: times(
                    {**detectors, "MediaPipe": mediapipe, "UltraFace": ultraface},
                    {f"finder {name}": graph for name, (graph, _) in built.items()},
                    frame,
                    options.rounds,
                )
                for size, frame in (("1280 x 720", last), ("640 x 480", cv2.resize(last, (640, 480))))
            },
            "relations": relations(source.read("train").images[::48], ultraface, mediapipe),
            "ravdess_crops": ravdess_crops(options.ravdess, ultraface),
        }
    write_result(result, options.out, ROOT / "docs" / "results" / "faces.md", (BEGIN, END), section(result))


if __name__ == "__main__":
    main()
