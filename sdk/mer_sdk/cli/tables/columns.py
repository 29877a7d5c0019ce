"""Tables as all commands draw them: narrow enough for the 80 columns of a board's serial console."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def narrow_table(title: str, texts: Sequence[str], numbers: Sequence[str] = (), fold: bool = False) -> Table:
    """An empty table without borders.

    Args:
        title: stands above it; "" for none.
        texts: names of the first columns, which hold words and fold; the very first is as wide as its longest cell.
        numbers: names of the columns after them, aligned right, likewise as wide as needed.
        fold: let the first column fold, too, where its cells are long.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for index, name in enumerate(texts):
        table.add_column(name, overflow="fold", no_wrap=index == 0 and not fold)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table
