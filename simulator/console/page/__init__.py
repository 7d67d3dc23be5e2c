"""The console's page: made with Dash, which brings its own JavaScript."""
