"""The same topology for engines that outgrow one process: Prometheus, Jaeger, Grafana, Compose, Kubernetes."""
