"""The README and the pages in docs/ hang together."""

from __future__ import annotations

import re

import pytest

from tests.readme_tables import ROOT, pages

LINK = re.compile(r"\]\(([^)#]+)(#[^)]*)?\)|(?:src|srcset)=\"([^\"]+)\"")
PAGES = pages()


def links(page):
    return [found[0] or found[2] for found in LINK.findall(PAGES[page]) if "://" not in found[0]]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_links_to_exists(page):
    for link in links(page):
        assert (page.parent / link).exists(), link


def test_every_page_is_linked_from_the_readme():
    """Nothing is written where nobody finds it."""
    found = {(ROOT / link).resolve() for link in links(ROOT / "README.md")}
    assert {page for page in PAGES if page.parent.name == "docs"} <= found


def test_the_readme_is_read_in_three_minutes():
    """At two hundred words a minute; everything else has a page of its own."""
    assert len(PAGES[ROOT / "README.md"].split()) < 900


@pytest.mark.parametrize(
    "page", [ROOT / "CONTRIBUTING.md", ROOT / "docs" / "repository.md"], ids=lambda page: page.name
)
def test_what_a_contributor_is_sent_to_exists(page):
    """Every path of the repository that is named is there; a name in braces or capitals is code, and no path."""
    folders = "|".join(path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("."))
    named = re.findall(rf"`((?:{folders})/[\w./-]*)`", page.read_text())
    assert named and [path for path in named if not (ROOT / path).exists()] == []
