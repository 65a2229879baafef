"""What MkDocs calls while it builds the site: adds the pages that are made from code and from elsewhere."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))

import reference
from program import REPOSITORY

#: Pages that lie beside what they are about.
ELSEWHERE = {
    "reference/rules.md": "rules/README.md",
    "reference/samples.md": "samples/README.md",
    "benchmarks.md": "benchmarks/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "security.md": "SECURITY.md",
}
#: What would make a browser ask another host.
FETCHED = re.compile(r"<(?:script|img|link|iframe)\b[^>]*\b(?:src|href)=\"?(?:https?:)?//[^>]*>")
#: Files that pages offer.
OFFERED = ("docs/classifier-live@.service", "docs/grafana-live.json")


def on_files(files: Files, config: MkDocsConfig, **_: Any) -> Files:
    """Add the pages of the reference, those from elsewhere, and the files that pages offer."""
    for place, text in reference.pages().items():
        files.append(File.generated(config, place, content=text))
    for place, path in ELSEWHERE.items():
        text = (REPOSITORY / path).read_text(encoding="utf-8")
        files.append(File.generated(config, place, content=_without_links(text)))
    for path in OFFERED:
        place = f"files/{Path(path).name}"
        files.append(File.generated(config, place, abs_src_path=str(REPOSITORY / path)))
    return files


def on_post_page(output: str, **_: Any) -> str:
    """Refuse pages that need another host."""
    if found := FETCHED.search(output):
        raise PluginError(f"a page would fetch {found[0]}")
    return output


def _without_links(text: str) -> str:
    """Leave out links to files of the repository, which the site doesn't have; keep those within the page."""
    return re.sub(r"\[([^\]]+)\]\((?!#|https?:)[^)]+\)", r"\1", text)
