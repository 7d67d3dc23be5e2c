"""What reads a backend: Jaeger, Prometheus, files of OTLP in JSON Lines, and files of log lines."""
