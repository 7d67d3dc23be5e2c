"""One running stage: a web service that takes messages, processes them and sends them on."""
