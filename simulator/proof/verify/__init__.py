"""The command `verify`: run a topology, or take a run that is over, and judge its promises."""
