"""Documents: pages that are whole and inert, charts that can be told apart from the rest, and Markdown."""

import base64
import hashlib
import html
import importlib.util
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from fairsk._core.markup import OUTCOMES, align_numbers, outcome_markup, words_markup
from fairsk._core.results import Entries, Table
from fairsk._core.sections import Card, Cards, Chart, Line, Section
from fairsk._pages import charts as charts_module
from fairsk._pages.charts import MOST_CHARTS, MOST_GROUPS, charts_of, draw_charts, is_inert
from fairsk._pages.html import embedded_in, render_page
from fairsk._pages.markdown import render_markdown
from fairsk.metrics import GroupCounts
from fairsk.statistics import verdict

RIGHT_TO_LEFT = "\u202e"
LONG = "long " + 10_000 * "x"
HOSTILE = ["<script>alert(1)</script>", "$x_{", f"a{RIGHT_TO_LEFT}b", LONG, "\x00\x1b[2J", "a|b`*_\n[c](d)"]
#: What the counts give for selection, of 100 people in every group.
SELECTED = [10, 20, 30, 40, 50, 60]


def counts_of(groups):
    selected = np.array(SELECTED[: len(groups)])
    return GroupCounts(
        groups,
        {
            "tp": selected // 2,
            "fp": selected - selected // 2,
            "fn": 50 - selected // 2,
            "tn": 50 - selected + selected // 2,
        },
    )


def table_of(groups, **kwargs):
    return Table({"group": groups, "rate": [share / 100 for share in SELECTED[: len(groups)]]}, **kwargs)


def sections_of(groups):
    counts = counts_of(groups)
    points = np.array([0.2, 0.5, 0.8])
    lines = {group: Line(points, points**1.5, points**1.5 - 0.05, points**1.5 + 0.05) for group in groups}
    outcomes = Table(
        {"group": groups, "verdict": list(OUTCOMES)[: len(groups)]},
        outcomes=["verdict"],
        remarks=[f"of {group}" for group in groups],
        notes=groups,
    )
    facts = Cards([Card("Outcome", "FAIL", groups[0]), Card(groups[0], "3")])
    return [
        Section(groups[0], groups, [facts, outcomes, Entries([(group, group) for group in groups])]),
        Section(
            "Charts",
            (),
            [
                Chart("rates", groups[0], table_of(groups), counts, ["selection_rate", "true_positive_rate"]),
                Chart("ratios", "Ratios", table_of(groups), counts, reference=groups[-1]),
                Chart("calibration", "Calibration", table_of(groups), lines=lines, folded=True),
            ],
        ),
    ]


def page_of(groups, **kwargs):
    return render_page(
        groups[0], sections_of(groups), embedded=json.dumps(groups), digest="sha256:0", **kwargs
    )


class Elements(HTMLParser):
    """The elements of a page and the text of each."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.found, self.open = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs), []))
        if tag not in ("meta", "link"):
            self.open.append(self.found[-1])

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs), []))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        for _, _, text in self.open:
            text.append(data)

    def all(self, tag):
        return [(attrs, "".join(text)) for name, attrs, text in self.found if name == tag]


@pytest.fixture(scope="module")
def page():
    return page_of(HOSTILE)


def test_a_page_is_whole_and_needs_nothing_else(page):
    elements = Elements(page)
    assert not elements.open
    tags = {tag for tag, _, _ in elements.found}
    assert not tags & {"script", "iframe", "img", "object", "embed", "form", "base", "input", "a:href"}
    for _, attributes, _ in elements.found:
        assert not any(name.startswith("on") or name in ("style", "src", "action") for name in attributes)
        for name in ("href", "xlink:href"):
            assert attributes.get(name, "#").startswith(("#", "data:,"))
    ids = [attributes["id"] for _, attributes, _ in elements.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes, _ in elements.found:
        named = attributes.get("aria-labelledby", "").split() + re.findall(
            r"#([\w-]+)", attributes.get("href", "") + attributes.get("clip-path", "")
        )
        assert set(named) <= set(ids)
    assert [attributes["lang"] for attributes, _ in elements.all("html")] == ["en"]
    assert len(elements.all("h1")) == 1


def test_the_policy_of_a_page_allows_its_own_style_alone(page):
    elements = Elements(page)
    (style,) = (text for _, text in elements.all("style"))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policies = [
        a["content"] for a, _ in elements.all("meta") if a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == [
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    ]
    assert "http:" not in style
    assert "@import" not in style


def test_tables_have_captions_and_cells_that_say_what_they_head(page):
    elements = Elements(page)
    assert len(elements.all("table")) == len(elements.all("caption")) == 4
    assert all(text for _, text in elements.all("caption"))
    assert {attributes["scope"] for attributes, _ in elements.all("th")} == {"col", "row"}


def test_labels_are_shown_as_they_are_and_do_nothing(page):
    text = "".join(Elements(page).all("body")[0][1])
    assert "<script>alert(1)</script>" in text
    assert "$x_{" in text
    assert "a�b" in text
    assert "<script" not in page
    assert all(char.isprintable() or char == "\n" for char in page)
    # what is embedded has the label of 10,000 characters in full; all else is shorter than a paragraph
    shown = page.replace(re.search("<pre.*</pre>", page, re.DOTALL)[0], "")
    assert len(page) - len(shown) > 10_000
    assert not re.search("x{2000}", shown)
    page.encode()


def test_what_is_embedded_is_read_back_whatever_it_holds():
    texts = [*HOSTILE, "\ud800", "\U000e0001", "</pre><script>", "&lt;", "\r\n", "é", "\ufeff"]
    for ascii_only in (True, False):
        embedded = json.dumps(texts, ensure_ascii=ascii_only, indent=1)
        page = render_page("t", [], embedded=embedded)
        assert json.loads(embedded_in(page)) == texts
        page.encode()
    assert embedded_in(render_page("t", [])) is None
    assert embedded_in(page + page) is None


def test_a_page_is_the_same_each_time(page):
    assert page_of(HOSTILE) == page


def test_a_page_is_the_same_in_another_process_and_style(page):
    code = """
import matplotlib, sys
matplotlib.rcParams["font.size"] = 30
matplotlib.rcParams["axes.edgecolor"] = "red"
sys.path.insert(0, "tests")
import test_pages
print(test_pages.hashlib.sha256(test_pages.page_of(test_pages.HOSTILE).encode()).hexdigest())
print("pyplot" if "matplotlib.pyplot" in sys.modules else "no pyplot")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == [hashlib.sha256(page.encode()).hexdigest(), "no pyplot"]


def test_charts_are_found_and_can_be_put_back(page):
    charts = charts_of(page)
    assert len(charts) == 3
    assert all(map(is_inert, charts))
    assert all(charts)
    assert page_of(HOSTILE, charts=charts) == page
    plain = page_of(HOSTILE, charts=[])
    assert "<svg" not in plain
    assert charts_of(plain) == ["", "", ""]
    assert page_of(HOSTILE, charts=charts_of(plain)) == plain
    # a chart that was changed does not fit the digest that stands beside it
    changed = page.replace(charts[0], charts[0].replace("Selection rate", "Rejection rate"))
    assert changed != page
    assert page_of(HOSTILE, charts=charts_of(changed)) != changed


def test_every_changed_byte_of_a_page_is_seen_when_it_is_made_again(page):
    data = page.encode()
    rng = np.random.default_rng(0)
    for place in rng.choice(len(data), 40, replace=False):
        changed = bytearray(data)
        changed[place] ^= 1 << int(rng.integers(0, 7))
        text = changed.decode("utf-8", "replace")
        assert page_of(HOSTILE, charts=charts_of(text)) != text


def test_without_matplotlib_a_page_has_tables_alone(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        charts_module.importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find(name)
    )
    plain = page_of(["a", "b"])
    assert plain == page_of(["a", "b"], charts=[])
    assert len(Elements(plain).all("table")) == 4


@pytest.mark.parametrize(
    "svg",
    [
        "<svg ><script>alert(1)</script></svg>",
        '<svg onload="alert(1)"></svg>',
        '<svg ><a href="https://example.com"><text>x</text></a></svg>',
        '<svg ><use href="https://example.com/x.svg#a"/></svg>',
        '<svg ><use href="data:image/svg+xml;base64,"/></svg>',
        '<svg ><path fill="url(https://example.com/x)"/></svg>',
        '<svg ><path clip-path="url(https://example.com/x#y)"/></svg>',
        '<svg ><path style="fill:red"/></svg>',
        "<svg ><style>*{}</style></svg>",
        "<svg ><foreignObject><p>x</p></foreignObject></svg>",
        '<svg ><image href="#a"/></svg>',
        '<svg ><animate attributeName="href"/></svg>',
        '<svg ><set attributeName="onclick"/></svg>',
        "<svg ><!-- x --></svg>",
        "<svg ></svg><svg ></svg>",
        "<svg ></svg><p>x</p>",
        "<p>x</p>",
        "x",
    ],
)
def test_what_could_do_something_is_no_inert_chart(svg):
    assert not is_inert(svg)


def test_dots_stand_where_the_rates_are():
    groups = ["a", "b", "c", "d", "e", "f"]
    (svg,) = draw_charts([Chart("rates", "Rates", table_of(groups), counts_of(groups))])
    root = ElementTree.fromstring(svg)
    assert root.find("title").text == "Rates"
    marks = [element for element in root.iter("use") if element.get("fill") == "#3b82c4"]
    x, y = np.array([[float(mark.get("x")), float(mark.get("y"))] for mark in marks]).T
    lines = {text.text: float(text.get("y")) for text in root.iter("text")}
    dots = {}
    for group in groups:
        height = lines[f"{group}  (n = 100)"]
        dots[group] = np.median(x[np.abs(y - height) < 8])  # between the two ends of its interval
    places = np.array(list(dots.values()))
    expected = np.array(SELECTED) / 100
    # the axis is linear: places are an affine function of the rates, to a tenth of a point
    slope, start = np.polyfit(expected, places, 1)
    assert slope > 0
    np.testing.assert_allclose(places, start + slope * expected, atol=0.2)


def test_more_groups_or_charts_than_can_be_read_are_left_to_the_tables():
    many = [f"group {i}" for i in range(MOST_GROUPS + 1)]
    counts = GroupCounts(many, {cell: np.full(len(many), 10) for cell in ("tp", "fp", "fn", "tn")})
    assert draw_charts([Chart("rates", "Rates", Table({"group": many}), counts)]) == [""]
    nobody = GroupCounts(["a", "b"], {"tp": [0, 1], "fp": [0, 1], "fn": [5, 5], "tn": [5, 5]})
    chart = Chart("ratios", "Ratios", table_of(["a", "b"]), nobody, reference="a")
    assert draw_charts([chart]) == [""]  # a reference whose rate is 0
    few = Chart("rates", "Rates", table_of(["a", "b"]), counts_of(["a", "b"]))
    drawn = draw_charts([few] * (MOST_CHARTS + 2))
    assert list(map(bool, drawn)) == [True] * MOST_CHARTS + [False] * 2


def test_numbers_stand_below_each_other():
    space, point = "\N{FIGURE SPACE}", "\N{PUNCTUATION SPACE}"
    assert align_numbers(["1.50", "12", "-0.5"]) == ["1.50", f"12{point}{space}{space}", f"-0.5{space}"]
    assert align_numbers(["0.5 [0.4, 0.6]", "-"]) == [
        "0.5 <small>[0.4, 0.6]</small>",
        f"-{point}{space} <small>{7 * space}</small>",
    ]
    assert align_numbers(["41.2%", "7.0"]) == ["41.2%", f"7.0{space}"]
    assert align_numbers(["0.5*", "0.5 "]) == ["0.5*", f"0.5{space}"]
    assert align_numbers(["1e-05", "<b>", "reference"]) == ["1e-05", "&lt;b&gt;", "reference"]


def test_outcomes_have_a_word_and_a_sign():
    for word, (sign, colour) in OUTCOMES.items():
        markup = outcome_markup(f"3. {word}")
        assert re.sub("<[^>]*>", "", markup) == f"3. {sign} {word}"
        assert f"fsk-{colour}" in markup
        assert 'aria-hidden="true"' in markup
    assert outcome_markup("<b>") == "&lt;b&gt;"
    assert words_markup("short words") == "short words"
    assert 'class="fsk-long"' in words_markup("a " + 40 * "x")
    assert 'class="fsk-many"' in words_markup(20 * "short ")
    assert words_markup(30 * " ") == f'<span class="fsk-many">{30 * " "}</span>'


def test_notebooks_show_outcomes_in_a_style_of_their_own():
    result = verdict(counts_of(["a", "b"]), "demographic_parity", max_difference=0.5)
    shown = result._repr_html_()
    assert shown.startswith('<div class="fairsk"><style>')
    assert shown.count("<style>") == 1
    assert f"{OUTCOMES['PASS'][0]}</i> PASS</b>" in shown
    style = re.search("<style>(.*?)</style>", shown, re.DOTALL)[1]
    selectors = [part.split("{")[0] for part in style.replace("\n", "").split("}") if part.strip()]
    assert all(one.startswith(".fairsk") for many in selectors for one in many.split(","))


def test_remarks_stand_below_their_lines():
    table = Table({"group": ["a", "b"], "n": [1, 2]}, remarks=["", "few of <b>"])
    assert table.text().splitlines() == ["group  n", "--------", "a      1", "b      2", "    few of <b>"]
    rows = table.html().split("<tr")
    assert "few of &lt;b&gt;" in rows[-1]
    assert 'colspan="2"' in rows[-1]


def test_a_table_says_how_many_lines_it_does_not_show():
    values = {"group": [f"g{i}" for i in range(230)], "n": list(range(230))}
    assert Table(values).text().splitlines()[-1] == "... and 30 more lines, which .frame() has"
    whole = Table(values, most_lines=1_000)
    assert len(whole.text().splitlines()) == 232
    assert whole.html().count("<tr>") == 231
    # shown columns of which only the first lines were written
    cut = Table(values, {"group": values["group"][:200]}, most_lines=1_000)
    assert cut.html().count("<tr>") == 201
    assert cut.all_notes == ["... and 30 more lines, which .frame() has"]


def unescaped(text):
    """Return what GitHub shows of a line of text, for what is escaped here."""
    text = text.replace("<!-- -->", "")
    return html.unescape(re.sub(r"\\([\\`*_\[\]|~$#+=.)-])", r"\1", text))


def test_markdown_shows_labels_as_they_are():
    groups = [*HOSTILE[:2], "a|b", "@someone #12 https://example.com", "\\|", "*_[x](y)_*`"]
    text = render_markdown("t <b>", [Section("s", ["- [x] p"], [table_of(groups)])], digest="sha256:`0")
    lines = text.splitlines()
    assert lines[0] == "# t &lt;b&gt;"
    assert lines[-1] == "Digest: `sha256:0`"
    rows = [line for line in lines if line.startswith("|")]
    cells = [re.split(r"(?<!\\)(?:\\\\)*\|", row[1:-1]) for row in rows]
    assert rows[1] == "| :--- | ---: |"
    assert [unescaped(row[0].strip()) for row in cells[2:]] == groups
    for unsafe in ("@someone", "#12", "https://", "<script", "[x](y)"):
        assert unsafe not in text


def test_markdown_has_a_sign_with_each_outcome_and_says_what_it_leaves_out():
    groups = ["a", "b"]
    text = render_markdown("t", sections_of(groups), lead=["first"])
    assert "| a | ✅ PASS |" in text
    assert "- Outcome: **❌ FAIL** (a)" in text
    assert "- a: of a" in text
    assert text.count("| group | rate |") == 3
    short = render_markdown("t", sections_of(groups), longest=400)
    assert len(short.encode()) <= 400
    assert re.search(r"\*\d+ parts are left out here", short)
