"""The traces of a run: taken in, kept, found and laid out."""
