"""What a system is: its stages, the calls between them, and how a file says so."""
