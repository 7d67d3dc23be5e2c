"""What the performance figures in the README come from: a stage beside the plainest program that does the same."""
