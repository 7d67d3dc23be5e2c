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
