"""The proof of a run: what was configured, injected and observed, read from its truth and judged."""
