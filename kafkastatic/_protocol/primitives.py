"""The types that every message is made of, and the base classes of the generated messages.

Lengths are checked against the bytes that are there before anything is allocated. Fixed-size fields need no check of
their own: a reader ends where its buffer ends, so `struct` refuses, and `TopLevel.decode` translates.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, Self, TypeVar

from kafkastatic.errors import ProtocolError, UnsupportedVersionError

Bytes = bytes | bytearray | memoryview

ZERO_UUID = bytes(16)
NEVER = 32767
"""`FLEXIBLE_SINCE` of a message that has no flexible version."""

_INT8 = struct.Struct(">b")
_INT16 = struct.Struct(">h")
_INT32 = struct.Struct(">i")
_SHORT = 9
_SHORT_ARRAYS = {kind: [struct.Struct(f">{count}{kind}") for count in range(_SHORT)] for kind in "bhHiIqd"}
_MALFORMED = (struct.error, IndexError, UnicodeDecodeError)


class Writer:
    """Appends the wire form of values to `buffer`.

    `flexible` chooses the compact form of KIP-482. Values that do not fit their type raise `struct.error`, which
    `TopLevel.encode` translates.
    """

    __slots__ = ("buffer",)

    def __init__(self) -> None:
        self.buffer = bytearray()

    def pack(self, layout: struct.Struct, *values: float) -> None:
        """A run of fixed-size fields."""
        self.buffer += layout.pack(*values)

    def uvarint(self, value: int) -> None:
        while value > 0x7F:
            self.buffer.append(value & 0x7F | 0x80)
            value >>= 7
        self.buffer.append(value)

    def string(self, value: str | None, flexible: bool) -> None:
        """Raises ProtocolError: if `value` is `None` or too long."""
        if value is None:
            raise _null("string")
        data = value.encode()
        if flexible:
            self.uvarint(len(data) + 1)
        else:
            self.buffer += _INT16.pack(len(data))
        self.buffer += data

    def nullable_string(self, value: str | None, flexible: bool) -> None:
        if value is not None:
            self.string(value, flexible)
        else:
            self.buffer += b"\x00" if flexible else b"\xff\xff"

    def blob(self, value: Bytes | None, flexible: bool) -> None:
        """Raises ProtocolError: if `value` is `None`."""
        if value is None:
            raise _null("bytes field")
        self._count(memoryview(value).nbytes, flexible)
        self.buffer += value

    def nullable_blob(self, value: Bytes | None, flexible: bool) -> None:
        if value is not None:
            self.blob(value, flexible)
        else:
            self.buffer += b"\x00" if flexible else b"\xff\xff\xff\xff"

    def uuid(self, value: Bytes) -> None:
        """Raises ProtocolError: if `value` is not 16 bytes long."""
        if len(value) != 16:
            raise ProtocolError(f"A uuid is 16 bytes long, not {len(value)}.")
        self.buffer += value

    def array(self, values: Sequence[Any] | None, flexible: bool) -> None:
        """The length of an array. Raises ProtocolError: if `values` is `None`."""
        if values is None:
            raise _null("array")
        self._count(len(values), flexible)

    def nullable_array(self, values: Sequence[Any] | None, flexible: bool) -> None:
        """The length of an array that may be `None`."""
        if values is not None:
            self.array(values, flexible)
        else:
            self.buffer += b"\x00" if flexible else b"\xff\xff\xff\xff"

    def numbers(self, values: Sequence[float], kind: str) -> None:
        """The elements of an array of numbers, `kind` being their `struct` letter."""
        self.buffer += struct.pack(f">{len(values)}{kind}", *values)

    def presence(self, present: bool) -> None:
        """What precedes a struct that may be `None` (KIP-893)."""
        self.buffer += _INT8.pack(1 if present else -1)

    def tags(self, fields: Sequence[tuple[int, Writer]] = ()) -> None:
        """A section of tagged fields, in the order of their tags."""
        self.uvarint(len(fields))
        for tag, content in fields:
            self.uvarint(tag)
            self.uvarint(len(content.buffer))
            self.buffer += content.buffer

    def _count(self, count: int, flexible: bool) -> None:
        if flexible:
            self.uvarint(count + 1)
        else:
            self.buffer += _INT32.pack(count)


class Reader:
    """Reads values from `buffer`, from `position` on.

    Every method raises ProtocolError for a length that the buffer cannot hold. Reading behind the end raises
    `struct.error` or `IndexError`, which `TopLevel.decode` translates.
    """

    __slots__ = ("_end", "buffer", "position")

    def __init__(self, buffer: Bytes, position: int = 0) -> None:
        self.buffer = buffer
        self.position = position
        self._end = len(buffer)

    @property
    def remaining(self) -> int:
        return self._end - self.position

    def unpack(self, layout: struct.Struct) -> tuple[Any, ...]:
        """A run of fixed-size fields."""
        values = layout.unpack_from(self.buffer, self.position)
        self.position += layout.size
        return values

    def uvarint(self) -> int:
        byte = self.buffer[self.position]
        self.position += 1
        if byte < 0x80:
            return byte
        value = byte & 0x7F
        for shift in (7, 14, 21, 28):
            byte = self.buffer[self.position]
            self.position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise ProtocolError(f"A varint at byte {self.position - 5} is longer than 5 bytes.")

    def string(self, flexible: bool) -> str:
        value = self.nullable_string(flexible)
        if value is None:
            raise self._unexpected_null("string")
        return value

    def nullable_string(self, flexible: bool) -> str | None:
        if flexible:
            size = self.buffer[self.position] - 1
            if size < 0x7F:
                self.position += 1
            else:
                size = self.uvarint() - 1
        else:
            (size,) = _INT16.unpack_from(self.buffer, self.position)
            self.position += 2
        if size < 0:
            return self._none(size, "string")
        end = self.position + size
        if end > self._end:
            raise self._too_long("string", size)
        value = str(self.buffer[self.position : end], "utf-8")
        self.position = end
        return value

    def blob(self, flexible: bool) -> bytes:
        value = self.nullable_blob(flexible)
        if value is None:
            raise self._unexpected_null("bytes field")
        return value

    def nullable_blob(self, flexible: bool) -> bytes | None:
        size = self._size(flexible, "bytes field")
        if size < 0:
            return None
        start = self.position
        self.position += size
        return bytes(self.buffer[start : self.position])

    def records(self, flexible: bool) -> memoryview:
        value = self.nullable_records(flexible)
        if value is None:
            raise self._unexpected_null("record set")
        return value

    def nullable_records(self, flexible: bool) -> memoryview | None:
        """A view of the buffer, not a copy."""
        size = self._size(flexible, "record set")
        if size < 0:
            return None
        start = self.position
        self.position += size
        return memoryview(self.buffer)[start : self.position]

    def array(self, flexible: bool) -> int:
        """The length of an array."""
        if flexible:
            # Most arrays are short, and every partition of a large answer has some.
            count = self.buffer[self.position] - 1
            if 0 <= count < 0x7F and count < self._end - self.position:
                self.position += 1
                return count
        count = self._size(flexible, "array")
        if count < 0:
            raise self._unexpected_null("array")
        return count

    def nullable_array(self, flexible: bool) -> int:
        """The length of an array, -1 for `None`."""
        return self._size(flexible, "array")

    def numbers(self, count: int, kind: str) -> list[Any]:
        """The elements of an array of numbers, `kind` being their `struct` letter."""
        if count == 0:
            return []
        layout = _SHORT_ARRAYS[kind][count] if count < _SHORT else struct.Struct(f">{count}{kind}")
        values = layout.unpack_from(self.buffer, self.position)
        self.position += layout.size
        return list(values)

    def uuid(self) -> bytes:
        if self._end - self.position < 16:
            raise self._too_long("uuid", 16)
        start = self.position
        self.position += 16
        return bytes(self.buffer[start : self.position])

    def presence(self) -> bool:
        """Whether a struct that may be `None` follows (KIP-893)."""
        (value,) = self.unpack(_INT8)
        return value >= 0

    def tag(self, previous: int) -> tuple[int, int]:
        """The next tag of a section, and where its field ends; `previous` is -1 for the first."""
        tag = self.uvarint()
        if tag <= previous:
            raise ProtocolError(f"Tag {tag} follows tag {previous} at byte {self.position}.")
        size = self.uvarint()
        if size > self._end - self.position:
            raise self._too_long("tagged field", size)
        return tag, self.position + size

    def end_tag(self, tag: int, end: int) -> None:
        """Raises ProtocolError: if the field's value did not end at `end`."""
        if self.position != end:
            raise ProtocolError(f"Tagged field {tag} ends at byte {self.position}, its size says {end}.")

    def skip_tags(self) -> None:
        """A section of which we know no tag."""
        if self.buffer[self.position] == 0:
            self.position += 1
            return
        tag = -1
        for _ in range(self.uvarint()):
            tag, self.position = self.tag(tag)

    def _size(self, flexible: bool, what: str) -> int:
        if flexible:
            size = self.buffer[self.position] - 1
            if size < 0x7F:
                self.position += 1
            else:
                size = self.uvarint() - 1
        else:
            (size,) = _INT32.unpack_from(self.buffer, self.position)
            self.position += 4
        if size < 0:
            self._none(size, what)
        elif size > self._end - self.position:
            # An array's elements take a byte each at least, so its count is bounded by the bytes as well.
            raise self._too_long(what, size)
        return size

    def _none(self, size: int, what: str) -> None:
        if size != -1:
            raise ProtocolError(f"A {what} at byte {self.position} has length {size}.")

    def _too_long(self, what: str, size: int) -> ProtocolError:
        return ProtocolError(f"A {what} of {size} at byte {self.position}, where {self.remaining} bytes remain.")

    def _unexpected_null(self, what: str) -> ProtocolError:
        return ProtocolError(f"A {what} that cannot be null is null, before byte {self.position}.")


_SECRETS = frozenset({"auth_bytes"})
"""Fields that no log and no traceback shows."""


class Message:
    """A struct of the protocol: plain fields, equal by value, not hashable."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={_shown(name, getattr(self, name))}" for name in self.__slots__)
        return f"{type(self).__name__}({fields})"

    def write(self, out: Writer, version: int) -> None:
        raise NotImplementedError

    @classmethod
    def read(cls, reader: Reader, version: int) -> Self:
        raise NotImplementedError


class TopLevel(Message):
    """A message that stands on its own.

    Attributes:
        NAME: the API's name, or the message's own where it belongs to none.
        MIN_VERSION, MAX_VERSION: the versions it can be read and written in.
        FLEXIBLE_SINCE: the first version with compact types and tagged fields, `NEVER` where there is none.
    """

    __slots__ = ()
    NAME: ClassVar[str]
    MIN_VERSION: ClassVar[int]
    MAX_VERSION: ClassVar[int]
    FLEXIBLE_SINCE: ClassVar[int]

    def encode(self, version: int) -> bytearray:
        """The message's bytes.

        Raises:
            UnsupportedVersionError: if there is no such version, or it lacks a field that is set.
            ProtocolError: if a value does not fit its field.
        """
        self.check_version(version)
        out = Writer()
        try:
            self.write(out, version)
        except (struct.error, UnicodeEncodeError) as error:
            raise ProtocolError(f"{type(self).__name__} v{version} cannot be encoded: {error}.") from error
        return out.buffer

    @classmethod
    def decode(cls, data: Bytes, version: int, offset: int = 0) -> Self:
        """The message in `data` from `offset` to its end.

        Raises:
            UnsupportedVersionError: if there is no such version.
            ProtocolError: if the bytes do not parse, or some are left over.
        """
        message, end = cls.decode_prefix(data, version, offset)
        if end != len(data):
            raise ProtocolError(f"{cls.__name__} v{version} ends at byte {end}, the data at byte {len(data)}.")
        return message

    @classmethod
    def decode_prefix(cls, data: Bytes, version: int, offset: int = 0) -> tuple[Self, int]:
        """Like `decode`, but other bytes may follow: the message, and where it ends."""
        cls.check_version(version)
        reader = Reader(data, offset)
        try:
            message = cls.read(reader, version)
        except _MALFORMED as error:
            raise ProtocolError(f"{cls.__name__} v{version}, near byte {reader.position}: {error}.") from error
        return message, reader.position

    @classmethod
    def check_version(cls, version: int) -> None:
        """Raises UnsupportedVersionError: if there is no such version."""
        if not cls.MIN_VERSION <= version <= cls.MAX_VERSION:
            ours = f"{cls.MIN_VERSION} to {cls.MAX_VERSION}"
            raise UnsupportedVersionError(api=cls.NAME, detail=f"{cls.__name__} v{version} is unknown, only {ours}")


class Response(TopLevel):
    """What a broker answers."""

    __slots__ = ()
    API_KEY: ClassVar[int]


R = TypeVar("R", bound=Response)


class Request(TopLevel, Generic[R]):
    """What a client asks; `R` is the type of its answer, `RESPONSE` the class."""

    __slots__ = ()
    API_KEY: ClassVar[int]
    RESPONSE: ClassVar[type[Any]]  # a class variable cannot be typed with R


def absent(api: str, field: str, version: int) -> UnsupportedVersionError:
    """The error for a field that is set, to be raised by the caller, where `version` lacks the field."""
    return UnsupportedVersionError(api=api, detail=f"{field} is set, which v{version} cannot carry")


def _null(what: str) -> ProtocolError:
    return ProtocolError(f"A {what} is None that this version does not let be null.")


def _shown(name: str, value: object) -> str:
    if name in _SECRETS and value:
        return "***"
    if isinstance(value, memoryview):
        return f"<{value.nbytes} bytes>"
    return repr(value)
