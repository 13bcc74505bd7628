"""Annotations of options. Without the command line's package, which training does not need, they hold nothing."""

try:
    from cyclopts import Parameter
    from cyclopts.validators import Number
except ModuleNotFoundError:
    Parameter = Number = dict  # type: ignore[assignment, misc]

__all__ = ["Number", "Parameter"]
