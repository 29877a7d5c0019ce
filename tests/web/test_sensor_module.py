"""@mer-edge/web against mer_sdk, on vectors and bundles that the Python side writes: in Node.js and in Chromium."""

import re
import shutil

import numpy as np
import pytest

from mer_sdk.window.sensor import EmotionSensor

# Converts two tiny bundles and starts Node.js and a browser.
pytestmark = pytest.mark.slow

# Of probabilities: the browser's runtime rounds in another order.
AWAY = 1e-4
SECONDS = 2.5


@pytest.fixture(scope="module")
def vectors(helper, face_finder, tmp_path_factory, module_environment):
    """The folder of vectors, which the tests in Node.js and in the browser share."""
    folder = tmp_path_factory.mktemp("served") / "vectors"
    module_environment.setenv("MER_FINDER", str(face_finder))
    helper("web/vectors.py").write_vectors(folder)
    return folder


@pytest.fixture(scope="module")
def page(npm, serve, vectors):
    """The address of the page that proves the package, with the vectors beside it."""
    npm("run", "browser", "-w", "sensor", "--", "--outDir", str(vectors.parent / "page"))
    return serve(vectors.parent) + "page/"


def test_the_sensor_in_typescript_gives_what_the_one_in_python_gives(npm, vectors):
    told = npm("test", MER_VECTORS=str(vectors))
    said = re.findall(r"Tests\s+(\d+) passed(?: \| \d+ skipped)? \((\d+)\)", told)
    passed = [(int(done), int(every)) for done, every in said]
    # Two workspaces: the sensor, and the page of the phone check.
    assert len(passed) == 2, told
    assert all(every - done <= 1 for done, every in passed)  # Silero VAD's file may not be there
    assert sum(done for done, _ in passed) >= 20


def test_every_stage_passes_in_chromium_and_words_in_its_worker(drive, page):
    (found,) = drive(page, [("until", "globalThis.ready"), ("evaluate", "prove()")])
    assert found["failed"] == []
    assert len(found["passed"]) >= 18


@pytest.mark.parametrize("number", range(2))
def test_of_real_clips_the_package_says_in_its_worker_what_python_says(
    drive, page, vectors, real, shared_data, face_finder, number
):
    """Frames and sound are given at fixed times, as fast as they are taken in: no device, no clock, no chance."""
    bundle = real("grjca-onnx-fp32")
    clips = sorted((shared_data / "ravdess_av" / "mp4").glob("*-05.mp4"))
    if len(clips) <= number:
        pytest.skip("needs clips of RAVDESS actor 05")
    for name, path in (("bundle", bundle), ("finder", face_finder)):
        if not (vectors / name).exists():
            shutil.copytree(path, vectors / name)
    clip = _read(clips[number])
    np.savez_compressed(vectors / f"clip{number}.npz", **clip)
    both = f"Promise.all([true, false].map((one) => feed('clip{number}', one)))"
    ((found, alone),) = drive(page, [("until", "globalThis.ready"), ("evaluate", both)])
    wanted, profile = _in_python(clip, bundle, face_finder)
    assert found["estimates"][-1]["time"] == pytest.approx(SECONDS)
    assert len(found["estimates"]) == len(wanted) == SECONDS * 4
    away = 0.0
    for page_says, python_says in zip(found["estimates"], wanted, strict=True):
        assert {key: page_says[key] for key in ("time", "emotion", "state")} == {
            key: python_says[key] for key in ("time", "emotion", "state")
        }
        assert (page_says["face"] or {}).get("id") == (python_says["face"] or {}).get("id")
        pairs = [
            (page_says[kind][name], share)
            for kind in ("probabilities", "raw_probabilities")
            for name, share in python_says[kind].items()
        ]
        away = max(away, *(abs(mine - its) for mine, its in pairs))
    print(f"{clips[number].name}: {len(wanted)} steps, probabilities at most {away:.1e} apart")
    assert away < AWAY
    assert found["profile"]["encoders"] == profile
    # On the page's own thread it is the same code.
    quick = [{**one, "latency_ms": 0} for one in alone["estimates"]]
    assert quick == [{**one, "latency_ms": 0} for one in found["estimates"]]


def test_types(npm):
    npm("run", "check")


def _read(path):
    """Two and a half seconds of a clip: a frame every 1/8 s as it is shown then, and mono sound."""
    import av

    with av.open(str(path)) as container:
        rate = container.streams.audio[0].rate
        resampler = av.AudioResampler("flt", "mono", rate)
        decoded = (*container.decode(audio=0), None)
        pieces = [piece.to_ndarray()[0] for frame in decoded for piece in resampler.resample(frame)]
    frames, times = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if frame.time >= len(frames) / 8 and len(frames) < SECONDS * 8:
                frames.append(frame.reformat(480, 270, "rgb24").to_ndarray())
                times.append(len(times) / 8)
    pcm = np.concatenate(pieces)[: round(SECONDS * rate)].astype(np.float32)
    return {"frames": np.stack(frames), "times": np.array(times), "pcm": pcm, "rate": np.array([rate], np.int32)}


def _in_python(clip, bundle, finder):
    """The estimates as JSON, and which encoders the baseline is of; given in the order of test/browser/main.ts."""
    from mer_sdk.frontends.face_tracks import FaceOptions
    from mer_sdk.window.smoothing import Smoothing

    with EmotionSensor.open(bundle, detector=str(finder), faces=FaceOptions(2), smoothing=Smoothing(0.5)) as sensor:
        found, heard, rate = [], 0, int(clip["rate"][0])
        for index, (frame, time) in enumerate(zip(clip["frames"], clip["times"].tolist(), strict=True)):
            found += sensor.push_frame(frame, time)
            last = index + 1 == len(clip["times"])
            until = len(clip["pcm"]) if last else int(clip["times"][index + 1] * rate)
            found += sensor.push_audio(clip["pcm"][heard:until], rate, heard / rate)
            heard = until
        found += sensor.flush()
        return [one.to_json() for one in found], sensor.baseline.encoders
