"""The injected faults, one small file each."""
