"""The story of a message in a stage, which blocks only through a `Runtime` and sends only through a `Wire`."""
