"""Load profiles: how many messages are expected as a function of time, and when."""
