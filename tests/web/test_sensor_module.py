"""@mer-edge/web against mer_sdk: its own tests, on vectors and bundles that the Python side writes."""

import re

import pytest

# Converts two tiny bundles and starts Node.js.
pytestmark = pytest.mark.slow


def test_the_sensor_in_typescript_gives_what_the_one_in_python_gives(npm):
    told = npm("test")
    passed = re.search(r"Tests\s+(\d+) passed \((\d+)\)", told)
    assert passed, told
    assert int(passed[1]) == int(passed[2]) >= 14
