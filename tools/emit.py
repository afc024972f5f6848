"""Writes the Python classes of messages."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

from kinds import FIXED, Spelling, annotation, condition, constant, default, is_set, may_be_none, parameter
from schema import Field, Message, Struct, Versions

NEVER = 32767


def indented(lines: Iterable[str], levels: int = 1) -> list[str]:
    return ["    " * levels + line if line else "" for line in lines]


def message(spec: Message, response: str | None) -> list[str]:
    """The classes of a message; `response` names the class that answers it, where it is a request."""
    lines: list[str] = []
    for struct in spec.structs:
        top = struct is spec.structs[-1]
        base = _base(spec, response) if top else "Message"
        lines += ["", "", f"class {struct.name}({base}):"]
        lines += indented(_header(spec, response) if top else [])
        lines += indented(_Class(struct, spec).body())
    return lines


def _api(spec: Message) -> str:
    """The API's name, without Request or Response."""
    return spec.name if spec.api_key is None else spec.name.removesuffix("Request").removesuffix("Response")


def _base(spec: Message, response: str | None) -> str:
    if response is not None:
        return f"Request[{response}]"
    return "Response" if spec.type == "response" else "TopLevel"


def _header(spec: Message, response: str | None) -> list[str]:
    low, high = spec.versions
    flexible = NEVER if (spec.flexible & spec.versions).empty else spec.flexible.low
    lines = [f'"""Versions {low} to {high}."""', ""]
    if spec.api_key is not None:
        lines.append(f"API_KEY: ClassVar[int] = {spec.api_key}")
    lines += [
        f'NAME: ClassVar[str] = "{_api(spec)}"',
        f"MIN_VERSION: ClassVar[int] = {low}",
        f"MAX_VERSION: ClassVar[int] = {high}",
        f"FLEXIBLE_SINCE: ClassVar[int] = {flexible}",
    ]
    if response is not None:
        lines.append(f"RESPONSE: ClassVar[type[{response}]] = {response}")
    return [*lines, ""]


class _Class:
    """The body of one struct's class."""

    def __init__(self, struct: Struct, spec: Message) -> None:
        self._struct = struct
        self._api = _api(spec)
        self._spelling = Spelling(struct, spec.flexible)
        self._tag_spelling = Spelling(struct, spec.flexible, out="tag")
        self._plain = [field for field in struct.fields if field.tag is None]
        tagged = [field for field in struct.fields if field.tag is not None]
        self._tagged = sorted(tagged, key=lambda field: field.tag or 0)

    def body(self) -> list[str]:
        sections = [self._slots(), self._init(), self._write(), self._read()]
        return [line for section in sections for line in ["", *section]][1:]

    def _slots(self) -> list[str]:
        names = [f'"{field.name}",' for field in self._struct.fields]
        lines = ["__slots__ = (", *indented(names), ")"] if names else ["__slots__ = ()"]
        for field in self._struct.fields:
            comment = _since(field, self._struct.versions)
            lines.append(f"{field.name}: {annotation(field)}{f'  # {comment}' if comment else ''}")
        return lines

    def _init(self) -> list[str]:
        parameters = [parameter(field) for field in self._struct.fields]
        if not parameters:
            return ["def __init__(self) -> None:", "    pass"]
        signature = ["self,", "*,", *(f"{declared}," for declared, _ in parameters)]
        return ["def __init__(", *indented(signature), ") -> None:", *indented(kept for _, kept in parameters)]

    def _write(self) -> list[str]:
        lines: list[str] = []
        for when, fields in self._blocks():
            body = [line for run in _runs(fields, without="uuid") for line in self._write_run(run)]
            lines += self._conditional(when, body, self._check_absent(fields))
        lines += self._write_tags()
        lines = self._with_flexible(lines) or ["pass"]
        return ["def write(self, out: Writer, version: int) -> None:", *indented(lines)]

    def _read(self) -> list[str]:
        lines: list[str] = []
        for when, fields in self._blocks():
            body = [line for run in _runs(fields) for line in self._read_run(run)]
            absent = [f"self.{field.name} = {default(field)}" for field in fields]
            lines += self._conditional(when, body, absent)
        lines += self._read_tags()
        lines = self._with_flexible(lines)
        start = ["@classmethod", "def read(cls, reader: Reader, version: int) -> Self:"]
        return [*start, *indented(["self = cls.__new__(cls)", *lines, "return self"])]

    def _blocks(self) -> Iterator[tuple[str | None, list[Field]]]:
        """Neighbours that are there in the same versions."""
        within = self._struct.versions
        for when, fields in itertools.groupby(self._plain, lambda field: condition(field.versions, within)):
            yield when, list(fields)

    def _write_run(self, run: Sequence[Field]) -> list[str]:
        if len(run) == 1:
            return self._spelling.write(run[0])
        values = [f"self.{field.name}" for field in run]
        return _wrapped(f"out.pack({constant(run)}, ", values, ")")

    def _read_run(self, run: Sequence[Field]) -> list[str]:
        if len(run) == 1:
            return self._spelling.read(run[0])
        targets = [f"self.{field.name}" for field in run]
        call = f" = reader.unpack({constant(run)})"
        line = ", ".join(targets) + call
        return [line] if len(line) <= 110 else _wrapped("(", targets, f"){call}")

    def _write_tags(self) -> list[str]:
        if self._spelling.flexible == "False":
            return []
        if not self._tagged:
            return self._if_flexible(["out.tags()"])
        body = ["tags: list[tuple[int, Writer]] = []"]
        absent: list[str] = []
        for field in self._tagged:
            when = self._tag_condition(field)
            body += [
                f"if {f'{when} and ' if when else ''}{is_set(field)}:",
                "    tag = Writer()",
                *indented(self._tag_spelling.write(field)),
                f"    tags.append(({field.tag}, tag))",
            ]
            if not field.ignorable and (lacking := _negated(field.versions, self._struct.versions)):
                absent += [f"if {lacking} and {is_set(field)}:", f"    {self._raise(field)}"]
        return [*absent, *self._if_flexible([*body, "out.tags(tags)"])]

    def _read_tags(self) -> list[str]:
        lines = [f"self.{field.name} = {default(field)}" for field in self._tagged]
        if self._spelling.flexible == "False":
            return lines
        if not self._tagged:
            return self._if_flexible(["reader.skip_tags()"])
        choices: list[str] = []
        for field in self._tagged:
            when = self._tag_condition(field)
            word = "elif" if choices else "if"
            choices.append(f"{word} tag == {field.tag}{f' and {when}' if when else ''}:")
            choices += indented(self._spelling.read(field))
        choices += ["else:", "    reader.position = end", "reader.end_tag(tag, end)"]
        loop = ["for _ in range(reader.uvarint()):", "    tag, end = reader.tag(tag)", *indented(choices)]
        return [*lines, *self._if_flexible(["tag = -1", *loop])]

    def _tag_condition(self, field: Field) -> str | None:
        """Which flexible versions have the field; `None` for all of them."""
        when = condition(field.versions, self._struct.versions)
        return None if when == self._spelling.flexible_when else when

    def _check_absent(self, fields: Sequence[Field]) -> list[str]:
        checks: list[str] = []
        for field in fields:
            if not field.ignorable:
                checks += [f"if {is_set(field)}:", f"    {self._raise(field)}"]
        return checks

    def _raise(self, field: Field) -> str:
        return f'raise absent("{self._api}", "{self._struct.name}.{field.name}", version)'

    def _conditional(self, when: str | None, body: list[str], otherwise: list[str]) -> list[str]:
        if when is None:
            return body
        if len(otherwise) == 2 and otherwise[0].startswith("if "):
            return [f"if {when}:", *indented(body), f"el{otherwise[0]}", otherwise[1]]
        return [f"if {when}:", *indented(body), *(["else:", *indented(otherwise)] if otherwise else [])]

    def _if_flexible(self, body: list[str]) -> list[str]:
        return body if self._spelling.flexible == "True" else ["if flexible:", *indented(body)]

    def _with_flexible(self, lines: list[str]) -> list[str]:
        needed = self._spelling.flexible == "flexible" and any("flexible" in line for line in lines)
        return [f"flexible = {self._spelling.flexible_when}", *lines] if needed else lines


def _runs(fields: Sequence[Field], without: str = "") -> Iterator[list[Field]]:
    """Neighbours of fixed sizes together, every other field alone."""

    def alone(numbered: tuple[int, Field]) -> int:
        index, field = numbered
        return -1 if field.kind in FIXED and field.kind != without and not field.is_array else index

    for _, run in itertools.groupby(enumerate(fields), alone):
        yield [field for _, field in run]


def _wrapped(start: str, items: Sequence[str], end: str) -> list[str]:
    line = start + ", ".join(items) + end
    return [line] if len(line) <= 110 else [start.rstrip(), *indented(f"{item}," for item in items), end]


def _negated(present: Versions, within: Versions) -> str | None:
    when = condition(present, within)
    if when is None or " <= version <= " not in when:
        return when and when.translate(str.maketrans("<>", "><")).replace("=", "").replace("  ", " ")
    return f"not {when}"


def _since(field: Field, within: Versions) -> str:
    """The versions that have a field, where not all of its struct do."""
    parts: list[str] = []
    if condition(field.versions, within):
        low, high = field.versions
        parts.append(f"v{low}+" if high >= within.high else f"v{low}" if low == high else f"v{low} to v{high}")
    if may_be_none(field) and condition(field.nullable, field.versions) and not field.nullable.empty:
        parts.append(f"may be None in v{field.nullable.low}+")
    return ", ".join(parts)
