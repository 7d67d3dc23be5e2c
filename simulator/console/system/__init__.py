"""What the System view shows: who there is, who calls whom, how each stands, and where each is drawn."""
