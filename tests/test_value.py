"""`_value.Value`: what values of the inner modules are."""

from __future__ import annotations

import copy
import pickle

import pytest

from kafkastatic._value import Value


class Point(Value):
    x: int
    y: int = 7


class Place(Value):
    x: int
    y: int = 7


def test_a_value_takes_its_fields_by_position_or_name_with_defaults() -> None:
    """Fields are those annotated, in order; what is not given has its default."""
    assert [(p.x, p.y) for p in (Point(1), Point(1, 2), Point(1, y=2), Point(y=2, x=1))] == [(1, 7), *[(1, 2)] * 3]


@pytest.mark.parametrize(
    ("args", "named"),
    [((), {}), ((), {"y": 1}), ((1, 2, 3), {}), ((1,), {"x": 1}), ((1,), {"z": 1}), ((1,), {"__init__": 1})],
)
def test_a_value_refuses_what_does_not_fit_its_fields(args: tuple[int, ...], named: dict[str, int]) -> None:
    """A field that is missing, given twice or unknown, and one position too many, are a TypeError."""
    with pytest.raises(TypeError, match=r"Point takes x, y; given were"):
        Point(*args, **named)


def test_values_are_equal_by_type_and_fields() -> None:
    """Equal values are equal and hash alike; another class with the same fields is another thing."""
    assert Point(1) == Point(1, 7)
    assert hash(Point(1)) == hash(Point(1, 7))
    assert Point(1) != Point(2)
    assert Point(1) != Place(1)
    assert len({Point(1), Point(1, 7), Place(1)}) == 2


def test_a_value_is_not_changed_but_evolved() -> None:
    """Setting or deleting a field is refused; `evolve` makes another value, and refuses unknown fields."""
    point = Point(1)
    with pytest.raises(AttributeError, match=r"Point\.x cannot be changed"):
        point.x = 2  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(AttributeError, match=r"Point\.x cannot be changed"):
        del point.x
    with pytest.raises(TypeError):
        point.evolve(z=1)

    assert (point.evolve(y=3), point) == (Point(1, 3), Point(1, 7))


def test_a_value_shows_its_fields_and_survives_copies() -> None:
    """`repr` reads as the call that makes it; copies and pickles are equal."""
    assert repr(Point(1)) == "Point(x=1, y=7)"
    assert [copy.copy(Point(1)), copy.deepcopy(Point(1)), pickle.loads(pickle.dumps(Point(1)))] == [Point(1)] * 3


def test_a_value_can_be_matched() -> None:
    """Patterns take its fields by position."""
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)
