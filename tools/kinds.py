"""How each type of field is spelled in Python: annotation, default, reading, writing."""

from __future__ import annotations

from collections.abc import Sequence

from schema import Field, Struct, Versions

FIXED = {
    "bool": ("?", "bool", "BOOL"),
    "int8": ("b", "int", "I8"),
    "int16": ("h", "int", "I16"),
    "uint16": ("H", "int", "U16"),
    "int32": ("i", "int", "I32"),
    "uint32": ("I", "int", "U32"),
    "int64": ("q", "int", "I64"),
    "float64": ("d", "float", "F64"),
    "uuid": ("16s", "bytes", "UUID"),
}
"""The `struct` letter, Python type and name of each type of a fixed size."""

_READERS = {"string": "string", "bytes": "blob", "records": "records"}
_WRITERS = {"string": "string", "bytes": "blob", "records": "blob"}
_TYPES = {"string": "str", "bytes": "bytes", "records": "memoryview"}


def annotation(field: Field) -> str:
    """The type of the attribute."""
    element = _TYPES.get(field.kind) or (FIXED[field.kind][1] if field.kind in FIXED else field.kind)
    text = f"list[{element}]" if field.is_array else element
    return f"{text} | None" if may_be_none(field) else text


def may_be_none(field: Field) -> bool:
    return not field.nullable.empty or (field.kind == "records" and not field.is_array)


def default(field: Field) -> str:
    """The default as an expression that gives a value of its own each time."""
    if field.default == "null":
        return "None"
    if field.is_array:
        return "[]"
    if field.is_struct:
        return f"{field.kind}()"
    match field.kind:
        case "records":
            return "None"
        case "uuid":
            return "ZERO_UUID"
        case "bool":
            return str(field.default == "true")
        case "string":
            return repr(field.default or "").replace("'", '"')
        case "bytes":
            return 'b""'
        case "float64":
            return str(float(field.default or 0))
        case _:
            return str(int(field.default or "0", 0))


def is_set(field: Field) -> str:
    """A condition: the field of `self` differs from its default."""
    value = default(field)
    if value == "None":
        return f"self.{field.name} is not None"
    if value in ("True", "False"):
        return f"self.{field.name}" if value == "False" else f"not self.{field.name}"
    if value == "[]" and not may_be_none(field):
        return f"self.{field.name}"
    return f"self.{field.name} != {value}"


def parameter(field: Field) -> tuple[str, str]:
    """The field's parameter of `__init__`, and the statement that keeps it."""
    name, value, kind = field.name, default(field), annotation(field)
    stored = name
    if field.is_array:
        kind, value = kind.replace("list[", "Iterable[", 1), "()" if value == "[]" else value
        stored = f"list({name})"
    elif field.kind == "records":
        kind, stored = "Bytes | None", f"memoryview({name})"
    elif field.is_struct and value != "None":
        return f"{name}: {kind} | None = None", f"self.{name} = {value} if {name} is None else {name}"
    if stored != name and may_be_none(field):
        stored = f"None if {name} is None else {stored}"
    return f"{name}: {kind} = {value}", f"self.{name} = {stored}"


def condition(present: Versions, within: Versions) -> str | None:
    """When a version from `within` is one of `present`; `None` for always."""
    if present.low <= within.low and present.high >= within.high:
        return None
    if present.high >= within.high:
        return f"version >= {present.low}"
    if present.low <= within.low:
        return f"version <= {present.high}"
    return f"{present.low} <= version <= {present.high}"


def constant(fields: Sequence[Field]) -> str:
    """The name of the `struct.Struct` of a run of fixed-size fields."""
    return "_" + "_".join(FIXED[field.kind][2] for field in fields)


def layout(name: str) -> str:
    """The format behind such a name."""
    letters = {spelled: letter for letter, _, spelled in FIXED.values()}
    return ">" + "".join(letters[part] for part in name[1:].split("_"))


class Spelling:
    """Statements that read and write the fields of one struct; `out` names the writer."""

    def __init__(self, struct: Struct, flexible: Versions, out: str = "out") -> None:
        self._out = out
        self._versions = struct.versions
        when = condition(flexible, struct.versions)
        none = (flexible & struct.versions).empty
        self.flexible = "False" if none else "flexible" if when else "True"
        self.flexible_when = None if none else when

    def read(self, field: Field) -> list[str]:
        """Statements that read a field into `self`."""
        target = f"self.{field.name} ="
        if field.is_array:
            return self._read_array(field)
        if field.is_struct:
            value = f"{field.kind}.read(reader, version)"
            return [f"{target} {value} if reader.presence() else None" if may_be_none(field) else f"{target} {value}"]
        if field.kind in FIXED:
            return [f"({target.removesuffix(' =')},) = reader.unpack({constant([field])})"]
        return [f"{target} {self._either(field, f'reader.{{}}{_READERS[field.kind]}({self._flexible(field)})')}"]

    def write(self, field: Field) -> list[str]:
        """Statements that write a field of `self`."""
        value, flexible = f"self.{field.name}", self._flexible(field)
        if field.is_array:
            return self._write_array(field)
        if field.is_struct:
            if not may_be_none(field):
                return [f"{value}.write({self._out}, version)"]
            write = [f"if {value} is not None:", f"    {value}.write({self._out}, version)"]
            return [f"{self._out}.presence({value} is not None)", *write]
        if field.kind == "uuid":
            return [f"{self._out}.uuid({value})"]
        if field.kind in FIXED:
            return [f"{self._out}.pack({constant([field])}, {value})"]
        return self._if_nullable(field, f"{self._out}.{{}}{_WRITERS[field.kind]}({value}, {flexible})")

    def _read_array(self, field: Field) -> list[str]:
        target, flexible = f"self.{field.name} =", self._flexible(field)
        count = self._either(field, f"reader.{{}}array({flexible})")
        lines: list[str] = []
        if may_be_none(field):
            lines.append(f"count = {count}")
            count = "count"
            target += " None if count < 0 else"
        if field.kind in FIXED and field.kind != "uuid":
            return [*lines, f'{target} reader.numbers({count}, "{FIXED[field.kind][0]}")']
        element = f"{field.kind}.read(reader, version)" if field.is_struct else "reader.uuid()"
        if field.kind in _READERS:
            element = f"reader.{_READERS[field.kind]}({flexible})"
        return [*lines, f"{target} [{element} for _ in range({count})]"]

    def _write_array(self, field: Field) -> list[str]:
        value, flexible = f"self.{field.name}", self._flexible(field)
        lines = self._if_nullable(field, f"{self._out}.{{}}array({value}, {flexible})")
        values = f"{value} or ()" if may_be_none(field) else value
        if field.kind in FIXED and field.kind != "uuid":
            return [*lines, f'{self._out}.numbers({values}, "{FIXED[field.kind][0]}")']
        element = f"item.write({self._out}, version)" if field.is_struct else f"{self._out}.uuid(item)"
        if field.kind in _WRITERS:
            element = f"{self._out}.{_WRITERS[field.kind]}(item, {flexible})"
        return [*lines, f"for item in {values}:", f"    {element}"]

    def _if_nullable(self, field: Field, call: str) -> list[str]:
        """The call with its `{}` filled by `nullable_`, in the versions where the field is that."""
        when = condition(field.nullable, field.versions)
        if field.nullable.empty or when is None:
            return [call.format("" if field.nullable.empty else "nullable_")]
        return [f"if {when}:", f"    {call.format('nullable_')}", "else:", f"    {call.format('')}"]

    def _either(self, field: Field, call: str) -> str:
        """The same as one expression."""
        when = condition(field.nullable, field.versions)
        if field.nullable.empty or when is None:
            return call.format("" if field.nullable.empty else "nullable_")
        return f"{call.format('nullable_')} if {when} else {call.format('')}"

    def _flexible(self, field: Field) -> str:
        return self.flexible if field.flexible is None else "False"
