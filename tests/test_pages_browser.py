"""Pages in a browser: what headless Chromium logs, requests, shows and tells a screen reader."""

import numpy as np
import pandas as pd
import pytest
from browser import Browser, find_chromium
from test_pages import HOSTILE, page_of

from fairsk.audit import audit_predictions

pytestmark = pytest.mark.skipif(
    find_chromium() is None, reason="Chromium is not installed (Debian: apt-get install chromium)"
)


@pytest.fixture(scope="module")
def browser():
    with Browser() as started:
        yield started


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(page_of(HOSTILE), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Return the page of an audit by two attributes, with scores, of groups with hostile names."""
    rng = np.random.default_rng(0)
    people = pd.DataFrame({"$a": rng.choice(HOSTILE, 600), "<b>": rng.choice(["f", "m"], 600)})
    y, score = rng.integers(0, 2, 600), rng.random(600)
    decided = (score > 0.5).astype(int)
    audited = audit_predictions(y, decided, sensitive_features=people, y_score=score, max_difference=0.1)
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(audited.to_html(), encoding="utf-8")
    return path


def logged(browser):
    return browser.happened(
        "Log.entryAdded",
        "Runtime.consoleAPICalled",
        "Runtime.exceptionThrown",
        "Page.javascriptDialogOpening",
    )


def test_the_browser_reports_what_a_bad_page_does(browser, tmp_path):
    path = tmp_path / "bad.html"
    path.write_text(
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'\">"
        "<script>alert(1)</script><img src=picture.png><table><tr><td>1<td>2</table>"
    )
    browser.open(path)
    assert len(logged(browser)) >= 2
    path.write_text("<img src=picture.png>")
    browser.open(path)
    assert len(browser.happened("Network.requestWillBeSent")) == 2


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", ["page", "report"])
def test_a_page_opens_without_a_message_or_a_request(browser, name, dark, request):
    page = request.getfixturevalue(name)
    browser.emulate(1280, 900, dark=dark)
    browser.open(page)
    assert logged(browser) == []
    (asked,) = browser.happened("Network.requestWillBeSent")
    assert asked["request"]["url"] == page.as_uri()
    assert browser.evaluate("document.scripts.length") == 0


def test_labels_are_text_in_the_browser(browser, page):
    browser.emulate(1280, 900)
    browser.open(page)
    text = browser.evaluate("document.body.innerText")
    for label in ("<script>alert(1)</script>", "$x_{", "a�b"):
        assert label in text
    drawn = browser.evaluate("[...document.querySelectorAll('svg text')].map(e => e.textContent).join('\\n')")
    assert "<script>alert(1)</script>  (n = 100)" in drawn
    assert "$x_{  (n = 100)" in drawn


def test_a_screen_reader_is_told_of_every_table_and_chart(browser, page):
    browser.emulate(1280, 900)
    browser.open(page)
    nodes = browser.accessible()
    named = {role: [] for role in ("table", "image", "region", "heading")}
    for node in nodes:
        role = node.get("role", {}).get("value")
        if role in named:
            named[role].append(node.get("name", {}).get("value", ""))
    # the table that is folded is told of when it is unfolded
    assert len(named["table"]) == 3
    charts = named["image"] or [
        n["name"]["value"] for n in nodes if n.get("role", {}).get("value") in ("img", "graphics-document")
    ]
    assert len(charts) == 3
    assert all(named["table"] + charts + named["region"])
    browser.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    tables = [n for n in browser.accessible() if n.get("role", {}).get("value") == "table"]
    assert len(tables) == 4
    assert all(table["name"]["value"] for table in tables)


@pytest.mark.parametrize("width", [360, 1280, 2560])
@pytest.mark.parametrize("name", ["page", "report"])
def test_nothing_is_wider_than_the_screen(browser, name, width, request):
    """Wide tables scroll in a box of their own; long words are broken."""
    browser.emulate(width, 900)
    browser.open(request.getfixturevalue(name))
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    wide = "e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.fsk-box, figure, .skip')"
    assert browser.evaluate(f"[...document.body.querySelectorAll('*')].filter({wide}).length") == 0


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", ["page", "report"])
def test_text_stands_out_from_what_is_behind_it(browser, name, dark, request):
    """WCAG 2.2, success criterion 1.4.3: a contrast of 4.5 to 1, of the colours as they are shown."""
    browser.emulate(1280, 900, dark=dark)
    browser.open(request.getfixturevalue(name))
    lowest = browser.evaluate(CONTRAST)
    assert lowest["elements"] > 100
    assert lowest["contrast"] >= 4.5, lowest


#: Contrast by WCAG's formula of relative luminance, over the colours behind an element, opacity and all.
CONTRAST = """(() => {
  const parse = text => {
    const v = text.match(/[\\d.]+/g).map(Number); return v.length < 4 ? [...v, 1] : v; };
  const over = (a, b) => [0, 1, 2].map(i => a[i] * a[3] + b[i] * (1 - a[3]));
  const light = c => [0.2126, 0.7152, 0.0722].reduce((sum, w, i) => {
    const v = c[i] / 255; return sum + w * (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); }, 0);
  const ground = parse(getComputedStyle(document.body).backgroundColor);
  let lowest = {contrast: 99, elements: 0};
  for (const e of document.body.querySelectorAll('*')) {
    if (e.closest('svg, .skip') || ![...e.childNodes].some(n => n.nodeType == 3 && n.data.trim())) continue;
    const above = []; for (let p = e; p; p = p.parentElement) above.unshift(p);
    let behind = ground, opacity = 1;
    for (const p of above) {
      const s = getComputedStyle(p);
      opacity *= Number(s.opacity);
      behind = over(parse(s.backgroundColor), behind);
    }
    const color = parse(getComputedStyle(e).color); color[3] *= opacity;
    const [a, b] = [light(over(color, behind)), light(behind)].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    lowest.elements += 1;
    if (contrast < lowest.contrast) Object.assign(lowest, {contrast, text: e.textContent.slice(0, 60)});
  }
  return lowest;
})()"""


def test_every_table_of_a_report_has_a_name(browser, report):
    browser.emulate(1280, 900)
    browser.open(report)
    browser.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    nodes = [node for node in browser.accessible() if node.get("role", {}).get("value") == "table"]
    assert len(nodes) == browser.evaluate("document.querySelectorAll('table').length")
    assert all(node["name"]["value"] for node in nodes)
