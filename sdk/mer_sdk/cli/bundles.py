"""The bundles that a command was given: bare names are found, and what a command cannot use is left out with a note."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from mer_sdk.contract.bundle import Bundle, bundle_inputs, packaged_bundles
from mer_sdk.errors import BundleNotFound, OptionError, did_you_mean
from mer_sdk.runtimes import available, runtime_note

# Where the converter writes bundles in a clone.
FOLDER = Path("bundles")
# Which of a model's bundles its bare name takes: full precision first, and the runtime of the lightest install.
SCHEMES = ("fp32", "fp16", "int8", "dyn8", "w8", "w4")
TARGETS = ("tflite", "onnx", "executorch", "coreml")

# Why a command cannot use a bundle, "" where it can.
Unfit = Callable[[Bundle], str]


def open_bundle(given: str, trust: Sequence[str] | None = None) -> Bundle:
    """Open a bundle by its path, the name of a packaged one, or the name of one in ./bundles; that one is told.

    There MODEL takes the model's best bundle for this machine, see `preference`, and MODEL-TARGET that of a target.

    Args:
        given: see above.
        trust: public keys of --trust, of which one must have signed it; None or none of them trusts every bundle.

    Raises:
        BundleNotFound: there is none of that name.
        BundleError, UntrustedBundle, OptionError, MissingExtra: see `Bundle.open`.
    """
    found = _in_folder(given)
    if found is not None:
        print(f"mer: {given} is {found}", file=sys.stderr, flush=True)
    elif _is_bare(given):
        names = [*packaged_bundles(), *_models(), *(one.stem for one in _bundles())]
        names += sorted(one.name for one in Path().glob("*.mer"))
        near = did_you_mean(given, dict.fromkeys(names))
        listed = ", ".join(dict.fromkeys((*packaged_bundles(), *_models()))) or "none"
        raise BundleNotFound(
            f"there is no bundle {given!r}{near}{' Known' if near else '; known'} names, of ./{FOLDER} in this folder "
            f"and of packaged bundles: {listed}. Or give the path of a bundle (NAME.mer); mer-convert --model MODEL "
            "makes those of a shipped model"
        )
    return Bundle.open(given if found is None else found, trust or None)


def inputs_of(given: Sequence[str]) -> dict[str, Path]:
    """What `open_bundle` would read, by what it is, for refusing to write over it."""
    found: dict[str, Path] = {}
    for name in given:
        found |= bundle_inputs(_in_folder(name) or name)
    return found


def open_bundles(
    given: Sequence[str],
    unfit: Unfit = lambda bundle: "",
    slow: Unfit = lambda bundle: "",
    trust: Sequence[str] | None = None,
) -> list[Bundle]:
    """Open bundles, such as all of a folder; what the command cannot use is left out, with a line on stderr.

    Args:
        given: see `open_bundle`.
        unfit: why the command cannot use a bundle. A bundle that is named alone raises an error in place of the line.
        slow: why it leaves a bundle out of several; a bundle that is named alone is used.
        trust: see `open_bundle`.

    Raises:
        OptionError: none is left.
        BundleError, MissingExtra: see `Bundle.open`.
    """
    opened, why = [], dict[str, list[str]]()
    for name in given:
        bundle = open_bundle(name, trust)
        reason = unfit(bundle) or (slow(bundle) if len(given) > 1 else "")
        if reason:
            why.setdefault(reason, []).append(bundle.name)
        else:
            opened.append(bundle)
    if not opened:
        reasons = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in why.items())
        raise OptionError(f"none of these can be used: {reasons}" if len(given) > 1 else reasons)
    for reason, names in why.items():
        left_out(names, reason)
    return opened


def left_out(names: Sequence[str], reason: str) -> None:
    """Say on stderr, in one line, what is left out, and why."""
    print(f"mer: left out: {', '.join(names)}: {reason}", file=sys.stderr, flush=True)


def is_finder(bundle: Bundle) -> str:
    """Why a face finder cannot be used where an emotion model is wanted."""
    return "" if bundle.manifest.finder is None else "a face finder is no emotion model; --detector takes it"


def without_runtime(bundle: Bundle) -> str:
    """Why this machine cannot run a bundle: its runtime is not installed, or runs elsewhere."""
    for status in available():
        if status.name == bundle.runtime and not status.usable:
            return f"{status.name} is not here: {status.install}"
    return ""


def simulation_note(bundle: Bundle) -> str:
    """Why a bundle takes minutes here: its runtime belongs to another system, and another one computes it."""
    if not runtime_note(bundle.runtime):
        return ""
    return f"{bundle.manifest.target} is computed by {bundle.runtime} here, which takes minutes; name one alone"


def any_of(*reasons: Unfit) -> Unfit:
    """The first reason that holds."""
    return lambda bundle: next((found for reason in reasons if (found := reason(bundle))), "")


def preference(name: str) -> tuple[int, int, int, str]:
    """Sorts bundles named MODEL-TARGET-SCHEME: what runs here, then full precision, then the lightest runtime."""
    _, target, scheme = name_parts(name)
    usable = {status.target for status in available() if status.usable and not runtime_note(status.name)}
    return (
        target not in usable,
        SCHEMES.index(scheme) if scheme in SCHEMES else len(SCHEMES),
        TARGETS.index(target) if target in TARGETS else len(TARGETS),
        name,
    )


def name_parts(name: str) -> tuple[str, str, str]:
    """Model, target and scheme of a bundle's name; the last two are "" where it has none."""
    parts = name.rsplit("-", 2)
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else (name, "", "")


def _bundles() -> list[Path]:
    return sorted(FOLDER.glob("*.mer"))


def _models() -> list[str]:
    return list(dict.fromkeys(name_parts(path.stem)[0] for path in _bundles()))


def _is_bare(given: str) -> bool:
    """Whether this is a name, and no path of something, nor that of a packaged bundle."""
    path = Path(given)
    return path.name == given and path.stem not in packaged_bundles() and not os.path.lexists(given)


def _in_folder(given: str) -> Path | None:
    if not _is_bare(given):
        return None
    stem = given.removesuffix(".mer")
    fitting = [path for path in _bundles() if path.stem == stem or path.stem.startswith(f"{stem}-")]
    exact = [path for path in fitting if path.stem == stem]
    return min(exact or fitting, key=lambda path: preference(path.stem), default=None)
