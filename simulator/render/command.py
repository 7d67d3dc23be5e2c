"""The command `render`: a topology as files for an engine that outgrows one machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from simulator.errors import ConfigurationError, StartError
from simulator.render.compose import compose_files
from simulator.render.grafana import grafana_files
from simulator.render.image_source import FOLDER, image_source_files
from simulator.render.kubernetes import kubernetes_files
from simulator.topology.reader import read_topology

ENGINES = ("compose", "kubernetes", "grafana")


def render(
    engine: str,
    topology: Path | None,
    output: Path,
    root: Path,
    processes: int | None = None,
    *,
    is_installed: bool = False,
) -> list[Path]:
    """Write the files for an engine into a folder, and return their paths; `root` is the project's folder.

    An installed package has no checkout to build the image in: then what it is built of is written, too, into a folder
    that stands for it in the result. The stages that can share a container are in `processes` of them; None means a
    container for each. Other files in the folder stay. Raise ConfigurationError for an invalid topology, StartError if
    a file can't be written.
    """
    if engine == "grafana":
        if processes is not None:
            raise ConfigurationError.of("--processes: the dashboards have no stages, and fit every topology")
        return write_files(grafana_files(), output)
    if topology is None:
        raise ConfigurationError.of(f"which topology? render {engine} TOPOLOGY --output DIR")
    read = read_topology(topology)
    if is_installed:
        repository, source = f"./{FOLDER}", image_source_files(root)
    else:
        repository, source = Path(os.path.relpath(root.resolve(), output.resolve())).as_posix(), {}
    if engine == "kubernetes":
        files = kubernetes_files(read, grafana_files(), processes, repository=repository)
    else:
        files = compose_files(read, repository, processes)
    written = write_files(files, output)
    return [*written, output / FOLDER] if write_files(source, output / FOLDER) else written


def write_files(files: Mapping[str, str], output: Path) -> list[Path]:
    """Write {relative path: text} below a folder, and return the paths."""
    paths = []
    for name, text in files.items():
        path = output / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise StartError(f"{path} can't be written: {error.strerror}") from None
        paths.append(path)
    return paths
