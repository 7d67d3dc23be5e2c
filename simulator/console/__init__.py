"""The console: a run shown in a browser, with nothing to install."""
