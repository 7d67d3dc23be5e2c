"""The stages' counters: fetched, kept for some minutes, and turned into figures."""
