"""The configuration of Alloy in the Compose project: read the stages' logs and send them to Loki."""

from __future__ import annotations

ALLOY_CONFIG = """\
// Reads the logs of this Compose project's stages, and sends them to Loki.
discovery.docker "stages" {
  host             = "unix:///var/run/docker.sock"
  refresh_interval = "5s"

  filter {
    name   = "label"
    values = ["com.docker.compose.project=" + sys.env("COMPOSE_PROJECT_NAME"), "simulator.stage"]
  }
}

// A line that is not JSON, such as a traceback at the start, gets its stage from here, or its service if that has
// several stages.
discovery.relabel "stages" {
  targets = discovery.docker.stages.targets

  rule {
    source_labels = ["__meta_docker_container_label_simulator_stage"]
    target_label  = "stage"
  }
}

loki.source.docker "stages" {
  host       = "unix:///var/run/docker.sock"
  targets    = discovery.relabel.stages.output
  forward_to = [loki.process.stages.receiver]
}

// Labels have few values each; the ids, which differ in every line, are structured metadata.
loki.process "stages" {
  forward_to = [loki.write.loki.receiver]

  stage.json {
    expressions = {
      timestamp  = "",
      level      = "",
      role       = "",
      stage      = "",
      service    = "",
      trace_id   = "",
      message_id = "",
    }
  }

  stage.timestamp {
    source = "timestamp"
    format = "RFC3339Nano"
  }

  stage.labels {
    values = {level = "", role = "", stage = "", service_name = "service"}
  }

  stage.structured_metadata {
    values = {trace_id = "", message_id = ""}
  }
}

loki.write "loki" {
  endpoint {
    url = "http://loki:3100/loki/api/v1/push"
  }
}
"""
