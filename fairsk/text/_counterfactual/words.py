"""Words: what a counterfactual audit found, a direction first, and shares of flips beside their control."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from fairsk._core.messages import list_texts, shorten, show
from fairsk._core.results import number, p_value, printable

if TYPE_CHECKING:
    from fairsk.text._counterfactual.records import CounterfactualPair
    from fairsk.text._counterfactual.results import CounterfactualAudit

__all__ = ["capital", "details", "scores_are_decisions", "verdict"]

#: How many groups, or pairs of groups, a sentence lists.
_MOST = 5


def capital(sentence: str) -> str:
    """Return a sentence with its first letter in upper case."""
    return sentence[:1].upper() + sentence[1:]


def scores_are_decisions(audit: CounterfactualAudit) -> bool:
    """Whether a score is 1 or 0, so that it moves where the decision flips."""
    return audit.decided_by == "labels" or (audit.decided_by == "predict" and audit.response == "predict")


def verdict(audit: CounterfactualAudit) -> str:
    """Say whom the model refuses if that is told, and then what was found of its answers."""
    if not sum(audit.mentions[group] for group in audit.groups):
        return "No text names exactly one of the groups: there is nothing to compare."
    return " ".join(filter(None, [_told_refusals(audit), _of_answers(audit)]))


def _of_answers(audit: CounterfactualAudit) -> str:
    """Say which way decisions flip if that is told, and how many, beside how many the control flips.

    Of scores alone, how far they move.
    """
    if not any(pair.n for pair in audit.pairs):
        return (
            "The model answers to both versions of no text: of decisions and scores there is nothing to "
            "compare."
        )
    if audit.decided_by is None:
        said = [_gap(pair) for pair in audit.pairs[:_MOST] if pair.n]
        return " ".join([*said, _moves(audit), "There is no threshold, and so no decision that could flip."])
    share = audit.flips
    several = len(audit.groups) > 2
    average = ", averaged over the groups that each is rewritten for" if several else ""
    first = (
        f"{_exchange(audit.groups)} flips {_percent(share.rate)} of {_count(share.n, 'text')}{average} "
        f"{_range(share.low, share.high)}."
    )
    if not _told_directions(audit):
        said = [first, _beside_control(audit), _no_direction(audit), _told_gaps(audit)]
        return " ".join(filter(None, said))
    # An edit that has to do with no group flips as many either way, so this needs no control.
    said = [_directions(audit), first, _beside_control(audit), _in_spite_of_control(audit)]
    return " ".join(filter(None, said))


def _exchange(groups: tuple[str, ...]) -> str:
    if len(groups) == 2:
        return f"Exchanging the terms of {_name(groups[0])} and {_name(groups[1])}"
    return f"Exchanging the terms of {len(groups):,} groups"


def _beside_control(audit: CounterfactualAudit) -> str:
    """Say what the flips are beside those of the control."""
    control = audit.control
    # A swapper's control replaces every term; one without another of its kind leaves the text without.
    only_if = ""
    if audit.control_kind == "auto" and audit.n_without_control:
        only_if = " (a text has a control only if each of its terms has one)"
    if not control.n:
        # A direction speaks of groups without a control; a share of flips does not.
        alone = (
            ""
            if _told_directions(audit)
            else " Any edit flips some decisions, so flips say little of groups."
        )
        return (
            f"{_no_control(audit)}{only_if}: what an edit as large within a group does is not known.{alone}"
        )
    edit = _edit(audit)
    flips = (
        f"It flips {_percent(control.flip_rate)} of the {_count(control.n, 'text')} with a control{only_if}"
    )
    return (
        f"{flips}, and {edit} flips {_percent(control.control_rate)}: an excess of {_points(control.excess)} "
        f"{_range(control.low, control.high, unit='')}, whose interval "
        f"{_side(control.low, control.high, 'changes decisions', 'changes fewer decisions')}"
    )


def _no_control(audit: CounterfactualAudit) -> str:
    """Say why nothing can be compared with a control."""
    if audit.control_kind is None:
        return "There is no control"
    if audit.n_without_control < sum(audit.mentions[group] for group in audit.groups):
        return "No text is answered in both versions and in its control"
    return "No text has a control"


def _moves(audit: CounterfactualAudit) -> str:
    """Say how far scores move, beside how far the control moves them."""
    moves = audit.moves
    if not moves.n:
        return "Without a control, how far scores move says nothing of groups."
    interval = ""
    if not np.isnan(moves.low):
        side = _side(moves.low, moves.high, "moves scores", "moves scores less")
        interval = f" [{_signed(moves.low)}, {_signed(moves.high)}], whose interval {side}"
    which = f"scores of the {_count(moves.n, 'text')} with a control"
    distances = f"by {moves.move:.3f}, and by {moves.control_move:.3f} with {_edit(audit)}"
    return f"Whichever way, {which} move {distances}: an excess of {_signed(moves.excess)}{interval or '.'}"


def _edit(audit: CounterfactualAudit) -> str:
    return "the same text asked again" if audit.control_kind == "repeat" else "the control"


def _side(low: float, high: float, does: str, does_less: str) -> str:
    """Say on which side of 0 the interval of an excess lies."""
    if low > 0:
        return f"is above 0: the group that is named {does}, beyond what an edit as large does."
    if high < 0:
        return f"is below 0: the group that is named {does_less} than an edit as large does."
    return "includes 0: this is not told from what an edit as large does."


def details(audit: CounterfactualAudit) -> list[tuple[str, str]]:
    """Return what else there is to say, by what it is about; nothing that is empty."""
    again = ", and those that are the control once more" if audit.control_kind == "repeat" else ""
    lines = [
        ("scores", _gap(audit.pairs[0]) if len(audit.pairs) == 1 and audit.decided_by is not None else ""),
        ("refusals", _refusals(audit)),
        ("texts", _texts(audit)),
        ("model", _model(audit)),
        ("control", _control(audit)),
        ("asked", f"{_count(audit.n_asked, 'question')}: each distinct text once{again}."),
        (
            "limits",
            "A test of listed terms, and no causal criterion: what else hints at a group is not exchanged, "
            "and the same answer to both versions does not make groups equal in rates.",
        ),
    ]
    return [(name, said) for name, said in lines if said]


def _told_refusals(audit: CounterfactualAudit) -> str:
    """Say which way refusals go, where that is told."""
    told = _told(audit, "adjusted_refusal_p")
    if not told:
        return ""
    listed = [
        f"{_count(pair.refused_group, 'text')} {_are(pair.refused_group)} not answered only as "
        f"{_name(pair.group)}, {pair.refused_other:,} only as {_name(pair.other)} "
        f"({_adjusted(audit)}p = {p_value(pair.adjusted_refusal_p)})"
        for pair in told
    ]
    return (
        f"Refusals go with the group that is named: {_listed(listed)}. What follows leaves these texts out."
    )


def _told_gaps(audit: CounterfactualAudit) -> str:
    """Say how far scores lie apart, where that is told and decisions are not the scores themselves."""
    told = _told(audit, "adjusted_gap_p")
    if not told or scores_are_decisions(audit):
        return ""
    listed = [f"{_apart(pair)} ({_adjusted(audit)}p = {p_value(pair.adjusted_gap_p)})" for pair in told]
    return f"Scores differ all the same: {_listed(listed)}."


def _adjusted(audit: CounterfactualAudit) -> str:
    """Say that p-values are adjusted, where there are several."""
    return "adjusted " if len(audit.pairs) > 1 else ""


def _told(audit: CounterfactualAudit, test: str) -> list[CounterfactualPair]:
    """Return the pairs of groups of which a test tells something, the surest first; NaN tells nothing."""
    told = [pair for pair in audit.pairs if getattr(pair, test) <= 1 - audit.confidence]
    return sorted(told, key=lambda pair: getattr(pair, test))


def _told_directions(audit: CounterfactualAudit) -> list[CounterfactualPair]:
    """Return the pairs of groups between which flips go one way more than the other."""
    return _told(audit, "adjusted_direction_p")


def _directions(audit: CounterfactualAudit) -> str:
    """Say which way decisions flip."""
    told = _told_directions(audit)
    if len(audit.pairs) == 1:
        [pair] = told
        how = f"{_direction(pair, audit)} (p = {p_value(pair.direction_p)})"
        return f"Decisions go with the group that is named: {how}."
    listed = [
        f"{_direction(pair, audit)} (adjusted p = {p_value(pair.adjusted_direction_p)})" for pair in told
    ]
    n_compared = sum(pair.n > 0 for pair in audit.pairs)
    between = f"between {len(told):,} of {_count(n_compared, 'pair')} of groups"
    return f"Decisions go with the group that is named {between}: {_listed(listed)}."


def _no_direction(audit: CounterfactualAudit) -> str:
    """Say that neither way is told from the other."""
    compared = [pair for pair in audit.pairs if pair.n]
    if len(audit.pairs) > 1:
        return "Flips are not told to go one way more than the other between any two groups."
    [pair] = compared
    how = f"{_direction(pair, audit)} (p = {p_value(pair.direction_p)})"
    return f"Flips are not told to go one way more than the other: {how}."


def _in_spite_of_control(audit: CounterfactualAudit) -> str:
    """Say what it means that a control flips as many, where flips go one way all the same."""
    if not audit.control.n or audit.control.low > 0:
        return ""
    said = "The direction holds all the same: an edit that has to do with no group flips as many either way."
    if audit.control_kind == "repeat":
        return said
    return (
        f"{said} A control that writes words which the model does not know takes the term away, and is not "
        "fair. Read some of the controls; the swapper's kinds=, or control=, make others."
    )


def _direction(pair: CounterfactualPair, audit: CounterfactualAudit) -> str:
    verb = f"{_are(pair.only_group)} {_positive(audit.pos_label)}"
    first = f"{_count(pair.only_group, 'text')} {verb} only as {_name(pair.group)}"
    return f"{first}, {pair.only_other:,} only as {_name(pair.other)}"


def _positive(label: object) -> str:
    """Name the positive label, for by default it is the second class, whatever that means."""
    if label is None or label == 1:  # True is 1, and says no more than "positive"
        return "positive"
    return show(label) if isinstance(label, str) else f"of class {show(label)}"


def _apart(pair: CounterfactualPair) -> str:
    """Say how far scores lie apart, without the test."""
    interval = "" if np.isnan(pair.gap_low) else f" [{_signed(pair.gap_low)}, {_signed(pair.gap_high)}]"
    return (
        f"the score as {_name(pair.group)} minus that as {_name(pair.other)} is {_signed(pair.gap)}"
        f"{interval} on average"
    )


def _gap(pair: CounterfactualPair) -> str:
    """Say how far scores lie apart, with the sign."""
    if not pair.n:
        return ""
    return capital(f"{_apart(pair)} (p = {p_value(pair.gap_p)}).")


def _refusals(audit: CounterfactualAudit) -> str:
    """Say whom the model does not answer."""
    refused = [pair for pair in audit.pairs if pair.refused_group + pair.refused_other + pair.refused_both]
    if not refused:
        return ""
    refused.sort(key=lambda pair: pair.refusal_p)
    listed = [
        f"{pair.refused_group:,} texts only as {_name(pair.group)}, {pair.refused_other:,} only as "
        f"{_name(pair.other)}, {pair.refused_both:,} as both (p = {p_value(pair.refusal_p)})"
        for pair in refused
    ]
    return f"The model does not answer {_listed(listed)}: these are left out."


def _texts(audit: CounterfactualAudit) -> str:
    """Say how many texts name whom."""
    mentions = audit.mentions
    named = {group: mentions[group] for group in audit.groups}
    listed = list_texts((f"{_name(group)} {n:,}" for group, n in named.items()), 2 * _MOST)
    said = (
        f"{sum(named.values()):,} of {_count(audit.n_texts, 'text')} name one group ({listed}); "
        f"{mentions['none']:,} name none and {mentions['several']:,} several, and are left out."
    )
    if audit.n_repeated:
        said += (
            f" Repeats of an earlier text among them: {audit.n_repeated:,}. They make intervals too narrow."
        )
    return said


def _model(audit: CounterfactualAudit) -> str:
    """Say how the model was asked."""
    scores = "scores of a callable" if audit.response == "callable" else f"scores by {audit.response}"
    if audit.decided_by is None:
        decided = "no decisions"
    elif audit.threshold is not None:
        decided = f"positive from {audit.threshold:g} on"
    else:
        decided = f"decisions by {audit.decided_by}, {show(audit.pos_label)} is positive"
    inside = ""
    if audit.abstains_inside:
        inside = (
            "; refusals of the classifier inside are answered as its unanswered='abstain' says, and not "
            "counted: audit it alone"
        )
    return f"{scores}, {decided}{inside}"


def _control(audit: CounterfactualAudit) -> str:
    """Say where controls come from, and how many texts have none."""
    if audit.control_kind is None:
        return "none"
    kinds = {
        "auto": "every term replaced by another of its group and kind",
        "repeat": "the same text, asked again",
    }
    said = kinds.get(audit.control_kind, f"by {_name(audit.control_kind)}")
    if audit.control_kind == "auto" and audit.has_one_kind:
        said = "every term may stand in for every other one of its group: the swapper tells no kinds apart"
    if audit.n_without_control:
        has = "has" if audit.n_without_control == 1 else "have"
        said += f"; {_count(audit.n_without_control, 'text')} {has} none"
    if audit.n_unchanged_controls:
        left = "is left as it is" if audit.n_unchanged_controls == 1 else "are left as they are"
        said += f"; {_count(audit.n_unchanged_controls, 'text')} {left} by it"
    return said


def _name(group: str) -> str:
    """Write a group's name as part of a sentence, which may be printed as it is."""
    return shorten(printable(group))


def _listed(parts: Iterable[str]) -> str:
    """Write the first of some clauses, with semicolons, for there are commas in them."""
    parts = list(parts)
    more = [f"and {len(parts) - _MOST:,} more"] if len(parts) > _MOST else []
    return "; ".join([*(shorten(part, 200) for part in parts[:_MOST]), *more])


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def _are(n: int) -> str:
    return "is" if n == 1 else "are"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _points(difference: float) -> str:
    return f"{number(100 * difference, 1)} points"


def _range(low: float, high: float, unit: str = "%") -> str:
    return f"[{number(100 * low, 1)}{unit}, {number(100 * high, 1)}{unit}]"


def _signed(value: float) -> str:
    return f"{value:+.3f}"
