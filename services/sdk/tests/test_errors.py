import graftline.errors as module
from graftline.errors import EXIT_HELP, GraftlineError, error_for_exit_code


def subclasses(kind):
    for child in kind.__subclasses__():
        yield child
        yield from subclasses(child)


def test_every_exit_code_has_help():
    codes = {
        value
        for name, value in vars(module).items()
        if name.startswith("EXIT_") and name != "EXIT_HELP"
    }
    assert codes == set(EXIT_HELP)
    assert {kind.exit_code for kind in subclasses(GraftlineError)} <= codes


def test_every_error_stands_in_the_tree_at_the_top():
    kinds = [kind for kind in subclasses(GraftlineError) if kind.__module__ == module.__name__]
    assert len(kinds) >= 6
    for kind in kinds:
        assert kind.__name__ in (module.__doc__ or "")


def test_an_exit_code_becomes_its_error_again():
    for code in (64, 65, 70, 75, 130):
        assert error_for_exit_code(code, "why").exit_code == code
    assert error_for_exit_code(-9, "why").exit_code == 70


def test_a_hint_follows_the_cause():
    assert str(GraftlineError("it broke", "mend it")) == "it broke (mend it)"
