"""Devices in the page of `mer report`, as `mer phone-check` wrote them."""

import json

import pytest
from report_page import ALWAYS, HOSTILE, variant

from mer_sdk.errors import OptionError


def checked(model, kind="phone", slower=1.0, **changes):
    """A device's entry as `mer phone-check` writes it, as far as the page reads it."""
    points = [{"seconds": 30.0 * turn, "p50": 4.0 + (slower - 1) * turn, "p90": 9.0} for turn in range(1, 5)]
    run = {
        "latency_ms": {"step": {"p50": 4.25, "p90": 5.5}},
        "sustained": {"seconds": 120.0, "first": 4.0, "last": 4.0 * slower, "points": points},
        "golden": {"max_abs_error": 2e-5},
    }
    battery = {"begin": 0.9, "end": 0.86, "charging": False}
    device = {"model": model, "platform": "Android 16", "browser": "Chrome 150"}
    return {"evidence": kind, "device": device, "runtime": "web 1", "runs": [run], "battery": battery, **changes}


def test_devices_stand_beside_one_another(run, tiny_onnx, tmp_path):
    old = {"device": {"model": "Old One"}, "runs": [{"latency_ms": {"step": {"p50": "fast"}}}]}
    odd = [{"device": HOSTILE, "runs": 3, "evidence": "moon"}, {"evidence": ["phone"]}]
    bundle = variant(tiny_onnx, tmp_path, "checked", device_verified=[checked("Pixel 9", slower=1.5), old, *odd])
    saved = tmp_path / "other.json"
    plugged = {"begin": 0.2, "end": 0.3, "charging": True}
    saved.write_text(json.dumps([{"bundle": "tiny", **checked("A PC", "loopback", battery=plugged)}]))
    page, printed = run(bundle, "--devices", saved, "--json")
    assert page.sections == ALWAYS | {"devices"}
    for said in ("Pixel 9 Android 16 Chrome 150", "browser on a phone or tablet", "4.25", "1.50", "Old One"):
        assert said in page.text
    assert "browser on the computer that ran the check" in page.text
    found = {one["device"]: one for one in json.loads(printed)["devices"]}
    assert len(found) == 4
    pixel, pc = found["Pixel 9 Android 16 Chrome 150"], found["A PC Android 16 Chrome 150"]
    assert (pixel["kind"], pixel["first_ms"], pixel["last_ms"], len(pixel["course"])) == ("phone", 4.0, 6.0, 4)
    assert pixel["battery"] == pytest.approx(0.04)
    assert (pc["bundle"], pc["kind"], pc["battery"]) == ("tiny", "loopback", None)
    assert (found["Old One"]["kind"], found["Old One"]["step_ms"], found["Old One"]["course"]) == ("untold", None, [])
    # One line for each run without a pause, named by its tooltip.
    assert sum(tag == "path" and attributes["class"].startswith("line") for tag, attributes in page.tags) == 2
    again, _ = run(tiny_onnx, "--devices", bundle)
    assert "Pixel 9" in again.text


@pytest.mark.parametrize("content", ["{", "[]x", '{"a": 1}', "[1]", '[{"bundle": "tiny"}]', None])
def test_what_is_no_check_of_a_device_is_refused(run, tiny_onnx, tmp_path, content):
    file = tmp_path / "check.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(OptionError, match=r"--devices .*check\.json") as caught:
        run(tiny_onnx, "--devices", file)
    assert "\n" not in str(caught.value)
