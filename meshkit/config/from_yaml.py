"""How is YAML read? By its events, with a place for each value, and with the guards that a file from anywhere needs.

==================================  ======================================================================
there is                            then
==================================  ======================================================================
a key twice                         a mistake; the first one counts
a key that is no text               a mistake; ``404`` and ``on`` are taken for texts, as they are written
``&name`` and ``*name``             the same value again, as often as the limits allow
an alias within its own anchor      a mistake
``<<`` (a merge key)                a mistake: YAML 1.2 has none, and nobody could say where a value stands
a tag, ``!!str`` or any other       a mistake
a second document                   a mistake
more than `DEPTH` levels            a mistake, and no more is read; the same beyond `NODES` values, aliases
                                    counted as often as they are used
==================================  ======================================================================

Scalars are told apart in `scalars`. The parser is pyyaml's, with libyaml where that is there; its composer is not used,
since it would go down as deep as the file says.
"""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn

from ..errors import ConfigError
from .located import BROKEN, MERGE, SHIFT, Keys, Located, place, placed
from .mistakes import Mistakes, lines_of, quoted, shown
from .no_yaml import told
from .scalars import LONGEST, STARTS, resolved

try:
    import yaml
except ImportError:
    raise ConfigError("a mesh file in YAML needs pyyaml: install meshkit with its extra, meshkit[config]") from None

__all__ = ["DEPTH", "NODES", "compose"]

DEPTH = 64
"""Levels of lists and mappings."""
NODES = 1_000_000
"""Values and keys in a file."""

TAGS = "tag:yaml.org,2002:"

Scalar, MappingStart, SequenceStart = yaml.ScalarEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent
MappingEnd, SequenceEnd = yaml.MappingEndEvent, yaml.SequenceEndEvent
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Anchor(NamedTuple):
    node: Located
    size: int
    height: int


class _Open:
    """A list or a mapping that has not ended."""

    __slots__ = ("anchor", "began", "height", "key", "node", "tagged")

    def __init__(self, node: Located, anchor: str | None, began: int) -> None:
        self.node = node
        self.anchor = anchor
        self.began = began
        """How many nodes there were before it."""
        self.height = 1
        self.key: str | None = None
        """Of a mapping: the key whose value comes next."""
        self.tagged = False


def compose(text: str, mistakes: Mistakes) -> Located | None:
    """The one document of a text; ``None``: there is none. Raises `FileErrors` where reading cannot go on."""
    loader = _Loader(text)
    try:
        return _Composer(mistakes).compose(loader.get_event)
    except yaml.YAMLError as error:
        line, column, text, fix = told(error, lines_of(text))
        mistakes.at(place(line, column), text, fix)
        raise mistakes.error() from None
    finally:
        loader.dispose()


class _Composer:
    __slots__ = ("anchors", "mistakes", "nodes", "opened", "root")

    def __init__(self, mistakes: Mistakes) -> None:
        self.mistakes = mistakes
        self.opened: list[_Open] = []
        self.anchors: dict[str, _Anchor | None] = {}
        """By name; ``None``: it has not ended."""
        self.nodes = 0
        self.root: Located | None = None

    def compose(self, next_event: Any) -> Located | None:
        opened = self.opened
        documents = 0
        while (event := next_event()) is not None:
            kind = event.__class__
            if kind is Scalar:
                mark = event.start_mark
                at = (mark.line + 1 << SHIFT) + mark.column + 1
                self.nodes += 1
                if self.nodes > NODES:
                    self._too_many(at)
                value = event.value
                if event.tag is not None or event.anchor is not None:
                    self._marked(event, at)
                    continue
                if opened:
                    top = opened[-1]
                    holder = top.node.value
                    if holder.__class__ is dict and top.key is None:
                        self._key(top, value, at)
                        continue
                    node = self._plain(value, at) if event.implicit[0] else Located(value, at)
                    if holder.__class__ is dict:
                        self._put(top, node)
                    else:
                        holder.append(node)
                else:
                    self._place(self._plain(value, at) if event.implicit[0] else Located(value, at))
            elif kind is MappingStart or kind is SequenceStart:
                self._open(event, kind is MappingStart)
            elif kind is MappingEnd or kind is SequenceEnd:
                self._close()
            elif kind is yaml.AliasEvent:
                self._alias(event)
            elif kind is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    at = _at(event)
                    self.mistakes.at(at, "a second document begins", "leave out ---, or make a file of each")
                    break
        return self.root

    def _plain(self, text: str, at: int) -> Located:
        if text and text[0] not in STARTS:
            return Located(text, at, text)
        try:
            return Located(resolved(text), at, text)
        except OverflowError:
            self.mistakes.at(at, f"a number of {len(text)} characters", f"{LONGEST} are read at most")
            return Located(BROKEN, at)

    def _marked(self, event: Any, at: int) -> None:
        """A scalar with a tag or an anchor."""
        if self._is_key():
            self._key(self.opened[-1], event.value, at)
            if event.tag is not None:
                self._tag(event, at)
            if event.anchor is not None:
                self.mistakes.at(at, "an anchor on a key", "put it on a value")
            return
        node = Located(event.value, at)
        if event.tag is not None:
            self._tag(event, at)
            node.value = BROKEN
        elif event.implicit[0]:
            node = self._plain(event.value, at)
        if event.anchor is not None:
            self.anchors[event.anchor] = _Anchor(node, 1, 0)
        self._place(node)

    def _is_key(self) -> bool:
        return bool(self.opened) and self.opened[-1].node.value.__class__ is dict and self.opened[-1].key is None

    def _key(self, top: _Open, key: str, at: int) -> None:
        keys: Keys = top.node.keys  # type: ignore[assignment]  # it is a mapping's
        known = keys.get(key)
        if key == MERGE:
            fix = "write the values out, or give the whole value a name with & and use it with *"
            self.mistakes.at(at, "<< merges nothing: YAML 1.2 has no merge keys", fix)
        elif known is not None:
            self.mistakes.at(at, f"{quoted(key)} stands here twice", f"the first is on line {placed(known)[0]}")
        elif not key:
            self.mistakes.at(at, "a key without a name", "write one before the colon")
        elif not key.isprintable():
            self.mistakes.at(at, "a key with characters that cannot be seen", "leave them out")
        top.key = key if key.isprintable() and key else MERGE
        if known is None and key:
            keys[key] = at

    def _put(self, top: _Open, node: Located) -> None:
        """As the value of the key that came before; of a key that stands twice the first one's. What stands under a
        key that is none is kept as `MERGE`, so that nobody looks for what it may have held.
        """
        key = top.key
        top.key = None
        if key == MERGE:
            node = Located(BROKEN, node.at)
        top.node.value.setdefault(key, node)

    def _place(self, node: Located) -> None:
        if self.nodes > NODES:
            self._too_many(node.at)
        if not self.opened:
            self.root = node
        elif self.opened[-1].node.value.__class__ is dict:
            self._put(self.opened[-1], node)
        else:
            self.opened[-1].node.value.append(node)

    def _open(self, event: Any, mapping: bool) -> None:
        at = _at(event)
        self.nodes += 1
        if len(self.opened) >= DEPTH:
            self._stop(at, f"more than {DEPTH} levels", "write it flatter")
        if self._is_key():
            if self.mistakes.text[event.start_mark.index - 1 : event.start_mark.index + 1] == "{{":
                self._stop(at, "a template: {{", "nothing is filled in here: write the value itself")
            self.mistakes.at(at, "a list or a mapping as a key", "a key is a text: put one with [ or { in quotes")
            self.opened[-1].key = MERGE
        node = Located({}, at, None, {}) if mapping else Located([], at)
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        self.opened.append(_Open(node, event.anchor, self.nodes - 1))
        if event.tag is not None:
            self._tag(event, at)
            self.opened[-1].tagged = True

    def _close(self) -> None:
        ended = self.opened.pop()
        if ended.anchor is not None and self.anchors.get(ended.anchor, ended) is None:
            self.anchors[ended.anchor] = _Anchor(ended.node, self.nodes - ended.began, ended.height)
        if self.opened:
            self.opened[-1].height = max(self.opened[-1].height, ended.height + 1)
        if ended.tagged:
            ended.node.value = BROKEN
        self._place(ended.node)

    def _alias(self, event: Any) -> None:
        at = _at(event)
        name = event.anchor
        known = self.anchors.get(name)
        if self._is_key():
            self.mistakes.at(at, "an alias as a key", "write the key itself")
            self.opened[-1].key = MERGE
            return
        if known is None:
            within = name in self.anchors
            text = f"*{shown(name)} stands within itself" if within else f"*{shown(name)} is no anchor of this file"
            self.mistakes.at(at, text, "" if within else f"write &{shown(name)} before the value that is meant")
            self._place(Located(BROKEN, at))
            return
        self.nodes += known.size
        if len(self.opened) + known.height > DEPTH:
            self._stop(at, f"more than {DEPTH} levels, with what *{shown(name)} stands for", "write it flatter")
        if self.opened:
            self.opened[-1].height = max(self.opened[-1].height, known.height + 1)
        self._place(known.node)

    def _tag(self, event: Any, at: int) -> None:
        tag = event.tag.replace(TAGS, "!!", 1)
        self.mistakes.at(at, f"a tag, {shown(tag)}", "leave it out: no value of this file needs one")

    def _too_many(self, at: int) -> NoReturn:
        self._stop(at, f"more than {NODES} values, aliases counted as often as they are used", "write less")

    def _stop(self, at: int, text: str, fix: str) -> NoReturn:
        self.mistakes.at(at, text, fix)
        raise self.mistakes.error()


def _at(event: Any) -> int:
    return place(event.start_mark.line + 1, event.start_mark.column + 1)
