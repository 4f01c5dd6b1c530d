"""The command line: files are read as they are meant, and every mistake is a sentence."""

from __future__ import annotations

import gzip
import subprocess
import sys

import pytest

from fairsk._cli import main
from fairsk._cli.tables import explain_missing, open_table, reading, select_columns

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
    assert table.columns == tuple(names)
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
        ("rows.csv", b"PK\x03\x04rest", "is a zip archive or an Excel file"),
        ("rows.csv", b"p,g\n1,Jos\xe9\n", "line 2 of rows.csv is not UTF-8 text: save it as CSV UTF-8"),
        ("rows.csv", "p,g\n1,a\n".encode("utf-16"), "is neither CSV (in UTF-8) nor Parquet"),
        (
            "rows.csv",
            b"p,g\n1,a\n0,b,c\n",
            "line 3 of rows.csv cannot be read: it has 3 cells, and the header 2",
        ),
        ("rows.csv", b'p,g\n1,"a\n0,b\n', "line 2 of rows.csv cannot be read: a quoted cell does not end"),
        ("rows.csv.gz", gzip.compress(b"p,g\n1,a\n" * 9999)[:-20], "cannot be read"),
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


def test_numbers_that_are_none_are_counted_and_shown(tmp_path):
    path = write(tmp_path / "rows.csv", "p,s\n1,.5\n0,n/a\n1,high\n0,1\n")
    with pytest.raises(
        ValueError, match=r"'s' \(--s\) .* numbers: 2 of 4 rows hold other text, such as 'high'"
    ):
        read(open_table([path]), ["p"], [], ["s"])


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
    for arguments in (["--help"], ["audit", "--help"], ["--version"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
        )
        *printed, loaded = done.stdout.splitlines()
        assert loaded == "[]"
        if arguments == ["--help"]:
            for command in ("audit", "verify", "policy check", "demo"):
                assert any(line.strip().startswith(f"fairsk {command} ") for line in printed)


def test_no_command_is_an_error_of_usage(capsys):
    with pytest.raises(SystemExit) as exit_:
        main([])
    assert exit_.value.code == 2
    assert "COMMAND" in capsys.readouterr().err
