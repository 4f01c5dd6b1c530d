"""Functions that users give to the text room: those that take less than they get are told what they get."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fairsk.text import (
    CachedScorer,
    LLMClassifier,
    association_test,
    counterfactual_audit,
    english_gender,
    generation_audit,
    logged_generation_audit,
    paired_preference,
    perplexity_by_group,
)
from fairsk.text._calling import call_with_all

PEOPLE = {"women": "the woman", "men": "the man"}
PROMPTS = ["{person} is", "Here {person} was"]
ANSWERS = {0: " no", 1: " yes"}


def write(prompts: list[str], n_samples: int, random_state: int | None) -> list[list[str]]:
    return [["good"] * n_samples for _ in prompts]


def written_by(function: Any) -> Any:
    return generation_audit(function, PROMPTS, len, groups=PEOPLE)


def judged_by(function: Any) -> Any:
    return generation_audit(write, PROMPTS, {"rude": function}, groups=PEOPLE, n_samples=2, random_state=0)


def judged_in_a_log(function: Any) -> Any:
    return logged_generation_audit([1, 1], ["f", "m"], texts=["a", "b"], judge={"rude": function})


def likely_by(function: Any) -> Any:
    return perplexity_by_group(function, PROMPTS, PEOPLE)


def preferred_by(function: Any) -> Any:
    return paired_preference(function, ["a"], ["b"])


def counted_by(function: Any) -> Any:
    return perplexity_by_group(lambda texts: [-1.0] * len(texts), PROMPTS, PEOPLE, count_tokens=function)


def answered_by(function: Any) -> Any:
    return LLMClassifier(function, answers=ANSWERS).fit().predict(["a", "b"])


def cached_of(function: Any) -> Any:
    return CachedScorer(function)(["a", "b"], [" no", " yes"])


def embedded_by(function: Any) -> Any:
    return association_test(["a", "b"], ["c", "d"], ["e", "f"], ["g", "h"], embedding=function)


def audited(function: Any) -> Any:
    return counterfactual_audit(function, ["He is here.", "She is late."], english_gender())


PLACES: dict[str, tuple[Callable[[Any], Any], str, str]] = {
    "generate": (written_by, "generate", "prompts, n_samples, random_state"),
    "judge": (judged_by, "The judge 'rude'", "texts"),
    "judge of a log": (judged_in_a_log, "The judge 'rude'", "texts"),
    "log_likelihood": (likely_by, "log_likelihood", "texts"),
    "log_likelihood of pairs": (preferred_by, "log_likelihood", "texts"),
    "count_tokens": (counted_by, "count_tokens", "texts"),
    "scorer": (answered_by, "scorer", "prompts, answers"),
    "cached scorer": (cached_of, "scorer", "prompts, answers"),
    "embedding": (embedded_by, "embedding", "texts"),
    "model": (audited, "model", "texts"),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_function_of_other_arguments_is_told_what_it_must_take(place: str) -> None:
    call, name, parameters = PLACES[place]
    n = parameters.count(",") + 1
    fewer: Callable[..., Any] = (lambda: []) if n == 1 else (lambda only: [])
    more: Callable[..., Any] = lambda a, b, c, d: []  # noqa: E731
    for function, shown in ((fewer, "()" if n == 1 else "(only)"), (more, "(a, b, c, d)")):
        said = re.escape(f"{name} must be a function of ({parameters})")
        with pytest.raises(TypeError, match=said) as caught:
            call(function)
        assert f"this one takes {shown}" in str(caught.value)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "of_one",
    [
        lambda text, *rest: text.lower(),
        lambda text, *rest: {"a": 0.0}[text],
        lambda text, *rest: re.search("a", text),
        lambda text, *rest: "a " + text,
        lambda text, *rest: "".join(["a", text]),
    ],
)
def test_a_function_of_one_text_is_told_that_it_gets_all(place: str, of_one: Callable[..., Any]) -> None:
    call, name, parameters = PLACES[place]
    said = rf"{re.escape(name)} gets the list of all [\d,]+ {parameters.split(',')[0]} at once"
    with pytest.raises(TypeError, match=said) as caught:
        call(of_one)
    assert caught.value.__cause__ is not None
    many = parameters.split(",")[0]
    assert f"lambda {parameters}: [... for {many[:-1]} in {many}]" in str(caught.value)


def fail(error: Exception) -> Any:
    raise error


@pytest.mark.parametrize(
    "error", [TypeError("no number"), AttributeError("'str' has no x"), KeyError("list")]
)
def test_other_errors_of_a_function_are_its_own(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        call_with_all("judge", lambda texts: fail(error), "texts", ["a"])
    assert caught.value is error


def test_functions_that_do_not_say_what_they_take_are_called() -> None:
    np.testing.assert_array_equal(call_with_all("judge", np.asarray, "texts", ["a"]), ["a"])
    assert call_with_all("judge", dict, "texts", []) == {}


def test_the_message_is_short_whatever_the_function_is_called() -> None:
    source = ", ".join(f"a{i}" for i in range(2_000))
    with pytest.raises(TypeError, match="must be a function of") as caught:
        call_with_all("judge", eval(f"lambda {source}: None"), "texts", ["a"])
    assert len(str(caught.value)) < 2_000
