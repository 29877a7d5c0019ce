"""Commands in the README and the docs exist, with these options; nothing is run."""

import json
import re
import shlex

import pytest
import tomllib
from pages import ROOT, blocks, name_of, pages, prose

# Programs of others that the docs call.
OTHERS = {"accelerate", "apt", "apt-get", "arecord", "cmake", "ctest", "gradlew", "nvpmodel", "swift", "torchrun", "uv"}
OTHERS |= {"dask", "helm", "kubectl", "rm", "sbatch", "srun"}
OPERATORS = {"|", "&&", ";", "||", "&"}
EXTRAS = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
SHELL = blocks("sh")


@pytest.fixture(scope="module")
def commands(site_hooks):
    return site_hooks["cli_reference"].all_commands()


def calls(text: str) -> list[list[str]]:
    """The words of each simple command: comments, redirections, assignments and prompts left out."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=";|&<>")
        lexer.whitespace_split = True
        lexer.commenters = "#"
        call: list[str] = []
        skip = False
        for word in [*lexer, ";"]:
            if word in OPERATORS:
                if call:
                    found.append(call)
                call = []
            elif word in (">", "<", ">>"):
                skip = True
            elif skip:
                skip = False
            elif call or not re.match(r"[A-Z_]+=", word):
                call.append(word)
    return found


def check(call: list[str], commands: dict, whole: bool = True) -> None:
    """Raise where a call names a command, an option or a file that is not there."""
    program, *rest = (word for word in call if not word.startswith("$"))  # variables that the block before has set
    program = program.removeprefix(".venv/bin/")
    if program in ("mer", "mer-convert"):
        check_own(program, rest, commands, whole)
    elif program == "make":
        for target in (word for word in rest if "=" not in word):
            assert re.search(rf"^{re.escape(target)}:", (ROOT / "Makefile").read_text(), re.MULTILINE), target
    elif program.startswith("python"):
        check_python(rest)
    elif program == "pip":
        for extras in re.findall(r"\[([\w,]+)\]", " ".join(rest)):
            assert set(extras.split(",")) <= EXTRAS, extras
    elif program == "npm":
        scripts = json.loads((ROOT / "web" / "package.json").read_text())["scripts"]
        named = rest[1] if rest[0] == "run" else rest[0]
        assert named in ({"ci", "test"} | set(scripts)), named
    elif program == "cd":
        assert (ROOT / rest[0]).is_dir(), rest[0]
    elif program == "sudo":
        pass
    elif program != ".":
        assert program.rsplit("/", 1)[-1] in OTHERS, f"{program}: is it a command of this project?"


def check_own(program: str, rest: list[str], commands: dict, whole: bool) -> None:
    from typer._click.core import Context

    name = program
    if program == "mer":
        if not rest or rest[0].startswith("-"):
            return
        name, rest = f"mer {rest[0]}", rest[1:]
    assert name in commands, f"no command {name}; there are {sorted(commands)}"
    command = commands[name]
    if not whole and rest and rest[-1].startswith("--"):  # "`mer-convert --emit` writes ...": an option by its name
        assert rest[-1] in {option for one in command.params for option in (*one.opts, *one.secondary_opts)}, rest[-1]
        rest = rest[:-1]
    values, left, _ = command.make_parser(Context(command)).parse_args(list(rest))
    if whole:
        assert not left, f"{name}: {left} is one argument too many"
        for one in command.params:
            if one.param_type_name == "argument" and one.required:
                assert values.get(one.name) not in (None, ()), f"{name}: {one.name} is missing"


def check_python(rest: list[str]) -> None:
    if rest[0] == "-m":
        module, options = rest[1], [word for word in rest[2:] if word.startswith("--")]
        if module == "venv":
            return
        below = module.replace(".", "/")
        tops = ("", "sdk/", "fusion/", "quantization/", "converters/")
        files = [ROOT / f"{top}{below}{end}" for top in tops for end in (".py", "/__main__.py")]
        source = next((path for path in files if path.exists()), None)
        assert source is not None, module
    else:
        source, options = ROOT / rest[0], [word for word in rest[1:] if word.startswith("--")]
        assert source.exists(), rest[0]
    text = source.read_text()
    for option in options:
        name = option.split("=")[0]
        assert f'"{name}"' in text or name.removeprefix("--").replace("-", "_") in text, f"{source}: no option {name}"


def fault(call: list[str], commands: dict, whole: bool = True) -> str | None:
    """What is wrong with a call, or None."""
    try:
        check(call, commands, whole)
    except Exception as error:  # a parser's, an assertion's, a missing file's
        return f"{' '.join(call)}: {error or type(error).__name__}"
    return None


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_shell_blocks(block, commands):
    found = calls(block.text)
    assert found, "a block without a command"
    assert not [wrong for call in found if (wrong := fault(call, commands))]


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_commands_within_the_text(page, commands):
    for code in re.findall(r"`((?:\.venv/bin/)?(?:mer|mer-convert|make|python -m) [^`\n]+)`", prose(page.read_text())):
        if "..." not in code and not re.search(r"(make|mer) [A-Z]", code):
            assert not [wrong for call in calls(code) if (wrong := fault(call, commands, whole=False))]


WRONG = ("mer runn x", "mer run a b --plott c", "mer-convert --modle x", "make nothing", "npm run nothing", "nothing x")


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_command_is_found(wrong, commands):
    assert fault(calls(wrong)[0], commands)


def test_every_command_is_documented(commands):
    text = "".join(page.read_text() for page in pages())
    for name in commands:
        assert f"{name} " in text, name
