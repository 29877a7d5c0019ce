"""`mer label`: one person labels own clips, a key a clip, in a page on this computer or in the terminal."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from mer_sdk.cli.data.label_player import has_screen
from mer_sdk.cli.data.label_server import LabelServer
from mer_sdk.cli.data.label_sheet import LabelSheet, media_files
from mer_sdk.cli.data.label_terminal import is_terminal, label_in_terminal
from mer_sdk.cli.options import names_of
from mer_sdk.cli.typed import typed
from mer_sdk.contract.affect import NORMS
from mer_sdk.contract.output_files import check_outputs
from mer_sdk.errors import OptionError, counted


def label(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Sound, video or picture files, or folders of them.")
    ],
    out: Annotated[
        Path, typer.Option(help="The table, csv; one that is there is gone on with.", show_default=True)
    ] = Path("labels.csv"),
    choices: Annotated[str, typer.Option(help="The labels to choose from; the first nine have a key.")] = ",".join(
        NORMS
    ),
    speaker: Annotated[str, typer.Option(help="Who is in these clips; goes into the column speaker.")] = "",
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
    terminal: Annotated[
        bool,
        typer.Option("--terminal", help="Ask in the terminal; so it is, too, where no browser can be opened."),
    ] = False,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
) -> None:
    """Label clips: a page plays them one after the other, a key gives the label, and a csv table is written.

    The table is whole after every answer; the command goes on where it was left, and asks only for what has no label.
    It ends once every clip has one, or with Ctrl-C. The page is served to this computer alone.

    In the terminal, mpv, ffplay or a player of the system plays the clips; where there is none, their paths are shown.

    Next: `mer data check clips:labels.csv`, then `mer evaluate BUNDLE --data clips:labels.csv`.

    Examples:

    mer label clips/ --speaker anna

    mer label *.mp4 --choices neutral,happy,angry --out mine.csv

    mer label clips/ --terminal
    """
    names = names_of(choices)
    if len(names) < 2:
        raise OptionError(f"--choices {choices!r} is no choice; give at least two labels with commas")
    check_outputs({"--out": out}, {}, {"--out": (".csv",)})
    sheet = LabelSheet(out, media_files(files), speaker)
    total = len(sheet.files)
    if not sheet.open:
        print(f"all {total} clips have a label in {out}")
        return
    try:
        if terminal or (browser and is_terminal() and not _has_browser()):
            print(f"{len(sheet.open)} of {counted(total, 'clip')} have no label yet")
            label_in_terminal(sheet, names)
        else:
            _label_in_page(sheet, names, port, browser)
    except KeyboardInterrupt:
        print()
    given = total - len(sheet.open)
    if not given and not out.exists():
        print(f"no clip has a label yet, and {out} was not written: the same command begins again")
        return
    print(f"{given} of {counted(total, 'clip')} have a label in {out}")
    print(f"Next: {typed('mer')} data check clips:{out}")


def _label_in_page(sheet: LabelSheet, choices: tuple[str, ...], port: int, browser: bool) -> None:
    with LabelServer(sheet, choices, port) as server:
        total = counted(len(sheet.files), "clip")
        print(f"{len(sheet.open)} of {total} have no label yet. The page: {server.address}", flush=True)
        if browser:
            webbrowser.open(server.address)
        while not server.done.wait(0.5):
            pass


def _has_browser() -> bool:
    """Whether a browser with a window can be opened; one in text plays nothing."""
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return has_screen()
