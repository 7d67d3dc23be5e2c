"""What a person sees of a run."""

from __future__ import annotations

import io
import math
import re

import pytest
from rich.console import Console

from simulator.local.ledger import CallLine, Ledger, StageLine
from simulator.local.view import (
    LiveView,
    PlainView,
    RunSnapshot,
    Silence,
    ledger_tables,
    live_table,
    plain_line,
    stages_table,
)
from simulator.telemetry.end_to_end import Whole, WholeFigures
from simulator.telemetry.standing import OperationSnapshot, StageSnapshot
from tests.support.tables import cells

OUTCOMES = dict.fromkeys(("delivered", "forwarded", "rejected", "invalid", "faulted", "failed"), 0)
NO_TIMES = {"rate_per_second": math.nan, "p50_seconds": math.nan, "p95_seconds": math.nan, "p99_seconds": math.nan}
COLOUR = re.compile(r"\x1b\[[0-9;]*(3[0-7]|9[0-7]|38;)[0-9;]*m")


def standing(**changes):
    values = {
        "rate_per_second": 19.84,
        "p50_seconds": 0.0123,
        "p95_seconds": 0.0456,
        "p99_seconds": 1.25,
        "in_flight": 3,
        "queue_depth": 2,
        "outcomes": OUTCOMES | {"forwarded": 120},
    }
    return StageSnapshot(**{**values, **changes})


def snapshot(gone=None, elapsed_seconds=12.3, hurt=None, **stages):
    return RunSnapshot(elapsed_seconds, stages or {"parse": standing()}, gone or {}, hurt or {})


def drawn(renderable, width=200):
    """Draw something without colours; give its lines, spaces at their ends left out."""
    console = Console(record=True, width=width, file=io.StringIO())
    console.print(renderable)
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_a_plain_line():
    """A plain line has the time, and each stage's rate, median, p99 and messages in flight."""
    line = plain_line(snapshot(parse=standing(), archive=standing(rate_per_second=20.0, in_flight=0)))
    assert line == (
        "   12s  parse 19.8/s, p50 12.3ms, p99 1.25s, in flight 3 | archive 20.0/s, p50 12.3ms, p99 1.25s, in flight 0"
    )


def test_a_plain_line_tells_what_went_wrong():
    """Outcomes that are not good stand in the plain line with their numbers; those at 0 and good ones do not."""
    outcomes = OUTCOMES | {"forwarded": 100, "rejected": 2, "failed": 1}
    assert plain_line(snapshot(parse=standing(outcomes=outcomes))).endswith("in flight 3, rejected 2, failed 1")


def test_what_is_not_known_is_a_dash():
    """A rate and percentiles that are missing are shown as a dash, in a line and in the table."""
    unknown = snapshot(parse=standing(**NO_TIMES, outcomes=OUTCOMES))
    assert plain_line(unknown) == "   12s  parse -, p50 -, p99 -, in flight 3"
    assert cells(drawn(live_table(unknown))[1]) == ["parse", "-", "-", "-", "-", "3", "2"]
    assert "nan" not in " ".join(drawn(live_table(unknown))).lower()


def test_a_stage_that_is_gone_is_told_aloud():
    """A stage whose process has ended shows how, instead of numbers that no longer mean anything."""
    dead = snapshot({"parse": "was killed (SIGKILL)"}, parse=standing(), archive=standing())
    assert plain_line(dead).startswith("   12s  parse WAS KILLED (SIGKILL) | archive 19.8/s")
    _, first, second = drawn(live_table(dead))
    assert cells(first) == ["parse", *["-"] * 6, "WAS KILLED (SIGKILL)"]
    assert cells(second)[0] == "archive"


HURT = {"parse": "instance 2 was killed (SIGKILL)"}


def test_a_stage_that_lost_an_instance_is_told_aloud():
    """A stage of which some processes are left shows its numbers, and which of them ended, in line and table."""
    outcomes = OUTCOMES | {"forwarded": 120, "failed": 1}
    shown = snapshot(hurt=HURT, parse=standing(outcomes=outcomes), archive=standing())
    assert plain_line(shown) == (
        "   12s  parse 19.8/s, p50 12.3ms, p99 1.25s, in flight 3, failed 1, INSTANCE 2 WAS KILLED (SIGKILL)"
        " | archive 19.8/s, p50 12.3ms, p99 1.25s, in flight 3"
    )
    _, first, second = drawn(live_table(shown))
    numbers = ["19.8/s", "12.3ms", "45.6ms", "1.25s", "3", "2"]
    assert cells(first) == ["parse", *numbers, "forwarded 120", "failed 1", "INSTANCE 2 WAS KILLED (SIGKILL)"]
    assert cells(second) == ["archive", *numbers, "forwarded 120"]


def test_a_stage_that_lost_an_instance_before_its_first_message():
    """Where there is no outcome yet the lost instance is told all the same."""
    shown = snapshot(hurt=HURT, parse=standing(**NO_TIMES, outcomes=OUTCOMES))
    assert plain_line(shown).endswith("in flight 3, INSTANCE 2 WAS KILLED (SIGKILL)")
    assert cells(drawn(live_table(shown))[1])[-1] == "INSTANCE 2 WAS KILLED (SIGKILL)"


def test_a_picture_is_of_a_sound_stage_by_itself():
    """A snapshot that says nothing of lost instances is of stages that have all of theirs."""
    assert RunSnapshot(1.0, {"parse": standing()}, {}).hurt == {}


def test_the_live_table():
    """The table has a line for each stage, with rate, percentiles, saturation and the outcomes that there are."""
    outcomes = OUTCOMES | {"forwarded": 120, "faulted": 7}
    heading, line = drawn(live_table(snapshot(parse=standing(outcomes=outcomes))))
    assert cells(heading) == ["stage", "rate", "p50", "p95", "p99", "in flight", "queue", "outcomes"]
    assert cells(line) == ["parse", "19.8/s", "12.3ms", "45.6ms", "1.25s", "3", "2", "forwarded 120", "faulted 7"]


def operation(**changes):
    shared = {key: value for key, value in vars(standing()).items() if key not in ("queue_depth", "operations")}
    return OperationSnapshot(**{**shared, **changes})


CART = standing(operations={"read": operation(), "add": operation(outcomes=OUTCOMES | {"faulted": 4})})


def test_operations_stand_below_their_stage():
    """The table has a row for each operation, without a queue, which is the stage's."""
    _, cart, read, add, parse = drawn(live_table(snapshot(cart=CART, parse=standing())))
    numbers = ["19.8/s", "12.3ms", "45.6ms", "1.25s", "3"]
    assert cells(cart) == ["cart", *numbers, "2", "forwarded 120"]
    assert read.startswith("  read ")
    assert cells(read) == ["read", *numbers, "forwarded 120"]
    assert cells(add) == ["add", *numbers, "faulted 4"]
    assert cells(parse)[0] == "parse"


def test_where_operations_do_not_fit_the_table_has_the_stages():
    """A terminal that is too low for all operations shows all stages."""
    shown = snapshot(cart=CART, parse=standing())
    assert len(drawn(live_table(shown, 4))) == 5
    assert [cells(line)[0] for line in drawn(live_table(shown, 3))] == ["stage", "cart", "parse"]


def test_the_operations_of_a_stage_that_is_gone_are_not_shown():
    """Their numbers mean nothing any more."""
    shown = snapshot({"cart": "was killed"}, cart=CART)
    assert len(drawn(live_table(shown))) == 2
    assert plain_line(shown) == "   12s  cart WAS KILLED"


def test_a_plain_line_has_the_operations_if_they_fit():
    """Each stage's operations follow it with rate, p99 and what went wrong; a line that is too long has the stages."""
    stages = "   12s  cart 19.8/s, p50 12.3ms, p99 1.25s, in flight 3"
    whole = f"{stages} (read 19.8/s, p99 1.25s; add 19.8/s, p99 1.25s, faulted 4)"
    assert plain_line(snapshot(cart=CART)) == whole
    assert plain_line(snapshot(cart=CART), max_width=len(whole) - 1) == stages


def test_the_plain_view_is_sparing():
    """The plain view prints after the first second, then a line every five seconds and no more."""
    console = Console(record=True, width=200, file=io.StringIO())
    view = PlainView(console)
    view.open()
    for tenth in range(0, 130):
        view.show(snapshot(elapsed_seconds=tenth / 10))
    view.close()
    assert [line.split()[0] for line in console.export_text().splitlines()] == ["1s", "6s", "11s"]


def test_a_plain_line_is_one_line_and_literal():
    """A plain line is neither broken at the width of the console nor read as markup."""
    console = Console(record=True, width=40, file=io.StringIO())
    PlainView(console).show(snapshot(**{f"stage-{number}": standing() for number in range(10)}))
    assert len(console.export_text().splitlines()) == 1
    console = Console(record=True, width=200, file=io.StringIO())
    PlainView(console).show(snapshot(**{"a[red]": standing()}))
    assert "a[red] 19.8/s" in console.export_text()


def test_what_is_hurt_is_red():
    """On a terminal a lost instance is shown in bold red, beside outcomes in their own colours."""
    console = Console(
        file=io.StringIO(), width=200, force_terminal=True, color_system="standard", _environ={"TERM": "xterm"}
    )
    console.print(live_table(snapshot(hurt=HURT)))
    text = console.file.getvalue()
    assert "\x1b[1;31mINSTANCE 2 WAS KILLED (SIGKILL)" in text
    assert "\x1b[32mforwarded 120" in text


def live(**options):
    """Show two pictures on a terminal; give everything that was written to it."""
    file = io.StringIO()
    console = Console(file=file, width=120, height=30, force_terminal=True, **options)
    view = LiveView(console)
    view.open()
    view.show(snapshot(elapsed_seconds=1.0))
    faulty = standing(outcomes=OUTCOMES | {"forwarded": 4711, "failed": 3}, in_flight=0)
    view.show(snapshot(elapsed_seconds=2.0, parse=faulty))
    view.close()
    return file.getvalue()


def test_the_live_view_leaves_the_last_picture():
    """On a terminal the table is drawn again in its place, and the last one is left standing."""
    text = live(color_system="standard")
    assert text.index("forwarded 120") < text.index("forwarded 4711")
    assert "Ctrl-C ends the run" in text
    assert text.endswith("\x1b[?25h")  # the cursor is shown again
    assert COLOUR.search(text)


def test_no_color_is_honoured():
    """With NO_COLOR in the environment there is not one colour, and everything is said all the same."""
    text = live(color_system="standard", _environ={"NO_COLOR": "1", "TERM": "xterm"})
    assert not COLOUR.search(text)
    assert "failed 3" in text


def test_silence_is_silent(capsys):
    """For --json nothing is shown."""
    view = Silence()
    view.open()
    view.show(snapshot())
    view.close()
    assert capsys.readouterr() == ("", "")


def test_the_stages_that_are_up():
    """The list of stages says where each can be reached and how it behaves."""
    lines = drawn(stages_table([("parse", "processor", "http://127.0.0.1:8081/messages", "constant(10ms)")]))
    assert [cells(line) for line in lines] == [
        ["stage", "role", "address", "delay"],
        ["parse", "processor", "http://127.0.0.1:8081/messages", "constant(10ms)"],
    ]


@pytest.mark.parametrize(
    ("address", "delay"),
    [("http://[fd00::1]:8080/messages", "constant(10ms)"), ("http://127.0.0.1:1/messages", "samples(a[old].csv)")],
)
def test_square_brackets_are_shown(address, delay):
    """An IPv6 address and a file's name are shown as they are, square brackets included."""
    _, line = drawn(stages_table([("parse", "processor", address, delay)]))
    assert cells(line) == ["parse", "processor", address, delay]


def account(**call):
    values = {
        "caller": "injector",
        "called": "archive",
        "sent": 100,
        "answered": 97,
        "answered_with_error": 1,
        "unreachable": 0,
        "in_doubt": 2,
        "without_end": 0,
        "received": 99,
    }
    stages = (
        StageLine("injector", 100, 0, 97, 0, 0, 0, 3, 0, 0, 5, ""),
        StageLine("archive", 99, 97, 0, 1, 0, 0, 0, 0, 1, 0, "was killed (SIGKILL)"),
    )
    return Ledger(stages, (CallLine(**{**values, **call}),), 0, 0, ())


TIMES = {"p50": 0.0123, "p95": 0.05, "p99": 1.25, "max": 2.0}
NOTHING = Whole(every=dict.fromkeys(TIMES))


def test_the_ledger_is_drawn_in_full():
    """The account has every stage with its outcomes, every call with its attempts, and the latencies; 0 is a dot."""
    lines = drawn(ledger_tables(account(), {"archive": TIMES}, NOTHING))
    assert [cells(line) for line in lines if line] == [
        [
            "stage",
            "received",
            "delivered",
            "forwarded",
            "rejected",
            "invalid",
            "faulted",
            "failed",
            "in flight",
            "missed",
        ],
        ["injector", "100", ".", "97", ".", ".", ".", "3", ".", "5"],
        ["archive", "99", "97", ".", "1", ".", ".", ".", "1", "."],
        ["call", "sent", "answered", "with error", "unreachable", "in doubt", "received"],
        ["injector -> archive", "100", "97", "1", ".", "2", "99", "balanced"],
        ["latency", "p50", "p95", "p99", "max"],
        ["archive", "12.3ms", "50.0ms", "1.25s", "2.00s"],
        ["end to end", "-", "-", "-", "-"],
    ]


def test_the_latencies_of_the_whole():
    """Of all requests; of each kind if there are several; and of accepted work, where it was accepted."""
    of_requests = {"cart.read": TIMES, "cart.pay": TIMES}
    whole = Whole(every=TIMES, requests=of_requests, accepted={"mail": TIMES})
    lines = drawn(ledger_tables(account(), {}, whole))
    names = [cells(line)[0] for line in lines[lines.index("") + 1 :] if line]
    assert names[-4:] == ["end to end", "cart.read", "cart.pay", "accepted by mail"]
    lines = drawn(ledger_tables(account(), {}, Whole(every=TIMES, requests={"cart.read": TIMES})))
    assert cells(lines[-1])[0] == "end to end"


def figures(p50_seconds=1.1):
    return WholeFigures(rate_per_second=4.0, p50_seconds=p50_seconds, p95_seconds=1.2, p99_seconds=1.3)


def test_what_requests_took_is_below_the_stages():
    """With a rate and percentiles, of all requests and, if there is room, of each kind and of accepted work."""
    whole = Whole(
        every=figures(), requests={"cart.read": figures(), "cart.pay": figures()}, accepted={"mail": figures()}
    )
    shown = RunSnapshot(1.0, {"parse": standing()}, {}, whole=whole)
    rows = [cells(line) for line in drawn(live_table(shown))][2:]
    assert [row[0] for row in rows] == ["end to end", "cart.read", "cart.pay", "accepted by mail"]
    assert rows[0] == ["end to end", "4.0/s", "1.10s", "1.20s", "1.30s"]
    assert [cells(line)[0] for line in drawn(live_table(shown, 4))] == ["stage", "parse", "end to end"]


def test_the_name_of_a_journey_leaves_room_for_its_figures():
    """It is shortened in the middle, so that journeys that begin alike are told apart."""
    journey = "frontend-proxy.product + frontend-proxy.add-to-cart + frontend-proxy.checkout"
    whole = Whole(every=figures(), requests={journey: figures(), "cart.read": figures()})
    shown = drawn(live_table(RunSnapshot(1.0, {"parse": standing()}, {}, whole=whole)), width=100)
    assert cells(shown[3]) == ["frontend-prox...oxy.checkout", "4.0/s", "1.10s", "1.20s", "1.30s"]


def test_a_plain_line_begins_with_what_requests_took():
    """As soon as one has been answered."""
    shown = RunSnapshot(12.3, {"parse": standing()}, {}, whole=Whole(every=figures()))
    assert plain_line(shown).startswith("   12s  end to end p50 1.10s, p99 1.30s | parse 19.8/s")
    none = RunSnapshot(12.3, {"parse": standing()}, {}, whole=Whole(every=figures(math.nan)))
    assert plain_line(none).startswith("   12s  parse 19.8/s")


def test_an_imbalance_is_told_aloud():
    """A call that does not balance says so in capitals."""
    lines = drawn(ledger_tables(account(received=101), {}, NOTHING))
    (line,) = [line for line in lines if line.startswith("injector -> archive")]
    assert line.endswith("DOES NOT BALANCE")


@pytest.mark.parametrize("width", [40, 80])
def test_a_narrow_terminal_breaks_no_line(width):
    """On a narrow terminal a table's lines are cut rather than broken: each stage has one line."""
    names = [f"stage-{number}" for number in range(5)]
    lines = drawn(live_table(snapshot(**{name: standing() for name in names})), width)
    assert len(lines) == 6
    assert max(len(line) for line in lines) <= width


def test_a_plain_line_of_many_stages_has_a_bound():
    """Of 36 stages those are shown that are gone, hurt, failing or busiest, in their order, and how many are not."""
    stages = {f"stage-{number:02d}": standing(in_flight=0) for number in range(36)}
    stages["stage-30"] = standing(outcomes=OUTCOMES | {"failed": 7}, in_flight=0)
    stages["stage-20"] = standing(in_flight=5)
    shown = snapshot({"stage-33": "was killed (SIGKILL)"}, **stages)
    assert len(plain_line(shown)) <= 320
    line = plain_line(shown, max_width=200)
    assert line == (
        "   12s  stage-20 19.8/s, p50 12.3ms, p99 1.25s, in flight 5"
        " | stage-30 19.8/s, p50 12.3ms, p99 1.25s, in flight 0, failed 7"
        " | stage-33 WAS KILLED (SIGKILL) | and 33 more"
    )


def test_a_plain_line_shows_one_stage_at_least():
    """A stage whose name alone exceeds the bound is shown all the same."""
    assert plain_line(snapshot(**{"x" * 300: standing()}, y=standing(in_flight=0))).endswith("in flight 3 | and 1 more")


def test_stages_that_fit_are_all_shown():
    """Nothing is left out where there is room for everything."""
    line = plain_line(snapshot(a=standing(), b=standing(), c=standing()))
    assert line.count("in flight") == 3
    assert "more" not in line
