"""HTTP and sockets, which know nothing of messages: what stages, the console and the runner share."""
