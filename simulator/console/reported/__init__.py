"""Figures that services report about themselves: the metrics of OTLP, for services that are not stages of the run."""
