"""What changed between two runs beyond noise."""
