"""What a backend holds of a run, judged by the truth of the run: a unit test for a telemetry pipeline."""
