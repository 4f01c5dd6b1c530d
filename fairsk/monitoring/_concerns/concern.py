"""A concern: what somebody says about a decision, in a few fields of closed forms."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from fairsk._core.groups import format_group
from fairsk._core.messages import list_texts, shorten, show
from fairsk._core.validation import plain_labels

__all__ = [
    "CATEGORIES",
    "LONGEST_ANSWER",
    "REASONS",
    "SOURCES",
    "STATES",
    "Concern",
    "ConcernStatus",
    "Fields",
    "Form",
    "Reason",
    "Receipt",
    "Source",
    "State",
    "check_group",
    "is_word",
    "refusal",
]

#: What a concern may be about, unless a log names categories of its own.
CATEGORIES = (
    "wrong decision",
    "unequal treatment",
    "wrong data",
    "no explanation",
    "no access",
    "offensive content",
    "other",
)

#: How the group of a concern is known: looked up by its ticket, told by the sender, or not at all.
Source: TypeAlias = Literal["ticket", "declared", "unknown"]
SOURCES: tuple[Source, ...] = get_args(Source)

#: How far a concern has come.
State: TypeAlias = Literal["received", "in review", "answered"]
STATES: tuple[State, ...] = get_args(State)

#: What an answer may say.
Reason: TypeAlias = Literal[
    "decision corrected",
    "decision confirmed",
    "data corrected",
    "system changed",
    "explanation given",
    "passed on",
    "not about this system",
    "not enough information",
    "duplicate",
    "withdrawn",
]
REASONS: tuple[Reason, ...] = get_args(Reason)

#: What is told to a sender is no longer than this.
LONGEST_ANSWER = 200
#: The fields of a body, and there are no others.
_FIELDS = ("key", "ticket", "category", "group", "text")
#: Keys, decisions and batches: what stands in addresses, forms and files as it is.
_WORD = re.compile(r"[A-Za-z0-9_.:\-]{1,64}")
_HALF = re.compile("[\ud800-\udfff]")
#: A text is never longer than this, whatever ``most_text`` says.
_MOST_TEXT = 20_000
#: What a text shows where an address or a number stood.
_REMOVED = "[removed]"
#: Numbers of seven digits or more, with what people put between them: of telephones, accounts, cards, births.
_NUMBER = re.compile(r"\+?\d(?:[\s()/.\-]{0,3}\d){6,}")
#: Control characters, except the two that text is laid out with.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Concern:
    """A concern that has been checked and can be stored.

    Parameters
    ----------
    key : str
        The sender's idempotency key: what comes a second time with it is not stored again.
    category : str
        What it is about.
    source : {"ticket", "declared", "unknown"}
        How the group is known.
    group : hashable, optional
        The group; None if it is not known.
    decision, batch : str, optional
        The decision that the ticket names, and the batch in which that was counted; None without a ticket.
    text : str, optional
        What the sender says, without what looks like an address or a number; None if no text is kept.

    See Also
    --------
    ConcernLog : ``check`` makes concerns, and ``submit`` stores them.
    """

    key: str
    category: str
    source: Source = "unknown"
    group: Hashable | None = None
    decision: str | None = None
    batch: str | None = None
    text: str | None = field(default=None, repr=False)  # may be personal, and a repr goes into logs


@dataclass(frozen=True)
class Fields:
    """The fields of a body, each in its form; the ticket is not looked at yet."""

    key: str
    category: str
    ticket: str | None
    group: Hashable | None
    text: str | None


@dataclass(frozen=True)
class Receipt:
    """What a sender gets: the number of the concern, and whether it is new.

    Parameters
    ----------
    number : int
        The number of the concern that is stored.
    is_new : bool
        Whether it has just been stored; False if the key or the ticket had come before.
    note : str, default=""
        Why it is not new, if what came differs from what is stored: it was not stored then.

    See Also
    --------
    ConcernLog : ``submit`` returns receipts.
    """

    number: int
    is_new: bool
    note: str = ""


@dataclass(frozen=True)
class ConcernStatus:
    """How far a concern has come.

    Parameters
    ----------
    number : int
        The number of the concern.
    state : {"received", "in review", "answered"}
        How far it has come.
    reason : str or None
        What the answer says, out of a closed list; None before that.
    since : str
        The hour in which that changed last, in UTC.

    See Also
    --------
    ConcernLog : ``status`` looks it up by a ticket.
    """

    number: int
    state: State
    reason: Reason | None
    since: str


def refusal(message: str) -> ValueError:
    """Return the error that is told to a sender: short, and it repeats nothing of what was sent."""
    return ValueError(shorten(message, LONGEST_ANSWER))


def is_word(value: Any) -> bool:
    """Return whether a value is 1 to 64 letters, digits and ``_ . : -``."""
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


def check_group(label: Any, name: str) -> Hashable:
    """Return a group's label, if JSON can hold it.

    Raises
    ------
    TypeError
        If it is neither text nor a number, nor a tuple of them.
    """
    try:
        plain = plain_labels([label])
    except TypeError:
        plain = [math.nan]
    parts = plain[0] if isinstance(plain[0], list) else plain
    if not all(_is_part(part) for part in parts):
        raise TypeError(
            f"{name} must name a group by text or a number, or by a tuple of them; got {show(label)}."
        )
    return label


def _is_part(part: Any) -> bool:
    if isinstance(part, str):
        return not _HALF.search(part)
    return isinstance(part, int | float) and math.isfinite(part)


class Form:
    """What a log asks of a sender.

    Parameters
    ----------
    groups : sequence of hashable
        The groups that a sender may declare; without any, none may be declared.
    categories : sequence of str
        What a concern may be about.
    store_text : bool
        Whether texts are taken.
    most_text : int
        How many characters a text may have.
    """

    def __init__(
        self, groups: Sequence[Hashable], categories: Sequence[str], *, store_text: bool, most_text: int
    ) -> None:
        if isinstance(groups, str) or isinstance(categories, str):
            raise ValueError("groups and categories must be sequences of labels, not one text.")
        self.groups = {format_group(check_group(label, "groups")): label for label in groups}
        if len(self.groups) < len(groups):
            raise ValueError("groups must read differently: two of them are the same text in a form.")
        self.categories = tuple(categories)
        if not self.categories or not all(map(_is_category, self.categories)):
            raise ValueError("categories must be texts of 1 to 64 characters that can be printed.")
        if len(set(self.categories)) < len(self.categories):
            raise ValueError("categories must be distinct.")
        if not isinstance(most_text, int) or not 1 <= most_text <= _MOST_TEXT:
            raise ValueError(f"most_text must be from 1 to {_MOST_TEXT:,}; got {show(most_text)}.")
        self.store_text = bool(store_text)
        self.most_text = int(most_text)

    def read(self, body: Any) -> Fields:
        """Return the fields of a body.

        Raises
        ------
        ValueError
            If there is another field, or one has not its form; the message may be shown to the sender.
        """
        if not isinstance(body, Mapping):
            raise refusal(f"A concern is an object with the fields {', '.join(_FIELDS)}.")
        if not all(isinstance(name, str) and name in _FIELDS for name in body):
            raise refusal(f"There is a field that is not taken: there are {', '.join(_FIELDS)} only.")
        key, category = body.get("key"), body.get("category")
        if not isinstance(key, str) or not is_word(key):
            raise refusal("key: 1 to 64 letters, digits, or signs out of _ . : -")
        if not isinstance(category, str) or category not in self.categories:
            raise refusal(f"category: one of {list_texts(self.categories)}")
        ticket = body.get("ticket")
        if ticket is not None and not isinstance(ticket, str):
            raise refusal("ticket: the text that came with the decision, or nothing")
        return Fields(
            key, category, ticket or None, self._group(body.get("group")), self._text(body.get("text"))
        )

    def _group(self, value: Any) -> Hashable | None:
        if value is None or value == "":
            return None
        # A list cannot be hashed; whatever else JSON has is looked up as a form would write it.
        written = format_group(value) if isinstance(value, str | int | float) else None
        if written not in self.groups:
            raise refusal(
                "group: one of those that are offered, or nothing"
                if self.groups
                else "group: none is asked for"
            )
        return self.groups[written]

    def _text(self, value: Any) -> str | None:
        if value is None or value == "":
            return None
        if not isinstance(value, str) or _HALF.search(value):
            raise refusal("text: characters, none of them half of one")
        if not self.store_text:
            raise refusal("text: none is taken here, so leave it out; nothing was stored")
        if len(value) > self.most_text:
            raise refusal(f"text: up to {self.most_text:,} characters")
        return _cleaned(value) or None


def _is_category(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 64 and value.isprintable()


def _cleaned(text: str) -> str:
    """Return a text without control characters, and without what looks like an address or a number."""
    text = _CONTROL.sub(" ", text.replace("\r\n", "\n")).strip()
    # Word by word, for a pattern around the @ would go over long words again and again.
    text = re.sub(r"\S+", lambda word: _REMOVED if "@" in word[0][1:] else word[0], text)
    return _NUMBER.sub(_REMOVED, text)
