"""Errors as they are shown: all of a few mistakes, some of very many, none that repaints a terminal."""

from simulator.errors import ConfigurationError, Problem


def test_up_to_fifty_mistakes_are_shown():
    """All of them where there are fifty, in the order of their lines."""
    error = ConfigurationError([Problem(f"m{line}", "f", line) for line in range(50, 0, -1)])
    assert error.shown() == [f"f:{line}: m{line}" for line in range(1, 51)]
    assert str(error) == "\n".join(error.shown())


def test_more_than_fifty_are_counted():
    """The first fifty, and how many more there are; none of them is lost to the program."""
    long = "x" * 10**6
    error = ConfigurationError([Problem(long, "f", line) for line in range(1, 1001)])
    assert len(error.problems) == 1000
    assert error.shown()[-1] == "and 950 more"
    assert len(error.shown()) == 51
    assert len(str(error)) < 51 * 4100


def test_what_a_file_holds_is_not_obeyed():
    """Escape sequences of a file's name or contents are shown as such; the lines of a message stay lines."""
    assert str(Problem("a\n  \x1b[31m^", "\x1b]0;x\x07.yaml", 1, 2)) == "\\x1b]0;x\\x07.yaml:1:2: a\n  \\x1b[31m^"
