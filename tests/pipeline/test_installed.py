"""The package, built and installed: what is in it, and that it runs from any folder with any allowed dependencies."""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import simulator
from tests.support.installing import command, copy_of_checkout, need_package_index, once, tracked_files, uv
from tests.support.processes import ROOT, clean_environment, read_log, wait_for

NAME = "web-service-simulator"
# Files of a checkout that are nobody else's business, or no part of the program.
DIRT = (
    ".env",
    ".venv/lib/secret.py",
    "instance/config.py",
    "runs/pipeline/control-token",
    "simulator/__pycache__/cli.cpython-311.pyc",
    "simulator/draft.py",
    "simulator/stage/notes.txt",
    "topologies/customers.yaml",
    "deploy/load/password.txt",
)
WITH_CONSOLE = {"SIMULATOR_CONSOLE": "1", "OTEL_TRACES_EXPORTER": "otlp"}


@dataclass(frozen=True)
class Built:
    """The distributions of a checkout in which files lie about that git does not know."""

    wheel: Path
    source: Path
    wheel_of_source: Path
    without_history: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Built:
    need_package_index(tmp_path_factory.mktemp("index"))
    folder = once(tmp_path_factory, "dist", build)
    patterns = ("*.whl", "again/*.tar.gz", "again/*.whl", "no-history/*.whl")
    return Built(*(next(folder.glob(pattern)) for pattern in patterns))


def build(folder: Path) -> None:
    """Build the wheel with pip, and with uv the source distribution and the wheel of that."""
    checkout = copy_of_checkout(folder / "checkout")
    for name in DIRT:
        path = checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("SECRET = 'secret'\n")
    command(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, checkout, cwd=folder)
    uv("build", "--quiet", "--out-dir", folder / "again", checkout, cwd=folder)
    shutil.rmtree(checkout / ".git")
    uv("build", "--quiet", "--wheel", "--out-dir", folder / "no-history", checkout, cwd=folder)


@dataclass(frozen=True)
class Installed:
    """An environment that has nothing but the package and what it requires."""

    bin: Path

    def program(self, *arguments: str, cwd: Path, **given: str) -> str:
        """Run the program to its end, which must be a good one, and return what it printed."""
        return command(self.bin / NAME, *arguments, cwd=cwd, environment=given)


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory) -> Installed:
    """Install the wheel as its users do, with pip; the console is left out."""

    def install(folder: Path) -> None:
        command(sys.executable, "-m", "venv", folder, cwd=folder)
        command(folder / "bin" / "pip", "install", "--quiet", built.wheel, cwd=folder)

    return Installed(once(tmp_path_factory, "venv", install) / "bin")


def in_wheel(path: Path) -> dict[str, bytes]:
    """Return {name: content} of what a wheel installs as the package."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}


def test_a_wheel_has_what_git_knows_and_nothing_else(built):
    """Its modules and assets; topologies, the sample and what the image is built of; no draft, secret or cache."""
    known = tracked_files()
    package = {name for name in known if name.startswith("simulator/")}
    project = {".dockerignore", "run_web_service.py", "instance/config.py.sample"}
    project |= {"deploy/Dockerfile", "deploy/requirements.txt"}
    project |= {name for name in known if name.startswith(("topologies/", "deploy/load/"))}
    assert project <= set(known)
    assert in_wheel(built.wheel).keys() == package | {f"simulator/project/{name}" for name in project}
    assert {"simulator/py.typed", "simulator/console/page/assets/console.js"} <= package
    assert all(
        (ROOT / name.removeprefix("simulator/project/")).read_bytes() == content
        for name, content in in_wheel(built.wheel).items()
    )


def test_a_source_distribution_has_what_git_knows_and_nothing_else(built):
    """And the wheel that is built from it is the same as one from the checkout."""
    with tarfile.open(built.source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names == {*tracked_files(), "PKG-INFO"}
    assert in_wheel(built.wheel_of_source) == in_wheel(built.wheel)


def test_without_its_history_a_checkout_is_packaged_without_what_git_ignores(built):
    """What was downloaded as an archive can be installed too, and no run, cache or configuration with it."""
    drafts = {"simulator/draft.py", "simulator/stage/notes.txt"}
    drafts |= {f"simulator/project/{name}" for name in DIRT if name.startswith(("topologies/", "deploy/"))}
    assert in_wheel(built.without_history).keys() == in_wheel(built.wheel).keys() | drafts


def test_it_is_one_version_under_one_name(installed, tmp_path):
    """The command, the module and the metadata agree with the package."""
    expected = f", version {simulator.__version__}\n"
    assert installed.program("--version", cwd=tmp_path) == NAME + expected
    assert (
        command(installed.bin / "python", "-m", "simulator", "--version", cwd=tmp_path)
        == f"python -m simulator{expected}"
    )
    shown = command(installed.bin / "pip", "show", NAME, cwd=tmp_path)
    assert f"Version: {simulator.__version__}\n" in shown


def test_a_ready_made_topology_runs_from_an_empty_folder(installed, tmp_path):
    """By name, to its end, with every message accounted for; only the folder of the run is made."""
    assert installed.program("check", "checkout", cwd=tmp_path).startswith("checkout: ")
    said = installed.program("run", "checkout", "--messages", "20", cwd=tmp_path, **WITH_CONSOLE)
    assert "The ledger balances" in said
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_a_run_without_the_console_says_how_to_get_one(installed, tmp_path):
    """One line, which names the extra, and everything else works."""
    said = installed.program("run", "--virtual", "--messages", "20", cwd=tmp_path, **WITH_CONSOLE)
    assert "console" not in said.lower()
    said = installed.program("run", "--messages", "5", cwd=tmp_path, **WITH_CONSOLE).splitlines()
    [line] = [line for line in said if "console" in line.lower()]
    assert line.startswith("No console: not installed: dash and igraph; pip install 'web-service-simulator[console]'")


def test_without_the_console_files_are_all_that_telemetry_needs(installed, tmp_path):
    """As with --no-console: spans go to the folder, no collector is looked for, and none is lost."""
    arguments = ("run", "--messages", "5", "--telemetry", "telemetry")
    said = installed.program(*arguments, cwd=tmp_path, SIMULATOR_CONSOLE="1", OTEL_TRACES_EXPORTER="")
    assert "No console: " in said and "no collector at" not in said and "did not arrive" not in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "pipeline", "--virtual", "--messages", "5"),
        ("verify", "--run", "runs/pipeline"),
        ("compare", "runs/pipeline", "runs/pipeline"),
        ("report", "runs/pipeline"),
    ],
)
def test_what_judges_a_run_says_which_extra_it_needs(installed, tmp_path, arguments):
    """One line and exit code 2; a run needs none of it, and leaves its truth as rows."""
    installed.program("run", "--virtual", "--messages", "5", cwd=tmp_path)
    assert (tmp_path / "runs" / "pipeline" / "truth" / "rows" / "archive.jsonl").stat().st_size
    program, environment = [installed.bin / NAME, *arguments], clean_environment()
    finished = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 2
    [line] = finished.stderr.splitlines()
    assert "pip install 'web-service-simulator[proof]'" in line


def test_every_ready_made_topology_is_checked(installed, tmp_path):
    """Also those in a folder, and by the module."""
    for name in ("pipeline", "systems/hotel-reservation", "hotrod"):
        assert "good to run" in command(installed.bin / "python", "-m", "simulator", "check", name, cwd=tmp_path)


def test_help_and_errors_name_the_command_that_was_typed(installed, tmp_path):
    """Whoever installed it has no run_web_service.py."""
    for arguments in ((), ("run",), ("stage",), ("render",)):
        said = installed.program(*arguments, "--help", cwd=tmp_path)
        assert said.startswith(f"Usage: {NAME} ") and "run_web_service" not in said
    said = command(installed.bin / NAME, "check", "chekout", cwd=tmp_path, code=2)
    assert "did you mean `checkout`?" in said
    assert f"Usage: {NAME} check" in command(installed.bin / NAME, "check", cwd=tmp_path, code=2)


def started(installed: Installed, folder: Path, *arguments: str, **given: str) -> subprocess.Popen[bytes]:
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        return subprocess.Popen(
            [installed.bin / NAME, *arguments], cwd=folder, env=clean_environment(given), stdout=out, stderr=err
        )


def test_without_a_command_the_default_pipeline_runs(installed, tmp_path):
    """And what it says to type for a stage of one's own makes one, in the same folder."""
    process = started(installed, tmp_path)
    try:
        wait_for(lambda: "logs and report in runs/pipeline" in (tmp_path / "err").read_text(), "the pipeline")
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    hint = (tmp_path / "err").read_text().splitlines()[1]
    subprocess.run(["sh", "-ec", hint.partition(": ")[2].partition(", edit it")[0]], cwd=tmp_path, check=True)
    config = tmp_path / "instance" / "config.py"
    config.write_text(config.read_text().replace("PORT = 8080", "PORT = 0"))
    process = started(installed, tmp_path)
    try:
        [line] = wait_for(lambda: read_log(tmp_path / "out"), "stage.started")[:1]
        assert (line["event"], line["delay"]) == ("stage.started", "lognormal(p50=12ms, p99=80ms, max=1s)")
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_a_stage_says_that_it_has_its_defaults(installed, tmp_path):
    """From an empty folder it runs, and says how to give it other settings; one with a flag is silent."""
    default, given = tmp_path / "default", tmp_path / "given"
    for folder, arguments in ((default, ("stage",)), (given, ("stage", "--port", "0"))):
        folder.mkdir()
        # A variable of the tests' own would be a setting as well.
        process = started(installed, folder, *arguments, SIMULATOR_SHUTDOWN_DELAY="")
        try:
            # The port of the default may be taken: then it ends, once it has said what it is.
            wait_for(lambda: read_log(folder / "out") or process.poll(), "a stage")  # noqa: B023 - called here
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
    first, second, *_ = (default / "err").read_text().splitlines()
    assert first == "There is no instance/config.py, so this stage has the default settings."
    assert "mkdir -p instance && cp " in second
    assert (given / "err").read_text() == ""


@pytest.mark.parametrize("engine", ["compose", "kubernetes"])
def test_what_is_rendered_can_be_built_without_a_checkout(installed, tmp_path, engine):
    """The folder has what the image is built of, which is the installed program itself."""
    said = installed.program("render", engine, "checkout", "--output", "out", cwd=tmp_path).splitlines()
    assert said[-1] == "out/image" and len(said) < 60
    image = tmp_path / "out" / "image"
    copied = [
        shlex.split(line)[1:-1]
        for line in (image / "deploy/Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
    ]
    assert copied and all((image / source).exists() for sources in copied for source in sources)
    packaged = {name for name in tracked_files() if name.startswith("simulator/")}
    assert {path.relative_to(image).as_posix() for path in image.glob("simulator/**/*") if path.is_file()} == packaged
    told = (tmp_path / "out" / ("compose.yaml" if engine == "compose" else "kustomization.yaml")).read_text()
    assert ("context: ./image" if engine == "compose" else "--file ./image/deploy/Dockerfile") in told
    for name in (
        "deploy/load/k6.js",
        "grafana/dashboards/stage.json",
        "grafana/provisioning/datasources/simulator.yaml",
    ):
        assert (image / name).is_file()
    front = command(installed.bin / "python", "run_web_service.py", "check", "hotrod", cwd=image)
    assert "good to run" in front


@pytest.mark.parametrize("end", ["lowest-direct", "highest"])
def test_it_runs_with_the_lowest_and_the_newest_versions(built, tmp_path, end):
    """Everything, every extra included, with the versions at both ends of the ranges in pyproject.toml."""
    venv = tmp_path / "venv"
    uv("venv", "--quiet", venv, cwd=tmp_path)
    uv(
        "pip",
        "install",
        "--quiet",
        "--python",
        venv,
        "--resolution",
        end,
        f"{built.wheel}[console,grpc,propagators]",
        cwd=tmp_path,
    )
    program = Installed(venv / "bin")
    said = program.program("run", "checkout", "--messages", "20", cwd=tmp_path, **WITH_CONSOLE)
    assert "The ledger balances" in said and "Console: " in said and "is not available" not in said


def test_it_runs_without_being_installed(built, tmp_path):
    """`uvx --from` a wheel is enough."""
    said = uv("tool", "run", "--quiet", "--from", built.wheel, NAME, "check", "checkout", cwd=tmp_path)
    assert said.startswith("checkout: ")
