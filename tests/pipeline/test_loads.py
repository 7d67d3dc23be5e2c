"""Loads of real injectors: what is offered is what was configured, and what is achieved is what was offered."""

from __future__ import annotations

import json
import math

import pytest

from simulator.behaviour.arrivals import arrival_draw, parse_arrivals
from simulator.behaviour.profiles.registry import parse_profile
from simulator.behaviour.schedules import RunningSchedule, Schedule
from simulator.proof.truth.reading import open_truth
from tests.support.processes import read_log, run

SEED = 7
UNTRACED = {"OTEL_TRACES_EXPORTER": "none"}
# Every profile but a replay, each up to 200/s, one after the other.
PARTS = [
    "ramp(0/s, 200/s, 2s)",
    "steps(50/s, 200/s, each=1s)",
    "spike(50/s, 200/s, 1s, 1s, 1s)",
    "sine(50/s, 200/s, 2s, for=2s)",
    "constant(200/s, 1s)",
]


def system(folder, load, shop="{workers: 100}"):
    text = f"name: load\nstages: {{visitors: {{role: injector, load: {load}, calls: [shop]}}, shop: {shop}}}\n"
    (folder / "load.yaml").write_text(text)


def ran(folder, *flags):
    arguments = ("run", "load.yaml", "--seed", str(SEED), "--report", "out", "--no-console", *flags)
    finished = run(*arguments, cwd=folder, environment=UNTRACED)
    assert finished.returncode in (0, 1), finished.stderr
    return json.loads((folder / "out" / "report.json").read_text())["ledger"]


def dues(profile, arrivals):
    """Return when the messages of the seed are due, in seconds from the start."""
    schedule, found = Schedule(arrivals=parse_arrivals(arrivals), profile=profile), []
    running = RunningSchedule.starting(schedule, 0.0)
    while (running := running.next(arrival_draw(SEED, "visitors", len(found) + 1))) is not None:
        found.append(running.due_at)
    return found


@pytest.mark.calm
@pytest.mark.long
@pytest.mark.parametrize("arrivals", ["constant", "bursts(10)"])
def test_every_profile_is_offered_and_achieved(tmp_path, arrivals):
    """Each message is due when its profile and the seed say, to a microsecond, and all of them are sent and arrive.

    Their number is that of the profile: exactly for constant arrivals, within 4.9 standard deviations for bursts.
    Offered and achieved are the same number of messages, and the rate achieved from the first to the last is within
    0.5 % of the one offered, plus what the lag of these two may make of it.
    """
    profile = parse_profile(PARTS)
    system(tmp_path, f"{{profile: {json.dumps(PARTS)}, arrivals: {arrivals}}}")
    ran(tmp_path)
    expected = dues(profile, arrivals)
    spread = 4.9 * math.sqrt(parse_arrivals(arrivals).dispersion * profile.messages)
    assert abs(len(expected) - profile.messages) <= spread + 1
    with open_truth(tmp_path / "out") as truth:
        due = truth.columns("SELECT due_at, lag_seconds FROM visits WHERE stage = 'visitors' ORDER BY due_at")
        arrived = truth.value("SELECT count(*) FROM visits WHERE stage = 'shop'")
        offered = truth.value("SELECT sum(due) FROM seconds")
    due_at, lag_seconds = due["due_at"].tolist(), due["lag_seconds"].tolist()
    assert len(due_at) == arrived == offered == len(expected)
    start = due_at[0] - expected[0]
    assert [at - start for at in due_at] == pytest.approx(sorted(expected), abs=1e-6)
    started = [at + lag for at, lag in zip(due_at, lag_seconds, strict=True)]
    offered_seconds, achieved_seconds = due_at[-1] - due_at[0], max(started) - min(started)
    assert achieved_seconds == pytest.approx(offered_seconds, rel=0.005, abs=max(lag_seconds))


@pytest.mark.long
def test_what_an_injector_could_not_send_is_missed(tmp_path):
    """At 20,000/s no injector keeps up: ledger, truth, metrics' tally and log account for every message that was due.

    What was due is what started and what did not, and what did not start, or was rejected, is missed.
    """
    system(tmp_path, "{rate: 20000/s, arrivals: constant}")
    ledger = ran(tmp_path, "--duration", "2s")
    (injector,) = (line for line in ledger["stages"] if line["stage"] == "visitors")
    (behind,) = (
        line for line in read_log(tmp_path / "out" / "logs" / "visitors.jsonl") if line["event"] == "load.behind"
    )
    assert injector["missed"] == injector["rejected"] + behind["missed"]
    with open_truth(tmp_path / "out") as truth:
        due, missed = truth.rows("SELECT sum(due), sum(missed) FROM seconds")[0]
    assert (due, missed) == (injector["received"] + behind["missed"], injector["missed"])
    # It ran for 2 s at least, of which the last tenth of a second is not late yet.
    assert due >= 20_000 * 1.8


@pytest.mark.long
def test_users_on_real_sockets(tmp_path):
    """Ten users who think for 100 ms and wait for 100 ms make at most 50 messages a second between them.

    And close to it: each cycle lasts what it is drawn, and what a machine adds. No user has two messages at a time.
    """
    load = "{users: 10, think: constant(100ms), messages: 200}"
    system(tmp_path, load, "{delay: constant(100ms)}")
    ledger = ran(tmp_path)
    assert [line["received"] for line in ledger["stages"]] == [200, 200]
    with open_truth(tmp_path / "out") as truth:
        found = truth.columns("SELECT received_at, end_to_end_seconds FROM visits WHERE stage = 'visitors'")
    pairs = list(zip(found["received_at"].tolist(), found["end_to_end_seconds"].tolist(), strict=True))
    begun, ended = sorted(at for at, _ in pairs), sorted(at + seconds for at, seconds in pairs)
    assert all(sum(at < now for at in begun) - sum(at < now for at in ended) <= 10 for now in begun)
    # 20 messages of each user: the last begins after 19 cycles.
    assert begun[-1] - begun[0] >= 19 * 0.2 - 0.001
