"""Parameters in messages, as the options of the command line that give them."""

from __future__ import annotations

import re

__all__ = ["in_options"]

#: Parameters whose names are no words of English: wherever they stand, they are meant.
_PARAMETERS = {
    "y_true": "--y-true",
    "y_pred": "--y-pred",
    "y_score": "--y-score",
    "sample_weight": "--weight",
    "sensitive_features": "--sensitive",
    "pos_label": "--pos-label",
    "max_difference": "--max-difference",
    "min_ratio": "--min-ratio",
    "min_group_size": "--min-group-size",
    "min_cell": "--min-cell",
    "mean_batches_between_false_alarms": "--mean-batches-between-false-alarms",
}
#: Parameters that are words of English too: they are meant where they are given a value.
_WORDS = (
    "against",
    "alpha",
    "batch",
    "commitment",
    "confidence",
    "constraint",
    "policy",
    "prior",
    "provenance",
    "reason",
    "reference",
    "salt",
    "state",
    "strata",
    "timeout",
    "title",
    "unit",
)
#: Options of profiles, where a message begins with one.
_PROFILE_OPTIONS = (
    "denominator",
    "intersections",
    "leave_out_below",
    "lower_is_better",
    "method",
    "min_share",
    "quantiles",
)
#: What stands for the value where a message leaves it out.
_VALUES = {"against": "FILE", "min_cell": "K", "policy": "FILE", "timeout": "S"}
_LABEL = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s'",]+"""
#: Sentences that tell Python what to write, and what to write on the command line.
_SENTENCES = (
    (  # The last of the labels that are listed is the example.
        rf"(The labels are .*, )({_LABEL}): name the positive one with pos_label=",
        r"\1\2: name the positive one with --pos-label, such as --pos-label \2",
    ),
    (
        r"Of more than two labels, fairsk\.metrics\.multiclass_disparity compares each, and "
        r"one_vs_rest_counts counts it\.",
        "Of more than two labels, all others are negative then.",
    ),
    (r"give the option reference, such as \{'(.*?)': 'the group'\}", r"give --reference \1=GROUP"),
    (r"(?s)(The profile (\w+) .*)with the option (\w+)", r"\1with --profile-option \2.\3=COLUMN"),
    (rf"^({'|'.join(_PROFILE_OPTIONS)})(?= m(?:ust|ay) be )", r"--profile-option \1"),
    (r"^(alpha|batch|confidence|constraint|reference|timeout)(?= must )", r"--\1"),
    (r"make one with create_monitor\.", "make one with fairsk monitor create."),
)

_QUOTED = r"(?<!\w)'(?:[^'\\]|\\.)*'(?!\w)|(?<!\w)\"(?:[^\"\\]|\\.)*\"(?!\w)"
_NAMED = (
    # Not within a path, a file's name or an option.
    rf"(?<![\w./-])(?:(?P<parameter>{'|'.join(_PARAMETERS)})(?![\w/-]|\.\w)|(?P<word>{'|'.join(_WORDS)})(?==))"
    r"(?P<equals>=(?P<given>(?=\.?[^\s.,;:)]))?)?"
)


def in_options(message: str) -> str:
    """Return a message of the library with options of the command line in place of parameters.

    What stands in quotes comes from data, and stays as it is.

    Parameters
    ----------
    message : str
        A sentence that says ``give against=``.

    Returns
    -------
    str
        One that says ``give --against FILE``.
    """
    for pattern, replacement in _SENTENCES:
        message = re.sub(pattern, replacement, message)
    return re.sub(f"{_QUOTED}|{_NAMED}", _option, message)


def _option(match: re.Match[str]) -> str:
    name = match["parameter"] or match["word"]
    if name is None:
        return match[0]
    option = _PARAMETERS.get(name, f"--{name}")
    if match["given"] is not None:
        return f"{option} "
    return f"{option} {_VALUES[name]}" if match["equals"] and name in _VALUES else option
