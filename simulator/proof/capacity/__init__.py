"""`find-capacity`: the highest rate at which a system keeps its thresholds, and what its bottleneck is."""
