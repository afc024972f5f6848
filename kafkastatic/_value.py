"""Plain frozen values for inner modules, at a thirtieth of what `attrs` takes to make a class.

attrs compiles the methods of every class that it makes, half a millisecond each, and every start pays for all of them.
Here a class is only its annotations, so that fifty of them cost nothing; making an instance takes a little longer.
"""

from __future__ import annotations

from collections.abc import KeysView
from typing import Any, ClassVar, Self, dataclass_transform


@dataclass_transform(frozen_default=True)
class Value:
    """Fields as annotated, in order, with their defaults; frozen, equal by type and fields, hashed by them.

    Raises:
        TypeError: if a field is given twice, is missing or does not exist.
    """

    _names: ClassVar[KeysView[str]]

    def __init_subclass__(cls) -> None:
        cls.__match_args__ = tuple(cls.__annotations__)
        cls._names = cls.__annotations__.keys()

    def __init__(self, *args: Any, **named: Any) -> None:
        fields, given = self.__match_args__, self.__dict__
        given.update(zip(fields, args, strict=False))
        given.update(named)
        whole = len(given) == len(fields) or all(hasattr(self, field) for field in fields)
        if not whole or len(given) != len(args) + len(named) or not given.keys() <= self._names:
            raise TypeError(f"{type(self).__name__} takes {', '.join(fields)}; given were {args!r} and {named!r}.")

    def evolve(self, **changes: Any) -> Self:
        """The same with other values in these fields."""
        return type(self)(**{field: getattr(self, field) for field in self.__match_args__} | changes)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be changed: it is a value.")

    def __delattr__(self, name: str) -> None:
        self.__setattr__(name, None)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, field) == getattr(other, field) for field in self.__match_args__)

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, field) for field in self.__match_args__)))

    def __repr__(self) -> str:
        fields = ", ".join(f"{field}={getattr(self, field)!r}" for field in self.__match_args__)
        return f"{type(self).__name__}({fields})"
