"""The documentation site: it builds without a warning, fetches nothing, and holds every public name."""

import ast
import html
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import ROOT

pytest.importorskip("mkdocs")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site, built as `make docs` builds it: a warning, such as a broken link, is an error."""
    folder = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


@pytest.mark.slow
def test_nothing_is_fetched(site):
    for page in site.rglob("*.html"):
        text = page.read_text()
        for tag in re.findall(r"<(?:script|img|iframe|source|video|audio)\b[^>]*>|<link\b[^>]*>", text):
            if 'rel="canonical"' not in tag:
                assert not re.search(r'(?:src|href)="?(?:https?:)?//', tag), f"{page}: {tag}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import )[\"']?(?:https?:)?//", sheet.read_text()), sheet


@pytest.mark.slow
def test_every_public_name_is_in_the_reference(site):
    import mer_sdk

    anchors = set()
    for page in (site / "reference").rglob("*.html"):
        anchors |= set(re.findall(r'id="([\w.]+)"', page.read_text()))
    for name in mer_sdk.__all__:
        if name != "__version__":
            home = f"{mer_sdk._HOMES[name]}.{name}"
            assert home in anchors, home
    errors = ast.parse((ROOT / "sdk" / "mer_sdk" / "errors.py").read_text())
    for node in errors.body:
        if isinstance(node, ast.ClassDef):
            assert f"mer_sdk.errors.{node.name}" in anchors


@pytest.mark.slow
def test_every_command_and_option_is_in_the_reference(site, site_hooks):
    text = html.unescape((site / "reference" / "commands.html").read_text())
    assert "``" not in text, "a default that is empty"
    for name, command in site_hooks["cli_reference"].all_commands().items():
        assert f">{name}<" in text, name
        for one in command.params:
            for option in one.opts:
                if option.startswith("--"):
                    assert option in text, f"{name} {option}"


@pytest.mark.slow
def test_terms_link_to_the_glossary(site):
    files = (site / "app" / "files.html").read_text()
    for anchor in ("personal-baseline", "valence-arousal", "reliance", "step"):
        assert files.count(f"glossary.html#{anchor}") == 1, anchor


def test_first_mentions_are_linked_once_and_code_is_left_alone(site_hooks):
    link = site_hooks["glossary_links"].link_terms
    anchors = {"step": "step", "UAR": "uar"}
    text = "# A step\n\n`UAR` of all steps, by step: UAR. [UAR](x) <!-- UAR -->\n\n```sh\nstep UAR\n```\n\nUAR\n"
    linked = (
        "# A step\n\n`UAR` of all [steps](g.md#step), by step: [UAR](g.md#uar). [UAR](x) <!-- UAR -->\n\n"
        "```sh\nstep UAR\n```\n\nUAR\n"
    )
    assert link(text, anchors, "g.md") == linked


def test_docstrings_of_several_names_give_each_an_entry(site_hooks):
    split = site_hooks["griffe_names"].split_names
    text = "Scores.\n\nAttributes:\n    war, uar: 0-1,\n        over clips.\n    ece: 15 bins.\n"
    each = "    war: 0-1,\n        over clips.\n    uar: 0-1,\n        over clips.\n    ece: 15 bins.\n"
    assert split(text) == f"Scores.\n\nAttributes:\n{each}"


def test_figures_do_not_break(site_hooks):
    shown = site_hooks["tables"].on_page_content("<td>89.0 [87, 91]</td><td>text 1 [2, 3]</td>")
    assert shown == "<td>89.0\u00a0[87,\u00a091]</td><td>text 1 [2, 3]</td>"


def test_the_glossary_is_in_order(site_hooks):
    names = re.findall(r"^## (.+)$", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    assert names == sorted(names, key=str.lower)
    terms = site_hooks["glossary_links"].terms((ROOT / "docs" / "glossary.md").read_text())
    wanted = {"UAR", "WAR", "macro F1", "CCC", "ECE", "valence", "arousal", "circumplex", "reliance", "cold", "warm"}
    assert wanted | {"enrolled", "P1", "P2", "P3", "P4", "P5", "bundle", "target", "scheme", "gate"} <= set(terms)


def test_names_in_the_changelog_are_as_new_as_it_says():
    text = (ROOT / "CHANGELOG.md").read_text()
    rows = re.findall(r"^\| `(mer_[\w.]+)` \| `(mer_[\w.]+)` \|$", text, re.MULTILINE)
    assert len(rows) > 100
    assert len({old for old, _ in rows}) == len(rows)
