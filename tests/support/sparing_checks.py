"""Shapes and types are checked by beartype, but of a function that a test calls very often not every time."""

from functools import wraps

OFTEN = 32  # calls in one test, of which each is checked; of those that follow, every 32nd is
TESTS = [0]  # that began


def check_sparingly(function):
    """What checks a function's arguments and result in the place of `beartype`, which is slow to begin: when it is
    first called."""
    checked, test, calls = None, -1, 0

    @wraps(function)
    def check(*given, **named):
        nonlocal checked, test, calls
        if test != TESTS[0]:
            test, calls = TESTS[0], 0
        calls += 1
        if calls > OFTEN and calls % OFTEN:
            return function(*given, **named)
        if checked is None:
            from beartype import beartype  # machines with a GPU lack it

            checked = beartype(function)
        return checked(*given, **named)

    return check
