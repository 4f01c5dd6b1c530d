"""The command line: files are read as they are meant, and every mistake is a sentence."""

from __future__ import annotations

import gzip
import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fairsk._cli import main, progress
from fairsk._cli.tables import explain_missing, open_table, reading, select_columns
from fairsk._cli.words import _PROFILE_OPTIONS, in_options
from fairsk.audit import PROFILES

duckdb = pytest.importorskip("duckdb")


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def read(table, labels=(), groups=(), numbers=(), missing=()):
    """Return the rows of some columns, sorted, and their types."""
    relation = select_columns(
        table,
        labels={f"--{name}": name for name in labels},
        groups={"--sensitive": list(groups)},
        numbers={f"--{name}": name for name in numbers},
        missing=missing,
    )
    with reading():
        rows = relation.fetchall()
    return sorted(rows, key=repr), list(map(str, relation.types))


def test_columns_of_a_csv_file_have_the_kind_of_their_values(tmp_path):
    path = write(
        tmp_path / "rows.csv",
        "y,p,b,word,group,code,flag,score\n1.0,1,True,>50K,1,01,yes,0.5\n0.0,0,false,<=50K,2,02,no,1e-3\n",
    )
    rows, types = read(open_table([path]), ["y", "p", "b", "word"], ["group", "code", "flag"], ["score"])
    assert rows == [(0, 0, False, "<=50K", 2, "02", "no", 0.001), (1, 1, True, ">50K", 1, "01", "yes", 0.5)]
    assert types == ["BIGINT", "BIGINT", "BOOLEAN", "VARCHAR", "BIGINT", "VARCHAR", "VARCHAR", "DOUBLE"]


def test_a_kind_is_that_of_all_rows_not_of_the_first(tmp_path):
    lines = ["p,group", *["1,1"] * 30_000, "yes,x"]
    rows, types = read(open_table([write(tmp_path / "rows.csv", "\n".join(lines))]), ["p"], ["group"])
    assert types == ["VARCHAR", "VARCHAR"]
    assert rows[-1] == ("yes", "x")
    assert rows[0] == ("1", "1")


def test_empty_cells_of_groups_are_missing_and_so_are_texts_that_stand_for_it(tmp_path):
    table = open_table([write(tmp_path / "rows.csv", 'p,g,h\n1,,x\n0,"",?\n1,a,NA\n0,NA,\n')])
    assert read(table, ["p"], ["g", "h"])[0] == [
        (0, "NA", None),
        (0, None, "?"),
        (1, "a", "NA"),
        (1, None, "x"),
    ]
    found, _ = read(table, ["p"], ["g", "h"], missing=["NA", "?", "it's"])
    assert found == [(0, None, None), (0, None, None), (1, "a", None), (1, None, "x")]


def test_odd_names_of_columns_and_files_mean_nothing(tmp_path):
    names = ['se"x', "a.b", "x; DROP TABLE t --", "it's", "new\nline", "  blank "]
    header = ",".join('"' + name.replace('"', '""') + '"' for name in names)
    path = write(tmp_path / "a[1]*'; --.csv", f"\ufeff{header}\n" + "f,1,2,3,4,5\n")
    write(tmp_path / "a1x'; --.csv", "another,file\n1,2\n")
    table = open_table([path])
    assert list(table.columns) == names
    assert read(table, [], names)[0] == [("f", 1, 2, 3, 4, 5)]
    assert read(table, [], names)[1][0] == "VARCHAR"


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_separators_and_ends_of_lines(tmp_path, mark, end):
    lines = [f"p{mark}group", f'1{mark}"a{mark} b"', f"0{mark}c", ""]
    table = open_table([write(tmp_path / "rows.csv", end.join(lines))])
    assert read(table, ["p"], ["group"])[0] == [(0, "c"), (1, f"a{mark} b")]


def test_tabs_compression_and_several_files(tmp_path):
    write(tmp_path / "day1.csv.gz", gzip.compress(b"p,g\n1,a\n"))
    write(tmp_path / "day2.csv.gz", gzip.compress(b"p,g\n0,b\n"))
    assert read(open_table([str(tmp_path / "day*.csv.gz")]), ["p"], ["g"])[0] == [(0, "b"), (1, "a")]
    tabs = write(tmp_path / "rows.tsv", "p\tg,h,i\n1\ta,b,c\n")
    assert read(open_table([tabs]), ["p"], ["g,h,i"])[0] == [(1, "a,b,c")]


def test_parquet_files_keep_their_types_and_read_by_name(tmp_path):
    duckdb.sql('SELECT 1::TINYINT AS p, \'a\' AS "g""g"').write_parquet(str(tmp_path / "1.parquet"))
    duckdb.sql('SELECT \'\' AS "g""g", 0::TINYINT AS p').write_parquet(str(tmp_path / "2.parquet"))
    rows, types = read(open_table([str(tmp_path / "?.parquet")]), ["p"], ['g"g'])
    assert rows == [(0, None), (1, "a")]
    assert types == ["TINYINT", "VARCHAR"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.csv", b"", "is empty: its first line must name the columns"),
        ("rows.csv", b"\np,g\n1,a\n", "is blank: it must name the columns"),
        ("rows.csv", b"PK\x03\x04rest", "is a zip archive or an Excel file"),
        ("rows.csv", b"p,g\n1,Jos\xe9\n", "line 2 of rows.csv is not UTF-8 text: save it as CSV UTF-8"),
        ("rows.csv", "p,g\n1,a\n".encode("utf-16"), "is neither CSV (in UTF-8) nor Parquet"),
        (
            "rows.csv",
            b"p,g\n1,a\n0,b,c\n",
            "line 3 of rows.csv cannot be read: it has 3 cells, and the header 2",
        ),
        ("rows.csv", b'p,g\n1,"a\n0,b\n', "line 2 of rows.csv cannot be read: a quoted cell does not end"),
        ("rows.csv.gz", gzip.compress(b"p,g\n1,a\n" * 9999, mtime=0)[:-20], "cannot be read"),
        ("rows.parquet", b"p,g\n1,a\n", "is no Parquet file, although its name says so"),
        ("rows.parquet", b"PAR1 and nothing", "cannot be read"),
        ("rows.csv", b"p,g\n1,a\n,b\n,c\n", "'p' (--p) of rows.csv is empty in 2 of 3 rows"),
        ("rows.csv", b"P,g\n1,a\n", "There is no column 'p' (--p) in rows.csv, whose columns are: 'P', 'g'."),
        ("rows.csv", b"preds,g\n1,a\n", "whose columns are"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path, name, content, message):
    with pytest.raises(ValueError, match=r".") as error:
        read(open_table([write(tmp_path / name, content)]), ["p"], ["g"])
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


def test_names_that_differ_in_case_and_names_that_come_twice(tmp_path):
    table = open_table([write(tmp_path / "rows.csv", "Sex,sex,p,p,\nf,1,0,2,x\n")])
    assert read(table, ["p"], ["Sex", "column 5"])[0] == [(0, "f", "x")]
    assert read(table, ["p (again)"], ["sex"])[0] == [(2, 1)]
    with pytest.raises(ValueError, match="differ in case alone"):
        read(table, ["p"], ["Sex", "sex"])


def test_a_quote_within_a_cell_is_a_character(tmp_path):
    table = open_table([write(tmp_path / "rows.csv", 'p,g\n1,5" pipe\n0,"6"" pipe"\n')])
    assert read(table, ["p"], ["g"])[0] == [(0, '6" pipe'), (1, '5" pipe')]


def test_folders_that_look_like_partitions_and_pipes(tmp_path):
    (tmp_path / "p=7").mkdir()
    assert read(open_table([write(tmp_path / "p=7" / "rows.csv", "p,g\n1,a\n")]), ["p"], ["g"])[0] == [
        (1, "a")
    ]
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="is a pipe"):
        open_table([str(tmp_path / "pipe")])


def test_numbers_that_are_none_are_counted_and_shown(tmp_path):
    path = write(tmp_path / "rows.csv", "p,s\n1,.5\n0,n/a\n1,high\n0,1\n")
    with pytest.raises(
        ValueError, match=r"'s' \(--s\) .* numbers: 2 of 4 rows hold other text, such as 'high'"
    ):
        read(open_table([path]), ["p"], [], ["s"])


@pytest.mark.parametrize("mark", [";", "\t", ","])
def test_decimal_commas_are_read(tmp_path, mark):
    lines = ["p", "s"], ["1", '"0,0456"'], ["0", '"1,250"'], ["1", '" -3,5e2"'], ["0", "2"]
    path = write(tmp_path / "rows.csv", "\n".join(mark.join(line) for line in lines))
    rows, types = read(open_table([path]), ["p"], [], ["s"])
    assert rows == [(0, 1.25), (0, 2.0), (1, -350.0), (1, 0.0456)]
    assert types == ["BIGINT", "DOUBLE"]


@pytest.mark.parametrize("cells", [["1,234", "12,000"], ["0,5", "0.5"], ["0,5", "1.234,5"], ["0,5", "high"]])
def test_commas_of_which_nobody_knows_what_they_part_are_an_error(tmp_path, cells):
    path = write(tmp_path / "rows.csv", "\n".join(["p;s", *(f"1;{cell}" for cell in cells)]))
    with pytest.raises(ValueError, match=r"must hold numbers: .* A comma is read as a decimal point if"):
        read(open_table([path]), ["p"], [], ["s"])


def test_a_cell_of_blanks_is_missing(tmp_path, monkeypatch, capsys):
    path = write(tmp_path / "rows.csv", "p,g\n1,  \n0,\t\n1,\u00a0\n1, a \n0,\n")
    assert read(open_table([path]), ["p"], ["g"])[0] == [
        (0, None),
        (0, None),
        (1, " a "),
        (1, None),
        (1, None),
    ]
    monkeypatch.chdir(tmp_path)
    assert audit("rows.csv", "--y-pred", "p", "--json", "r.json", sensitive="g") == 0
    (evidence,) = json.loads(Path("r.json").read_text())["evidence"].values()
    assert evidence["counts"]["groups"] == [" a ", "(unknown)"]
    write(tmp_path / "labels.csv", "p,g\n1,a\n ,b\n")
    assert audit("labels.csv", "--y-pred", "p", sensitive="g") == 2
    assert "'p' (--y-pred) of labels.csv is empty in 1 of 2 rows" in capsys.readouterr().err


def test_missing_values_of_a_parquet_file_are_counted(tmp_path):
    path = str(tmp_path / "rows.parquet")
    duckdb.sql("SELECT nullif(range % 3, 0) AS p, range AS s FROM range(9)").write_parquet(path)
    table = open_table([path])
    assert explain_missing(table.relation, {"--y-pred": "p"}, "rows") == (
        "The column 'p' (--y-pred) of rows is empty in 3 of 9 rows: leave these rows out of the file, or "
        "fill them in."
    )
    assert explain_missing(table.relation, {"--y-score": "s"}, "rows") is None


def test_files_that_are_not_there_or_do_not_fit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "predictions.csv", "p,g\n1,a\n")
    write(tmp_path / "other.csv", "p,h\n1,a\n")
    duckdb.sql("SELECT 1 AS p").write_parquet("rows.parquet")
    for paths, message in [
        (["prediction.csv"], "There is no file 'prediction.csv'. Did you mean 'predictions.csv'?"),
        (["*.xls"], r"There is no file '*.xls'."),
        (["https://example.org/rows.parquet"], "There is no file 'https://example.org/rows.parquet'."),
        (["."], "'.' is a directory: name its files"),
        (["predictions.csv", "other.csv"], "must have the same header"),
        (["predictions.csv", "rows.parquet"], "all CSV or all Parquet"),
    ]:
        with pytest.raises(ValueError, match=r".") as error:
            open_table(paths)
        assert message in str(error.value)


def test_without_duckdb_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ImportError, match=r'pip install "fairsk\[cli\]"'):
        open_table([write(tmp_path / "rows.csv", "p,g\n1,a\n")])


def test_help_shows_an_example_of_every_command_and_loads_little():
    code = (
        "import sys; from fairsk._cli import main\n"
        "heavy = {'torch', 'pandas', 'sklearn', 'scipy', 'duckdb', 'narwhals'}\n"
        "try: main(sys.argv[1:])\n"
        "finally: print(sorted(heavy & set(sys.modules)))"
    )
    for arguments in (["--help"], ["audit", "--help"], ["monitor", "add", "--help"], ["--version"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
        )
        *printed, loaded = done.stdout.splitlines()
        assert loaded == "[]"
        if arguments == ["--help"]:
            for command in ("audit", "verify", "policy check", "monitor add", "concerns list", "demo"):
                assert any(line.strip().startswith(f"fairsk {command} ") for line in printed)


def test_no_command_is_an_error_of_usage(capsys):
    with pytest.raises(SystemExit) as exit_:
        main([])
    assert exit_.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


#: Men: 300 of 500 are selected, women: 150 of 500. So the rates are .6 and .3, and their ratio is .5.
SELECTED = {("man", 1): 300, ("man", 0): 200, ("woman", 1): 150, ("woman", 0): 350}


def lines_of(rows, header="sex,selected"):
    return "\n".join(
        [header, *(f"{group},{label}" for (group, label), n in rows.items() for _ in range(n)), ""]
    )


@pytest.fixture
def predictions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "predictions.csv", lines_of(SELECTED))
    return "predictions.csv"


def status(*arguments):
    """Return the exit status of a command, however it exits."""
    try:
        return main(list(arguments))
    except SystemExit as exit_:
        return exit_.code


def audit(*arguments, sensitive="sex"):
    return status("audit", *arguments, "--sensitive", sensitive)


def test_from_a_file_to_a_page_in_one_command(predictions, capsys):
    assert audit(predictions, "--y-pred", "selected", "--min-ratio", ".8", "--out", "report.html") == 1
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "predictions.csv: 1,000 rows; groups by sex" in printed.out
    assert "FAIL            demographic parity by sex" in printed.out
    assert "ratio 0.500 [" in printed.out
    assert "at least 0.8 is asked; selection rate: woman 0.300, man 0.600" in " ".join(printed.out.split())
    assert "\n1 FAIL\n" in printed.out
    assert "\x1b" not in printed.out
    size = round(Path("report.html").stat().st_size / 1000)
    assert printed.out.endswith(f"wrote report.html ({size} kB)\n")
    assert Path("report.html").read_text().startswith("<!DOCTYPE html>")


def test_without_a_bound_rates_are_shown_and_nothing_is_judged(predictions, capsys):
    assert audit(predictions, "--y-pred", "selected", "--json", "report.json") == 0
    printed = capsys.readouterr().out
    for line in ("man        500  0.600 [0.5", "woman      500  0.300 [0.2", "overall  1,000  0.450 [0.4"):
        assert line in printed
    assert "selection rate: difference 0.300 [" in printed
    assert "ratio 0.500 [" in printed
    assert "so nothing is judged" in " ".join(printed.split())
    assert "FAIL" not in printed
    assert {row["verdict"] for row in json.loads(Path("report.json").read_text())["results"]["criteria"]} == {
        None
    }


@pytest.mark.parametrize(
    ("men", "expected", "strict"),
    [(160, 0, 0), (200, 0, 3), (300, 1, 1)],
    ids=["PASS", "INCONCLUSIVE", "FAIL"],
)
def test_exit_status(tmp_path, men, expected, strict, capsys):
    """Women: 150 of 500. Ratios of .94, .75 and .5 lie above a bound of .75, at it, and below it."""
    rows = {("man", 1): men, ("man", 0): 500 - men, ("woman", 1): 150, ("woman", 0): 350}
    path = write(tmp_path / "rows.csv", lines_of(rows))
    arguments = [path, "--y-pred", "selected", "--min-ratio", ".75"]
    assert audit(*arguments) == expected
    assert audit(*arguments, "--strict") == strict


def test_what_cannot_be_judged_is_not_passed_by_strict(tmp_path, capsys):
    path = write(tmp_path / "rows.csv", lines_of({("man", 1): 10, ("man", 0): 10}))
    assert audit(path, "--y-pred", "selected", "--min-ratio", ".8") == 0
    assert audit(path, "--y-pred", "selected", "--min-ratio", ".8", "--strict") == 3
    assert "NOT APPLICABLE" in capsys.readouterr().out


def test_every_format_gives_the_same_counts(predictions):
    text = Path(predictions).read_text()
    write(Path("rows.csv.gz"), gzip.compress(text.encode()))
    write(Path("rows.tsv"), text.replace(",", "\t"))
    write(Path("part1.csv"), "\n".join(text.splitlines()[:500]))
    write(Path("part2.csv"), "\n".join(["sex,selected", *text.splitlines()[500:]]))
    duckdb.read_csv(predictions).write_parquet("rows.parquet")
    found = []
    one = [["predictions.csv"], ["rows.csv.gz"], ["rows.tsv"], ["rows.parquet"]]
    for files in (*one, ["part1.csv", "part2.csv"], ["part*.csv"]):
        assert audit(*files, "--y-pred", "selected", "--json", "report.json") == 0
        found.append(json.loads(Path("report.json").read_text())["evidence"])
    assert all(evidence == found[0] for evidence in found[1:])
    (model,) = found[0].values()
    assert model["counts"]["groups"] == ["man", "woman"]
    assert model["counts"]["cells"]["fp"] == [300, 150]
    assert model["counts"]["cells"]["tn"] == [200, 350]


@pytest.mark.parametrize(
    ("kind", "yes", "no", "pos_label"),
    [
        ("csv", "1", "0", None),
        ("csv", "1", "0", "1"),
        ("csv", "1.0", "0.0", "1"),
        ("csv", "2", "1", "2"),
        ("csv", "true", "false", None),
        ("csv", "True", "False", "1"),
        ("csv", "yes", "no", "yes"),
        ("csv", ">50K", "<=50K", ">50K"),
        ("BOOLEAN", "true", "false", None),
        ("BOOLEAN", "true", "false", "true"),
        ("TINYINT", "1", "0", "1"),
        ("DOUBLE", "1", "0", "1.0"),
        ("DECIMAL(3,1)", "1", "0", "1"),
        ("VARCHAR", "1", "0", "1"),
    ],
)
def test_the_positive_label_is_found_whatever_its_kind(tmp_path, monkeypatch, kind, yes, no, pos_label):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "rows.csv", f"g,p\na,{yes}\na,{yes}\na,{no}\nb,{no}\n")
    if kind != "csv":
        source = duckdb.read_csv("rows.csv", all_varchar=True, header=True)
        source.project(f"g, CAST(p AS {kind}) AS p").write_parquet("rows.parquet")
    path = "rows.csv" if kind == "csv" else "rows.parquet"
    more = [] if pos_label is None else ["--pos-label", pos_label]
    assert audit(path, "--y-pred", "p", *more, "--json", "r.json", sensitive="g") == 0
    (evidence,) = json.loads(Path("r.json").read_text())["evidence"].values()
    assert evidence["counts"]["cells"]["fp"] == [2, 0]
    assert evidence["counts"]["cells"]["tn"] == [1, 1]


def test_missing_groups_are_counted_as_unknown(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "rows.csv", "race,sex,p\n" + "a,f,1\nb,m,1\n,f,1\nNA,m,0\n" * 20)
    assert audit(path, "--y-pred", "p", "--missing", "NA", "--json", "r.json", sensitive="race,sex") == 0
    printed = capsys.readouterr().out
    assert "Unknown: 40 of race. They are counted, and compared with no group." in printed
    (evidence,) = json.loads(Path("r.json").read_text())["evidence"].values()
    assert ["(unknown)", "f"] in evidence["counts"]["groups"]
    assert sum(map(sum, evidence["counts"]["cells"].values())) == 80


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_missing_predictions_are_an_error_with_their_number(tmp_path, kind, capsys):
    path = write(tmp_path / "rows.csv", "g,p\na,1\na,\nb,0\nb,\nb,1\n")
    if kind == "parquet":
        duckdb.read_csv(path).write_parquet(str(tmp_path / "rows.parquet"))
        path = str(tmp_path / "rows.parquet")
    assert audit(path, "--y-pred", "p", sensitive="g") == 2
    error = capsys.readouterr().err
    assert f"'p' (--y-pred) of rows.{kind} is empty in 2 of 5 rows" in error
    assert error.startswith("fairsk: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--y-pred", "selectd"], "no column 'selectd' (--y-pred) in predictions.csv"),
        (["--y-pred", "selectd"], "Did you mean 'selected'?"),
        (["--y-pred", "selected", "--strata", "branch"], "no column 'branch' (--strata)"),
        (
            ["--y-pred", "selected", "--y-score", "sex"],
            "'sex' (--y-score) of predictions.csv must hold numbers",
        ),
        ([], "name the column of decisions with --y-pred"),
        (["--y-pred", "selected", "--constraint", "demographic_party"], "demographic_parity"),
        (["--y-pred", "selected", "--constraint", "equal_opportunity"], "name their column with --y-true"),
        (["--y-pred", "selected", "--strict"], "--strict needs a bound"),
        (["--y-pred", "selected", "--min-ratio", ".8", "--max-difference", ".1"], "not allowed with"),
        (["--y-pred", "selected", "--min-ratio", "1.5"], "--min-ratio must lie between 0 and 1; got 1.5"),
        (["--y-pred", "selected", "--max-difference", "nan"], "--max-difference must lie between 0 and 1"),
        (["--y-pred", "selected", "--min-ratio", "four fifths"], "--min-ratio: invalid float value"),
        (["--y-pred", "selected", "--confidence", "95"], "confidence"),
        (["--y-pred", "selected", "--reference", "men"], "Did you mean 'man'?"),
        (["--y-pred", "selected", "--pos-label", "yes"], "--pos-label 'yes' never occurs"),
        (["--y-pred", "selected", "--min-group-size", "-1"], "--min-group-size must not be negative; got -1"),
        (["--y-pred", "selected", "--out", "report.pdf"], "the name must end in .html, .json or .md"),
        (
            ["--y-pred", "selected", "--out", "no/such/report.html"],
            "--out 'no/such/report.html': there is no such",
        ),
        (["--y-pred", "selected", "--json", "predictions.csv"], "would overwrite a file that is read"),
        (["--y-pred", "selected", "--summary", ""], "--summary ''"),
        (["--y-pred", "selected", "--against", "earlier.json"], "No such file or directory: 'earlier.json'"),
        (["--y-pred", "selected", "--policy", "fairnes.toml"], "--policy: there is no file 'fairnes.toml'"),
        (["--y-pred", "selected", "--policy", "f.toml", "--min-ratio", ".8"], "--policy says what is asked"),
        (["--y-pred", "selected", "--profile", "five_fifths"], "five_fifths"),
        (["--y-pred", "selected", "--profile-option", "a=b"], "write PROFILE.KEY=VALUE"),
    ],
)
def test_a_mistake_is_a_sentence_and_writes_nothing(predictions, arguments, message, capsys):
    before = {path: path.read_bytes() for path in Path().iterdir()}
    assert audit(predictions, *arguments, *([] if "--out" in arguments else ["--out", "report.html"])) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


def test_reports_in_every_form_and_a_summary_that_grows(predictions, capsys):
    write(Path("summary.md"), "# Tests\n")
    outputs = ["--out", "r.html", "--out", "r.JSON", "--out", "r.md", "--json", "again.json"]
    assert (
        audit(predictions, "--y-pred", "selected", *outputs, "--summary", "summary.md", "--title", "Hires")
        == 0
    )
    assert Path("r.JSON").read_bytes() == Path("again.json").read_bytes()
    assert json.loads(Path("r.JSON").read_text())["title"] == "Hires"
    assert Path("summary.md").read_text() == "# Tests\n" + Path("r.md").read_text() + "\n"
    assert [line.split(" (")[0] for line in capsys.readouterr().out.splitlines()[-4:]] == [
        "wrote r.html",
        "wrote r.JSON",
        "wrote r.md",
        "wrote again.json",
    ]


def test_references_of_one_column_and_of_several(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = ["1,f,1", "1,m,0", '"2, or 3",f,0', '"2, or 3",m,1'] * 30
    write(tmp_path / "rows.csv", "\n".join(["race,sex,p", *rows]))
    arguments = ["rows.csv", "--y-pred", "p", "--min-ratio", ".8", "--json", "r.json"]
    for reference, expected in [
        (
            ["--reference", "race=2, or 3,sex=m"],
            [["race", "2, or 3"], ["sex", "m"], ["race & sex", ["2, or 3", "m"]]],
        ),
        (
            ["--reference", "sex=f", "--reference", "race=1"],
            [["sex", "f"], ["race", "1"], ["race & sex", ["1", "f"]]],
        ),
        (["--reference", "sex=f"], [["sex", "f"]]),
    ]:
        assert audit(*arguments, *reference, sensitive="race,sex") in (0, 1)
        assert json.loads(Path("r.json").read_text())["settings"]["reference"] == expected
    for reference, message in [("white", "of which column?"), ("rase=1", "Did you mean 'race'?")]:
        assert audit(*arguments, "--reference", reference, sensitive="race,sex") == 2
        assert message in capsys.readouterr().err


def test_a_reference_is_a_number_where_groups_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "rows.csv", "\n".join(["team,p", *["1,0", "1,1", "2,1", "2,0"] * 30]))
    assert audit("rows.csv", "--y-pred", "p", "--reference", "2", "--json", "r.json", sensitive="team") == 0
    assert json.loads(Path("r.json").read_text())["settings"]["reference"] == [["team", 2]]


@pytest.mark.parametrize("bound", [[], ["--min-ratio", ".8"]])
def test_lines_fit_and_hostile_names_are_inert(tmp_path, monkeypatch, capsys, bound):
    monkeypatch.setenv("COLUMNS", "80")
    groups = [
        "<script>alert(1)</script>",
        "\x1b[31mred",
        "\u202egnirts",
        "x" * 10_000,
        "a, b; c",
        "two  words",
    ]
    rows = [f'"{group}",{p}' for group in groups for p in (0, 1, 1)]
    path = write(tmp_path / "rows.csv", "\n".join(["g,p", *rows * 10]))
    assert audit(path, "--y-pred", "p", *bound, sensitive="g") in (0, 1)
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    assert "\x1b" not in printed
    assert "\u202e" not in printed


def test_colours_are_for_terminals_that_want_them(predictions, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    audit(predictions, "--y-pred", "selected", "--min-ratio", ".8")
    assert "\x1b[1;31mFAIL" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    audit(predictions, "--y-pred", "selected", "--min-ratio", ".8")
    assert "\x1b" not in capsys.readouterr().out


def test_many_groups_and_criteria_are_cut_short(tmp_path, monkeypatch, capsys):
    rows = [f"g{i:03},{p}" for i in range(100) for p in (0, 1)]
    path = write(tmp_path / "rows.csv", "\n".join(["g,p", *rows]))
    assert audit(path, "--y-pred", "p", sensitive="g") == 0
    printed = capsys.readouterr().out
    assert "... and 76 more groups, which the report has" in printed
    assert len(printed.splitlines()) < 60


class SlowQuery:
    """A connection whose query is half done whenever it is asked."""

    def query_progress(self):
        return 50.0


@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_is_shown_on_a_terminal_after_a_while(monkeypatch, capsys, is_terminal):
    monkeypatch.setattr("sys.stderr.isatty", lambda: is_terminal)
    monkeypatch.setattr(progress, "_PAUSE", 0.001)
    monkeypatch.setattr(progress, "_PATIENCE", 0.01)
    with progress.showing_progress(SlowQuery(), "counting rows.csv"):
        time.sleep(0.1)
    printed = capsys.readouterr().err
    if is_terminal:
        assert "counting rows.csv [###############...............]  50% of query 1" in printed
        assert printed.endswith("\r\x1b[K")
    else:
        assert printed == ""
    monkeypatch.setattr(progress, "_PATIENCE", 100)
    with progress.showing_progress(SlowQuery(), "counting rows.csv"):
        time.sleep(0.02)
    assert capsys.readouterr().err == ""


def test_warnings_are_notes_and_errors_of_the_module_are_clean(predictions):
    command = [
        sys.executable,
        "-m",
        "fairsk",
        "audit",
        predictions,
        "--y-pred",
        "selected",
        "--sensitive",
        "sex",
    ]
    done = subprocess.run([*command, "--min-ratio", ".8"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "1 FAIL" in done.stdout
    done = subprocess.run([*command, "--y-true", "hired"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "fairsk: There is no column 'hired' (--y-true) in predictions.csv, whose columns are: "
        "'sex', 'selected'.\n"
    )


def test_a_report_is_verified_with_and_without_its_rows(predictions, capsys):
    audit(predictions, "--y-pred", "selected", "--out", "r.html", "--out", "r.json")
    capsys.readouterr()
    for report in ("r.html", "r.json"):
        assert status("verify", report) == 0
        assert "This report holds" in capsys.readouterr().out
    duckdb.read_csv(predictions).write_parquet("rows.parquet")
    assert status("verify", "r.html", "--against", "rows.parquet") == 0
    assert "1,000 rows, counted again" in capsys.readouterr().out
    write(Path("fewer.csv"), Path(predictions).read_text().replace("man,1\n", "", 1))
    assert status("verify", "r.json", "--against", "fewer.csv") == 1
    assert "'man'" in capsys.readouterr().out
    changed = re.sub(r'("fp": \[\s*)300', r"\g<1>301", Path("r.json").read_text())
    write(Path("changed.json"), changed)
    assert status("verify", "changed.json") == 1
    # Rows are not counted for a report that does not even follow from itself.
    assert status("verify", "changed.json", "--against", "no such file") == 1
    assert "does not hold" in capsys.readouterr().out


def test_columns_of_other_names_and_texts_that_are_missing_are_verified(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "rows.csv", "g,p\n" + "a,1\nb,0\n?,1\n" * 20)
    write(tmp_path / "renamed.csv", "team,out\n" + "a,1\nb,0\n,1\n" * 20)
    assert audit("rows.csv", "--y-pred", "p", "--missing", "?", "--json", "r.json", sensitive="g") == 0
    assert status("verify", "r.json", "--against", "rows.csv", "--missing", "?") == 0
    assert status("verify", "r.json", "--against", "rows.csv") == 1
    assert status(
        "verify", "r.json", "--against", "renamed.csv", "--y-pred", "out", "--sensitive", "team"
    ) in (0, 1)
    capsys.readouterr()
    assert status("verify", "r.json", "--against", "renamed.csv") == 2
    assert "There is no column 'p' (--y-pred) in renamed.csv" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"{}", 2), (b"", 2), (b"\xff\x00", 2), (b"<html></html>", 2), (b"[" * 100_000, 2), (None, 2)],
)
def test_what_is_no_report_cannot_be_verified(tmp_path, content, expected, capsys):
    path = tmp_path / "report.json"
    if content is not None:
        path.write_bytes(content)
    assert status("verify", str(path)) == expected
    assert "Traceback" not in "".join(capsys.readouterr())


def test_a_policy_says_what_is_asked_and_of_which_columns(hires, capsys):
    assert status("audit", "predictions.csv", "--y-pred", "selected", "--policy", "fairness.toml") == 1
    printed = capsys.readouterr().out
    assert "groups by race, sex, race & sex" in printed
    assert "at least 0.8 is asked" in printed
    assert status("audit", "predictions.csv", "--y-pred", "selected") == 2
    assert "name the columns of groups with --sensitive" in capsys.readouterr().err
    write(Path("broken.toml"), 'name = "Hiring"\n')
    assert status("audit", "predictions.csv", "--y-pred", "selected", "--policy", "broken.toml") == 2
    assert "criteria" in capsys.readouterr().err


def test_what_changed_since_an_earlier_report(predictions, capsys):
    audit(predictions, "--y-pred", "selected", "--json", "earlier.json")
    rows = SELECTED | {("woman", 1): 290, ("woman", 0): 210}
    write(Path("now.csv"), lines_of(rows))
    capsys.readouterr()
    assert audit("now.csv", "--y-pred", "selected", "--against", "earlier.json") == 0
    assert "Since earlier.json" in capsys.readouterr().out
    write(Path("no report.json"), "{}")
    assert audit("now.csv", "--y-pred", "selected", "--against", "no report.json") == 2
    assert "This is not the JSON of an audit report" in capsys.readouterr().err


def test_what_changed_is_written_beside_every_output_and_into_the_summary(predictions, capsys):
    audit(predictions, "--y-pred", "selected", "--json", "earlier.json", "--title", "Last month")
    rows = SELECTED | {("woman", 1): 290, ("woman", 0): 210}
    write(Path("now.csv"), lines_of(rows))
    outputs = [part for name in ("r.html", "r.json", "r.md") for part in ("--out", name)]
    against = ["--against", "earlier.json", "--summary", "summary.md"]
    assert audit("now.csv", "--y-pred", "selected", *outputs, *against) == 0
    printed = capsys.readouterr().out
    for name in ("r.html", "r.json"):
        assert status("verify", name, "--against", "now.csv") == 0
    for name in ("r.md", "summary.md", "r-changes.html"):
        assert "Changes since Last month" in Path(name).read_text()
    for name in ("r.md", "summary.md"):
        assert Path(name).read_text().count("\n# ") + Path(name).read_text().startswith("# ") == 1
    assert json.loads(Path("r-changes.json").read_text())["earlier_title"] == "Last month"
    assert "wrote r-changes.html (" in printed
    assert not Path("r-changes.md").exists()
    # What is read, and other reports, are not overwritten by a second file.
    Path("earlier.json").rename("x-changes.json")
    for more in (["--out", "x.json"], ["--out", "y.html", "--out", "y-changes.html"]):
        assert audit("now.csv", "--y-pred", "selected", "--against", "x-changes.json", *more) == 2
        assert "-changes" in capsys.readouterr().err


@pytest.mark.parametrize("salt", ["auto", "0123456789abcdef" * 2])
@pytest.mark.parametrize("min_cell", [[], ["--min-cell", "200"]], ids=["all", "merged"])
def test_a_commitment_is_made_and_checked(predictions, capsys, salt, min_cell):
    rows = SELECTED | {("other", 1): 3, ("none", 1): 2, ("none", 0): 2}
    write(Path(predictions), lines_of(rows))
    arguments = [predictions, "--y-pred", "selected", "--json", "r.json", *min_cell]
    assert audit(*arguments, "--salt", salt) == 0
    printed = capsys.readouterr().out
    commitment = re.search(r"commitment, to publish now: (sha256:[0-9a-f]{64})\n", printed)[1]
    kept = re.search(r"salt, to keep for the auditor: ([0-9a-f]{32})\n", printed)
    assert (kept is not None) == (salt == "auto")
    assert ("not the digest of the report" in printed) == bool(min_cell)
    published = ["--commitment", commitment, "--salt", kept[1] if kept else salt]
    assert status("verify", "r.json", *published, "--against", predictions) == 0
    assert "the report whose digest was published" in capsys.readouterr().out
    assert status("verify", "r.json", *published) == (2 if min_cell else 0)
    wrong = ["--commitment", commitment, "--salt", "f" * 32, "--against", predictions]
    assert status("verify", "r.json", *wrong) == 1
    if min_cell:  # other small groups with the same sum
        swapped = lines_of(rows | {("other", 1): 2, ("none", 1): 3})
        write(Path("swapped.csv"), swapped)
        assert status("verify", "r.json", *published, "--against", "swapped.csv") == 1


def test_without_a_salt_a_merged_report_says_that_its_digest_is_no_commitment(predictions, capsys):
    write(Path(predictions), lines_of(SELECTED | {("other", 1): 3, ("none", 1): 9}))
    assert audit(predictions, "--y-pred", "selected", "--min-cell", "10") == 0
    assert "do not publish the digest of the report beside its counts" in capsys.readouterr().out
    assert audit(predictions, "--y-pred", "selected", "--salt", "short") == 2
    assert "--salt must be a secret of at least 32 characters" in capsys.readouterr().err


def test_provenance_and_the_size_of_small_groups(predictions, capsys):
    arguments = [predictions, "--y-pred", "selected", "--json", "r.json"]
    assert audit(*arguments) == 0
    document = json.loads(Path("r.json").read_text())
    assert set(document["stated"]["provenance"]) == {"data", "fairsk"}
    assert document["settings"]["min_group_size"] == 30
    more = ["--provenance", "date=2026-01-31", "--provenance", "model=a=b", "--min-group-size", "501"]
    assert audit(*arguments, *more) == 0
    document = json.loads(Path("r.json").read_text())
    assert document["stated"]["provenance"].items() >= {"date": "2026-01-31", "model": "a=b"}.items()
    assert document["settings"]["min_group_size"] == 501
    for odd in (["date"], ["=1"], ["fairsk=9"], ["a=1", "--provenance", "a=2"]):
        assert audit(*arguments, "--provenance", *odd) == 2
        assert "--provenance" in capsys.readouterr().err


def test_profiles_and_their_options(predictions, capsys):
    assert audit(predictions, "--y-pred", "selected", "--profile", "four_fifths", "--json", "r.json") == 0
    (table,) = json.loads(Path("r.json").read_text())["results"]["profiles"][:1]
    assert table["profile"] == "four_fifths"
    for options in (["audited_on=2026"], ["ll144.nothing=1"], ["air_smd.quantiles=[.1"]):
        profiles = ["--profile", "four_fifths,air_smd", "--profile-option", *options]
        assert audit(predictions, "--y-pred", "selected", *profiles) == 2
        assert "--profile-option" in capsys.readouterr().err


def test_a_fixed_reference_is_that_of_the_profile_too(predictions, capsys):
    arguments = [predictions, "--y-pred", "selected", "--profile", "air_smd", "--json", "r.json"]
    for options in (["--reference", "man"], ["--profile-option", "reference=sex=man"]):
        assert audit(*arguments, *options) == 0
        (table,) = json.loads(Path("r.json").read_text())["results"]["profiles"]
        assert {row["group"]: row["air"] for row in table["rows"]} == {"man": None, "woman": 0.5}
    assert audit(*arguments) == 2
    assert "air_smd compares with a fixed group" in capsys.readouterr().err


def test_long_words_of_tables_are_wrapped_not_cut(predictions, monkeypatch, capsys):
    people = {("x,man", 1): 300, ("x,man", 0): 200, ("y,woman", 1): 150, ("y,woman", 0): 350}
    write(Path(predictions), lines_of(people, "race,sex,selected"))
    source = (
        "applications of the year before, as the system of the agency exported them, without those of staff"
    )
    options = ["--profile-option", f"data_source={source}"]
    for columns in ("60", "100"):
        monkeypatch.setenv("COLUMNS", columns)
        arguments = [predictions, "--y-pred", "selected", "--profile", "ll144", *options]
        assert audit(*arguments, sensitive="race,sex") == 0
        printed = capsys.readouterr().out
        assert max(map(len, printed.splitlines())) <= int(columns)
        stated = printed[printed.index("To be stated") :].splitlines()
        start = next(line for line in stated if line.startswith("field")).index("stated")
        named = " ".join(" ".join(line[:start] for line in stated).split())
        assert "source and explanation of the data" in named
        assert source in " ".join(" ".join(line[start:] for line in stated[2:]).split())
    assert audit(predictions, "--y-pred", "selected", "--profile", "four_fifths") == 0
    assert "\nman: the highest rate\n" in capsys.readouterr().out


def test_messages_name_options_not_parameters(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "rows.csv", "Region,Sex,p\n" + "N,Male,Yes\nS,Female,No\nN,Female,Yes\n" * 20)
    arguments = ["rows.csv", "--y-pred", "p"]
    yes = ["--pos-label", "Yes"]
    for more, message in [
        ([], "name the positive one with --pos-label, such as --pos-label 'Yes'."),
        (
            ["--pos-label", "yes"],
            "--pos-label 'yes' never occurs: the labels are 'No', 'Yes'. Did you mean 'Yes'?",
        ),
        ([*yes, "--profile", "ll144"], "name the column with --profile-option ll144.race=COLUMN."),
        ([*yes, "--profile", "air_smd"], "give --reference Region=GROUP."),
        ([*yes, "--reference", "Sex=male"], "Did you mean 'Male'?"),
        ([*yes, "--reference", "Sex=male", "--profile", "air_smd"], "Did you mean 'Male'?"),
        ([*yes, "--confidence", "2"], "--confidence must lie between 0 and 1"),
        ([*yes, "--min-cell", "-1"], "--min-cell must be a whole number of rows"),
        ([*yes, "--min-cell", "99"], "fewer than --min-cell 99"),
        (
            [*yes, "--profile", "four_fifths", "--profile-option", "min_share=9"],
            "--profile-option min_share must be a share",
        ),
    ]:
        assert audit(*arguments, *more, sensitive="Region,Sex") == 2
        printed = capsys.readouterr().err
        assert message in printed
        assert not re.search(r"[a-z]=\.|pos_label|min_cell|fairsk\.", printed)
    assert audit(*arguments, *yes, "--json", "r.json", "--out", "r.md", sensitive="Sex") == 0
    capsys.readouterr()
    assert status("verify", "r.json") == 0
    assert "takes the rows: give --against FILE." in capsys.readouterr().out
    assert status("verify", "r.md") == 2
    assert capsys.readouterr().err == "fairsk: 'r.md' is no report of fairsk: give its .json or .html.\n"


def test_what_data_say_is_not_taken_for_a_parameter():
    for same in (
        "There is no column 'pos_label=' in y_true.csv",
        "at results/criteria/sex/demographic_parity/min_ratio",
        'the group "min_cell" of the policy',
        "it's the reference group's",
    ):
        assert in_options(same) == same
    assert in_options("group 'a' isn't y_pred, and min_cell=5 'min_cell' min_ratio=.8") == (
        "group 'a' isn't --y-pred, and --min-cell 5 'min_cell' --min-ratio .8"
    )


@pytest.mark.parametrize(
    ("labels", "example"),
    [
        ("0, 2", ", such as --pos-label 2"),
        ("'not, hired', 'was, hired'", ", such as --pos-label 'was, hired'"),
        ("""'no', "it's yes\"""", """, such as --pos-label "it's yes\""""),
        ("'only'", ""),
        ("'a', 'b' and 90 more", ""),
    ],
)
def test_the_example_of_a_positive_label_is_one_of_the_labels(labels, example):
    said = f"The labels are {labels}: name the positive one with"
    assert in_options(f"{said} pos_label=. Only") == f"{said} --pos-label{example}. Only"


def test_every_option_of_a_profile_that_is_no_free_text_is_known():
    checked = {"min_share", "method", "intersections", "denominator", "lower_is_better", "quantiles"}
    assert set(_PROFILE_OPTIONS) == checked | {"leave_out_below"}
    assert set(_PROFILE_OPTIONS) <= {option for profile in PROFILES.values() for option in profile.options}


def test_stopping_is_no_error_of_the_file():
    with pytest.raises(KeyboardInterrupt), reading():
        raise RuntimeError("Query interrupted")
    with pytest.raises(RuntimeError, match="a mistake of ours"), reading():
        raise RuntimeError("a mistake of ours")


@pytest.fixture
def hires(tmp_path, monkeypatch):
    """The files that the examples of the help and of the docs name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    people = [
        ("White", "man", 1, 1),
        ("White", "woman", 0, 0),
        ("Black", "man", 1, 0),
        ("Black", "woman", 0, 1),
    ]
    rows = [",".join(map(str, person)) for person in people * 60]
    write(tmp_path / "predictions.csv", "\n".join(["race,sex,hired,selected", *rows]))
    for name in ("predictions.parquet", "predictions-1.parquet", "predictions-2.parquet"):
        duckdb.read_csv("predictions.csv").write_parquet(name)
    write(tmp_path / "fairness.toml", POLICY)
    assert audit("predictions.csv", "--y-true", "hired", "--y-pred", "selected", "--out", "report.html",
                 "--out", "report.json", "--json", "last-month.json", sensitive="race,sex") == 0  # fmt: skip


POLICY = """\
name = "Hiring"
owner = "Head of recruiting"
sensitive_features = ["race", "sex"]

[[criteria]]
constraint = "demographic_parity"
min_ratio = 0.8
why = "We say so in our job adverts."
"""


#: Commands whose examples need more time, or files of their own: they have tests of their own.
ELSEWHERE = ("demo", "monitor", "concerns")


def commands_in(text):
    """Return the commands that a text shows, as lists of words."""
    text = os.path.expandvars(text.replace("\\\n", " "))
    lines = [line.strip() for line in text.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("fairsk ")]


@pytest.mark.parametrize("command", [[], ["audit"], ["verify"], ["policy", "check"]], ids=str)
def test_the_examples_of_the_help_run(hires, command, capsys):
    assert status(*command, "--help") == 0
    found = commands_in(capsys.readouterr().out)
    assert found
    for arguments in found:
        if arguments[0] not in ELSEWHERE:
            assert status(*arguments) in (0, 1, 3), capsys.readouterr().err


def test_the_examples_of_the_docs_run(hires, capsys):
    text = (Path(__file__).parents[1] / "docs" / "command_line.md").read_text()
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    found = commands_in("".join(blocks))
    assert [arguments[0] for arguments in found].count("audit") == 5
    for arguments in found:
        if arguments[0] not in ELSEWHERE:
            assert status(*arguments) in (0, 1, 3), capsys.readouterr().err
