"""How a stage is seen: one record per handled message, told to logs, metrics, spans and the run's tally alike."""
