"""All commands walked: their names, options, examples and exit codes."""

import inspect
import re
import shlex
import sys
from typing import get_type_hints

import pytest
import typer
from mer_command import mer

from mer_sdk.cli import commands
from mer_sdk.cli.typed import help_text, typed

TRAINING = ("train", "distill", "adapt")
# One name, one meaning: what else stands under a name of these is another thing.
SHARED = ("--runtime", "--threads", "--json", "--detector")
MODELS = ("grjca", "atsuko", "fdrl", "amb_dsgdn", "face_finder")
# What users bring themselves.
OWN = {
    "clip.mp4",
    "clip.png",
    "day.jsonl",
    "dialogue.csv",
    "clips",
    "clips/**/*.mp4",
    "estimates.csv",
    "estimates.parquet",
    "tcp://10.0.0.5:8786",
    "clips:~/clips",
    "clips:~/clips/labels.csv",
    "clips/",
    "clips.png",
    "release.key",
    "release.key.pub",
    "*.mp4",
    "mine.csv",
    "pixel.json",
    "iphone.json",
    "before.json",
    "after.json",
    "runs/full",
    "runs/student",
    "runs/grjca-student.safetensors",
    "runs/mine.safetensors",
    "runs/amb_dsgdn-student.safetensors",
    "runs/mine-unseen.safetensors",
    "ravdess_pairs:PATH",
    "ravdess:~/data/RAVDESS",
    "meld:~/data/MELD",
    "ravdess_pairs:~/data/ravdess_pairs",
}


def walked():
    """Name of the command -> its function and its click command."""
    found = {}
    for name, entry in commands().items():
        function = entry.load()
        app = typer.Typer()
        app.command(name)(function)
        found[name] = (function, typer.main.get_command(app))
    return found


COMMANDS = walked()


def options(command):
    return {option: given for given in command.params if given.param_type_name == "option" for option in given.opts}


def examples():
    for name, (function, command) in COMMANDS.items():
        paragraphs = [" ".join(part.split()) for part in (inspect.getdoc(function) or "").split("\n\n")]
        if "Examples:" in paragraphs or "Example:" in paragraphs:
            begin = next(i for i, part in enumerate(paragraphs) if part in ("Example:", "Examples:"))
            for line in paragraphs[begin + 1 :]:
                yield pytest.param(name, command, line, id=line)


def test_every_command_for_bundles_has_examples_on_lines_of_their_own():
    lines = {name: [line.values[2] for line in examples() if line.values[0] == name] for name in COMMANDS}
    for name, (function, _) in COMMANDS.items():
        if name not in TRAINING:
            assert lines[name], f"mer {name} has no example"
        assert ";  mer" not in inspect.getdoc(function)


@pytest.mark.parametrize(("name", "command", "line"), examples())
def test_examples_parse_and_name_what_exists(name, command, line):
    words = shlex.split(line.rpartition("| ")[2])
    assert words[:2] == ["mer", name]
    # Parsed as typer would; nothing is run.
    command.make_context(name, words[2:], resilient_parsing=False)
    for word in words[2:]:
        if word.startswith("bundles/"):
            assert re.fullmatch(rf"bundles/(\*|({'|'.join(MODELS)})-(\*|(tflite|onnx)-fp(32|16)))\.mer", word), word
        elif (not word.startswith("-") and "/" in word) or ("." in word and not re.fullmatch(r"[\d.]+", word)):
            assert word in OWN, word


def test_a_shared_option_has_one_meaning():
    for option in SHARED:
        # Training has threads of its own, of torch and not of a graph.
        running = {name: options(command) for name, (_, command) in COMMANDS.items() if name not in TRAINING}
        helps = {given[option].help: name for name, given in running.items() if option in given}
        assert len(helps) == 1, f"{option}: {helps}"


def test_an_option_has_one_type_everywhere():
    types = {}
    for name, (function, command) in COMMANDS.items():
        hints = get_type_hints(function)
        for option, given in options(command).items():
            if given.name in hints:
                # What may be left out or repeated is the same kind of value.
                plain = re.search(r"(?:list\[|<class ')?([\w.]+)", str(hints[given.name]))[1]
                types.setdefault(option, {}).setdefault(plain, []).append(name)
    apart = {option: found for option, found in types.items() if len(found) > 1}
    assert apart == {}


def test_what_takes_bundles_takes_many_but_run():
    for name, (_, command) in COMMANDS.items():
        bundles = [given for given in command.params if (given.metavar or "").startswith("BUNDLE")]
        if bundles:
            assert [given.nargs for given in bundles] == ([1] if name == "run" else [-1]), name


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "doctor"])
def test_asked_wrongly_is_exit_code_2(name, capsys):
    assert mer(name) == 2
    assert mer(name, "--no-such-option") == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (("verfy",), "did you mean verify?"),
        (("inspect", "bundles/nothing.mer"), "does not exist"),
        (("evaluate", "x", "--data", "ravdes:."), "did you mean ravdess?"),
        (("evaluate", "x", "--data", "ravdess:.", "--states", "adio"), "did you mean audio?"),
        (("evaluate", "x", "--data", "ravdess:.", "--protocol", "worm"), "did you mean warm?"),
        (("train", "grcja", "--data", "ravdess:."), "did you mean grjca?"),
    ],
)
def test_the_nearest_name_is_offered(arguments, near, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert mer(*arguments) == 2
    error = capsys.readouterr().err
    assert near in error
    assert len(error.splitlines()) == 1


def test_a_runtime_is_offered(tiny_onnx, capsys):
    assert mer("verify", tiny_onnx, "--runtime", "onx") == 2
    assert "did you mean onnx?" in capsys.readouterr().err


def test_the_version(capsys):
    from mer_sdk import __version__

    assert mer("--version") == 0
    assert capsys.readouterr().out == f"{__version__}\n"


def test_examples_are_shown_as_they_are_typed_here(tmp_path, monkeypatch):
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    (folder / "mer").write_text("#!/bin/sh\n")
    (folder / "mer").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(tmp_path)
    assert typed("mer") == ".venv/bin/mer"
    assert typed("mer-convert") == "mer-convert"

    def command() -> None:
        """Runs
        mer things.

        Examples:

        mer run grjca clip.mp4

        arecord | mer run grjca -
        """

    assert help_text(command).split("\n\n") == [
        "Runs mer things.",
        "Examples:",
        ".venv/bin/mer run grjca clip.mp4",
        "arecord | .venv/bin/mer run grjca -",
    ]
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert typed("mer") == str(folder / "mer")
    monkeypatch.setenv("PATH", str(folder))
    assert typed("mer") == "mer"
