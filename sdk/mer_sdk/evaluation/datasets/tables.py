"""Tables of published data sets, read line by line as UTF-8; what is wrong with the file itself is one error."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from mer_sdk.errors import DataError, reason_of


@contextmanager
def opened_table(path: Path) -> Iterator[TextIO]:
    """A file for `csv.reader` or `csv.DictReader`, with or without a byte order mark.

    Raises:
        DataError: within the block, too: it cannot be read, is not UTF-8, or is no table (such as a cell of over
            131,072 characters, which is what a lost quote makes of a file).
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield file
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text ({error}); fetch it again") from error
    except csv.Error as error:
        raise DataError(f"{path} is no table ({error}); fetch it again") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({reason_of(error)}); fetch it again") from error
