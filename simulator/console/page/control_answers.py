"""The server's side of the controls: their contents, and applying what is typed into them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from simulator.console.page.controls_view import MAX_STAGES, Controlled, controls_view, typed_patch
from simulator.console.page.paths import parameter_of
from simulator.console.page.typed import MAX_SETTING_CHARACTERS, check_length
from simulator.console.page.words import short
from simulator.console.system.picture import Node
from simulator.console.watching import Watching
from simulator.errors import ConfigurationError, StartError
from simulator.net.remote import exchange

_CONCURRENCY = 8
_TIMEOUT_SECONDS = 3.0
_NO_ADDRESS = "It has no address."


@dataclass(frozen=True)
class _Change:
    """The result of a change in one instance: the changed keys, or what went wrong."""

    keys: tuple[str, ...] = ()
    trouble: str = ""


class ControlAnswers:
    """The controls of the stages at `addresses`.

    `may_change()` returns whether the request at hand has the run's token; `control_token` is the token that the stages
    require, None for none.
    """

    def __init__(
        self,
        watching: Watching,
        addresses: Mapping[str, Sequence[str]],
        may_change: Callable[[], bool],
        control_token: str | None,
    ) -> None:
        self._watching = watching
        self._addresses = addresses
        self._may_change = may_change
        self._control_token = control_token
        self._names = list(watching.topology.started)

    def view(self, search: str) -> Any:
        """Return the controls of the stage in the address, or of all stages if they are not too many."""
        shown = self.shown(search)
        with ThreadPoolExecutor(_CONCURRENCY) as pool:
            asked = list(pool.map(self._ask, [node.name for _, node in shown]))
        numbered = [(number, stage) for (number, _), stage in zip(shown, asked, strict=True)]
        kinds = {name: stage.kind for name, stage in self._watching.topology.started.items()}
        return controls_view(kinds, self._chosen(search), numbered, self._may_change())

    def shown(self, search: str) -> list[tuple[int, Node]]:
        """Return the stages whose controls are shown, each with its number in the topology."""
        chosen = self._chosen(search)
        return [(number, self._watching.node(name)) for number, name in enumerate(self._names) if chosen in ("", name)]

    def apply(self, number: object, typed: Mapping[str, str]) -> tuple[str, str]:
        """Change a stage as typed, in every instance. Return the result as a text, and the text's CSS classes."""
        try:
            name = self._changeable(number, typed)
        except ValueError as error:
            return str(error), "result bad"
        with ThreadPoolExecutor(_CONCURRENCY) as pool:
            changes = list(pool.map(lambda address: self._change(name, address, typed), self._addresses[name]))
        changed = dict.fromkeys(key for change in changes for key in change.keys)
        if changed:
            self._watching.hurry()
        troubles = dict.fromkeys(change.trouble for change in changes if change.trouble)
        if troubles:
            return "\n".join(troubles), "result bad"
        if not changed:
            return "No change: it has these settings already.", "result soft"
        return f"Changed: {', '.join(changed)}.", "result good"

    def _changeable(self, number: object, typed: Mapping[str, str]) -> str:
        """Return the name of the stage to change. Raise ValueError, with the reason, if it can't be changed."""
        if not self._may_change():
            raise ValueError("The token is needed: open the address that `run` printed.")
        if not isinstance(number, int) or not 0 <= number < len(self._names):
            raise ValueError("There is no such stage.")
        for key, text in typed.items():
            check_length(text, MAX_SETTING_CHARACTERS, short(key))
        name = self._names[number]
        if not self._addresses[name]:
            raise ValueError(_NO_ADDRESS)
        return name

    def _change(self, name: str, address: str, typed: Mapping[str, str]) -> _Change:
        """Change one instance where it differs from what is typed."""
        try:
            present = Controlled(self._watching.node(name), self._exchange(address, {}))
            patch = typed_patch(typed, present)
            if patch:
                self._exchange(address, patch)
        except (ConfigurationError, StartError) as error:
            return _Change(trouble=str(error))
        return _Change(keys=tuple(key for key, text in typed.items() if present.is_changed(key, text)))

    def _exchange(self, address: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        return exchange(address, patch, self._control_token, _TIMEOUT_SECONDS)

    def _ask(self, name: str) -> Controlled:
        """Return a stage's settings, from the first of its instances that answers."""
        trouble = _NO_ADDRESS
        for address in self._addresses[name]:
            try:
                return Controlled(self._watching.node(name), self._exchange(address, {}))
            except (ConfigurationError, StartError) as error:
                trouble = str(error)
        return Controlled(self._watching.node(name), {}, trouble)

    def _chosen(self, search: str) -> str:
        chosen = parameter_of(search, "stage")
        if chosen in self._names:
            return chosen
        return "" if len(self._names) <= MAX_STAGES else self._names[0]
