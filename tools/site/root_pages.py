"""MkDocs hook: pages of the site whose text is a file in the repository's root.

GitHub looks for CHANGELOG.md and CONTRIBUTING.md in the root, and MkDocs reads docs/ alone. So docs/changelog.md and
docs/contributing.md are a line each, and the site shows the file from the root in their place. Links in those files are
written as seen from the root (docs/app/live.md) and turned here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md"}


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The text of a page: that of its file in the root, where it has one."""
    source = PAGES.get(page.file.src_uri)
    return markdown if source is None else root_text(source)


def root_text(name: str) -> str:
    """A file of the root, with its links as seen from docs/."""
    return (ROOT / name).read_text().replace("](docs/", "](")
