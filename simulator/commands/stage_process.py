"""What a process of stages does before anything else is imported."""

from __future__ import annotations

import gc
import os
import sys
import warnings

_SEMCONV_VARIABLE = "OTEL_SEMCONV_STABILITY_OPT_IN"
_PROPAGATORS_VARIABLE = "OTEL_PROPAGATORS"
_HIDDEN_HEADERS_VARIABLE = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS"


def prepare_stage_process() -> None:
    """Patch the standard library with gevent, and save what a stage does not need."""
    # Imported objects stay: searching them for garbage again and again takes a twentieth of the start-up.
    gc.set_threshold(5_000, 20, 50)
    from gevent import monkey

    monkey.patch_all()
    # structlog imports rich, if it is installed, to draw tracebacks on terminals, and requests charset_normalizer to
    # guess the encoding of a text. A stage needs neither, and saves 6 MB of memory and some start-up time.
    for unused in ("rich", "charset_normalizer"):
        sys.modules.setdefault(unused, None)  # type: ignore[arg-type]
    warnings.filterwarnings("ignore", message="Unable to find acceptable character detection")
    # Read by the instrumentations when they are imported: without it they use the old attribute names.
    wanted = os.environ.get(_SEMCONV_VARIABLE, "")
    if not {"http", "http/dup"} & {name.strip() for name in wanted.split(",")}:
        os.environ[_SEMCONV_VARIABLE] = ",".join(filter(None, (wanted, "http")))
    # OpenTelemetry looks the names up as they are written; the specification wants them read in any case.
    if propagators := os.environ.get(_PROPAGATORS_VARIABLE):
        os.environ[_PROPAGATORS_VARIABLE] = propagators.lower()
    # Even a user who records every header in spans does not record the secret of the run.
    hidden = os.environ.get(_HIDDEN_HEADERS_VARIABLE, "")
    os.environ[_HIDDEN_HEADERS_VARIABLE] = ",".join(filter(None, (hidden, "x-simulator-secret")))
