"""Nothing is written and nothing goes to a network; and a process that forked goes on."""

import json
import os
import subprocess
import sys

import pytest

# Runs a clip as a file and as live sources. No Python code may open a socket or a file for writing, and no library can
# write a byte to a file: a write beyond RLIMIT_FSIZE ends the process.
SEALED = """
import json, os, resource, signal, socket, sys
from mer_sdk import EmotionSensor, LiveOptions, LiveSensor
from mer_sdk.live.sources import Capture, Playback

bundle, clip, guarded = sys.argv[1:]
broken = []
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC

def guard(event, given):
    writes = event == "open" and isinstance(given[2], int) and given[2] & WRITING
    changes = event in ("os.mkdir", "os.rename", "os.remove", "os.link", "os.symlink", "os.truncate", "shutil.copyfile")
    if event.startswith("socket.") or writes or changes:
        broken.append((event, str(given)))
        raise PermissionError(f"{event} {given}")

if guarded == "yes":
    sys.addaudithook(guard)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
probes = []
for probe in (
    lambda: socket.create_connection(("192.0.2.1", 9), timeout=0.5),
    lambda: open("probe.txt", "w").write("x"),
    lambda: open("/dev/shm/probe.txt", "w").write("x"),
):
    try:
        probe()
        probes.append("possible")
    except OSError as error:
        probes.append(type(error).__name__)
broken.clear()

with EmotionSensor.open(bundle) as sensor:
    plain = [estimate.to_json() for estimate in sensor.stream(clip)]
source = Playback(clip)
with LiveSensor.open(bundle, options=LiveOptions(streams=source.streams)) as live, Capture(live, [source]):
    streamed = [estimate.to_json() for estimate in live]
print(json.dumps({"probes": probes, "broken": broken, "plain": len(plain), "streamed": len(streamed)}))
"""
# In namespaces of its own, so that the rest of the system does not notice: every file system becomes read-only, and
# there is no network.
READ_ONLY = """
while read -r _ _ _ _ place _; do mount -o remount,bind,ro "$place" 2>/dev/null; done < /proc/self/mountinfo
exec "$@"
"""


def run_sandboxed(bundle, clip, folder, guarded, around=()):
    command = [*around, sys.executable, "-B", "-c", SEALED, str(bundle), str(clip), guarded]
    # Nothing else of this environment: on a build server libraries behave as they do not on a device.
    bare = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=240, env=bare)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture
def clip(write_media, tmp_path):
    pytest.importorskip("av")
    pytest.importorskip("cv2")
    return write_media(tmp_path / "clip.mp4", 1.0)


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_no_socket_is_opened_and_no_file_is_written(tiny_onnx, clip, tmp_path):
    found = run_sandboxed(tiny_onnx, clip, tmp_path, "yes")
    assert found["probes"] == ["PermissionError"] * 3
    assert (found["broken"], found["plain"]) == ([], 4)
    assert found["streamed"] in (3, 4)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_read_only_system_without_network_is_enough(tiny_onnx, clip, tmp_path):
    around = ("unshare", "--mount", "--net", "--map-root-user")
    try:
        subprocess.run([*around, "true"], check=True, capture_output=True, timeout=120)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs unshare with namespaces, which this system does not give")
    found = run_sandboxed(tiny_onnx, clip, tmp_path, "no", (*around, "sh", "-c", READ_ONLY, "sh"))
    if "possible" in found["probes"]:
        pytest.skip("the file systems could not be made read-only here")
    assert found["plain"] == 4
    assert found["streamed"] in (3, 4)


# A parent whose sensors have run, one with its thread alive, forks; the child opens a sensor of its own and goes on
# with the parent's.
FORKS = """
import json, os, sys
import numpy as np
from mer_sdk import EmotionSensor, LiveSensor
from mer_sdk.errors import StreamError

pcm = np.random.default_rng(0).uniform(-0.5, 0.5, 32000).astype(np.float32)

def timeline(sensor, samples=pcm):
    return [list(estimate.probabilities.values()) for estimate in sensor.push_audio(samples, 16000)]

parent = EmotionSensor.open(sys.argv[1])
first = timeline(parent, pcm[:16000])
live = LiveSensor.open(sys.argv[1])
live.push_audio(pcm, 16000)
live.get(20)
reader, writer = os.pipe()
if os.fork() == 0:
    with EmotionSensor.open(sys.argv[1]) as own:
        whole = timeline(own)
    try:
        live.get()
        said = "nothing"
    except StreamError as error:
        said = str(error)
    said += f"; closed: {live.close()}"
    os.write(writer, json.dumps([whole, first + timeline(parent, pcm[16000:]), said]).encode())
    os._exit(0)
os.close(writer)
told = b"".join(iter(lambda: os.read(reader, 65536), b""))
live.finish()
print(json.dumps([*json.loads(told), first + timeline(parent, pcm[16000:]), len(list(live))]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_after_a_fork_runs_sensors_as_its_parent_does(tiny_onnx):
    result = subprocess.run(
        [sys.executable, "-c", FORKS, str(tiny_onnx)], capture_output=True, text=True, timeout=240, check=False
    )
    assert result.returncode == 0, result.stderr
    own, inherited, said, parents, rest = json.loads(result.stdout)
    assert len(own) == 8
    assert own == inherited == parents
    assert rest == 7
    # The thread of a live sensor is not in the child: it says so at once.
    assert said.startswith("a live sensor does not go through a fork; open one in the process that uses it; closed: T")
