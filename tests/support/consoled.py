"""The answers of a console's page, for a run without processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from simulator.console.page.control_answers import ControlAnswers
from simulator.console.page.frame_answers import FrameAnswers
from simulator.console.page.stage_answers import StageAnswers
from simulator.console.page.trace_answers import TraceAnswers
from simulator.console.traces.forwarding import Forwarder
from tests.support.watched import Watched


def answers_for(
    run: Watched,
    addresses: Mapping[str, Sequence[str]] | None = None,
    may_change: Callable[[], bool] = lambda: True,
    forwarder: Forwarder | None = None,
) -> FrameAnswers:
    """Return the answers of a page; without `addresses` no stage can be asked for its settings."""
    where = addresses or {name: [] for name in run.topology.stages}
    controls = ControlAnswers(run.watching, where, may_change, None)
    return FrameAnswers(run.watching, forwarder, TraceAnswers(run.watching), StageAnswers(run.watching), controls)
