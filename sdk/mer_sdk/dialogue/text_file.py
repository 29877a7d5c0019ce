"""Text files as people's tools save them: UTF-8, UTF-16, Windows-1252, with and without a byte order mark."""

from __future__ import annotations

import codecs
from pathlib import Path

from mer_sdk.errors import DataError, reason_of
from mer_sdk.limits import check_path

# The characters 0x80 to 0x9F, which are controls that no text has, to what these bytes are in Windows-1252.
C1 = {byte: bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(0x80, 0xA0)}
# Longest first: the mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(path: str | Path, what: str) -> str:
    """The text of a file.

    UTF-16 and UTF-32 are known by their byte order mark; what is not UTF-8 is read as Windows-1252, which office
    programs write. Where such a file was turned to UTF-8 byte by byte, its quotes are C1 control characters, which are
    read as what they were.

    Args:
        what: what it should be, such as "csv file of dialogues".

    Raises:
        DataError: it cannot be read, or is no text.
        OptionError: the path is none.
    """
    check_path(f"the {what}", path, "its path")
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = reason_of(error)
        raise DataError(f"{path} cannot be read ({reason}); give a {what}") from error
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            try:
                return content.decode(encoding)
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{path} begins as {encoding.upper()} and is none (byte {error.start}); it may be truncated: save "
                    "it as UTF-8"
                ) from error
    if b"\0" in content:
        raise DataError(
            f"{path} is not a text file (it holds a zero byte); give a {what}, in UTF-8. Sound, videos and pictures "
            "are read by window models, such as grjca"
        )
    try:
        return content.decode("utf-8-sig").translate(C1)
    except UnicodeDecodeError:
        pass
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is neither UTF-8 nor Windows-1252 (byte {error.start} is 0x{content[error.start]:02x}); save it "
            "as UTF-8"
        ) from error


def is_unicode(path: Path) -> bool:
    """Whether a file that can be read is UTF-8, or names another Unicode by its mark: else its letters are a guess."""
    content = path.read_bytes()
    if any(content.startswith(mark) for mark, _ in _MARKS):
        return True
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
