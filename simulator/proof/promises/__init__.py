"""The promises of a run: configured = injected = observed, each judged by what the run has left behind."""
