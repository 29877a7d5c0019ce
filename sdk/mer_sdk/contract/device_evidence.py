"""What an entry of a manifest's `device_verified` is evidence of: a phone, a desktop browser, or no device at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

PHONE, DESKTOP, HEADLESS, LOOPBACK, UNTOLD = "phone", "desktop", "headless", "loopback", "untold"
# Kind -> what it is, in words; of the kinds only the first one is a device that an app's users have in their hands.
EVIDENCE = {
    PHONE: "browser on a phone or tablet",
    DESKTOP: "desktop browser",
    HEADLESS: "browser without a screen, driven by a program",
    LOOPBACK: "browser on the computer that ran the check",
    UNTOLD: "an older check, which did not say on what kind of device",
}


def evidence_of(entry: Mapping[str, Any]) -> str:
    """The kind of an entry, a key of `EVIDENCE`; `UNTOLD` where it says none, or one that is not known."""
    found = entry.get("evidence")
    return found if isinstance(found, str) and found in EVIDENCE else UNTOLD


def device_name(entry: Mapping[str, Any]) -> str:
    """The device of an entry in a few words, as its browser gave them."""
    device = entry.get("device")
    if not isinstance(device, Mapping):
        return "a device"
    said = [device[key] for key in ("model", "platform", "browser") if isinstance(device.get(key), str)]
    return " ".join(part for part in said if part) or str(device.get("user_agent") or "a device")


def number_at(entry: Any, *path: str | int) -> float | None:
    """A number in an entry, by keys and places; None where it is not there or not finite, as entries are free data."""
    for key in path:
        if isinstance(entry, Mapping) and isinstance(key, str):
            entry = entry.get(key)
        elif isinstance(entry, list | tuple) and isinstance(key, int) and key < len(entry):
            entry = entry[key]
        else:
            return None
    given = isinstance(entry, int | float) and not isinstance(entry, bool) and math.isfinite(entry)
    return float(entry) if given else None
