"""Docstrings in numpydoc form: of every public name, and of the methods and properties of public classes."""

from __future__ import annotations

import functools
import importlib
import inspect
import re
from collections.abc import Iterator

import pytest

import fairsk

pytest.importorskip("numpydoc", reason="in the extra dev, which the oldest versions go without")
from numpydoc.validate import validate

#: What numpydoc asks for and this project does not, and why. All its other codes count.
NOT_ASKED = {
    "ES01": "a summary that says all needs no second paragraph",
}
#: ... of methods and properties besides.
NOT_ASKED_OF_MEMBERS = {
    "SA01": "the class refers to its neighbours, and its page lists the members side by side",
    "EX01": "the example of a class shows its members at work together",
}


def public_objects() -> Iterator[tuple[str, object]]:
    """Yield each public class and function once, under the first of its names."""
    seen = set()
    for module_name in ("fairsk", *(f"fairsk.{name}" for name in fairsk.__all__ if name.islower())):
        module = importlib.import_module(module_name)
        for name in module.__all__:
            item = getattr(module, name)
            if (inspect.isclass(item) or inspect.isfunction(item)) and item not in seen:
                seen.add(item)
                yield f"{module_name}.{name}", item


def members(item: object) -> list[str]:
    """Return the public methods and properties of a class that this project defines, inherited or not."""
    if not inspect.isclass(item):
        return []
    found = []
    for name in dir(item):
        member = inspect.getattr_static(item, name)
        if isinstance(member, property):
            member = member.fget
        elif isinstance(member, functools.cached_property):
            member = member.func
        function = inspect.unwrap(getattr(member, "__func__", member)) if member is not None else None
        if (
            not name.startswith("_")
            and inspect.isfunction(function)
            and function.__module__.startswith("fairsk")
        ):
            found.append(name)
    return found


OBJECTS = dict(public_objects())


def errors_of(name: str) -> list[str]:
    """Return what numpydoc finds wrong with a public name and its members."""
    lacking = []
    for part in (name, *(f"{name}.{member}" for member in members(OBJECTS[name]))):
        passed_over = NOT_ASKED if part == name else NOT_ASKED | NOT_ASKED_OF_MEMBERS
        lacking += [
            f"{part}: {code} {text}" for code, text in validate(part)["errors"] if code not in passed_over
        ]
    return lacking


@pytest.mark.parametrize("name", OBJECTS)
def test_docstrings_are_complete(name):
    assert errors_of(name) == []


@pytest.mark.parametrize("name", OBJECTS)
def test_headings_stand_on_lines_of_their_own(name):
    run_together = re.findall(r"^.*\w -{3,}.*$", inspect.getdoc(OBJECTS[name]), re.MULTILINE)
    assert run_together == []


def test_members_are_found():
    """Methods, inherited ones, properties and class methods count; those of scikit-learn do not."""
    assert {"fit", "predict", "score", "pareto_path"} <= set(members(fairsk.GroupThresholdOptimizer))
    assert "get_params" not in members(fairsk.GroupThresholdOptimizer)
    assert {"from_predictions", "overall"} <= set(members(fairsk.metrics.GroupCounts))


if __name__ == "__main__":
    for error in (error for name in OBJECTS for error in errors_of(name)):
        print(error)  # noqa: T201
