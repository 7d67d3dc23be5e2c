"""The frame around every view."""

from __future__ import annotations

import pytest

from simulator.console.page.news import News
from simulator.console.page.paths import VIEWS
from simulator.console.page.shell import TICK_SECONDS, ConsoleStatus, shell, update_status
from simulator.console.traces.forwarding import ForwarderStatus
from tests.support.components import addresses, assert_harmless, by_id, ids, of_class, text_of

NOTHING = ConsoleStatus(0, 0, 0, 0, None)


def told(standing=NOTHING, path="/"):
    news = News(None)
    update_status(news, standing, path)
    return news


def test_the_frame_has_the_name_and_the_links_to_the_views():
    """The run's name is in it as text, and each view has its link."""
    frame = shell('<b>orders</b>"><script>')
    assert_harmless(frame)
    assert [text_of(part) for part in of_class(frame, "run")] == ['<b>orders</b>"><script>']
    assert addresses(frame) == ["#view", "/", "/traces", "/stages", "/controls"]
    assert [text_of(by_id(frame, f"view-{name}")) for name in VIEWS] == ["System", "Traces", "Stages", "Controls"]


def test_every_place_is_there_once():
    """No two elements have the same id."""
    found = ids(shell("orders"))
    assert len(set(found)) == len(found)
    assert {"view", "place", "timer", "tick", "laid", "news", "shown", "stale", "theme"} <= set(found)
    assert by_id(shell("orders"), "timer").interval == 1000 * TICK_SECONDS


def test_every_update_has_its_element():
    """No update is for an element that the frame does not have."""
    news = told(ConsoleStatus(1, 2, 3, 4, ForwarderStatus("http://collector", 5, 6, 7, "no connection")))
    assert {*news.texts, *news.kinds, *news.titles} <= set(ids(shell("orders")))


@pytest.mark.parametrize(
    ("path", "here"),
    [("/", "system"), ("/traces", "traces"), ("/traces/ab", "traces"), ("/stages/a", "stages"), ("/x", "system")],
)
def test_the_open_view_is_marked(path, here):
    """One view is marked as the one that is open."""
    assert told(path=path).kinds == {f"view-{name}": "here" if name == here else "" for name in VIEWS}


def test_what_the_console_holds():
    """The number of traces and spans is shown, and that nothing was lost."""
    news = told(ConsoleStatus(1234, 56789, 0, 0, None))
    assert news.texts["status-traces"] == "1,234 traces, 56,789 spans"
    assert news.titles["status-traces"] == "all received spans are here"
    assert (news.texts["status-forwarding"], news.titles["status-forwarding"]) == ("", "")


@pytest.mark.parametrize(
    ("refused", "evicted", "title"),
    [
        (0, 1500, "made room: 1,500 older traces"),
        (7, 0, "refused: 7 spans"),
        (7, 1500, "made room: 1,500 older traces; refused: 7 spans"),
    ],
)
def test_what_was_lost_is_reported(refused, evicted, title):
    """Nothing is lost in silence."""
    assert told(ConsoleStatus(1, 1, refused, evicted, None)).titles["status-traces"] == title


@pytest.mark.parametrize(
    ("standing", "text"),
    [
        (ForwarderStatus("http://collector", 1200, 0, 0, ""), "1,200 spans forwarded"),
        (ForwarderStatus("http://collector", 1200, 3, 0, ""), "1,200 spans forwarded, 3 dropped"),
        (
            ForwarderStatus("http://collector", 0, 3, 9, "no connection to the collector"),
            "0 spans forwarded, 9 waiting, 3 dropped, no connection to the collector",
        ),
    ],
)
def test_the_state_of_the_forwarder(standing, text):
    """Forwarded and dropped spans and the problem are shown, and the endpoint in the tooltip."""
    news = told(ConsoleStatus(1, 1, 0, 0, standing))
    assert (news.texts["status-forwarding"], news.titles["status-forwarding"]) == (text, "to http://collector")
