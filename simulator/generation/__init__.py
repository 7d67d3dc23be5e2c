"""Random topologies of a realistic shape: any number of stages from a seed, for tests and for users."""
