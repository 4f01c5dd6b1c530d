"""Controls: edits as large as an exchange of groups that leave the group as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

from fairsk._core.messages import show

__all__ = ["REPEAT", "Control", "check_control", "control_name", "control_texts"]

#: How a text is edited without a change of group: by the swapper, not at all but asked again, by a callable,
#: or not (None).
Control: TypeAlias = Literal["auto", "repeat"] | Callable[[str], str | None] | None
#: The text is asked a second time: the control of models that sample their answers.
REPEAT = "repeat"


def check_control(control: Control, swapper: Any) -> None:
    """Refuse what is no control, and ``"auto"`` of a swapper that makes none."""
    if control is None or callable(control) or control == REPEAT:
        return
    if not (isinstance(control, str) and control == "auto"):
        raise ValueError(
            "control must be 'auto', 'repeat', a callable that edits a text without changing its group, or "
            f"None; got {show(control)}."
        )
    if not callable(getattr(swapper, "control", None)):
        raise ValueError(
            f"control='auto' needs a swapper with a method control, and {type(swapper).__name__} has none: "
            "give a callable that edits a text without changing its group, 'repeat' for a model that samples "
            "its answers, or control=None."
        )


def control_texts(control: Control, swapper: Any, texts: Sequence[str]) -> list[str | None]:
    """Return the edited text of each text; None where there is none.

    Raises
    ------
    TypeError
        If a callable returns something else than a text or None.
    """
    if control is None:
        return [None] * len(texts)
    if control == REPEAT:
        return list(texts)
    edit = control if callable(control) else swapper.control
    edited = [edit(text) for text in texts]
    others = [value for value in edited if not isinstance(value, str | None)]
    if others:
        raise TypeError(
            f"control must return a text, or None where it has no edit; for {len(others):,} of "
            f"{len(edited):,} texts it returned something else, such as {show(others[0])}."
        )
    return edited


def control_name(control: Control) -> str | None:
    """Return what a control is called in a result."""
    if callable(control):
        return getattr(control, "__name__", type(control).__name__)
    return control
