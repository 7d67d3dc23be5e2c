"""Log lines: of the stages, from their files, and of any service, by OTLP."""
