"""Fetching the counters of every process."""

import math

import pytest

from simulator.console.metrics.fetching import FetchError, TooLate
from simulator.console.metrics.scraper import Scraper, ScrapeTarget, interval_seconds, scrapes_a_round, targets_of

MESSAGES = "simulator_messages_total"


class Processes:
    """The answers at each URL, and the clock."""

    def __init__(self):
        self.now = 50.0
        self.count = 0
        self.gone = set()
        self.fetched = []

    def fetch(self, url):
        self.fetched.append(url)
        if url in self.gone:
            raise FetchError("nothing is listening there")
        self.count += 1
        return f'simulator_messages_total{{outcome="forwarded",stage="parse"}} {self.count}\n'

    def monotonic(self):
        return self.now


@pytest.fixture
def processes():
    return Processes()


@pytest.fixture
def scraper(processes):
    targets = targets_of({"injector": ["http://127.0.0.1:1/messages"], "parse": ["http://h:2/m", "http://h:3/m"]})
    return Scraper(targets, processes.fetch, processes.monotonic)


def standing(scraper, stage):
    """Return whether each process of a stage is up, and why it is not."""
    return [(history.is_up, history.reason) for history in scraper.histories(stage)]


def test_the_processes_of_a_run():
    """Each process is found at its own address, whatever its path, and has the same label as its files."""
    addresses = {"injector": ["http://127.0.0.1:81/messages"], "parse": ["http://[::1]:82/x/y", "http://h:83"]}
    assert targets_of(addresses) == [
        ScrapeTarget("injector", "injector", "http://127.0.0.1:81/metrics"),
        ScrapeTarget("parse", "parse.1", "http://[::1]:82/metrics"),
        ScrapeTarget("parse", "parse.2", "http://h:83/metrics"),
    ]


@pytest.mark.parametrize(
    ("targets", "is_watched", "seconds"),
    [(0, True, 1.0), (4, True, 1.0), (200, True, 1.0), (1000, True, 5.0), (4, False, 5.0), (1000, False, 25.0)],
)
def test_the_more_processes_the_fewer_rounds(targets, is_watched, seconds):
    """A round a second for up to 200 processes, one in five for a thousand, and a fifth of that if no page is open."""
    assert interval_seconds(targets, is_watched) == pytest.approx(seconds)


def test_of_many_processes_each_round_asks_the_next_ones(processes):
    """Twenty are asked a second: a thousand have their turns one after the other, each as often as any other."""
    names = [f"s{number}" for number in range(1000)]
    scraper = Scraper(targets_of({name: [f"http://{name}/m"] for name in names}), processes.fetch, processes.monotonic)
    for _ in range(3):
        before = len(processes.fetched)
        scraper.round()
        assert len(processes.fetched) - before == 100
    assert processes.fetched == [f"http://{name}/metrics" for name in names[:300]]
    for _ in range(7 + 20):
        scraper.round()
    assert {processes.fetched.count(f"http://{name}/metrics") for name in names} == {3}
    assert [scrapes_a_round(count) for count in (0, 4, 20, 60, 1000)] == [0, 4, 20, 20, 100]


def test_a_round_asks_all(scraper, processes):
    """One round reads every process once; the next one makes rates."""
    scraper.round()
    assert processes.fetched == ["http://127.0.0.1:1/metrics", "http://h:2/metrics", "http://h:3/metrics"]
    processes.now += 2
    scraper.round()
    assert [history.rate(MESSAGES, 5.0) for history in scraper.histories("parse")] == [1.5, 1.5]
    assert len(scraper.histories("injector")) == 1


def test_one_that_does_not_answer_is_down_and_hurts_no_other(scraper, processes):
    """It is down with the reason, the others are read, and it is up again with its next answer."""
    processes.gone = {"http://h:2/metrics"}
    scraper.round()
    assert standing(scraper, "parse") == [(False, "nothing is listening there"), (True, "")]
    assert standing(scraper, "injector") == [(True, "")]
    processes.gone = set()
    scraper.round()
    assert standing(scraper, "parse") == [(True, ""), (True, "")]


def test_one_that_is_late_now_and_then_is_busy_and_not_down():
    """Only the third answer in a row that does not come in time makes a process count as down."""
    text = 'simulator_messages_total{stage="a",role="processor",outcome="delivered"} 1.0\n'
    comes: list[bool] = [True, False, False, True, False, False, False, True]

    def fetch(_: str) -> str:
        if not comes.pop(0):
            raise TooLate("no answer within 1 s")
        return text

    scraper = Scraper([ScrapeTarget("a", "a", "http://h/metrics")], fetch, lambda: 0.0)
    down = []
    for _ in range(8):
        scraper.round()
        down.append(not scraper.histories("a")[0].is_up)
    assert down == [False] * 6 + [True, False]


def test_one_that_answers_with_something_else_is_down(processes):
    """A page other than a stage's metrics is not a sign of life of a stage."""
    scraper = Scraper([ScrapeTarget("a", "a", "http://h/metrics")], lambda url: "<p>hello</p>\n", processes.monotonic)
    scraper.round()
    assert standing(scraper, "a") == [(False, "the text has no metrics of a stage")]
    assert math.isnan(scraper.histories("a")[0].last(MESSAGES))


def test_the_caller_chooses_how_targets_are_visited(scraper, processes):
    """The caller of a round decides how the processes are visited: concurrently, for instance."""
    scraper.round(lambda visit, targets: [visit(target) for target in reversed(list(targets))])
    assert processes.fetched[0] == "http://h:3/metrics"


def test_when_the_next_round_is_due(scraper, processes):
    """Immediately at first, then each second while a page is open, and every five when none has been for a while."""
    assert scraper.due_in_seconds() == 0
    scraper.round()
    assert scraper.due_in_seconds() == 5
    scraper.watched()
    assert scraper.due_in_seconds() == 1
    processes.now += 0.25
    assert scraper.due_in_seconds() == 0.75
    processes.now += 2
    assert scraper.due_in_seconds() == 0
    processes.now += 10
    scraper.round()
    assert scraper.due_in_seconds() == 5


def test_after_a_change_rounds_are_twice_as_frequent(scraper, processes):
    """For six seconds after a change rounds are twice as frequent, and then as before."""
    scraper.round()
    scraper.hurry()
    assert scraper.due_in_seconds() == 0.5
    processes.now += 6.5
    scraper.round()
    assert scraper.due_in_seconds() == 1
