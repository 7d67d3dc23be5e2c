"""HTTP and sockets, with no idea of messages: what stages, the console and the runner share."""
