"""The contents of the System view: services, their calls, their figures, and where each is drawn."""
