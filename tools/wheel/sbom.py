"""What a device installs: an SBOM (CycloneDX, JSON), a list of licences, and how many packages there are.

    python -m tools.wheel.sbom dist/mer_edge-0.1.0-py3-none-any.whl --extras litert,media --out dist

The wheel is installed with its extras into an environment of its own, at the versions of constraints.txt, and
cyclonedx-py, in another one, reads what is there. Written beside the wheel: NAME.cdx.json and NAME.licences.md. Needs a
package index; --python and --cyclonedx take an environment and a program that are there instead.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import venv
from collections import Counter
from pathlib import Path
from typing import Any

from tools.wheel.build import epoch

ROOT = Path(__file__).resolve().parents[2]
OWN = "mer-edge"
# In an environment of its own, as it brings two dozen packages that nothing else here needs.
TOOL = "cyclonedx-bom==7.5.0"
# They install, and are not installed: every environment has them.
INSTALLERS = ("pip", "setuptools", "wheel")
UNTOLD = "not told"


def installed(folder: Path, *what: str) -> Path:
    """The folder of programs of a new environment that holds what pip is asked for."""
    venv.EnvBuilder(with_pip=True).create(folder)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    command = [str(programs / "python"), "-m", "pip", "install", "--quiet", *what]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{what[-1]} could not be installed:\n{done.stderr[-3000:]}")
    return programs


def read_environment(python: Path, cyclonedx: Path) -> dict[str, Any]:
    """The SBOM of an environment, without what installs it; the same environment gives the same bytes."""
    command = [str(cyclonedx), "environment", "--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch())}
    done = subprocess.run([*command, str(python)], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"cyclonedx-py failed:\n{done.stderr[-3000:]}")
    bom: dict[str, Any] = json.loads(done.stdout)
    left_out = {part["bom-ref"] for part in bom["components"] if part["name"] in INSTALLERS}
    bom["components"] = [part for part in bom["components"] if part["bom-ref"] not in left_out]
    bom["dependencies"] = [part for part in bom["dependencies"] if part["ref"] not in left_out]
    return bom


def third_party(bom: dict[str, Any]) -> list[dict[str, Any]]:
    """Its components but our own."""
    return [part for part in bom["components"] if part["name"] != OWN]


def licence_of(part: dict[str, Any]) -> str:
    """The licence of a component, as its package states it; a text of its own is told by its first line."""
    found = []
    for entry in part.get("licenses", ()):
        one = entry.get("license", {})
        words = entry.get("expression") or one.get("id") or one.get("name") or one.get("text", {}).get("content", "")
        # A classifier says it in its last part.
        words = words.rsplit(" :: ", 1)[-1].strip()
        found.append(words.splitlines()[0][:60] if words else "")
    return ", ".join(dict.fromkeys(filter(None, found))) or UNTOLD


def licence_list(bom: dict[str, Any]) -> str:
    """All packages with version and licence, as Markdown."""
    parts = sorted(third_party(bom), key=lambda part: part["name"].lower())
    rows = [f"| {part['name']} | {part.get('version', '')} | {licence_of(part)} |" for part in parts]
    count = Counter(licence_of(part) for part in parts)
    head = [f"# Licences of what {OWN} installs", "", f"{len(parts)} third-party packages.", ""]
    common = [f"- {licence}: {number}" for licence, number in count.most_common()]
    return "\n".join([*head, *common, "", "| package | version | licence |", "|---|---|---|", *rows, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--extras", default="litert,media", help="extras of the device")
    parser.add_argument("--python", type=Path, help="interpreter of an environment that holds them already")
    parser.add_argument("--cyclonedx", type=Path, help="the program cyclonedx-py, where it is installed")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place, wheel = Path(folder), f"{OWN}[{given.extras}] @ {given.wheel.resolve().as_uri()}"
        pinned = ("-c", str(ROOT / "constraints.txt"))
        python = given.python or installed(place / "device", *pinned, wheel) / "python"
        cyclonedx = given.cyclonedx or installed(place / "tool", TOOL) / "cyclonedx-py"
        bom = read_environment(python, cyclonedx)
    given.out.mkdir(parents=True, exist_ok=True)
    stem = given.out / "-".join(given.wheel.name.split("-")[:2])
    Path(f"{stem}.cdx.json").write_text(json.dumps(bom, indent=2, sort_keys=True) + "\n")
    Path(f"{stem}.licences.md").write_text(licence_list(bom))
    print(f"{OWN}[{given.extras}]: {len(third_party(bom))} third-party packages; {stem}.cdx.json, {stem}.licences.md")


if __name__ == "__main__":
    main()
