"""Texts of the form for concerns, which a translation replaces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from fairsk._core.messages import did_you_mean, in_words, show

__all__ = ["FORM_TEXTS", "check_texts", "name_of"]

#: What the pages of the form say, by what it is said of. ``{number}`` and ``{most}`` stand for numbers.
#: Names with an equals sign are those of categories, states and reasons; groups may be named so too.
FORM_TEXTS: Mapping[str, str] = MappingProxyType(
    {
        "title": "Report a concern",
        "lead": "Do you think that a decision about you was wrong or unfair? Tell us here. People will read "
        "it.",
        "privacy": "We keep what you enter here and the hour in which it came. We do not keep your network "
        "address, and we store nothing on your device.",
        "skip": "Skip to the content",
        "optional": "(optional)",
        "ticket": "Ticket",
        "ticket_hint": "It came with the decision. Without it your concern is read as well, but you cannot "
        "look up what became of it.",
        "ticket_error": "This is not one of our tickets. Copy it whole from the message about the decision, "
        "or leave the field empty.",
        "category": "What is it about?",
        "category_error": "Choose what it is about.",
        "category=wrong decision": "The decision is wrong",
        "category=unequal treatment": "I was treated worse than others",
        "category=wrong data": "What is known about me is wrong",
        "category=no explanation": "The decision was not explained",
        "category=no access": "I could not apply, or could not use the service",
        "category=offensive content": "Words or pictures that offend",
        "category=other": "Something else",
        "group": "Which group do you belong to?",
        "group_hint": "It helps us to see whether some groups are treated worse than others.",
        "group_none": "I would rather not say",
        "group_error": "Choose one of the groups listed, or the first line.",
        "text": "What happened?",
        "text_hint": "Up to {most} characters. Please leave out names, addresses and numbers of accounts.",
        "text_error": "Write at most {most} characters of plain text.",
        "send": "Send",
        "problem": "Your concern has not been sent yet",
        "not_stored": "It could not be stored just now. What you entered is still here: send it again.",
        "new_key": "The form was damaged on its way. What you entered is still here: send it again.",
        "received_title": "We have received your concern",
        "received": "It has the number {number}.",
        "known": "We had received this concern before, under the number {number}. Nothing was added to it.",
        "keep_ticket": "Keep your ticket: with it you can look up what became of your concern.",
        "keep_number": "Write the number down, in case you want to ask us about it.",
        "another": "Report another concern",
        "look_up": "Look up a concern",
        "status_title": "Look up a concern",
        "status_lead": "Enter the ticket that came with the decision to see what became of your concern.",
        "status_problem": "Nothing was found",
        "status_missing": "Enter your ticket.",
        "status_unknown": "There is no concern with this ticket. Look whether you copied it whole.",
        "status_found": "Concern number {number}",
        "state": "State",
        "reason": "Reason",
        "since": "Since",
        "state=received": "Received. Nobody has looked at it yet.",
        "state=in review": "In review. Somebody is looking at it.",
        "state=answered": "Answered.",
        "refused_title": "This did not work",
        "too_many": "Too many requests came from your network. Wait a few seconds, go back, and send it "
        "again.",
        "too_long": "What you sent is too long. Go back, make it shorter, and send it again.",
        "wrong_kind": "What came was not the form of this page. Open the form again.",
        "elsewhere": "What came was sent from another site. Open the form here, and fill it in here.",
        "busy": "This did not work just now, and it is not your fault. Try again later.",
        "not_understood": "What came could not be read. Open the form again.",
        "footer": "This page works without script.",
    }
)


def check_texts(texts: Mapping[str, str] | None, names: Iterable[str]) -> dict[str, str]:
    """Return all texts, those given in place of ours.

    Parameters
    ----------
    texts : mapping of str to str or None
        The texts to replace.
    names : iterable of str
        Names of texts beside those in :data:`FORM_TEXTS`: of categories, groups, states and reasons.

    Raises
    ------
    ValueError
        If there is no text of that name.
    TypeError
        If a text is no text.
    """
    known = {*FORM_TEXTS, *names}
    for name, text in (texts or {}).items():
        if name not in known:
            raise ValueError(
                f"texts has {show(name)}, which is no text of the form.{did_you_mean(name, known)}"
            )
        if not isinstance(text, str):
            raise TypeError(f"texts[{name!r}] must be text, but is {show(text)}.")
    return {**FORM_TEXTS, **(texts or {})}


def name_of(texts: Mapping[str, str], kind: str, value: object) -> str:
    """Return what a category, a group, a state or a reason is called; by default as it is written."""
    plain = in_words(str(value))
    return texts.get(f"{kind}={value}", plain if kind == "group" else plain[:1].upper() + plain[1:])
