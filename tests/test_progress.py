"""The progress bar: nothing unless it is asked for, and never more often than eyes can follow."""

from __future__ import annotations

import pytest

from fairsk._core import progress


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress.time, "monotonic", clock)
    return clock


def test_nothing_is_shown_unless_it_is_asked_for(capsys):
    with progress.progress_bar("fitting") as report:
        report(1, 2)
        report(2, 2)
    with progress.progress_bar("fitting", verbose=1):
        pass
    assert capsys.readouterr().err == ""


def test_a_bar_fills_and_stays(capsys, clock):
    with progress.progress_bar("fitting", verbose=1) as report:
        clock.now += 6
        report(3, 10)
        clock.now += 0.01  # too soon to be drawn
        report(4, 10)
        clock.now += 14
        report(10, 10)
        report(1, 1)  # all is done already
    first, last = capsys.readouterr().err.removeprefix("\r").split("\r")
    assert first == f"fitting [{'#' * 9}{'.' * 21}]  30%, 6 s, about 14 s left"
    assert last == f"fitting [{'#' * 30}] 100%, 20 s".ljust(len(first)) + "\n"


def test_the_end_is_always_drawn_and_an_error_leaves_the_line(capsys, clock):
    def interrupted():
        with progress.progress_bar("fitting", verbose=1) as report:
            report(0, 3)
            report(3, 3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    printed = capsys.readouterr().err
    assert printed.count("\r") == 2
    assert printed.endswith("\n")


def test_more_than_all_is_all(capsys):
    with progress.progress_bar("fitting", verbose=2) as report:
        report(9, 3)
    assert "] 100%" in capsys.readouterr().err
