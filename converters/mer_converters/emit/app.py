"""Writes a whole app beside a bundle: a project that builds as it stands."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from mer_converters.emit.registry import Language, find_language
from mer_converters.emit.source_bundle import KIND_WORDS, Kind, SourceBundle, open_source_bundle
from mer_converters.emit.write import MARK, check_target, refuse_packaged, write_folder
from mer_sdk.contract.bundle import Bundle
from mer_sdk.errors import ConversionError, OptionError

# In the app's folder: every generated file with its sha256, so that what a developer changed is never written over.
LISTING = "generated.txt"


def emit_app(bundle: str | Path, language: str) -> Path:
    """Write the app of a window bundle into NAME-LANGUAGE-app beside NAME.mer; give that folder.

    An older folder is replaced where nothing in it was changed or added. The same bundles give the same bytes.

    Args:
        bundle: a bundle's folder. Where it reads faces, the bundle of a face finder lies beside it: see `find_finder`.
        language: see `emit`.

    Raises:
        BundleError, OptionError, ConversionError: see `emit`.
        OptionError: the bundle is no window bundle, or there is no face finder.
    """
    chosen, opened = find_language(language), Bundle.open(bundle)
    check_target(chosen, opened.manifest.target, opened.name)
    source = open_source_bundle(opened)
    check_app(source.kind, opened.name)
    refuse_packaged(bundle, source)
    folder = source.path.resolve().parent
    finder = find_finder(folder, source.manifest.target) if "face" in source.modalities else None
    final = folder / f"{source.path.name.removesuffix('.mer')}-{chosen.name}-app"
    _refuse_changed(final, chosen)
    contents = chosen.app_files(source, finder)
    return write_folder(final, {**contents, LISTING: _listing(source, contents)})


def find_finder(folder: Path, target: str) -> SourceBundle:
    """The face finder beside the bundles of a target, in fp32 where there are several.

    Raises:
        BundleError: see `Bundle.open`.
        OptionError: there is none; the message says how to make one.
    """
    found = sorted(folder.glob(f"face_finder-{target}-*.mer"), key=lambda path: ("-fp32" not in path.name, path.name))
    if not found:
        raise OptionError(
            f"the app finds faces by a face finder's bundle, and {folder} has none for {target}; make one there: "
            f"mer-convert --model face_finder --target {target} --out {folder}"
        )
    return open_source_bundle(Bundle.open(found[0]))


def check_app(kind: Kind, name: str) -> None:
    """Raises OptionError where no app is written for a kind of bundle; `name` is what was asked for."""
    if kind != "window":
        raise OptionError(
            f"{name} is for {KIND_WORDS[kind]}; --app writes apps for {KIND_WORDS['window']}, such as of --model "
            "grjca, with the face finder beside them: leave out --app"
        )


def check_finders(folder: Path, targets: Sequence[str]) -> None:
    """Before a conversion of some minutes: raises OptionError where the app of one of the targets lacks its finder."""
    for target in targets:
        find_finder(folder, target)


def _listing(source: SourceBundle, contents: Mapping[str, bytes]) -> bytes:
    lines = [f"{MARK} from {source.path.name}; a file that differs from this list is never written over."]
    lines += [f"{hashlib.sha256(content).hexdigest()}  {path}" for path, content in sorted(contents.items())]
    return ("\n".join(lines) + "\n").encode()


def _refuse_changed(folder: Path, language: Language) -> None:
    """Only what was generated, and is as it was, is ever replaced."""
    if not folder.exists():
        return
    listing = folder / LISTING
    lines = listing.read_text().splitlines() if listing.is_file() else []
    known = {path: digest for digest, _, path in (line.partition("  ") for line in lines[1:])}
    for path in sorted(folder.rglob("*")) if folder.is_dir() else [folder]:
        name = path.relative_to(folder).as_posix()
        if name == LISTING or path.is_dir():
            continue
        if known.get(name) != hashlib.sha256(path.read_bytes()).hexdigest():
            what = "is a file" if path == folder else f"holds {name}, which was changed or was not generated"
            raise ConversionError(
                f"{folder} {what}: move it away, so that the {language.title} app can be written there"
            )
