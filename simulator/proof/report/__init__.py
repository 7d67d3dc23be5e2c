"""The page of a run, report.html: a module for each section, a template for the whole."""
