"""The story of a message in a stage: it blocks only through a `Runtime` and sends only through a `Wire`."""
