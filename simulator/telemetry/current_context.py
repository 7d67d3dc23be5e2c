"""The current context of OpenTelemetry, by the context variable that has it.

Its API takes two calls of Python to read or set the variable, and a message does either a dozen times. The variable is
private to the API; where it isn't found, the API's own functions are used.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext


def context_functions(api: Any) -> tuple[Callable[[], Context], Callable[[Context], Any]]:
    """Return what `get_current` and `attach` of the API do, in the least time.

    OTEL_PYTHON_CONTEXT may name another kind of context than that of context variables.
    """
    runtime = getattr(api, "_RUNTIME_CONTEXT", None)
    variable = getattr(runtime, "_current_context", None)
    if type(runtime) is ContextVarsRuntimeContext and isinstance(variable, contextvars.ContextVar):
        return variable.get, variable.set
    return api.get_current, api.attach


get_current, attach = context_functions(context)
