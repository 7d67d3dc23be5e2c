"""How a stage is observed: one record per handled message, which logs, metrics, spans and the run's tally share."""
