"""What may be passed through to a network's builder, and a sentence for what may not."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

Made = TypeVar("Made")


class ArgumentError(ValueError):
    """An argument that a network does not take; the message goes on after the network's name."""


def allowed(called: Callable[..., Any]) -> list[str] | None:
    """Names that a builder takes beside the shape; None if it passes on whatever it is given."""
    parameters = list(inspect.signature(called).parameters.values())[1:]
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        return None
    return [one.name for one in parameters]


def check(
    called: Callable[..., Any],
    given: Mapping[str, Any],
    choices: Mapping[str, Sequence[Any]] | None = None,
) -> None:
    """Refuse what a builder does not take; nothing is built and nothing imported for it.

    Args:
        called: the builder.
        given: arguments by name.
        choices: values that an argument may have, by its name, where they are few.

    Raises:
        ArgumentError: an unknown name, something else where it wants true or false, or none of
            the choices.
    """
    names = allowed(called)
    if names is None:
        return
    _known(given, names)
    parameters = inspect.signature(called).parameters
    for name, value in given.items():
        if isinstance(parameters[name].default, bool) and not isinstance(value, bool):
            raise ArgumentError(f"takes true or false for the argument `{name}`, given {value!r}")
        if value not in (few := (choices or {}).get(name, [value])):
            told = ", ".join(map(str, few))
            raise ArgumentError(f"takes {told} for the argument `{name}`, given {value!r}")


def called(
    what: Callable[..., Made],
    fixed: Mapping[str, Any],
    usual: Mapping[str, Any],
    given: Mapping[str, Any],
) -> Made:
    """Call a network of others.

    Args:
        what: its class.
        fixed: arguments that follow from input and output, and that nobody may change.
        usual: what this project gives it, unless it is given otherwise.
        given: ``train.arguments``.

    Raises:
        ArgumentError: it has no argument of such a name.
    """
    names = [name for name in inspect.signature(what).parameters if name not in fixed]
    _known(given, names)
    return what(**fixed, **{**usual, **given})


def _known(given: Mapping[str, Any], names: list[str]) -> None:
    strange = sorted(set(given) - set(names))
    if strange:
        told = f"those that it takes are {', '.join(names)}" if names else "it takes none"
        raise ArgumentError(f"has no argument {', '.join(f'`{name}`' for name in strange)}; {told}")
