"""Replies of chat endpoints: log-probabilities of a first token, or texts; which answers they are."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from typing import Any

from fairsk._core.messages import list_labels, show
from fairsk.text._scorers.credentials import EndpointError

__all__ = ["FirstTokens", "Meanings", "SampledTexts", "check_answers", "read_texts", "read_top"]

#: Endpoints write -9999 or -3.4e38 for a token that they rule out: the exponential of less than this is zero.
_LEAST = -700.0
#: Probabilities of one come as logarithms slightly above zero, in single precision.
_ROUNDING = 1e-3
#: The probabilities of all tokens add up to 1, but for rounding.
_MOST_PROBABILITY = 1.01
#: Sums of probabilities in single precision are known as well as that.
_SUM_ERROR = 1e-6
#: A shorter piece of a word, such as "I" of "insult", is a word of its own too often.
_SHORTEST_PIECE = 3
#: Signs by which some vocabularies write a blank before a token.
_BLANKS = "\N{LOWER ONE EIGHTH BLOCK}\N{LATIN CAPITAL LETTER G WITH DOT ABOVE}"
#: Some endpoints return more tokens than were asked for; no more of them are kept.
_MOST_KEPT = 50
#: A longer token is none: what is kept stays small.
_LONGEST_TOKEN = 200


class Meanings(dict[str, tuple[int, ...]]):
    """Which answers a first token stands for, found out once per token.

    Parameters
    ----------
    answers : sequence of str
        The answers, as :func:`check_answers` returns them.
    """

    def __init__(self, answers: Sequence[str]) -> None:
        super().__init__()
        self.answers = tuple(answers)

    def __missing__(self, token: str) -> tuple[int, ...]:
        meant = tuple(_meant(plain_text(token), self.answers))
        self[token] = meant
        return meant


class FirstTokens:
    """What one prompt may be answered with: the likeliest first tokens and their log-probabilities.

    Parameters
    ----------
    value : mapping
        ``{"top": [[token, log-probability], ...]}`` or ``{"refused": reason}``, as it was kept.
    meanings : Meanings
        Which tokens stand for which answers.

    Attributes
    ----------
    row : list of float, of length n_answers
        Log-probabilities; an answer that is not among the tokens has the most that it could have. All are
        -inf if none of the answers is.
    is_given : list of bool, of length n_answers
        Which answers are among the tokens.
    is_refused : bool
        Whether the endpoint refused to answer.
    """

    def __init__(self, value: Any, meanings: Meanings) -> None:
        self.is_refused = "refused" in value
        top = [] if self.is_refused else value["top"]
        found: list[list[float]] = [[] for _ in meanings.answers]
        shared: list[tuple[float, str]] = []
        for token, log_probability in top:
            meant = meanings[token]
            if len(meant) == 1:
                found[meant[0]].append(log_probability)
            elif meant:
                shared.append((log_probability, token))
        self.is_given = [bool(some) for some in found]
        # Several tokens may be one answer: " Yes", "yes" and "YES" add up.
        self.row = [_log_sum(some) for some in found]
        if shared and max(shared)[0] > max(self.row):
            token = max(shared)[1]
            raise ValueError(
                f"The model's likeliest first token {show(token)} begins several answers: "
                f"{list_labels(meanings.answers[j] for j in meanings[token])}. Answers must differ in their "
                "first token: choose others, such as letters (A, B)."
            )
        if any(self.is_given):
            least = _most_unseen([log_probability for _, log_probability in top])
            self.row = [
                value if is_given else least for value, is_given in zip(self.row, self.is_given, strict=True)
            ]


def _most_unseen(values: Sequence[float]) -> float:
    """Return the largest log-probability that a token can have which is not among the likeliest ones.

    It is not likelier than any of them, nor than what they leave of 1 (which is known to a rounding error).
    """
    left = 1 - sum(math.exp(value) for value in values)
    return min(*values, math.log(max(left, _SUM_ERROR)), 0.0)


def _log_sum(values: Sequence[float]) -> float:
    """Return the logarithm of a sum of probabilities; it may not exceed one by rounding."""
    if len(values) < 2:
        return values[0] if values else -math.inf
    most = max(values)
    return min(most + math.log(sum(math.exp(value - most) for value in values)), 0.0)


class SampledTexts:
    """What one prompt was answered with in several samples: smoothed frequencies.

    Parameters
    ----------
    texts : sequence of str or None
        The samples; None for one that was refused.
    answers : sequence of str
        The answers.

    Attributes
    ----------
    row : list of float, of length n_answers
        Logarithms of (count + 1/2) / (n + (k + 1)/2): Jeffreys' prior for the k answers and all else. All are
        -inf if no sample is one of the answers.
    is_given : list of bool, of length n_answers
        Which answers occur.
    is_refused : bool
        Whether the endpoint refused every sample.
    """

    def __init__(self, texts: Sequence[str | None], answers: Sequence[str]) -> None:
        said = [_said(plain_text(text), answers) for text in texts if text is not None]
        counts = [said.count(j) for j in range(len(answers))]
        self.is_refused = not said
        self.is_given = [count > 0 for count in counts]
        size = len(texts) + (len(answers) + 1) / 2
        self.row = [math.log((count + 0.5) / size) if any(counts) else -math.inf for count in counts]


def plain_text(text: str) -> str:
    """Return a token or an answer as it is compared: without blanks around it, whatever its case."""
    return unicodedata.normalize("NFC", text).strip().strip(_BLANKS).strip().casefold()


def _meant(token: str, answers: Sequence[str]) -> list[int]:
    """Return which answers a first token stands for: whole, by the first word, or by a piece of it."""
    if not token:
        return []
    exact = [j for j, answer in enumerate(answers) if token in (answer, answer.split()[0])]
    if exact or len(token) < _SHORTEST_PIECE:
        return exact
    return [j for j, answer in enumerate(answers) if answer.startswith(token)]


def _said(text: str, answers: Sequence[str]) -> int | None:
    """Return which answer a text begins with, as a whole word; the longest one, if there are several."""
    start = next((place for place, char in enumerate(text) if char.isalnum()), len(text))
    said = [
        j
        for j, answer in enumerate(answers)
        for begun in {text, text[start:]}  # also behind quotes and stars
        if begun.startswith(answer) and not begun[len(answer) : len(answer) + 1].isalnum()
    ]
    return max(said, key=lambda j: len(answers[j]), default=None)


def check_answers(answers: Any, *, by_first_token: bool) -> list[str]:
    """Return the answers as they are compared.

    Parameters
    ----------
    answers : sequence of str
        The answers.
    by_first_token : bool
        Whether they must differ in their first token, of which all that is known is that it does not go
        beyond the first word.

    Raises
    ------
    TypeError, ValueError
        If one is no text, is empty, or could not be told from another one.
    """
    if isinstance(answers, str) or not all(isinstance(answer, str) for answer in answers):
        raise TypeError(f"answers must be a list of texts; got {show(answers)}.")
    compared = [plain_text(answer) for answer in answers]
    if not compared or not all(compared):
        raise ValueError(f"answers must be texts that are not empty; got {list_labels(answers) or 'none'}.")
    if len(set(compared)) < len(compared):
        raise ValueError(f"answers must differ, also in lower case: {list_labels(answers)}.")
    if by_first_token:
        words = [answer.split()[0] for answer in compared]
        for j, word in enumerate(words):
            for i, other in enumerate(words):
                if i != j and other.startswith(word):
                    raise ValueError(
                        f"answers must differ in their first token: {show(answers[i])} begins like "
                        f"{show(answers[j])}. Choose others, such as letters (A, B) that the prompt explains."
                    )
    return compared


def read_top(reply: Any) -> dict[str, Any]:
    """Return the likeliest first tokens that a reply holds, or that it is a refusal.

    Raises
    ------
    EndpointError
        If it holds none, or what is no log-probability.
    """
    choice = _choices(reply)[0]
    if reason := _refusal(choice):
        return {"refused": reason}
    logprobs = choice.get("logprobs")
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not content or not isinstance(content, list) or not isinstance(content[0], dict):
        raise _without("no log-probabilities")
    listed = content[0].get("top_logprobs")
    if not isinstance(listed, list) or not listed:
        raise _without("no top_logprobs")
    top = [_pair(entry) for entry in listed]
    if "token" in content[0] and content[0]["token"] not in [token for token, _ in top]:
        top.append(_pair(content[0]))  # the token itself, where it is not among the others
    total = sum(math.exp(log_probability) for _, log_probability in top)
    if total > _MOST_PROBABILITY:
        raise EndpointError(
            f"the reply's log-probabilities are none: the probabilities of the likeliest tokens add up to "
            f"{total:.3g}."
        )
    top = sorted((pair for pair in top if pair[1] >= _LEAST), key=lambda pair: -pair[1])
    return {"top": top[:_MOST_KEPT]}


def read_texts(reply: Any, *, keep_refusals: bool = False) -> list[str | None]:
    """Return the texts that a reply holds; None for one that was refused, or the words of the refusal."""
    texts: list[str | None] = []
    for choice in _choices(reply):
        message = choice.get("message")
        content = message.get("content") if isinstance(message, dict) else None
        if _refusal(choice):
            said = message.get("refusal") if isinstance(message, dict) else None
            texts.append(said if keep_refusals and isinstance(said, str) else None)
        elif content is None and isinstance(message, dict):
            texts.append("")  # such as a call of a tool
        elif isinstance(content, str):
            texts.append(content)
        else:
            raise _shapeless(f"the message of a choice is {show(message)}")
    return texts


def _choices(reply: Any) -> list[dict[str, Any]]:
    choices = reply.get("choices") if isinstance(reply, dict) else None
    if not isinstance(choices, list) or not choices or not all(isinstance(one, dict) for one in choices):
        error = reply.get("error") if isinstance(reply, dict) else None
        raise _shapeless(f"its error is {show(error)}" if error else f"its choices are {show(choices)}")
    return choices


def _refusal(choice: dict[str, Any]) -> str:
    """Return why an endpoint did not let the model answer; nothing if it did."""
    message = choice.get("message")
    if isinstance(message, dict) and message.get("refusal"):
        return "refusal"
    return "content_filter" if choice.get("finish_reason") == "content_filter" else ""


def _pair(entry: Any) -> list[Any]:
    """Return a token and its log-probability, if they are that."""
    token = entry.get("token") if isinstance(entry, dict) else None
    value = entry.get("logprob") if isinstance(entry, dict) else None
    if type(value) is int and abs(value) < 10**6:
        value = float(value)
    if not isinstance(token, str) or not isinstance(value, float):
        raise _shapeless(f"an entry of top_logprobs is {show(entry)}")
    if math.isnan(value) or value > _ROUNDING:
        raise EndpointError(f"the reply's log-probability {value:.3g} of the token {show(token)} is none.")
    return [token[:_LONGEST_TOKEN], min(value, 0.0)]


def _without(what: str) -> EndpointError:
    return EndpointError(
        f"the reply holds {what}: samples=n draws n samples from such an endpoint instead, and takes their "
        "frequencies."
    )


def _shapeless(what: str) -> EndpointError:
    return EndpointError(f"the reply is not that of a chat completion: {what}.")
