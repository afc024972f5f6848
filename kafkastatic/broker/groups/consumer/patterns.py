"""Regular expressions as RE2 has them, matched against names of topics in no more than polynomial time. Pure.

Python's own go back and forth: one expression could stop the whole broker, where Kafka's does no harm.
"""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Callable, Iterator, Mapping

import attrs

_ALL = frozenset(map(chr, range(128)))
"""The characters that the names of topics are made of are among these."""

_DIGITS = frozenset(string.digits)
_WORD = frozenset(string.ascii_letters + string.digits + "_")
_SPACE = frozenset("\t\n\f\r ")
_CLASSES = {"d": _DIGITS, "w": _WORD, "s": _SPACE}
_POSIX: Mapping[str, frozenset[str]] = {
    "alnum": _WORD - {"_"},
    "alpha": frozenset(string.ascii_letters),
    "ascii": _ALL,
    "blank": frozenset("\t "),
    "cntrl": frozenset(map(chr, [*range(32), 127])),
    "digit": _DIGITS,
    "graph": frozenset(map(chr, range(33, 127))),
    "lower": frozenset(string.ascii_lowercase),
    "print": frozenset(map(chr, range(32, 127))),
    "punct": frozenset(string.punctuation),
    "space": _SPACE | {"\v"},
    "upper": frozenset(string.ascii_uppercase),
    "word": _WORD,
    "xdigit": frozenset(string.hexdigits),
}
_CONTROLS = {"a": "\a", "f": "\f", "t": "\t", "n": "\n", "r": "\r", "v": "\v"}
_MOST = 1000
"""How often something may be repeated by a number, those of what it is in counted in."""
_DEEPEST = 100
"""How many groups may be in one another: RE2 has 1000."""


class BadPatternError(ValueError):
    """It is no expression, or asks for what RE2 has not."""


@attrs.frozen(eq=False)
class _Chars:
    """One of these characters."""

    chars: frozenset[str]


@attrs.frozen(eq=False)
class _Edge:
    """Nothing, at the beginning, the end, or where a word begins or ends: by the letter after the backslash."""

    kind: str


@attrs.frozen(eq=False)
class _Row:
    """One after the other."""

    nodes: tuple[_Node, ...]


@attrs.frozen(eq=False)
class _Choice:
    nodes: tuple[_Node, ...]


@attrs.frozen(eq=False)
class _Repeat:
    """So many times the same, without an end for `None`; `nested` if something in it is repeated too."""

    node: _Node
    least: int
    most: int | None
    nested: bool


_Node = _Chars | _Edge | _Row | _Choice | _Repeat


def compiled(pattern: str) -> Callable[[str], bool]:
    """What tells whether the whole of a topic's name matches.

    Raises:
        BadPatternError: if it cannot be read.
    """
    root = _Parser(pattern).parsed()
    return lambda name: bool(_Match(name).after(root, 1) >> len(name) & 1)


class _Match:
    """One name. Positions in it are kept as the bits of a number: where something may begin, and where it may end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._where: dict[_Chars, int] = {}
        self._ends: dict[tuple[_Repeat, int], int] = {}

    def after(self, node: _Node, places: int) -> int:
        """Where what begins at one of these places may end."""
        match node:
            case _Chars():
                if node not in self._where:
                    self._where[node] = sum(1 << at for at, char in enumerate(self._name) if char in node.chars)
                return (places & self._where[node]) << 1
            case _Edge():
                return sum(1 << at for at in _bits(places) if self._is_edge(node.kind, at))
            case _Choice():
                found = 0
                for choice in node.nodes:
                    found |= self.after(choice, places)
                return found
            case _Row():
                for part in node.nodes:
                    places = self.after(part, places) if places else 0
                return places
            case _Repeat():
                return self._after_nested(node, places) if node.nested else self._repeated(node, places)

    def _after_nested(self, node: _Repeat, places: int) -> int:
        """Each place is looked at once: together, the number of looks would double with each one inside another."""
        found = 0
        for at in _bits(places):
            if (node, at) not in self._ends:
                self._ends[node, at] = self._repeated(node, 1 << at)
            found |= self._ends[node, at]
        return found

    def _repeated(self, node: _Repeat, places: int) -> int:
        for _ in range(node.least):
            before, places = places, self.after(node.node, places)
            if places == before:
                break  # and so it stays
        found = fresh = places
        left = node.most - node.least if node.most is not None else -1
        while fresh and left:
            fresh = self.after(node.node, fresh) & ~found
            found |= fresh
            left -= 1
        return found

    def _is_edge(self, kind: str, at: int) -> bool:
        if kind in "Az":
            return at == (0 if kind == "A" else len(self._name))
        before = at > 0 and self._name[at - 1] in _WORD
        after = at < len(self._name) and self._name[at] in _WORD
        return (before != after) is (kind == "b")


class _Parser:
    """Reads an expression from left to right."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._depth = 0
        self._repeats = 0
        self._names: set[str] = set()
        self._any_case = False

    def parsed(self) -> _Node:
        node, _ = self._choice()
        if self._at < len(self._pattern):
            raise BadPatternError("unexpected )")
        return node

    def _choice(self) -> tuple[_Node, int]:
        """What is up to the end, or to the parenthesis that closes; and how often its parts are counted."""
        rows: list[_Node] = []
        counted = 1
        while True:
            nodes: list[_Node] = []
            while self._at < len(self._pattern) and self._pattern[self._at] not in "|)":
                node, times = self._repeat()
                nodes.append(node)
                counted = max(counted, times)
            rows.append(nodes[0] if len(nodes) == 1 else _Row(tuple(nodes)))
            if not self._took("|"):
                return (rows[0] if len(rows) == 1 else _Choice(tuple(rows))), counted

    def _repeat(self) -> tuple[_Node, int]:
        before = self._repeats
        node, counted = self._atom()
        if (bounds := self._bounds()) is None:
            return node, counted
        least, most, times = bounds
        counted *= times
        if counted > _MOST:
            raise BadPatternError("it is repeated too often")
        self._took("?")  # as few as possible: what matches in whole is the same
        if self._bounds() is not None:
            raise BadPatternError("a repetition of a repetition")
        if isinstance(node, _Repeat) and least <= 1 and node.least <= 1 and most is None and node.most is None:
            return _Repeat(node.node, min(least, node.least), None, node.nested), counted
        nested, self._repeats = self._repeats > before, self._repeats + 1
        return _Repeat(node, least, most, nested), counted

    def _bounds(self) -> tuple[int, int | None, int] | None:
        """How often, at least and at most, what is before is to be there, and what that counts; `None` if once."""
        for sign, least, most in (("*", 0, None), ("+", 1, None), ("?", 0, 1)):
            if self._took(sign):
                return least, most, 1
        end = self._pattern.find("}", self._at)
        if not self._pattern.startswith("{", self._at) or end < 0:
            return None
        low, comma, high = self._pattern[self._at + 1 : end].partition(",")
        if not _is_number(low) or (high and not _is_number(high)):
            return None  # then it is no more than a brace
        least, most = int(low), int(high) if high else None if comma else int(low)
        if max(least, most or 0) > _MOST or (most is not None and most < least):
            raise BadPatternError("a repetition with wrong bounds")
        self._at = end + 1
        return least, most, max(least, most or 0, 1)

    def _atom(self) -> tuple[_Node, int]:
        if self._bounds() is not None:
            raise BadPatternError("nothing is there to be repeated")
        char = self._next()
        match char:
            case "(":
                return self._group()
            case "[":
                return _Chars(self._set()), 1
            case "." | "^" | "$":
                return (_Chars(_ALL) if char == "." else _Edge("A" if char == "^" else "z")), 1
            case "\\":
                return self._escaped(), 1
            case _:
                return self._literal(char), 1

    def _group(self) -> tuple[_Node, int]:
        before, inside = self._any_case, self._any_case
        if self._took("?") and not self._named():
            inside = self._flags()
            if self._took(")"):
                self._any_case = inside  # from here to the end of the group that it is in
                return _Row(()), 1
            if not self._took(":"):
                raise BadPatternError("a group that RE2 has not")
        self._any_case = inside
        self._depth += 1
        if self._depth > _DEEPEST:
            raise BadPatternError("too many groups in one another")
        node, counted = self._choice()
        if not self._took(")"):
            raise BadPatternError("missing )")
        self._depth -= 1
        self._any_case = before
        return node, counted

    def _named(self) -> bool:
        """Whether a name was there; it is of no use."""
        for sign in ("P<", "<"):
            if self._took(sign):
                name, end = self._until(">")
                if not end or not name or not set(name) <= _WORD or name in self._names:
                    raise BadPatternError("a group that RE2 has not")
                self._names.add(name)
                return True
        return False

    def _flags(self) -> bool:
        """Whether case makes no difference from here on: of the others, none does where a name matches in whole."""
        found, on = self._any_case, True
        while (flag := self._pattern[self._at : self._at + 1]) and flag in "imsU-":
            self._at += 1
            if flag == "-":
                if not on:
                    break
                on = False
            elif flag == "i":
                found = on
        return found

    def _escaped(self) -> _Node:
        char = self._next()
        if char in "AzbB":
            return _Edge(char)
        if char == "Q":
            quoted, _ = self._until("\\E")
            return _Row(tuple(map(self._literal, quoted)))
        found = self._class(char)
        return _Chars(found) if found is not None else self._literal(self._character(char))

    def _class(self, char: str) -> frozenset[str] | None:
        """What a letter after a backslash stands for, if it is for several characters."""
        if char.lower() in _CLASSES:
            found = _CLASSES[char.lower()]
        elif char in "pP":
            kind = self._next()
            if kind == "{":
                kind, _ = self._until("}")
            if kind.startswith("^"):
                kind, char = kind[1:], char.swapcase()
            found = frozenset(one for one in _ALL if unicodedata.category(one).startswith(kind))
            if kind not in ("C", "L", "M", "N", "P", "S", "Z") and not found:
                raise BadPatternError(f"characters of kind {kind!r} are not known")
        else:
            return None
        return _ALL - found if char.isupper() else found

    def _character(self, char: str) -> str:
        """The one that is meant by what is after a backslash."""
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char == "x":
            digits = self._until("}")[0] if self._took("{") else self._next() + self._next()
            if not digits or not set(digits) <= set(string.hexdigits) or int(digits, 16) > 0x10FFFF:
                raise BadPatternError("a character by a number that is none")
            return chr(int(digits, 16))
        if char == "0" or (char in "1234567" and self._pattern[self._at : self._at + 1] in tuple("01234567")):
            digits = char
            while len(digits) < 3 and self._pattern[self._at : self._at + 1] in tuple("01234567"):
                digits += self._next()
            return chr(int(digits, 8))
        if char in _WORD - {"_"}:
            raise BadPatternError(f"RE2 has no \\{char}")
        return char

    def _set(self) -> frozenset[str]:
        negated = self._took("^")
        found = frozenset[str]()
        first = True
        while first or not self._took("]"):
            found |= self._posix() or self._range()
            first = False
        found = _in_any_case(found) if self._any_case else found
        return _ALL - found if negated else found

    def _posix(self) -> frozenset[str]:
        end = self._pattern.find(":]", self._at)
        if not self._took("[:") or end < 0:
            return frozenset()
        name, _ = self._until(":]")
        found = _POSIX.get(name.removeprefix("^"))
        if found is None:
            raise BadPatternError(f"characters of kind {name!r} are not known")
        return _ALL - found if name.startswith("^") else found

    def _range(self) -> frozenset[str]:
        low = self._next()
        if low == "\\":
            letter = self._next()
            found = self._class(letter)
            if found is not None:
                return found
            low = self._character(letter)
        high = low
        if self._pattern.startswith("-", self._at) and not self._pattern.startswith("-]", self._at):
            self._at += 1
            high = self._next()
            if high == "\\":
                high = self._character(self._next())
        if high < low:
            raise BadPatternError("a range that ends before it begins")
        return frozenset(char for char in _ALL if low <= char <= high)

    def _literal(self, char: str) -> _Node:
        return _Chars(_in_any_case(frozenset(char)) if self._any_case else frozenset(char))

    def _next(self) -> str:
        if self._at == len(self._pattern):
            raise BadPatternError("it ends too soon")
        self._at += 1
        return self._pattern[self._at - 1]

    def _took(self, text: str) -> bool:
        found = self._pattern.startswith(text, self._at)
        self._at += len(text) * found
        return found

    def _until(self, mark: str) -> tuple[str, bool]:
        """What is before a mark, and whether there is one; else all that is left."""
        text, found, _ = self._pattern[self._at :].partition(mark)
        self._at += len(text) + len(found)
        return text, bool(found)


def _bits(places: int) -> Iterator[int]:
    while places:
        lowest = places & -places
        yield lowest.bit_length() - 1
        places ^= lowest


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9


def _in_any_case(chars: frozenset[str]) -> frozenset[str]:
    return frozenset(other for char in chars for other in (char, char.lower(), char.upper()))
