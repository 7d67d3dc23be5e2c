"""OTLP over HTTP: requests of every signal, read within bounds and answered as it prescribes."""
