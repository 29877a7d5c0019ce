"""The wheel has the same bytes whenever and wherever it is built, and what it installs is listed."""

import os
import sys
import time
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def wheel_tools(monkeypatch):
    """The modules of tools/wheel."""
    monkeypatch.syspath_prepend(str(ROOT))
    for name in [name for name in sys.modules if name == "tools" or name.startswith("tools.")]:
        monkeypatch.delitem(sys.modules, name)
    from tools.wheel import build, sbom

    return build, sbom


@pytest.mark.slow
def test_two_builds_are_equal(wheel_tools, tmp_path, monkeypatch):
    build, _ = wheel_tools
    wheels = []
    for name, mask, zone in (("one", 0o022, "UTC"), ("other", 0o077, "Asia/Tokyo")):
        monkeypatch.setenv("TZ", zone)
        before = os.umask(mask)
        try:
            wheels.append(build.build(tmp_path / name))
        finally:
            os.umask(before)
    assert wheels[0].read_bytes() == wheels[1].read_bytes()
    day = time.gmtime(build.epoch())[:3]
    with zipfile.ZipFile(wheels[0]) as archive:
        entries = archive.infolist()
        assert {entry.date_time[:3] for entry in entries} == {day}
        texts = [archive.read(entry) for entry in entries if entry.filename.endswith((".py", "METADATA", "RECORD"))]
    assert len(texts) > 100
    assert not any(str(ROOT).encode() in text or str(tmp_path).encode() in text for text in texts)


def test_the_time_of_a_build_is_given_or_that_of_the_last_commit(wheel_tools, monkeypatch):
    build, _ = wheel_tools
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert build.epoch() == 1700000000
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    assert build.epoch() == build.EARLIEST
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    assert build.EARLIEST <= build.epoch() <= time.time() + 86400


def test_licences_are_listed_and_our_own_package_is_not_counted(wheel_tools):
    _, sbom = wheel_tools
    bom = {
        "components": [
            {"name": "numpy", "version": "2.0", "licenses": [{"expression": "BSD-3-Clause"}]},
            {"name": "AV", "version": "18", "licenses": [{"license": {"id": "BSD-3-Clause"}}]},
            {
                "name": "old",
                "version": "1",
                "licenses": [{"license": {"name": "License :: OSI Approved :: Apache Software License"}}],
            },
            {"name": "mute", "version": "3"},
            {"name": "mer-edge", "version": "0.1.0"},
        ]
    }
    text = sbom.licence_list(bom)
    assert "4 third-party packages." in text
    assert "- BSD-3-Clause: 2" in text
    assert "| old | 1 | Apache Software License |" in text
    assert "| mute | 3 | not told |" in text
    assert text.index("| AV |") < text.index("| numpy |")
    assert "mer-edge |" not in text
