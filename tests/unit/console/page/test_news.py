"""What has changed on a page."""

import json
import math

import pytest

from simulator.console.page.news import News


def test_news_are_put_under_the_ids_of_their_places():
    """Texts, kinds, widths and titles each go to an element, the last word counts, and all is plain for JSON."""
    news = News(version=[1, 2], drawing="d")
    news.text("n0-rate", "1.0/s")
    news.text("n0-rate", "2.0/s")
    news.title("n0", "parse: well")
    news.kind("n0", "card", "ok")
    news.width("n0-busy-bar", 0.25)
    news.edges = [{"id": "e0"}]
    assert json.loads(json.dumps(news.as_plain())) == {
        "version": [1, 2],
        "drawing": "d",
        "texts": {"n0-rate": "2.0/s"},
        "kinds": {"n0": "card ok"},
        "widths": {"n0-busy-bar": 25.0},
        "titles": {"n0": "parse: well"},
        "edges": [{"id": "e0"}],
    }


def test_no_class_is_empty():
    """Names that are not there leave no gap, and none at all is none."""
    news = News(None)
    news.kind("a", "card", "", "dead", "")
    news.kind("b", "")
    news.kind("c")
    assert news.kinds == {"a": "card dead", "b": "", "c": ""}


@pytest.mark.parametrize(
    ("ratio", "percent"),
    [(0.0, 0.0), (1.0, 100.0), (0.12345, 12.3), (1.7, 100.0), (-0.2, 0.0), (math.inf, 100.0), (math.nan, 0.0)],
)
def test_a_bar_is_never_fuller_than_full(ratio, percent):
    """A bar is filled from nothing to all, whatever the figures, and unknown ones fill nothing."""
    news = News(None)
    news.width("bar", ratio)
    assert news.widths == {"bar": percent}


def test_news_share_nothing():
    """What is put in one page's news is not in the next one's."""
    News(1).text("a", "b")
    assert News(2).texts == {}
