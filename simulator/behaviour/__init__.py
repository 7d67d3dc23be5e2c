"""What a stage does to a message, as pure functions: no clock, sleep, socket, environment or shared random source."""
