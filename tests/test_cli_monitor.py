"""``fairsk monitor``: what a cron job adds is counted once, kept whole, and told by the exit status."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from fairsk._cli import main
from fairsk.metrics import GroupCounts
from fairsk.monitoring import FairnessMonitor, create_monitor, open_monitor, read_monitor
from fairsk.monitoring import _files as files

duckdb = pytest.importorskip("duckdb")

COLUMNS = ["--y-pred", "approved", "--sensitive", "sex"]


def status(*arguments):
    """Return the exit status of a command, however it exits."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as exit_:
        return exit_.code


def monitor(*arguments):
    return status("monitor", *arguments)


def rows(men, women, day="", header=True):
    """Return a table in which so many of 50 men, and of 50 women, are approved."""
    lines = ["day,sex,approved"] if header else []
    for sex, n in (("man", men), ("woman", women)):
        lines += [f"{day},{sex},{int(i < n)}" for i in range(50)]
    return "\n".join(lines) + "\n"


def counts(men, women):
    return GroupCounts(
        ["man", "woman"],
        {"tp": [0, 0], "fp": [men, women], "fn": [0, 0], "tn": [50 - men, 50 - women]},
        names=["sex"],
        labelled=False,
    )


def add_all(opened, *batches):
    for batch in batches:
        opened.update(counts(25, 25), batch=batch)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def state(folder):
    assert monitor("create", "loans.json", "--min-ratio", ".8", "--name", "Loans", *COLUMNS) == 0
    return Path("loans.json")


# the file


def test_a_change_is_written_and_an_error_writes_nothing(folder):
    create_monitor("m.json", FairnessMonitor(min_ratio=0.8))
    with open_monitor("m.json") as opened:
        opened.update(counts(25, 25), batch="a")
    before = Path("m.json").read_bytes()
    with pytest.raises(ValueError, match="counted already"), open_monitor("m.json") as opened:
        add_all(opened, "b", "a")
    assert Path("m.json").read_bytes() == before
    assert read_monitor("m.json").batches == ("a",)
    assert FairnessMonitor.from_state(json.loads(before)).batches == ("a",)
    inode = os.stat("m.json").st_ino
    with open_monitor("m.json"):
        pass
    assert os.stat("m.json").st_ino == inode  # not even the same bytes are written again
    with pytest.raises(FileExistsError, match=r"There is a file 'm\.json'"):
        create_monitor("m.json", FairnessMonitor(min_ratio=0.8))


def test_permissions_and_links_are_kept_and_nothing_is_left_beside(folder):
    (folder / "real").mkdir()
    create_monitor("real/m.json", FairnessMonitor(min_ratio=0.8))
    os.chmod("real/m.json", 0o640)
    os.symlink("real/m.json", "link.json")
    with open_monitor("link.json") as opened:
        opened.update(counts(25, 25), batch="a")
    assert os.path.islink("link.json")
    assert read_monitor("real/m.json").batches == ("a",)
    assert os.stat("real/m.json").st_mode & 0o777 == 0o640
    assert {path.name for path in (folder / "real").iterdir()} <= {"m.json", "m.json.lock"}
    os.symlink("nowhere.json", "dangling.json")
    with pytest.raises(FileExistsError):
        create_monitor("dangling.json", FairnessMonitor(min_ratio=0.8))


def test_a_full_disk_loses_nothing(folder, monkeypatch):
    create_monitor("m.json", FairnessMonitor(min_ratio=0.8))
    before = Path("m.json").read_bytes()

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"), open_monitor("m.json") as opened:
        opened.update(counts(25, 25), batch="a")
    assert Path("m.json").read_bytes() == before
    assert not list(folder.glob(".*"))


def test_who_waits_too_long_is_told_so(folder):
    create_monitor("m.json", FairnessMonitor(min_ratio=0.8))
    held, done = threading.Event(), threading.Event()

    def hold():
        with open_monitor("m.json"):
            held.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    with (
        pytest.raises(TimeoutError, match="is being changed by another process"),
        open_monitor("m.json", timeout=0),
    ):
        pass
    assert read_monitor("m.json").n_batches == 0  # readers do not wait
    done.set()
    thread.join()
    for timeout in (-1, float("nan"), "1"):
        with pytest.raises(ValueError, match="timeout must be"), open_monitor("m.json", timeout=timeout):
            pass


def test_a_folder_that_cannot_be_written_is_read(folder, monkeypatch):
    create_monitor("m.json", FairnessMonitor(min_ratio=0.8))
    import filelock

    def refuse(self, timeout=None):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    assert read_monitor("m.json").n_batches == 0
    with pytest.raises(PermissionError, match=r"cannot be locked.*Permission denied"), open_monitor("m.json"):
        pass


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"{", "cannot be read: Expecting property name"),
        (b"[1]", "holds no monitor, but other JSON"),
        (b"{}", "no state of a FairnessMonitor"),
        (b'{"a":1,"a":2}', "stands twice"),
        (b"\xff\xfe{", "is not UTF-8"),
        (b'{"schema_version":"fairsk.monitor/99"}', "fairsk.monitor/99"),
        (b'{"columns":[]}', "its columns are no object"),
        (b'{"schema_version":"fairsk.monitor/1","settings":5,"names":[],"log":[]}', "no state"),
        (b"[" * 100_000, "nests too deeply"),
    ],
)
def test_what_is_no_monitor_is_refused_by_its_path(folder, content, message, capsys):
    Path("m.json").write_bytes(content)
    with pytest.raises(ValueError, match=r".") as error:
        read_monitor("m.json")
    assert message in str(error.value)
    assert str(error.value).startswith("'m.json' ")
    assert len(str(error.value)) < 2_000
    for command in (["show", "m.json"], ["add", "m.json", "x.csv", "--batch", "a", *COLUMNS]):
        assert monitor(*command) == 2
        assert "Traceback" not in capsys.readouterr().err
    assert Path("m.json").read_bytes() == content


def test_a_truncated_a_changed_and_a_huge_file_are_refused(state, monkeypatch):
    Path("day.csv").write_text(rows(25, 25))
    assert monitor("add", state, "day.csv", "--batch", "a") == 0
    whole = state.read_bytes()
    for changed in (whole[:-20], whole.replace(b'"part":[25,25]', b'"part":[25,24]')):
        assert changed != whole
        state.write_bytes(changed)
        with pytest.raises(ValueError, match=r"'loans\.json'"):
            read_monitor(state)
    state.write_bytes(whole)
    monkeypatch.setattr(files, "_LARGEST", 100)
    with pytest.raises(ValueError, match="more than"):
        read_monitor(state)


def test_pipes_folders_and_missing_files(folder):
    os.mkfifo("pipe")
    (folder / "sub").mkdir()
    for path, message in (("pipe", "a pipe or a device"), ("sub", "a folder")):
        with pytest.raises(ValueError, match=message):
            read_monitor(path)
    with pytest.raises(FileNotFoundError, match="make one with create_monitor"):
        read_monitor("nothing.json")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        create_monitor("no/such/m.json", FairnessMonitor(min_ratio=0.8))


def test_two_processes_that_add_at_once_lose_nothing(folder):
    create_monitor("m.json", FairnessMonitor(min_ratio=0.8))
    code = (
        "import sys\n"
        "from fairsk.metrics import GroupCounts\n"
        "from fairsk.monitoring import open_monitor\n"
        "for i in range(10):\n"
        "    cells = {'tp': [0, 0], 'fp': [5, 5], 'fn': [0, 0], 'tn': [5, 5]}\n"
        "    with open_monitor('m.json') as monitor:\n"
        "        monitor.update(GroupCounts(['a', 'b'], cells, labelled=False), batch=f'{sys.argv[1]}{i}')\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, name]) for name in "xy"]
    assert [process.wait(60) for process in running] == [0, 0]
    found = read_monitor("m.json")
    assert sorted(found.batches) == sorted(f"{name}{i}" for name in "xy" for i in range(10))
    assert found.shares()[1].sum() == 2 * 10 * 20


# the commands


def test_columns_are_remembered_and_the_exit_status_tells_of_alarms(state, capsys):
    Path("day.csv").write_text(rows(25, 25))
    assert monitor("add", state, "day.csv", "--batch", "2026-11-01") == 0
    printed = capsys.readouterr().out
    assert "added 2026-11-01 to loans.json: 100 decisions" in printed
    assert "No evidence that the tolerance is not kept" in printed
    assert monitor("add", state, "day.csv", "--batch", "2026-11-02", "--strict") == 3
    Path("day.csv").write_text(rows(40, 5))
    capsys.readouterr()
    codes = [
        monitor("add", state, "day.csv", "--batch", f"2026-11-{day:02}", "--quiet") for day in range(3, 9)
    ]
    assert codes[0] in (0, 1)
    assert codes[-1] == 1
    assert sorted(codes) == codes  # alarms stay
    found = read_monitor(state)
    assert found.alarm is not None
    assert "The tolerance was not kept" in capsys.readouterr().out
    np.testing.assert_array_equal(found.shares()[0][:3], [[25, 25], [25, 25], [40, 5]])
    assert monitor("show", state, "--strict") == 1


def test_quiet_prints_nothing_without_an_alarm(state, capsys):
    Path("day.csv").write_text(rows(25, 25) + ",,1\n")
    capsys.readouterr()
    assert monitor("add", state, "day.csv", "--batch", "a", "--quiet") == 0
    assert monitor("show", state, "--quiet") == 0
    assert capsys.readouterr() == ("", "")
    assert monitor("add", state, "day.csv", "--batch", "b") == 0
    assert "left out 1 decisions about people whose group is unknown" in capsys.readouterr().out
    assert read_monitor(state).groups == ("man", "woman")


def test_a_batch_is_counted_once_and_known_ones_can_be_passed_over(state, capsys):
    Path("day.csv").write_text(rows(25, 25))
    assert monitor("add", state, "day.csv", "--batch", "a") == 0
    before = state.read_bytes()
    assert monitor("add", state, "day.csv", "--batch", "a") == 2
    assert "The batch 'a' was added before" in capsys.readouterr().err
    assert monitor("add", state, "day.csv", "--batch", "a", "--skip-known") == 0
    assert state.read_bytes() == before
    captured = capsys.readouterr()
    assert "passed over 1 that was there" in captured.out
    assert captured.err == ""
    Path("day.csv").write_text(rows(25, 25) + ",man,1\n")
    assert monitor("add", state, "day.csv", "--batch", "a", "--skip-known") == 0
    assert "more or fewer decisions now than when these batches were counted: a" in capsys.readouterr().err


def test_a_column_tells_batches_apart_and_the_last_one_may_still_grow(state, capsys):
    days = [f"2026-11-{day:02}" for day in (3, 1, 2)]
    Path("all.csv").write_text("".join(rows(20 + i, 25, day, header=not i) for i, day in enumerate(days)))
    add = ["add", state, "all.csv", "--by-column", "day"]
    assert monitor(*add) == 0
    captured = capsys.readouterr()
    assert "The last batch, '2026-11-03', may still grow and is left out: --last-too" in captured.err
    assert "added 2 batches to loans.json, 2026-11-01 to 2026-11-02: 200 decisions" in captured.out
    assert monitor(*add, "--before", "2026-11-03", "--skip-known") == 0
    assert read_monitor(state).n_batches == 2
    assert monitor(*add, "--last-too", "--skip-known") == 0
    found = read_monitor(state)
    assert found.batches == ("2026-11-01", "2026-11-02", "2026-11-03")
    np.testing.assert_array_equal(found.shares()[0], [[21, 25], [22, 25], [20, 25]])


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (["10", "9"], ("9", "10")),
        (["1.2.2026", "2.1.2026"], "are not in the order of time"),
        (["", "1"], "is empty in"),
    ],
)
def test_batches_in_a_column_are_put_in_order(state, days, expected, capsys):
    Path("all.csv").write_text("".join(rows(25, 25, day, header=not i) for i, day in enumerate(days)))
    code = monitor("add", state, "all.csv", "--by-column", "day", "--last-too")
    if isinstance(expected, tuple):
        assert code == 0
        assert read_monitor(state).batches == expected
    else:
        assert code == 2
        assert expected in capsys.readouterr().err
        assert read_monitor(state).n_batches == 0


def test_of_several_rows_of_a_person_the_first_is_counted(folder):
    people = ["p1,man,1", "p1,man,0", "p2,man,0", "p3,woman,0", "p3,woman,1", "p4,woman,1"]
    Path("day.csv").write_text("\n".join(["who,sex,approved", *people]) + "\n")
    assert monitor("create", "m.json", "--min-ratio", ".8", *COLUMNS, "--unit", "who") == 0
    assert monitor("add", "m.json", "day.csv", "--batch", "a") == 0
    part, size = read_monitor("m.json").shares()
    assert part.tolist() == [[1, 1]]
    assert size.tolist() == [[2, 2]]


def test_a_day_without_a_positive_label_is_no_mistake_if_labels_are_known(folder, capsys):
    columns = ["--y-pred", "p", "--sensitive", "g", "--pos-label", "yes"]
    assert monitor("create", "m.json", "--max-difference", ".1", *columns) == 0
    for name, labels in (("none", "no"), ("some", "yes"), ("typo", "Yes")):
        Path(f"{name}.csv").write_text(f"p,g\n{labels},a\nno,b\n")
    assert monitor("add", "m.json", "none.csv", "--batch", "0") == 2
    assert "--pos-label 'yes' does not occur" in capsys.readouterr().err
    assert monitor("add", "m.json", "some.csv", "--batch", "1") == 0
    assert monitor("add", "m.json", "none.csv", "--batch", "2") == 0
    assert monitor("add", "m.json", "typo.csv", "--batch", "3") == 2
    assert "Did you mean" in capsys.readouterr().err
    assert read_monitor("m.json").shares()[0].tolist() == [[1, 0], [0, 0]]


def test_a_group_is_the_same_whatever_else_stands_in_its_column(folder):
    assert (
        monitor(
            "create", "m.json", "--min-ratio", ".8", "--reference", "2", "--y-pred", "p", "--sensitive", "g"
        )
        == 0
    )
    for day, groups in enumerate((["1", "2"], ["1", "2", "none"], ["1", "2"])):
        Path("day.csv").write_text("\n".join(["p,g", *(f"1,{group}" for group in groups)]) + "\n")
        assert monitor("add", "m.json", "day.csv", "--batch", day) == 0
    found = read_monitor("m.json")
    assert found.groups == (2, 1, "none")
    assert found.shares()[1].tolist() == [[1, 1, 0], [1, 1, 1], [1, 1, 0]]


def test_a_reference_that_is_no_group_is_told(folder, capsys):
    assert monitor("create", "m.json", "--min-ratio", ".8", "--reference", "Man", *COLUMNS) == 0
    Path("day.csv").write_text(rows(25, 25))
    assert monitor("add", "m.json", "day.csv", "--batch", "a") == 2
    assert "Did you mean 'man'?" in capsys.readouterr().err
    two = ["--y-pred", "approved", "--sensitive", "sex,day", "--min-ratio", ".8"]
    assert monitor("create", "n.json", *two, "--reference", "sex=man") == 2
    assert "must name a group of each column of --sensitive; day lacks" in capsys.readouterr().err
    assert monitor("create", "n.json", *two, "--reference", "day=3,sex=man") == 0
    assert read_monitor("n.json").reference == ("man", 3)


def test_counts_of_another_engine_come_from_a_file_or_the_input(state, monkeypatch, capsys):
    Path("counts.json").write_text(json.dumps(counts(30, 20).to_state()))
    assert monitor("add", state, "--counts", "counts.json", "--batch", "a") == 0
    assert read_monitor(state).shares()[0].tolist() == [[30, 20]]
    with open("counts.json", "rb") as stream, monkeypatch.context() as patch:
        patch.setattr("sys.stdin", type("Input", (), {"buffer": stream}))
        assert monitor("add", state, "--counts", "-", "--batch", "b") == 0
    for odd in ("{}", "[", '{"groups": 1}'):
        Path("counts.json").write_text(odd)
        assert monitor("add", state, "--counts", "counts.json", "--batch", "c") == 2
        assert "'counts.json'" in capsys.readouterr().err
    assert read_monitor(state).batches == ("a", "b")


def test_an_audit_before_deployment_is_the_prior(folder):
    Path("audit.csv").write_text(rows(40, 10))
    assert status("audit", "audit.csv", *COLUMNS, "--json", "report.json") == 0
    for name, prior in (("a.json", "report.json"), ("b.json", "audit.csv")):
        assert monitor("create", name, "--min-ratio", ".8", *COLUMNS, "--prior", prior) == 0
        said = json.loads(Path(name).read_text())["settings"]["prior"]
        assert dict(zip(said["groups"], said["cells"]["fp"], strict=True)) == {"man": 40, "woman": 10}


def test_options_hold_for_once_unless_they_are_to_be_remembered(state, capsys):
    Path("day.csv").write_text(rows(25, 25))
    assert monitor("add", state, "day.csv", "--batch", "a") == 0
    Path("renamed.csv").write_text(rows(25, 25).replace("approved", "granted"))
    assert monitor("add", state, "renamed.csv", "--batch", "b", "--y-pred", "granted") == 0
    assert monitor("add", state, "renamed.csv", "--batch", "c") == 2
    assert "no column 'approved' (--y-pred)" in capsys.readouterr().err
    assert monitor("add", state, "renamed.csv", "--batch", "c", "--y-pred", "granted", "--remember") == 0
    assert monitor("add", state, "renamed.csv", "--batch", "d") == 0


def test_strata_and_scores_are_read(folder):
    lines = [f"{i % 2},{'ab'[i // 2 % 2]},{i % 3},{i / 24}" for i in range(24)]
    Path("day.csv").write_text("\n".join(["p,g,branch,score", *lines]) + "\n")
    columns = ["--y-pred", "p", "--sensitive", "g", "--strata", "branch", "--y-score", "score"]
    assert monitor("create", "m.json", "--max-difference", ".2", *columns) == 0
    assert monitor("add", "m.json", "day.csv", "--batch", "x") == 0
    found = read_monitor("m.json")
    assert len(found.strata) == 3
    expected = [np.mean([i / 24 for i in range(24) if i // 2 % 2 == place]) for place in (0, 1)]
    np.testing.assert_allclose(found.scores.measures["mean_score"], [expected])


def test_a_day_without_decisions_adds_nothing(state, capsys):
    Path("day.csv").write_text("day,sex,approved\n")
    assert monitor("add", state, "day.csv", "--batch", "a") == 0
    assert "there are no decisions to add" in capsys.readouterr().out
    assert read_monitor(state).n_batches == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["add", "loans.json", "--batch", "a"], "name the files to count"),
        (["add", "loans.json", "day.csv", "--counts", "x", "--batch", "a"], "name the files to count"),
        (["add", "loans.json", "--counts", "x", "--by-column", "day"], "--counts is one batch"),
        (["add", "loans.json", "day.csv", "--batch", "a", "--before", "b"], "go with --by-column"),
        (["add", "loans.json", "day.csv", "--batch", " "], "--batch must not be blank"),
        (["add", "loans.json", "day.csv"], "--batch"),
        (["add", "loans.json", "day.csv", "--batch", "a", "--y-pred", "aproved"], "Did you mean 'approved'?"),
        (["add", "loans.json", "day.csv", "--by-column", "sex"], "another column than those of --sensitive"),
        (["add", "loans.json", "day.csv", "--batch", "a", "--timeout", "-1"], "--timeout must be"),
        (["add", "loans.json", "day.csv", "--batch", "x" * 999], "--batch must have 1 to 200 characters"),
        (["create", "loans.json", "--min-ratio", ".8"], "There is a file 'loans.json'"),
        (["create", "x.json", "--min-ratio", "0"], "--min-ratio 0 tolerates everything"),
        (["create", "x.json", "--min-ratio", ".8", "--alpha", "2"], "--alpha must be"),
        (["create", "x.json", "--min-ratio", ".8", "--constraint", "parity"], "no constraint or rate"),
        (["create", "x.json"], "--min-ratio"),
        (["create", "no/x.json", "--min-ratio", ".8"], "there is no such folder"),
        (["page", "loans.json", "--out", "page.pdf"], "must end in .html or .md"),
        (["page", "loans.json", "--out", "no/page.html"], "there is no such folder"),
        (["serve"], "name files of monitors"),
        (["serve", "loans.json", "--port", "99999"], "--port must lie between 0 and 65535"),
        (["serve", "loans.json", "--group", "a"], "name their file with --concerns"),
    ],
)
def test_a_mistake_is_a_sentence_and_writes_nothing(state, arguments, message, capsys):
    if arguments[0] == "serve" and "--port" in arguments:
        pytest.importorskip("uvicorn")
    Path("day.csv").write_text(rows(25, 25))
    before = state.read_bytes()
    capsys.readouterr()
    assert monitor(*arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert state.read_bytes() == before
    assert {path.name for path in Path().iterdir()} <= {"day.csv", "loans.json", "loans.json.lock"}


def test_one_broken_file_hides_no_alarm(state, capsys):
    Path("broken.json").write_text("{")
    capsys.readouterr()
    assert monitor("show", "broken.json", state, "--json") == 2
    captured = capsys.readouterr()
    said = json.loads(captured.out)
    assert [one["file"] for one in said["monitors"]] == ["loans.json"]
    assert list(said["unread"]) == ["broken.json"]
    assert "'broken.json' cannot be read" in captured.err


def test_pages_are_written_whole_and_hostile_names_are_inert(state, capsys):
    Path("day.csv").write_text(rows(25, 25).replace("woman", '"<script>\x1b[31m"'))
    assert monitor("add", state, "day.csv", "--batch", "<b>\x1b[2J") == 0
    assert "\x1b" not in capsys.readouterr().out
    assert monitor("page", state, "--out", "page.html", "--title", "A & B") == 0
    page = Path("page.html").read_text()
    assert "<script>" not in page
    assert "A &amp; B" in page
    assert monitor("page", state, "--out", "page.md") == 0
    assert Path("page.md").read_text().startswith("# ")
    os.symlink(state, "s.html")
    assert monitor("page", state, "--out", "s.html") == 2


def test_without_uvicorn_the_error_names_the_extra(state, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert monitor("serve", state, "--port", "0") == 2
    assert 'pip install "fairsk[serve]"' in capsys.readouterr().err


def test_a_port_that_is_taken_is_no_alarm(state, capsys):
    pytest.importorskip("uvicorn")
    from fairsk._cli.service import listen

    with listen("127.0.0.1", 0) as taken:
        assert monitor("serve", state, "--port", taken.getsockname()[1]) == 2
    assert "cannot be listened on" in capsys.readouterr().err


def test_the_service_answers(state, monkeypatch, capsys):
    pytest.importorskip("uvicorn")
    from urllib.request import urlopen

    import uvicorn

    found = {}

    def serve(self, sockets):
        """Serve until the pages have been read."""
        run = uvicorn.Server.serve
        address = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"

        def read():
            for path in ("/", "/metrics", "/healthz"):
                with urlopen(address + path, timeout=10) as answer:
                    found[path] = answer.status, answer.read()
            self.should_exit = True

        thread = threading.Thread(target=read)
        thread.start()
        import asyncio

        asyncio.run(run(self, sockets))
        thread.join()

    monkeypatch.setattr(uvicorn.Server, "run", serve)
    assert monitor("serve", state, "--port", "0", "--title", "Ours") == 0
    assert {path: code for path, (code, _) in found.items()} == {"/": 200, "/metrics": 200, "/healthz": 200}
    assert b"Ours" in found["/"][1]
    assert "/metrics\n" in capsys.readouterr().out


def commands_in(text):
    """Return the commands that a text shows, as lists of words."""
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines()]
    return [shlex.split(line)[2:] for line in lines if line.startswith("fairsk monitor ")]


@pytest.mark.parametrize("command", [[], ["add"]], ids=str)
def test_the_examples_of_the_help_run(folder, command, capsys):
    Path("day.csv").write_text(rows(25, 25))
    Path("decisions.csv").write_text(rows(25, 25, "2026-11-24") + rows(25, 25, "2026-11-26", header=False))
    Path("counts.json").write_text(json.dumps(counts(25, 25).to_state()))
    assert monitor("create", "hires.json", "--min-ratio", ".8") == 0
    if command:
        assert monitor("create", "loans.json", "--min-ratio", ".8") == 0
    assert monitor(*command, "--help") == 0
    found = commands_in(capsys.readouterr().out)
    assert found
    for arguments in found:
        if arguments[0] != "serve":
            assert monitor(*arguments) == 0, capsys.readouterr().err


def test_the_examples_of_the_docs_run(folder, capsys):
    text = (Path(__file__).parents[1] / "docs" / "command_line.md").read_text()
    Path("day.csv").write_text(rows(25, 25))
    Path("decisions.csv").write_text(rows(25, 25, "2026-11-24") + rows(25, 25, "2026-11-26", header=False))
    found = commands_in(text)
    assert {arguments[0] for arguments in found} == {"create", "add", "show", "page", "serve"}
    for arguments in found:
        if arguments[0] != "serve":
            assert monitor(*arguments) == 0, capsys.readouterr().err
