"""One bundle on both machines, and the commands of an install: what agrees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from place import Place

from mer_sdk.parity.agreement import TOLERANCE, distance

SAME_LABEL = 0.98


def compared(name: str, scheme: str, here: Path, there: Path) -> dict[str, Any] | None:
    """One bundle on both machines: what `mer verify` says there, and how far the answers are apart; None if not run.

    A quantized bundle whose labels differ tells of the margins too: for each other label, by how much the logits of
    x86-64 favoured their own label over the one that the other machine gave.

    Args:
        name: the stem of its answers.
        scheme: its scheme.
        here, there: folders of the two machines' answers.
    """
    if not (there / f"{name}.json").exists():
        return None
    verified = json.loads((there / f"{name}.json").read_text())
    # A face finder's golden frames have scores and boxes, all others' cases logits.
    golden = [case[kind] for case in verified["cases"] for kind in ("logits", "scores", "boxes") if kind in case]
    result: dict[str, Any] = {
        "verified": verified["passed"],
        "golden_cases": len(verified["cases"]),
        "golden_error": max(golden),
    }
    agrees = verified["passed"]
    with np.load(here / f"{name}.npz") as ours, np.load(there / f"{name}.npz") as theirs:
        errors = {kind: distance(theirs[kind], ours[kind]).max_abs_error for kind in ours.files}
        result |= {"estimates": len(ours[ours.files[0]])} if errors else {}
        if "logits" in errors:
            wanted, logits = ours["logits"], theirs["logits"]
            chosen, other = wanted.argmax(axis=1), logits.argmax(axis=1)
            rows = np.flatnonzero(chosen != other)
            same = 1.0 - len(rows) / len(wanted)
            near = errors["logits"] <= TOLERANCE[scheme] if scheme in TOLERANCE else same >= SAME_LABEL
            agrees &= near and np.isfinite(errors["logits"])
            margins = sorted(float(wanted[row, chosen[row]] - wanted[row, other[row]]) for row in rows)
            result |= {"logits": errors.pop("logits"), "same_label": same, "margins": margins}
        elif errors:
            agrees &= max(errors.values()) <= TOLERANCE[scheme]
    return result | ({"features": errors} if errors else {}) | {"agrees": bool(agrees)}


def commands(place: Place, extra: str, bundle: str, clips: bool, kept: Path) -> dict[str, Any]:
    """The commands themselves: `mer doctor` and `mer verify` there, `mer evaluate` on both where there are clips.

    What they gave is kept in `kept`.
    """
    if kept.exists():
        return dict(json.loads(kept.read_text()))
    print(f"mer doctor, verify, evaluate with mer-edge[{extra}]", flush=True)
    mer = f"/opt/{extra}/bin/mer"
    doctor = json.loads(place.run([mer, "doctor", "--json"]))
    usable = [item["name"] for item in doctor["items"] if item["kind"] == "runtime" and item["usable"]]
    found: dict[str, Any] = {"bundle": bundle, "doctor": {"machine": doctor["machine"], "runtimes": usable}}
    found["verify"] = json.loads(place.run([mer, "verify", f"/check/bundles/{bundle}", "--json"]))["passed"]
    if clips:
        asked = [
            "evaluate",
            f"bundles/{bundle}",
            "--data",
            "ravdess:clips",
            "--states",
            "audio+face",
            "--protocol",
            "cold",
        ]
        theirs = json.loads(place.inside([mer, *asked, "--json"]))
        ours = json.loads(place.here(["-m", "mer_sdk.cli", *asked, "--json"]))
        (result,), (wanted,) = theirs["results"], ours["results"]
        same = result["confusion"] == wanted["confusion"]
        found["evaluate"] = {"clips": result["clips"], "uar": result["uar"], "same": same}
    kept.write_text(json.dumps(found) + "\n")
    return found
