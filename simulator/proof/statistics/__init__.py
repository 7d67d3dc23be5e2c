"""The statistics by which a run is judged: pure functions of arrays and counts."""
