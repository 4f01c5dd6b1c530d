"""The cost of asking a language model: calls and tokens, told before any call is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fairsk._core.results import Result, Table

__all__ = ["CHARACTERS_PER_TOKEN", "NOTHING", "RunCost", "number_of", "run_cost", "tokens_of"]

#: How long a token of English text is, roughly: the rule of thumb where no tokenizer can be asked. Texts in
#: other scripts have more tokens, up to several a character.
CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, eq=False, repr=False)
class RunCost(Result):
    """What a run over a language model costs: printed as a sentence, and added up with ``+``.

    Parameters
    ----------
    prompts : int
        Distinct prompts that the run needs answers to.
    cached : int
        How many of them are answered already, and cost nothing.
    calls : int
        How often the model is called: once for each of the others, or as often as it is sampled.
    tokens_in : int
        Tokens sent in these calls.
    tokens_out : int
        Tokens received, at most.
    estimated : bool, default=True
        Whether tokens are estimated, at 4 characters each, and not counted by the model's tokenizer.

    See Also
    --------
    fairsk.text.LLMClassifier.cost : Ask before a classifier asks.

    Notes
    -----
    The sum of two costs is that of runs that have no prompt in common; what they share is counted twice.

    Examples
    --------
    >>> from fairsk.text import RunCost
    >>> RunCost(prompts=12, cached=2, calls=10, tokens_in=90, tokens_out=10)
    12 distinct prompts, 2 answered already: 10 calls, about 90 tokens in (4 characters each), at most 10 out.
    """

    prompts: int
    cached: int
    calls: int
    tokens_in: int
    tokens_out: int
    estimated: bool = True

    def __add__(self, other: Any) -> RunCost:
        if not isinstance(other, RunCost):
            return NotImplemented
        return RunCost(
            prompts=self.prompts + other.prompts,
            cached=self.cached + other.cached,
            calls=self.calls + other.calls,
            tokens_in=self.tokens_in + other.tokens_in,
            tokens_out=self.tokens_out + other.tokens_out,
            # A cost of no call holds no estimate.
            estimated=(self.estimated and self.calls > 0) or (other.estimated and other.calls > 0),
        )

    def __radd__(self, other: Any) -> RunCost:
        return self if isinstance(other, int) and other == 0 else NotImplemented  # where sum() starts

    def __str__(self) -> str:
        asked = number_of(self.prompts, "distinct prompt")
        if not self.calls:
            if not self.prompts:
                return "No prompt: no call."
            which = "it is" if self.prompts == 1 else "all are"
            return f"{asked}: {which} answered already, so no call is made."
        known = f", {self.cached:,} answered already" if self.cached else ""
        tokens = number_of(self.tokens_in, "token")
        if self.estimated:
            tokens = f"about {tokens} in ({CHARACTERS_PER_TOKEN} characters each)"
        else:
            tokens = f"{tokens} in"
        return f"{asked}{known}: {number_of(self.calls, 'call')}, {tokens}, at most {self.tokens_out:,} out."

    def _tables(self) -> list[Table]:
        columns: dict[str, list[int]] = {
            "prompts": [self.prompts],
            "cached": [self.cached],
            "calls": [self.calls],
            "tokens in": [self.tokens_in],
            "tokens out": [self.tokens_out],
            "estimated": [self.estimated],
        }
        return [Table(columns, notes=(str(self),))]


#: What has been spent before anything is asked.
NOTHING = RunCost(prompts=0, cached=0, calls=0, tokens_in=0, tokens_out=0)


def run_cost(
    prompts: Iterable[str],
    *,
    is_cached: Callable[[str], bool] | None = None,
    count_tokens: Callable[[Sequence[str]], Sequence[int]] | None = None,
    calls_per_prompt: int = 1,
    tokens_per_call: int = 1,
) -> RunCost:
    """Return what it costs to ask these prompts, each distinct one once.

    Parameters
    ----------
    prompts : iterable of str
        The prompts, with repeats.
    is_cached : callable, optional
        Tells of a prompt whether its answer is known.
    count_tokens : callable, optional
        Counts the tokens of texts, as the model does; by default they are estimated by their length.
    calls_per_prompt : int, default=1
        How often a prompt is sent.
    tokens_per_call : int, default=1
        How many tokens a call returns at most.
    """
    distinct = list(dict.fromkeys(prompts))
    new = [prompt for prompt in distinct if is_cached is None or not is_cached(prompt)]
    tokens = tokens_of(new, count_tokens)
    calls = len(new) * calls_per_prompt
    return RunCost(
        prompts=len(distinct),
        cached=len(distinct) - len(new),
        calls=calls,
        tokens_in=tokens * calls_per_prompt,
        tokens_out=calls * tokens_per_call,
        estimated=count_tokens is None,
    )


def tokens_of(
    texts: Sequence[str], count_tokens: Callable[[Sequence[str]], Sequence[int]] | None = None
) -> int:
    """Return how many tokens texts have, counted or estimated by their length."""
    if count_tokens is None:
        return sum(-(-len(text) // CHARACTERS_PER_TOKEN) for text in texts)
    return int(sum(map(int, count_tokens(texts)))) if texts else 0


def number_of(n: int, what: str) -> str:
    """Return a number of things in words, such as "1 call" and "2 calls"."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"
