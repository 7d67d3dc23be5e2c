"""The engine in virtual time: no sockets and no waiting."""
