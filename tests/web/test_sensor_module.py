"""@mer-edge/web against mer_sdk: its own tests, on vectors and bundles that the Python side writes."""

import re

import pytest

# Converts two tiny bundles and starts Node.js.
pytestmark = pytest.mark.slow


def test_the_sensor_in_typescript_gives_what_the_one_in_python_gives(npm, face_finder):
    told = npm("test", MER_FINDER=str(face_finder))
    passed = [(int(done), int(every)) for done, every in re.findall(r"Tests\s+(\d+) passed \((\d+)\)", told)]
    # Two workspaces: the sensor, and the page of the phone check.
    assert len(passed) == 2, told
    assert all(done == every for done, every in passed)
    assert sum(done for done, _ in passed) >= 20


def test_types(npm):
    npm("run", "check")
