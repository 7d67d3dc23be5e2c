"""A whole topology on this machine: in processes of one or many stages, watched from start to ledger."""
