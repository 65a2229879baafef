"""What MkDocs calls while it builds the site: adds the pages that are made from code and from elsewhere."""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parent))

import reference
from program import REPOSITORY

#: Pages that lie beside what they are about.
ELSEWHERE = {
    "reference/rules.md": "rules/README.md",
    "reference/samples.md": "samples/README.md",
    "benchmarks.md": "benchmarks/README.md",
    "results.md": "benchmarks/RESULTS.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "security.md": "SECURITY.md",
}
#: Pages that are made from code, and where to read the same in the repository.
MADE_FROM = {
    "reference/cli.md": "classifier/cli",
    "reference/api.md": "classifier/__init__.py",
    "reference/tables.md": "classifier/flows/table.py",
    "reference/evidence.md": "classifier/roles/evidence.py",
    "reference/exit-statuses.md": "classifier/errors.py",
    "reference/signatures.md": "rules/payload",
}
#: Files that pages offer.
OFFERED = {
    "files/classifier-live@.service": "docs/classifier-live@.service",
    "files/grafana-live.json": "docs/grafana-live.json",
    "files/growth.svg": "benchmarks/growth.svg",
}
PAGES = "docs/pages"
#: Where what lies elsewhere in the repository is on the site.
PLACES = {path: place for place, path in (ELSEWHERE | MADE_FROM | OFFERED).items()}
LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<path>(?![a-z]+:)[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")
#: What would make a browser ask another host.
FETCHED = re.compile(r"<(?:script|img|link|iframe)\b[^>]*\b(?:src|href)=\"?(?:https?:)?//[^>]*>")


def on_files(files: Files, config: MkDocsConfig, **_: Any) -> Files:
    """Add the pages of the reference, those from elsewhere, and the files that pages offer."""
    for place, text in reference.pages().items():
        files.append(File.generated(config, place, content=text))
    for place, path in ELSEWHERE.items():
        text = (REPOSITORY / path).read_text(encoding="utf-8")
        files.append(File.generated(config, place, content=text))
    for place, path in OFFERED.items():
        files.append(File.generated(config, place, abs_src_path=str(REPOSITORY / path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Let links lead to pages of the site, but for pages that are made for it."""
    place = page.file.src_uri
    return markdown if place in MADE_FROM else linked(markdown, place)


def linked(markdown: str, place: str) -> str:
    """Return a page whose links, which lead to files of the repository, lead to pages of the site."""
    return LINK.sub(lambda link: _link(link, place), markdown)


def _link(link: re.Match[str], place: str) -> str:
    """Return a link for the site; only its text where it leads to a file that the site doesn't have."""
    source = PurePosixPath(ELSEWHERE.get(place, f"{PAGES}/{place}"))
    target = posixpath.normpath(source.parent / link["path"])
    found = PLACES.get(target) or target.removeprefix(f"{PAGES}/")
    if place in ELSEWHERE and found == target:
        return link["text"]
    path = posixpath.relpath(found, PurePosixPath(place).parent)
    return f"[{link['text']}]({path}{link['anchor'] or ''})"


def on_post_page(output: str, **_: Any) -> str:
    """Refuse pages that need another host."""
    if found := FETCHED.search(output):
        raise PluginError(f"a page would fetch {found[0]}")
    return output
