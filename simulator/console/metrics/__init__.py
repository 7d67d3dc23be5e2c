"""What the stages count: fetched, kept for some minutes, and made into figures."""
