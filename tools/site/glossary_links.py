"""MkDocs hook: the first mention of a term on each page links to the glossary.

The terms are the `## ` headings of docs/glossary.md: "UAR", or several names with commas ("cold, warm, enrolled").
Headings, code, links and comments are left as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

GLOSSARY = "glossary.md"
ROOT = Path(__file__).resolve().parents[2]
# Pages that are not prose: the glossary itself, the command reference, the old and new names.
LEFT_OUT = (GLOSSARY, "changelog.md", "reference/commands.md")
# What must stay as it is: fenced code, inline code, headings, links, HTML comments, admonition titles.
KEPT = re.compile(
    r"^(?:```|~~~).*?^(?:```|~~~)[^\S\n]*$|^#.*?$|^:::.*?$|^!!!.*?$|`[^`\n]+`|!?\[[^\]]*\]\([^)]*\)|<!--.*?-->|<[^>\n]+>",
    re.MULTILINE | re.DOTALL,
)


def terms(glossary: str) -> dict[str, str]:
    """Each term of the glossary's text, and the anchor of its heading."""
    found: dict[str, str] = {}
    for heading in re.findall(r"^## (.+)$", glossary, re.MULTILINE):
        for name in re.split(r",\s*", heading):
            found[name] = slug(heading)
    return found


def slug(heading: str) -> str:
    """The anchor that Markdown's toc extension gives a heading."""
    from markdown.extensions.toc import slugify

    return slugify(heading, "-")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The page with a link at the first mention of each term."""
    if page.file.src_uri in LEFT_OUT:
        return markdown
    up = "../" * (len(PurePosixPath(page.file.src_uri).parts) - 1)
    return link_terms(markdown, terms((ROOT / "docs" / GLOSSARY).read_text()), f"{up}{GLOSSARY}")


def link_terms(text: str, anchors: dict[str, str], target: str) -> str:
    """`text` with each anchor linked once, at the first mention of any of its names."""
    names = sorted(anchors, key=len, reverse=True)
    # "window" may begin a sentence or be several; "UAR" and "P1" are written one way.
    pattern = re.compile(r"(?<![\w/-])(?:" + "|".join(_either_case(name) for name in names) + r")(?![\w/-])")
    lower = {name.lower(): anchor for name, anchor in anchors.items()}
    seen: set[str] = set()

    def linked(match: re.Match[str]) -> str:
        word = match.group(0).lower()
        anchor = lower[word] if word in lower else lower[word.removesuffix("s")]
        if anchor in seen:
            return match.group(0)
        seen.add(anchor)
        return f"[{match.group(0)}]({target}#{anchor})"

    return "".join(part if kept else pattern.sub(linked, part) for part, kept in _parts(text))


def _either_case(name: str) -> str:
    first = name[0]
    escaped = re.escape(name)
    return f"[{first.upper()}{first}]{escaped[1:]}s?" if first.islower() else escaped


def _parts(text: str) -> Iterator[tuple[str, bool]]:
    at = 0
    for match in KEPT.finditer(text):
        yield text[at : match.start()], False
        yield match.group(0), True
        at = match.end()
    yield text[at:], False
