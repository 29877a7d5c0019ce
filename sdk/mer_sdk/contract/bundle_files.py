"""The files of a bundle folder: the manifest and its signature, and the hashes that hold all others to the manifest."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

from mer_sdk.contract.manifest import FileSpec, Manifest
from mer_sdk.contract.manifest_file import manifest_from_text
from mer_sdk.contract.signature import MOST_SIGNATURE_BYTES, SIGNATURE
from mer_sdk.errors import BundleError, UntrustedBundle

MANIFEST = "manifest.json"
MOST_MANIFEST_BYTES = 16_000_000


def hash_files(folder: str | Path) -> tuple[FileSpec, ...]:
    """Hash and size of every file below a folder but the manifest and its signature, sorted by path: `files`."""
    root = Path(folder)
    own = (root / MANIFEST, root / SIGNATURE)
    paths = sorted(path for path in root.rglob("*") if path.is_file() and path not in own)
    return tuple(FileSpec(path.relative_to(root).as_posix(), file_sha256(path), path.stat().st_size) for path in paths)


def file_sha256(path: str | Path) -> str:
    """The sha256 of one file, hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def manifest_content(folder: Path) -> bytes:
    """The bytes of a bundle's manifest.

    Raises:
        BundleError: not a bundle folder, too large, or it cannot be read.
    """
    if not folder.is_dir():
        raise BundleError(f"{folder} is a file, not a bundle; a bundle is a folder (NAME.mer) with a {MANIFEST}")
    try:
        size = (folder / MANIFEST).stat().st_size
        if size > MOST_MANIFEST_BYTES:
            raise BundleError(f"{folder / MANIFEST} has {size:,} bytes; allowed are {MOST_MANIFEST_BYTES:,}")
        return (folder / MANIFEST).read_bytes()
    except FileNotFoundError:
        inside = sorted(path.name for path in folder.glob("*.mer"))
        if inside:
            raise BundleError(f"{folder} holds bundles and is none: give one, such as {folder / inside[0]}") from None
        raise BundleError(f"{folder} has no {MANIFEST}; is it a bundle made by mer-convert?") from None
    except OSError as error:
        raise BundleError(f"{folder / MANIFEST} cannot be read: {error}") from error


def checked_manifest(folder: Path, content: bytes) -> Manifest:
    """The manifest of its bytes, once every file of the bundle was found to be as it says.

    Raises:
        BundleError: a damaged manifest, or a file that is missing or differs.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BundleError(f"{folder / MANIFEST} cannot be read: {error}") from error
    manifest = manifest_from_text(text)
    for spec in manifest.files:
        _check_file(folder, spec)
    return manifest


def signature_content(folder: Path) -> bytes | None:
    """The content of a bundle's `manifest.sig`, None where there is none.

    Raises:
        UntrustedBundle: it is no plain file, too large, or cannot be read.
    """
    path = folder / SIGNATURE
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_SIGNATURE_BYTES:
            raise UntrustedBundle(f"{path} is no signature file; delete it, or sign the bundle again with mer sign")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UntrustedBundle(f"{path} cannot be read ({error.strerror}); copy the bundle again") from error


def _check_file(folder: Path, spec: FileSpec) -> None:
    path = folder / spec.path
    if not path.exists():
        raise BundleError(f"{spec.path} is listed in the manifest and missing from {folder}; convert or copy it again")
    # Links may lead out of the bundle, and a device or a pipe never ends.
    if path.resolve() != folder.resolve() / spec.path or not stat.S_ISREG(path.lstat().st_mode):
        raise BundleError(f"{spec.path} is no plain file of the bundle in {folder}; copy the bundle with its files")
    size = path.stat().st_size
    if size != spec.bytes:
        raise BundleError(
            f"{spec.path} differs from the manifest: {size} bytes instead of {spec.bytes}; convert or copy it again"
        )
    if file_sha256(path) != spec.sha256:
        raise BundleError(
            f"{spec.path} differs from the manifest: its sha256 is another; it was changed or damaged after the bundle "
            "was written: convert or copy it again"
        )
