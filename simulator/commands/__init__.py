"""The commands: for each a module with its flags, which asks other rooms to do the work and returns the exit code.

A stage's process must be patched by gevent before anything else is imported, and the runner's must not be; so what a
command needs is imported when it is called.
"""
