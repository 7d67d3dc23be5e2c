"""What a backend must hold of a run, from the truth of the run: spans, log lines and counts."""
