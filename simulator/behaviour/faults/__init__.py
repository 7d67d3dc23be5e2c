"""The faults: what goes wrong on purpose, one small file each."""
