"""Coverage of answers: how many prompts were answered with each of them, with none, or refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from fairsk._core.results import Result, Table

__all__ = ["AnswerCoverage", "Basis"]

Basis: TypeAlias = Literal["first_token", "samples"]


@dataclass(frozen=True, eq=False, repr=False)
class AnswerCoverage(Result):
    """How completely prompts were answered, made by ``OpenAIScorer.coverage``.

    Parameters
    ----------
    basis : {"first_token", "samples"}
        Whether log-probabilities of the first token were compared, or samples.
    size : int
        How many of the likeliest tokens were seen per prompt, or how many samples were drawn.
    answers : tuple of str
        The answers.
    prompts : int
        Number of prompts.
    given : tuple of int
        For each answer, in how many prompts it was seen.
    censored : tuple of int
        For each answer, in how many it was not, while another one was: its log-probability is then the
        most that it could be, beside the tokens that were seen, or that of no sample.
    unanswered : int
        Prompts to which none of the answers was given, refused ones among them.
    refused : int
        Prompts that the endpoint refused.
    """

    basis: Basis
    size: int
    answers: tuple[str, ...]
    prompts: int
    given: tuple[int, ...]
    censored: tuple[int, ...]
    unanswered: int
    refused: int

    def _tables(self) -> list[Table]:
        columns: dict[str, list[Any]] = {
            "answer": list(self.answers),
            "given": list(self.given),
            "censored": list(self.censored),
        }
        seen = f"{self.size} likeliest tokens" if self.basis == "first_token" else f"{self.size} samples"
        notes = [
            f"{self.prompts:,} prompts, {self.unanswered:,} without any of the answers among the {seen}; "
            f"{self.refused:,} of these refused."
        ]
        if any(self.censored):
            counted = (
                "as likely as it could be beside these" if self.basis == "first_token" else "as half a sample"
            )
            notes.append(f"Censored: not among them while another answer was; it counts {counted}.")
        return [Table(columns, caption="Coverage of the answers", notes=notes)]
