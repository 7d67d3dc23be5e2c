"""A whole topology on this machine: a process per stage, watched from start to ledger."""
