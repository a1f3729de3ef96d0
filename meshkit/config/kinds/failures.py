"""How are failures named in a file? In the words of `meshkit.condition`, and a few exceptions by their names.

=====================================================  ====================================================
in the file                                            in Python
=====================================================  ====================================================
``5xx``, ``gateway-error``, ``5xx,429``                the same words
``503``                                                ``503``
``500-503``                                            ``range(500, 504)``
``ConnectionError``, ``TimeoutError``, ``OSError``     the exceptions
``app.errors:Busy``, ``app.errors:is_busy``            an exception, or a function of the failure, imported
a list of these                                        a tuple
=====================================================  ====================================================
"""

from __future__ import annotations

import re
from typing import Any

from ...condition import HIGHEST, LOWEST, WORDS
from ..foreign import meant
from ..located import WRONG, Located
from ..meant import near, ours
from ..mistakes import Mistakes, quoted
from .kind import Definitions, Kind, Schema, unwritable
from .references import REFERENCE, Function, reference

__all__ = ["ERRORS", "Failures", "Fault"]

ERRORS: dict[str, type[Exception]] = {each.__name__: each for each in (ConnectionError, OSError, TimeoutError)}
STATUS = "[1-5][0-9][0-9]"

_STATUS = re.compile(STATUS)
_RANGE = re.compile(f"({STATUS})-({STATUS})")
_REFERENCE = re.compile(REFERENCE)
_NGINX = re.compile(f"http_({STATUS})")


class Failures(Kind):
    """One kind of failure, or a list of them."""

    expects = "kinds of failure such as 5xx, ConnectionError or 503"
    shapes = (str, int, list, dict)

    def __init__(self, *, imports: bool) -> None:
        self.function = Function(allowed=imports)

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        if value.__class__ is not list:
            return self._one(node, mistakes)
        found = tuple(self._one(each, mistakes) for each in value)
        if not found:
            return self.wrong(node, mistakes)
        return WRONG if WRONG in found else found

    def _one(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        if value.__class__ is int and LOWEST <= value <= HIGHEST:
            return value
        if value.__class__ is dict:
            return self.function.read(node, mistakes)
        if value.__class__ is not str:
            return self.wrong(
                node, mistakes, f"a status is from {LOWEST} to {HIGHEST}" if value.__class__ is int else ""
            )
        if value in ERRORS:
            return ERRORS[value]
        span = _RANGE.fullmatch(value)
        if span is not None and span[1] <= span[2]:
            return range(int(span[1]), int(span[2]) + 1)
        if _REFERENCE.fullmatch(value) is not None:
            return self.function.read(node, mistakes)
        for word in value.split(","):
            if word.strip() not in WORDS and _STATUS.fullmatch(word.strip()) is None:
                return self._unknown(word.strip(), node, mistakes)
        return value

    def _unknown(self, word: str, node: Located, mistakes: Mistakes) -> Any:
        fix = ""
        if not mistakes.full:
            fix = self._meant(word)
        mistakes.note(node, f"{quoted(word)} is no kind of failure", fix)
        return WRONG

    def _meant(self, word: str) -> str:
        if word in ERRORS:
            return "write a list: only words of failures and statuses are told apart by commas"
        known = [*WORDS, *ERRORS]
        several = word.split()
        if len(several) > 1 and all(each in known or _STATUS.fullmatch(each) for each in several):
            return f"write a list, [{', '.join(several)}]"
        status = _NGINX.fullmatch(word)
        told = f"write {status[1]}" if status is not None else meant("failure", ours(word))
        found = "" if told else near(word, known) or near(word.replace("_", "-"), known)
        every = f"there are statuses, {', '.join(known)}, and module:exception"
        return told or (f"did you mean {found}?" if found else every)

    def suits(self, value: Any) -> bool:
        return isinstance(value, str | int | range | tuple) or callable(value)

    def write(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return [self.write(each) for each in value]
        if isinstance(value, range):
            if value.step != 1 or len(value) < 1:
                raise unwritable(value, "only statuses without gaps can, 500-503")
            return f"{value[0]}-{value[-1]}"
        if isinstance(value, str | int):
            return value
        return value.__name__ if value in ERRORS.values() else reference(value)

    def schema(self, definitions: Definitions) -> Schema:
        def make() -> Schema:
            word = "|".join([*map(re.escape, WORDS), STATUS])
            pattern = rf"^ *({word}) *(, *({word}) *)*$"
            texts = [{"enum": [*WORDS, *ERRORS]}, {"type": "string", "pattern": f"{pattern}|^{STATUS}-{STATUS}$"}]
            one = {"anyOf": [*texts, {"type": "integer", "minimum": LOWEST, "maximum": HIGHEST}]}
            one["anyOf"].append(self.function.schema(definitions))
            return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}

        return definitions.named("failures", make)


class Fault(Kind):
    """What a call ends with on purpose: a status, an exception by its name, or imported."""

    expects = "a status such as 503, or an exception such as ConnectionError"
    shapes = (int, str, dict)

    def __init__(self, *, imports: bool) -> None:
        self.function = Function(allowed=imports, known=ERRORS)

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        if value.__class__ is int:
            return value
        return self.function.read(node, mistakes) if value.__class__ in {str, dict} else self.wrong(node, mistakes)

    def suits(self, value: Any) -> bool:
        return isinstance(value, int) or callable(value)

    def write(self, value: Any) -> Any:
        return value if isinstance(value, int) else self.function.write(value)

    def schema(self, definitions: Definitions) -> Schema:
        status = {"type": "integer", "minimum": 200, "maximum": 599}
        return {"anyOf": [status, self.function.schema(definitions)]}
