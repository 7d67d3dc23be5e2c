"""Ready-made topologies are found by name, and the user's own files come first."""

import pytest

from simulator.commands.ready_made import files_by_name, topology_file
from simulator.errors import ConfigurationError
from tests.support.processes import ROOT

READY_MADE = ROOT / "topologies"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(text):
    return topology_file(type(ROOT)(text), ROOT)


def test_every_ready_made_topology_has_a_name():
    """The names are those of the files, with the folder where there is one."""
    names = files_by_name(ROOT)
    assert {"checkout", "pipeline", "shop", "systems/hotrod"} <= names.keys()
    assert sorted(names.values()) == sorted(READY_MADE.rglob("*.yaml"))
    assert all(found(name) == path for name, path in names.items())


@pytest.mark.parametrize("text", ["checkout", "checkout.yaml", "topologies/checkout.yaml", "topologies/checkout"])
def test_a_name_is_understood_as_people_write_it(folder, text):
    """With or without the folder and the suffix: what stands in the documentation works in every folder."""
    assert found(text) == READY_MADE / "checkout.yaml"


@pytest.mark.parametrize("text", ["hotrod", "systems/hotrod", "topologies/systems/hotrod.yaml"])
def test_a_name_in_a_folder_may_be_short(folder, text):
    """`hotrod` is enough for `systems/hotrod`."""
    assert found(text) == READY_MADE / "systems" / "hotrod.yaml"


@pytest.mark.parametrize("text", ["checkout", "checkout.yaml", "topologies/checkout.yaml"])
def test_a_file_of_the_user_comes_first(folder, text):
    """Whatever it is called: nobody gets another topology than the one that is there."""
    own = folder / text
    own.parent.mkdir(exist_ok=True)
    own.write_text("stages: {}")
    assert (folder / found(text)).samefile(own)


def test_a_folder_of_that_name_is_not_in_the_way(folder):
    """`render compose checkout --output checkout` makes one."""
    (folder / "checkout").mkdir()
    (folder / "other").mkdir()
    assert found("checkout") == READY_MADE / "checkout.yaml"
    assert found("other") == type(ROOT)("other")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("chekout", "did you mean `checkout`?"),
        ("hotel", "did you mean `systems/hotel-reservation`?"),
        ("systems/hotel", "did you mean `systems/hotel-reservation`?"),
        ("sistems/hotrod.yaml", "did you mean `systems/hotrod`?"),
        ("hotrods", "did you mean `systems/hotrod`?"),
        ("elsewhere/shop.yaml", "did you mean `shop`?"),
        ("zzz", "there are canary, checkout, "),
        ("/", "Is a directory"),
    ],
)
def test_what_is_neither_is_refused_with_the_nearest_name(folder, text, hint):
    """One line says that there is no such file, and what there is."""
    from simulator.topology.reader import read_topology

    with pytest.raises(ConfigurationError) as refusal:
        read_topology(found(text))
    assert str(refusal.value).startswith(f"{text}: ")
    assert hint in str(refusal.value)


@pytest.mark.parametrize("text", ["a" * 300, "a\0b", "loop"])
def test_what_can_not_be_looked_up_is_left_to_the_reader(folder, text):
    """A name that is too long, or no name at all, is a line as well, and no traceback."""
    from simulator.topology.reader import read_topology

    (folder / "loop").symlink_to("loop")
    with pytest.raises(ConfigurationError) as refusal:
        read_topology(found(text))
    assert "can't be read: " in str(refusal.value)
