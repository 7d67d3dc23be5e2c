"""The catalogue of signals: every metric, span and log event of a stage, and what it bears.

The registry, the series of the dashboards and rules, what the console reads, and the tables of the documents are made
from it. A new gauge is one entry in `metrics`, with the function that reads its value.
"""
