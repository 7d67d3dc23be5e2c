"""The console: a run seen in a browser, without anything installed."""
