"""What an option may be: the validators and converters of `ConsumerConfig`'s fields.

Validators raise `ConfigError` with the option's name, converters bring what users write into its one form.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast, get_args

import attrs

from kafkastatic.errors import ConfigError
from kafkastatic.types import Assignor, InstanceId, Secret

_ADDRESS = re.compile(r"(?:\[(?P<v6>.*)\]|(?P<name>[\w.-]+))(?::(?P<port>\d{1,5}))?", re.ASCII)

BY_DURATION = "by_duration"
_DURATION = (
    r"(?P<sign>[-+]?)P(?:(?P<days>[-+]?\d+)D)?"
    r"(?P<time>T(?:(?P<hours>[-+]?\d+)H)?(?:(?P<minutes>[-+]?\d+)M)?"
    r"(?:(?P<seconds>[-+]?\d+)(?:[.,](?P<fraction>\d{0,9}))?S)?)?"
)


def whole(minimum: int) -> Callable[[Any, attrs.Attribute[int], int], None]:
    def check(_: Any, attribute: attrs.Attribute[int], value: object) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise ConfigError(f"{attribute.name} must be an int, got {value!r}.")
        if not minimum <= value <= 2**31 - 1:
            raise ConfigError(f"{attribute.name} must be between {minimum} and {2**31 - 1}, got {value}.")

    return check


def number(default: int, minimum: int = 0) -> Any:
    return attrs.field(default=default, validator=whole(minimum))


def truth(_: Any, attribute: attrs.Attribute[bool], value: object) -> None:
    if not isinstance(value, bool):
        raise ConfigError(f"{attribute.name} must be True or False, got {value!r}.")


def text(_: Any, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str):
        raise ConfigError(f"{attribute.name} must be a str, got {value!r}.")


optional_text = attrs.validators.optional(text)


def policy(_: Any, attribute: attrs.Attribute[Any], value: object) -> None:
    if value in ("latest", "earliest", "none"):
        return
    if not isinstance(value, str) or value.partition(":")[0] != BY_DURATION:
        raise ConfigError(
            f"{attribute.name} must be 'latest', 'earliest' or 'none', or 'by_duration:...', got {value!r}.",
            remedy="by_duration takes an ISO 8601 duration: 'by_duration:PT1H' starts with the last hour.",
        )
    duration(value)


def duration(policy: str) -> float:
    """The seconds of `"by_duration:PnDTnHnMn.nS"`, by the rules of `java.time.Duration.parse`."""
    match = re.fullmatch(_DURATION, policy.partition(":")[2], re.ASCII | re.IGNORECASE)
    parts = match and [match[unit] for unit in ("days", "hours", "minutes", "seconds")]
    if match is None or not parts or not any(parts) or match["time"] in ("T", "t"):
        raise ConfigError(
            f"auto_offset_reset={policy!r} holds no ISO 8601 duration of days, hours, minutes and seconds.",
            remedy="Write 'by_duration:PT1H' for an hour, 'by_duration:P7D' for a week, 'by_duration:PT1.5S'.",
        )
    total = sum(int(part or 0) * size for part, size in zip(parts, (86_400, 3_600, 60, 1), strict=True))
    fraction = float(f"0.{match['fraction'] or 0}")
    exact = total + (-fraction if (parts[3] or "").startswith("-") else fraction)
    exact = -exact if match["sign"] == "-" else exact
    if exact < 0 or abs(total) >= 2**63:
        raise ConfigError(
            f"auto_offset_reset={policy!r} is {'negative' if exact < 0 else 'too long'}.",
            remedy="The duration counts back from now: 'by_duration:PT1H' starts with the last hour.",
        )
    return exact


def listed(choice: Any) -> Callable[[Any, attrs.Attribute[Any], object], None]:
    """One of a `Literal`'s values."""

    def check(_: Any, attribute: attrs.Attribute[Any], value: object) -> None:
        if value not in get_args(choice):
            raise ConfigError(f"{attribute.name} must be {one_of(choice)}, got {value!r}.")

    return check


def one_of(choice: Any) -> str:
    *others, last = (repr(value) for value in get_args(choice))
    return f"{', '.join(others)} or {last}"


def path(name: str, what: str) -> Callable[[str | os.PathLike[str] | None], str | None]:
    def convert(value: str | os.PathLike[str] | None) -> str | None:
        try:
            found = value if value is None else os.fspath(value)
        except TypeError:
            found = b""
        if found is not None and not isinstance(found, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigError(f"{name} must be the path of {what}, got {value!r}.")
        return found

    return convert


def secret(value: str | Secret | None) -> Secret | None:
    if value is None or isinstance(value, Secret):
        return value
    if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"sasl_plain_password must be a str, got a {type(value).__name__}.")
    return Secret(value)


def context(_: Any, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is not None and not hasattr(value, "wrap_bio"):  # this layer does not know ssl
        raise ConfigError(f"{attribute.name} must be an ssl.SSLContext, got {value!r}.")


def addresses(value: str | Sequence[str]) -> tuple[str, ...]:
    """`"a:1,b:2"` or a sequence of `"host:port"`; port 9092 where none is given."""
    parts = value.split(",") if isinstance(value, str) else _items(value)
    if not all(isinstance(part, str) for part in parts):
        raise ConfigError(
            f"bootstrap_servers must be a str or several, got {value!r}.", remedy="Write each server as 'host:port'."
        )
    found = tuple(_address(part.strip()) for part in parts if part.strip())
    if not found:
        raise ConfigError("bootstrap_servers is empty.", remedy="Name at least one broker as 'host:port'.")
    return found


def _address(part: str) -> str:
    match = _ADDRESS.fullmatch(f"[{part}]" if _ipv6(part) else part)
    host = match and (match["name"] or _ipv6(match["v6"]))
    port = int(match["port"] or 9092) if match else 0
    if not host or not 0 < port < 65536:
        raise ConfigError(f"bootstrap_servers holds {part!r}.", remedy="Write each server as 'host:port'.")
    return f"{host.lower()}:{port}"


def _ipv6(host: str) -> str | None:
    """An IPv6 address in brackets, in its one normal form; `None` if it is none."""
    if host.count(":") < 2:
        return None
    import ipaddress  # most never need it

    try:
        return f"[{ipaddress.IPv6Address(host)}]"
    except ValueError:
        return None


def strategies(value: str | Assignor | Sequence[str | Assignor]) -> tuple[str | Assignor, ...]:
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    found: tuple[Any, ...] = (value,) if _is_assignor(value) else _items(value)
    if not all(isinstance(item, str) or _is_assignor(item) for item in found):
        raise ConfigError(
            f"partition_assignment_strategy must be a name, an Assignor, or several, got {value!r}.",
            remedy="An Assignor has a name and an assign() method.",
        )
    return found


def _is_assignor(value: object) -> bool:
    named = isinstance(getattr(value, "name", None), str) and callable(getattr(value, "assign", None))
    return named and not isinstance(value, type)


def _items(value: Any) -> tuple[Any, ...]:
    """The items of what has some; of anything else, itself as the only one."""
    return tuple(cast("Iterable[Any]", value)) if isinstance(value, Iterable) else (value,)


def instance_id(value: str | None) -> InstanceId | None:
    if value is None:
        return None
    if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigError(f"group_instance_id must be a str, got {value!r}.")
    return InstanceId(value)
