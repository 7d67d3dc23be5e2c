"""The traces of a run: received, stored, searched and laid out."""
