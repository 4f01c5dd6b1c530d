"""The page of many monitors, its sentences, and what a browser makes of it."""

import math
import re

import numpy as np
import pytest
from browser import Browser, find_chromium

from fairsk._pages.charts import charts_of, is_inert
from fairsk.metrics import GroupCounts, ScoreHistograms
from fairsk.monitoring import FairnessMonitor, monitors_markdown, monitors_page
from fairsk.monitoring._words import evidence_words, sentences, step_sentence

HOSTILE = ["<script>alert(1)</script>", "$x_{", "a\u202eb\n</table>", "| `code` <img src=x>"]


def counted(selected, size=100, *, groups=("a", "b"), n_batches=10, name="", batch="day {:03}", **options):
    """Return a monitor of equal batches, in which so many of the decisions of each group are positive."""
    monitor = FairnessMonitor("demographic_parity", **({"min_ratio": 0.8} | options), name=name)
    add(monitor, selected, size, groups, range(n_batches), batch)
    return monitor


def add(monitor, selected, size, groups, days, batch="day {:03}"):
    selected = np.array(selected)
    none = np.zeros(len(selected))
    cells = {"tp": none, "fp": selected, "fn": none, "tn": size - selected}
    counts = GroupCounts(groups, cells, labelled=False)
    for day in days:
        monitor.update(counts, batch=batch.format(day))


@pytest.fixture(scope="module")
def fleet():
    changed = counted([50, 50], n_batches=60, name="changed", mean_batches_between_false_alarms=100)
    add(changed, [50, 30], 100, ("a", "b"), range(60, 72))
    return {
        "even": counted([50, 50], 1000, n_batches=30, name="even"),
        "new": counted([5, 5], 10, n_batches=2, name="new"),
        "changed": changed,
        "uneven": counted([50, 25], name="uneven"),
        "worse": counted([80, 20], name="worse"),
    }


def section(page, heading):
    (found,) = [
        text for text in re.findall("<section.*?</section>", page, re.DOTALL) if f">{heading}</h2>" in text
    ]
    return found


def text_of(markup):
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", markup))


def test_sentences_say_what_was_found_and_what_no_alarm_does_not_mean(fleet):
    said = {name: " ".join(sentences(monitor)) for name, monitor in fleet.items()}
    assert [monitor.outcome for monitor in fleet.values()] == [
        "PASS",
        "INCONCLUSIVE",
        "CHANGED",
        "FAIL",
        "FAIL",
    ]
    uneven = fleet["uneven"]
    assert (
        f"The tolerance was not kept (p = {uneven.p_value:.1e}): the test alarmed at batch day"
        in said["uneven"]
    )
    assert "2,000 decisions of 2 groups in 10 batches; the last batch is day 009." in said["uneven"]
    assert (
        "Furthest apart over all batches, in selection rate: b 0.250 / a 0.500. Their ratio is 0.500"
        in (said["uneven"])
    )
    assert "the lowest rate of a group at least 0.8 times the highest" in said["uneven"]
    assert "The evidence of these pairs of groups suffices alone: b and a." in said["uneven"]
    assert "No alarm does not mean that the tolerance is kept" in said["new"]
    assert "These decisions show the tolerance kept: the confidence sequence of every pair" in said["even"]
    assert "No alarm" not in said["even"] + said["uneven"]
    assert "The tolerance is not kept lately: the change detector alarmed" in said["changed"]
    assert "was not kept" not in said["changed"]


def test_estimates_since_an_alarm_leave_out_what_was_before(fleet):
    monitor = fleet["changed"]
    assert "day 060" <= monitor.since < monitor.change
    said = " ".join(sentences(monitor))
    # 60 batches of 50 and 12 of 30 in 100 decisions
    assert f"b {(60 * 50 + 12 * 30) / 7200:.3f} / a 0.500." in said
    assert f"From batch {monitor.since} on: b 0.300 / a 0.500 in selection rate, an estimate" in said


def test_a_monitor_without_batches_has_nothing_to_say():
    monitor = FairnessMonitor("equalized_odds", max_difference=0.1)
    assert sentences(monitor)[-1] == "No batch has been counted."
    assert "true positive rate and false positive rate by group" in sentences(monitor)[0]
    page = monitors_page([monitor])
    assert "No batch has been counted." in page
    assert "There is no monitor." in monitors_page([])


def test_steps_say_whether_an_alarm_is_new(fleet):
    monitor = fleet["uneven"]
    places = {step.batch: step for step in monitor.steps}
    assert "no evidence that the tolerance is not kept" in step_sentence(monitor.steps[0], monitor)
    assert "the test alarms now" in step_sentence(places[monitor.alarm], monitor)
    assert f"the test alarmed at batch {monitor.alarm}" in step_sentence(monitor.steps[-1], monitor)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"min_ratio": 0.8, "reference": "a"}, "the rate of each group 0.8 to 1.25 times that of a"),
        ({"max_difference": 0.1}, "rates of groups at most 0.1 apart"),
        ({"max_difference": 0.1, "reference": "a"}, "the rate of each group at most 0.1 from that of a"),
    ],
)
def test_every_tolerance_has_its_words(options, said):
    monitor = counted([50, 40, 10], groups=("a", "b", "c"), n_batches=1, **{"min_ratio": None} | options)
    assert said in sentences(monitor)[0]
    compared = "c 0.100 / a 0.500"
    assert compared in " ".join(sentences(monitor))


def test_with_a_reference_other_pairs_are_not_compared():
    monitor = counted([30, 40, 20], groups=("a", "b", "c"), n_batches=1, min_ratio=0.8, reference="a")
    said = " ".join(sentences(monitor))
    # c / a is .667 and a / b .75; c / b, .5, is no pair
    assert "c 0.200 / a 0.300" in said
    assert "b 0.400" not in said


def test_evidence_has_the_words_of_jeffreys():
    words = {
        0.5: "none",
        1: "none",
        2: "slight",
        4: "substantial",
        10.1: "strong",
        32: "very strong",
        101: "decisive",
    }
    assert {e: evidence_words(math.log(e)) for e in words} == words
    assert evidence_words(math.inf) == "decisive"


def test_the_worst_monitor_stands_first(fleet):
    page = monitors_page(fleet)
    headings = re.findall("<h2[^>]*>(.*?)</h2>", page)
    order = ["worse", "uneven", "changed", "new", "even"]
    assert headings == ["What was found", *order, "How to read this page"]
    rows = re.findall('<tr><th scope="row">(.*?)</th>(.*?)</tr>', section(page, "What was found"), re.DOTALL)
    assert [name for name, _ in rows] == order
    outcomes = [re.search(r"</i> ([A-Z ]+)</b>", row)[1] for _, row in rows]
    assert outcomes == ["FAIL", "FAIL", "CHANGED", "INCONCLUSIVE", "PASS"]
    assert fleet["uneven"].since in rows[1][1]
    assert "10</td>" in rows[1][1]
    assert "2,000" in rows[1][1]


def test_several_monitors_share_one_alpha_only_together(fleet):
    said = text_of(section(monitors_page(fleet), "What was found"))
    assert "up to 0.25 of these monitors are expected to say FAIL wrongly" in said
    assert "(e-BH, by the evidence of now): worse, uneven." in said
    alone = text_of(section(monitors_page([fleet["even"]]), "What was found"))
    assert "e-BH" not in alone


def test_a_section_has_groups_batches_and_the_head_of_the_log(fleet):
    monitor = fleet["uneven"]
    shown = section(monitors_page(fleet), "uneven")
    assert monitor.head in shown
    said = text_of(shown)
    assert "a 1,000 0.500" in said
    assert "b 1,000 0.250" in said
    first, *_ = re.search("Last batches.*?<tbody>(.*?)</tbody>", shown, re.DOTALL)[1].split("</tr>")
    assert text_of(first).split()[:5] == ["day", "009", "200", "0.500", "0.250"]
    assert "test alarm" in said


def test_names_that_read_alike_are_told_apart():
    monitors = [counted([50, 50], n_batches=1, name="loans") for _ in range(2)]
    headings = re.findall("<h2[^>]*>(.*?)</h2>", monitors_page(monitors))
    assert headings[1:3] == ["loans (1)", "loans (2)"]
    page = monitors_page([counted([50, 50, 20], groups=("1", 1, "2"), n_batches=2)])
    assert "1 (2)" in section(page, "demographic parity by group")


def test_many_monitors_fit_on_a_page(fleet):
    monitors = {f"model {i}": fleet["uneven" if i % 10 == 0 else "even"] for i in range(50)}
    page = monitors_page(monitors)
    assert len(page.encode()) < 400_000
    assert len([svg for svg in charts_of(page) if svg]) <= 12
    assert page.count("<details><summary>Show charts and tables") == 47
    assert all(f">model {i}</h2>" in page for i in range(50))
    assert "<details><summary>All 52 sections" in page


def test_a_year_of_five_groups_is_small_and_does_not_grow_with_rows():
    rng = np.random.default_rng(0)
    pages = []
    for size in (50, 50_000):
        monitor = FairnessMonitor("demographic_parity", min_ratio=0.8)
        for day, selected in enumerate(rng.binomial(size, 0.5, (365, 5))):
            add(monitor, selected, size, "abcde", [day])
        pages.append(monitors_page([monitor]))
    assert max(len(page.encode()) for page in pages) < 60_000
    assert len(pages[1]) < 1.15 * len(pages[0])
    last = section(pages[0], "demographic parity by group").split("Last batches</caption>")[1]
    assert last.split("</table>")[0].count("<tr>") == 1 + 30


def test_scores_are_drawn_and_not_tested():
    monitor = FairnessMonitor("demographic_parity", min_ratio=0.8, name="scored")
    plain = FairnessMonitor("demographic_parity", min_ratio=0.8, name="scored")
    score = np.tile([0.1, 0.4, 0.6, 0.9], 10)
    groups = np.repeat(["a", "b"], 20)
    counts = GroupCounts.from_predictions(score > 0.5, score > 0.3, sensitive_features=groups)
    histograms = ScoreHistograms.from_scores((score > 0.5).astype(int), score, sensitive_features=groups)
    for day in range(3):
        monitor.update(counts, batch=f"day {day}", histograms=histograms)
        plain.update(counts, batch=f"day {day}")
    said = text_of(section(monitors_page([monitor]), "scored"))
    assert "Mean score, of each batch: shown, not tested" in said
    assert "Scores of the last batch, day 2" in said
    assert re.search(r"AUC.* a 0\.500 0\.500 1\.000", said)
    assert "shown, not tested" not in monitors_page([plain])
    assert monitor.log_e_value == plain.log_e_value


class Concerns:
    """What a page asks a log of concerns for."""

    def head(self):
        return 7, "ab" * 32

    def summary(self):
        return GroupCounts(["<b>", "c"], {cell: [1, 2] for cell in ("tp", "fp", "fn", "tn")})


def test_concerns_are_shown_and_prove_nothing(fleet):
    shown = section(monitors_page([fleet["even"]], concerns=Concerns()), "Concerns")
    assert "How often people report differs by group" in shown
    assert f"after 7 entries: {'ab' * 32}" in shown
    assert "&lt;b&gt;" in shown
    assert "Concerns</h2>" not in monitors_page([fleet["even"]])


def test_markdown_says_the_same_in_short(fleet):
    text = monitors_markdown(fleet, concerns=Concerns())
    assert text.startswith("# Fairness monitors\n")
    assert "| worse | ❌ FAIL |" in text
    assert "| changed | 🔺 CHANGED |" in text
    assert "## uneven" in text
    assert "## Concerns" in text
    assert len(text) < 10_000


def test_hostile_names_are_text_everywhere():
    monitors = [
        counted([50, 20, 50, 50], groups=HOSTILE, name=name, batch=HOSTILE[2] + "{}") for name in HOSTILE
    ]
    page = monitors_page(monitors, title=HOSTILE[0])
    assert "<script" not in page
    assert "<img" not in page
    assert "\u202e" not in page
    charts = [svg for svg in charts_of(page) if svg]
    assert len(charts) >= 9
    assert all(map(is_inert, charts))
    text = monitors_markdown(monitors, title=HOSTILE[0])
    assert "<script" not in text
    assert "\u202e" not in text
    assert "</table>" not in text


@pytest.fixture(scope="module")
def browser():
    if find_chromium() is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    with Browser() as started:
        yield started


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_quiet_and_fits_the_screen(browser, tmp_path, fleet, width):
    hostile = counted([50, 20, 50, 50], groups=HOSTILE, name=HOSTILE[0], batch=HOSTILE[2] + "{}")
    path = tmp_path / "page.html"
    path.write_text(monitors_page([hostile, *fleet.values()], concerns=Concerns()), encoding="utf-8")
    browser.emulate(width, 900, dark=width < 600)
    browser.open(path)
    logged = (
        "Log.entryAdded",
        "Runtime.consoleAPICalled",
        "Runtime.exceptionThrown",
        "Page.javascriptDialogOpening",
    )
    assert browser.happened(*logged) == []
    (asked,) = browser.happened("Network.requestWillBeSent")
    assert asked["request"]["url"] == path.as_uri()
    browser.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert HOSTILE[0] in browser.evaluate("document.body.innerText")
