"""Metrics for Prometheus: what they show and what they do not, and that a real Prometheus alarms by them."""

from __future__ import annotations

import contextlib
import http.server
import json
import math
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from fairsk import Constraint
from fairsk.metrics import GroupCounts
from fairsk.monitoring import ConcernLog, FairnessMonitor
from fairsk.monitoring._prometheus import released as _released
from fairsk.monitoring._prometheus.exposition import CONTENT_TYPE, exposition
from fairsk.rates import get_constraint, get_rate

CONFIGURATION = Path(__file__).parents[1] / "docs" / "prometheus"

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
needs_amtool = pytest.mark.skipif(shutil.which("amtool") is None, reason="amtool is not installed")


@dataclass
class Step:
    log_e_value: float
    log_change_value: float


@dataclass
class Log:
    """What the text is made of, without any evidence: batches of {group: {rate: (part, size)}}."""

    constraint: Constraint = field(default_factory=lambda: get_constraint("demographic_parity"))
    name: str = "loans"
    names: tuple[str, ...] = ("group",)
    reference: object = "nobody"
    alarm: str | None = None
    change: str | None = None
    log_alarm_line: float = math.log(20)
    log_change_line: float = math.log(1000)
    entries: list = field(default_factory=list)
    steps: list = field(default_factory=list)
    batches: list = field(default_factory=list)

    def add(self, entry, *, evidence=0.0, change=0.0, batch=None):
        self.entries.append(entry)
        self.steps.append(Step(evidence, change))
        self.batches.append(batch or f"batch {len(self.entries)}")
        return self

    @property
    def rates(self):
        return self.constraint.rates

    @property
    def n_batches(self):
        return len(self.entries)

    @property
    def groups(self):
        seen = dict.fromkeys(group for entry in self.entries for group in entry)
        return tuple(sorted(seen, key=lambda group: group != self.reference))

    def shares(self, rate=None):
        name = self.rates[0].name if rate is None else rate.name
        table = [[entry.get(group, {}).get(name, (0, 0)) for group in self.groups] for entry in self.entries]
        table = np.array(table, dtype=int).reshape(len(self.entries), len(self.groups), 2)
        return table[..., 0], table[..., 1]


def selection(**groups):
    """One batch: by group, how many were selected, and of how many."""
    return {group: {"selection_rate": counts} for group, counts in groups.items()}


def counts(**groups):
    """The same as a table for a monitor."""
    selected, size = np.array(list(groups.values()), dtype=float).T
    cells = {"tp": 0 * size, "fp": selected, "fn": 0 * size, "tn": size - selected}
    return GroupCounts(list(groups), cells, names=["group"], labelled=False)


LINE = re.compile(r"(\w+)\{(.*)\} (\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"(?:,|$)')
ESCAPED = {"n": "\n", "\\": "\\", '"': '"'}


def parse(text):
    """Read the text: {(metric, labels as sorted pairs): value}."""
    assert text.endswith("\n") or not text
    samples, types = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, metric, kind = line.split(" ")
            types[metric] = kind
            continue
        if line.startswith("# HELP "):
            continue
        metric, labels, value = LINE.fullmatch(line).groups()
        assert metric in types
        pairs = [
            (key, re.sub(r"\\(.)", lambda m: ESCAPED[m[1]], value)) for key, value in LABEL.findall(labels)
        ]
        key = metric, tuple(sorted(pairs))
        assert key not in samples, "two samples with the same labels"
        samples[key] = float(value)
    return samples


def values(text, metric, *labels):
    """Return the samples of a metric by the values of these labels."""
    return {
        tuple(dict(pairs)[label] for label in labels): value
        for (name, pairs), value in parse(text).items()
        if name == metric
    }


def decided(text):
    """Return {(group, rate): (counted, all)}."""
    counts = values(text, "fairsk_decisions_total", "group", "rate", "outcome")
    return {
        (group, rate): (n, n + counts[group, rate, "no"])
        for (group, rate, outcome), n in counts.items()
        if outcome == "yes"
    }


def test_the_text_of_a_small_log():
    log = Log().add(selection(a=(12, 30), b=(3, 20)), evidence=0.27, change=0.55, batch="2026-11-25")
    log.add(selection(a=(10, 30), b=(2, 10)), evidence=2.999, change=7.05, batch="2026-11-26")
    log.change = "2026-11-26"
    text = exposition(log)
    without_help = "\n".join(line for line in text.splitlines() if not line.startswith("# HELP"))
    assert (
        without_help
        == """\
# TYPE fairsk_decisions_total counter
fairsk_decisions_total{monitor="loans",attribute="group",group="a",rate="selection_rate",outcome="yes"} 22
fairsk_decisions_total{monitor="loans",attribute="group",group="a",rate="selection_rate",outcome="no"} 38
fairsk_decisions_total{monitor="loans",attribute="group",group="b",rate="selection_rate",outcome="yes"} 5
fairsk_decisions_total{monitor="loans",attribute="group",group="b",rate="selection_rate",outcome="no"} 25
# TYPE fairsk_monitor_batches_total counter
fairsk_monitor_batches_total{monitor="loans"} 2
# TYPE fairsk_monitor_batches_held_back gauge
fairsk_monitor_batches_held_back{monitor="loans"} 0
# TYPE fairsk_monitor_groups_left_out gauge
fairsk_monitor_groups_left_out{monitor="loans"} 0
# TYPE fairsk_monitor_log_e_value gauge
fairsk_monitor_log_e_value{monitor="loans"} 2.9
# TYPE fairsk_monitor_log_change_value gauge
fairsk_monitor_log_change_value{monitor="loans"} 7.0
# TYPE fairsk_monitor_log_alarm_line gauge
fairsk_monitor_log_alarm_line{monitor="loans",kind="test"} 2.995732273553991
fairsk_monitor_log_alarm_line{monitor="loans",kind="change"} 6.907755278982137
# TYPE fairsk_monitor_alarm gauge
fairsk_monitor_alarm{monitor="loans",kind="test"} 0
fairsk_monitor_alarm{monitor="loans",kind="change"} 1
# TYPE fairsk_monitor_last_batch_timestamp_seconds gauge
fairsk_monitor_last_batch_timestamp_seconds{monitor="loans"} 1795651200.0"""
    )
    assert text.count("# HELP") == text.count("# TYPE")


def test_a_monitor_without_batches_and_no_monitors():
    text = exposition([Log()])
    assert values(text, "fairsk_monitor_alarm", "kind") == {("test",): 0, ("change",): 0}
    assert values(text, "fairsk_monitor_log_change_value") == {(): -math.inf}
    assert "fairsk_decisions_total{" not in text
    assert "timestamp" not in text
    assert exposition([]) == ""


#: Rates on positives and on negatives; rates of which one counts a part of what the other does; one rate.
CONSTRAINTS = {
    "one rate": get_constraint("demographic_parity"),
    "two rates": get_constraint("equalized_odds"),
    "nested rates": Constraint("both", (get_rate("selection_rate"), get_rate("true_positive_rate"))),
}


def random_log(rng, constraint):
    """Return a log of few and of many decisions, with a reference that appears late, or never."""
    log = Log(constraint, reference=rng.choice(["a", "d", "nobody"]))
    for batch in range(rng.integers(1, 9)):
        entry = {}
        for group in "abcd"[: 2 + min(batch, 2)]:
            # Cells tp, fp, fn, tn: nobody at all, a few, or enough.
            cells = rng.integers(0, rng.choice([1, 3, 9]) + 1, 4)
            named = dict(zip(("tp", "fp", "fn", "tn"), cells, strict=True))
            entry[group] = {
                rate.name: (int(rate.part(named)), int(rate.support(named))) for rate in constraint.rates
            }
        log.add(entry, evidence=rng.normal(0, 5), change=rng.normal(0, 5))
    return log


def first_batches(log, n):
    return Log(log.constraint, reference=log.reference, entries=log.entries[:n], steps=log.steps[:n],
               batches=log.batches[:n])  # fmt: skip


@pytest.mark.parametrize("most_groups", [2, 200])
@pytest.mark.parametrize("kind", CONSTRAINTS)
def test_no_two_texts_differ_by_few_decisions(kind, most_groups, monkeypatch):
    """Whatever is read and whenever: each group's new decisions are none or enough, and no counter falls."""
    monkeypatch.setattr(_released, "MOST_GROUPS", most_groups)
    rng = np.random.default_rng(0)
    differences = set()
    for _ in range(40):
        log = random_log(rng, CONSTRAINTS[kind])
        texts = [decided(exposition(first_batches(log, n), min_cell=10)) for n in range(len(log.entries) + 1)]
        for before, after in combinations(texts, 2):
            assert set(before) <= set(after), "no series ends"
            by_group = {}
            for (group, rate), (part, size) in after.items():
                earlier_part, earlier_size = before.get((group, rate), (0, 0))
                assert part >= earlier_part
                assert size - part >= earlier_size - earlier_part
                by_group.setdefault(group, []).append(size - earlier_size)
            for new in by_group.values():
                # What is left of all decisions without those on positives, too.
                new += [abs(new[0] - new[1])] if kind == "nested rates" else []
                assert all(n == 0 or n >= 10 for n in new)
                differences.update(new)
    assert {0, 10} <= differences, "the least number is tried"


def enough(entries, min_cell=10):
    """Whether each group has none or enough decisions in these batches together, of one rate."""
    totals = {}
    for entry in entries:
        for group, rates in entry.items():
            totals[group] = totals.get(group, 0) + rates["selection_rate"][1]
    return all(n == 0 or n >= min_cell for n in totals.values())


def test_batches_are_released_as_soon_as_they_may_be():
    """By definition: the released batches end where each group has enough since the last such end."""
    rng = np.random.default_rng(1)
    held = []
    for _ in range(60):
        log = random_log(rng, CONSTRAINTS["one rate"])
        ends = [0]
        for n in range(1, log.n_batches + 1):
            if enough(log.entries[ends[-1] : n]):
                ends.append(n)
        text = exposition(log, min_cell=10)
        assert values(text, "fairsk_monitor_batches_held_back") == {(): log.n_batches - ends[-1]}
        totals = {}
        for entry in log.entries[: ends[-1]]:
            for group, rates in entry.items():
                part, size = totals.get(group, (0, 0))
                totals[group] = part + rates["selection_rate"][0], size + rates["selection_rate"][1]
        shown = {group: counts for (group, _), counts in decided(text).items()}
        assert shown == {group: counts for group, counts in totals.items() if counts[1]}
        step = log.steps[ends[-1] - 1].log_e_value if ends[-1] else 0.0
        (value,) = values(text, "fairsk_monitor_log_e_value").values()
        assert step - 0.1 < value <= step
        held.append(log.n_batches - ends[-1])
    assert min(held) == 0 < max(held)
    everything = exposition(log, min_cell=1)
    assert values(everything, "fairsk_monitor_batches_held_back") == {(): 0}


def test_of_what_is_held_back_only_the_number_of_batches_shows():
    """Two logs that differ in a batch with few decisions differ in nothing that is written; an alarm does."""
    texts = []
    for few in [(0, 1), (1, 1), (3, 4)]:
        log = Log().add(selection(a=(12, 30), b=(3, 20)), evidence=1.0)
        texts.append(exposition(log.add(selection(a=(9, 25), b=few), evidence=1.0 + few[0])))
    assert len(set(texts)) == 1
    assert values(texts[0], "fairsk_monitor_batches_held_back") == {(): 1}
    unseen = Log().add(selection(a=(12, 30), b=(3, 20)), evidence=1.0)
    texts.append(exposition(unseen.add({"c": {"selection_rate": (1, 2)}})))
    assert texts[-1] == texts[0], "a group that nobody has seen yet has no series"
    log.alarm = log.batches[-1]
    assert values(exposition(log), "fairsk_monitor_alarm", "kind") == {("test",): 1, ("change",): 0}
    first = Log(change="batch 1").add(selection(a=(0, 9)), change=8.0)
    assert values(exposition(first), "fairsk_monitor_alarm", "kind") == {("test",): 0, ("change",): 1}


def test_groups_beyond_the_first_200_are_added_up():
    names = [f"g{i:03d}" for i in range(203)]
    log = Log(reference="g202").add(
        {name: {"selection_rate": (i, 300)} for i, name in enumerate(names[:202])}
    )
    log.add({"g202": {"selection_rate": (7, 300)}})
    text = exposition(log)
    groups = {group for group, _ in decided(text)}
    assert groups == {*names[:200], "(other)"}, "a reference that comes late does not push another out"
    assert decided(text)["(other)", "selection_rate"] == (200 + 201 + 7, 900)
    assert values(text, "fairsk_monitor_groups_left_out") == {(): 3}
    log.add({"g202": {"selection_rate": (0, 5)}, "new": {"selection_rate": (0, 4)}})
    text = exposition(log)
    assert values(text, "fairsk_monitor_batches_held_back") == {(): 1}
    assert values(text, "fairsk_monitor_groups_left_out") == {(): 3}, (
        "a group that is held back is not counted"
    )


#: What breaks other writers: quotes, backslashes, lines, directions, half characters, markup, length.
HOSTILE = [
    'a "quoted"\\',
    "two\nlines",
    "\u202egnirts",
    "half \ud800",
    "<script>",
    "x" * 5000,
    "",
    " ",
    "\\n",
]


def test_names_are_escaped_shortened_and_told_apart():
    labels = [*HOSTILE, 1, "1", None, "(other)", "two\rlines", ("b", 2), "b & 2", "é"]
    log = Log(name='mo"ni\ntor\\').add(
        {label: {"selection_rate": (5, 20 + i)} for i, label in enumerate(labels)}
    )
    text = exposition(log)
    assert all(line.isprintable() for line in text.splitlines())
    assert len(max(text.splitlines(), key=len)) < 500
    text.encode("utf-8")
    written = [group for group, _ in decided(text)]
    assert sorted(size for _, size in decided(text).values()) == list(range(20, 20 + len(labels)))
    for name in [
        'a "quoted"\\',
        "<script>",
        "",
        " ",
        "\\n",
        "1",
        "1 (2)",
        "(other) (2)",
        "b & 2",
        "b & 2 (2)",
    ]:
        assert name in written
    two_lines = [name for name in written if name.startswith("two\N{REPLACEMENT CHARACTER}lines #")]
    assert len(two_lines) == 2
    assert {monitor for (monitor,) in values(text, "fairsk_monitor_alarm", "monitor")} == {
        'mo"ni\N{REPLACEMENT CHARACTER}tor\\ #6fef0feb'
    }


def test_a_monitor_is_read_like_any_log():
    """Its counts, its evidence and its alarms, with a batch that is held back after the alarm."""
    monitor = FairnessMonitor("demographic_parity", min_ratio=0.8, reference="b")
    monitor.update(counts(a=(90, 100), b=(10, 100)), batch="2026-11-01")
    monitor.update(counts(a=(90, 100), b=(10, 100)), batch="2026-11-02")
    released = monitor.log_e_value
    monitor.update(counts(a=(90, 100), b=(0, 9)), batch="2026-11-03")
    text = exposition(monitor)
    assert decided(text) == {("a", "selection_rate"): (180, 200), ("b", "selection_rate"): (20, 200)}
    (evidence,) = values(text, "fairsk_monitor_log_e_value", "monitor").items()
    assert evidence[0] == ("demographic_parity",)
    assert released - 0.1 < evidence[1] <= released < monitor.log_e_value
    assert values(text, "fairsk_monitor_alarm", "kind")["test",] == 1
    assert values(text, "fairsk_monitor_log_alarm_line", "kind")["test",] == pytest.approx(math.log(20))
    assert values(text, "fairsk_monitor_last_batch_timestamp_seconds") == {(): 1793664000}
    assert exposition(FairnessMonitor.from_state(monitor.to_state())) == text


def test_concerns_are_counted_by_source_in_whole_multiples(tmp_path):
    with ConcernLog(tmp_path / "concerns.db", groups=("a", "b")) as log:
        category = log.categories[0]
        assert set(values(exposition([], concerns=log), "fairsk_concerns_total").values()) == {0}
        log.submit(*({"key": f"d{i}", "category": category, "group": "a"} for i in range(23)))
        log.submit(*({"key": f"u{i}", "category": category} for i in range(9)))
        shown = values(exposition([], concerns=log), "fairsk_concerns_total", "source")
        assert shown == {("ticket",): 0, ("declared",): 20, ("unknown",): 0}
        shown = values(exposition([], concerns=log, min_cell=1), "fairsk_concerns_total", "source")
        assert shown == {("ticket",): 0, ("declared",): 23, ("unknown",): 9}


@needs_promtool
def test_promtool_finds_nothing_wrong():
    log = Log(CONSTRAINTS["two rates"], name=HOSTILE[0])
    log.add(
        {label: dict.fromkeys(("true_positive_rate", "false_positive_rate"), (9, 20)) for label in HOSTILE}
    )
    log.batches = ["2026-11-26"]
    text = exposition([log, Log()])
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text.encode(), capture_output=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize(
    ("batch", "seconds"),
    [
        ("1970-01-02", 86400),
        ("1970-02", 31 * 86400),
        ("1970-01-01T01:00", 3600),
        ("1970-01-01 01:00:00+01:00", 0),
        ("1970-01-01T00:00:01Z", 1),
    ],
)
def test_batches_named_by_times_say_when_the_latest_began(batch, seconds):
    log = Log().add(selection(a=(5, 20)), batch=batch).add(selection(a=(5, 20)), batch="1960-01-01")
    assert values(exposition(log), "fairsk_monitor_last_batch_timestamp_seconds") == {(): seconds}


@pytest.mark.parametrize(
    "batch", ["20261126", "2026", "run 7", "2026-13-01", "2026-11-26 site a", "\uff12026-11-26"]
)
def test_other_names_of_batches_have_no_time(batch):
    assert "timestamp" not in exposition(Log().add(selection(a=(5, 20)), batch=batch))


@pytest.mark.parametrize(
    ("value", "written"),
    [(math.nan, "NaN"), (math.inf, "+Inf"), (-math.inf, "-Inf"), (-0.05, "-0.1"), (12, "12.0")],
)
def test_evidence_is_rounded_down_and_written_as_the_format_asks(value, written):
    text = exposition(Log().add(selection(a=(5, 20)), evidence=value))
    assert f'\nfairsk_monitor_log_e_value{{monitor="loans"}} {written}\n' in text


def test_monitors_are_told_apart_by_their_names():
    unnamed = Log(CONSTRAINTS["two rates"], name="")
    text = exposition([Log(), Log(name="cards"), unnamed])
    assert {name for (name,) in values(text, "fairsk_monitor_batches_total", "monitor")} == {
        "loans",
        "cards",
        "equalized_odds",
    }
    with pytest.raises(ValueError, match=r"several have the same name \('loans'\).*name=") as error:
        exposition([Log(), Log(name="cards"), Log()])
    assert "cards" not in str(error.value)
    with pytest.raises(TypeError, match="monitors must be a FairnessMonitor"):
        exposition(["loans.json"])


@pytest.mark.parametrize("min_cell", [0, -1, 2.5, True, "10", None])
def test_the_least_number_is_a_whole_one(min_cell):
    with pytest.raises(ValueError, match="min_cell must be a whole number of decisions, at least 1"):
        exposition(Log(), min_cell=min_cell)


@needs_promtool
@pytest.mark.parametrize(
    "command",
    [
        ("check", "rules", "fairsk.rules.yml"),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "fairsk.rules.test.yml"),
    ],
    ids=" ".join,
)
def test_the_configuration_that_ships_is_sound(command):
    done = subprocess.run(
        ["promtool", *command], cwd=CONFIGURATION, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_amtool
def test_the_configuration_of_alertmanager_is_sound():
    command = ["amtool", "check-config", "alertmanager.yml"]
    done = subprocess.run(command, cwd=CONFIGURATION, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_name_metrics_that_exist_and_alert_on_no_ratio():
    rules = (CONFIGURATION / "fairsk.rules.yml").read_text()
    log = Log().add(selection(a=(5, 20)), batch="2026-11-26")
    written = {metric for metric, _ in parse(exposition(log))}
    named = set(re.findall(r"\bfairsk_\w+", re.sub("#.*", "", rules))) - {"fairsk_decisions"}
    assert named <= written | {"fairsk_state_readable"}, "the service adds which files it can read"
    alerts = re.findall(r"- alert:.*?expr:(.*?)\n *(?:labels|for):", rules, flags=re.DOTALL)
    assert len(alerts) == rules.count("- alert:") == 7
    assert not any("decisions" in expression or "28d" in expression for expression in alerts)


@contextlib.contextmanager
def serving(answer):
    """Serve what ``answer(method, body)`` returns on a free port, which is given."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def respond(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            text = answer(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = respond

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def running(*command, folder):
    """Run a program for as long as it is needed; what it wrote is shown if it ended before that."""
    with (folder / f"{Path(command[0]).name}.log").open("w+") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            ended = process.poll()
            process.kill()
            process.wait()
            if ended is not None:
                log.seek(0)
                print(f"{command[0]} ended with {ended}:\n{log.read()[-4000:]}")  # noqa: T201


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def eventually(what, process, *, seconds=60):
    """Return the first true answer; a machine may be busy, so wait long, and look often."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError):
            if found := what():
                return found
        time.sleep(0.05)
    raise AssertionError(f"not seen within {seconds} seconds")


def ask(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return json.load(answer)["data"]


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")
def test_an_alarm_of_a_monitor_fires_and_reaches_a_webhook(tmp_path):
    """The rules and configurations that ship, in the real programs; only ports and intervals are others."""
    monitor = FairnessMonitor("demographic_parity", min_ratio=0.8, name="loans")
    monitor.update(counts(a=(12, 30), b=(10, 25)), batch="2026-11-24")
    received = []
    port, alert_port = free_port(), free_port()
    alertmanager = shutil.which("prometheus-alertmanager")
    with contextlib.ExitStack() as stack:
        metrics = stack.enter_context(serving(lambda body: exposition(monitor)))
        webhook = stack.enter_context(serving(lambda body: received.append(json.loads(body)) or ""))
        others = {"1m": "200ms", "30s": "0s", ":8000": f":{metrics}", ":9093": f":{alert_port}"}
        for name in ("prometheus.yml", "alertmanager.yml", "fairsk.rules.yml"):
            text = (CONFIGURATION / name).read_text()
            if name != "fairsk.rules.yml":
                for said, tried in {**others, ":9095": f":{webhook}"}.items():
                    text = text.replace(said, tried)
            (tmp_path / name).write_text(text)
        prometheus = stack.enter_context(
            running(
                *(
                    "prometheus",
                    "--config.file=prometheus.yml",
                    "--storage.tsdb.path=data",
                    "--log.level=warn",
                ),
                f"--web.listen-address=127.0.0.1:{port}",
                folder=tmp_path,
            )
        )
        if alertmanager:
            stack.enter_context(
                running(
                    *(alertmanager, "--config.file=alertmanager.yml", "--storage.path=alerts"),
                    *("--cluster.listen-address=", f"--web.listen-address=127.0.0.1:{alert_port}"),
                    folder=tmp_path,
                )
            )
        seen = eventually(
            lambda: ask(port, "/api/v1/query?query=fairsk_decisions_total")["result"], prometheus
        )
        assert {(one["metric"]["group"], one["metric"]["outcome"]): one["value"][1] for one in seen} == {
            ("a", "yes"): "12",
            ("a", "no"): "18",
            ("b", "yes"): "10",
            ("b", "no"): "15",
        }
        rules = ask(port, "/api/v1/rules")["groups"]
        assert {group["name"] for group in rules} == {"fairsk", "fairsk-for-looking-only"}

        def alarms():
            return [
                alert
                for alert in ask(port, "/api/v1/alerts")["alerts"]
                if alert["labels"]["alertname"] == "FairnessToleranceNotKept"
            ]

        assert not alarms()
        for day in (25, 26):
            monitor.update(counts(a=(900, 1000), b=(100, 1000)), batch=f"2026-11-{day}")
        assert monitor.alarm is not None
        (alarm,) = eventually(alarms, prometheus)
        assert (alarm["state"], alarm["labels"]["monitor"]) == ("firing", "loans")
        if alertmanager is None:
            pytest.skip("it fired; prometheus-alertmanager is not installed, so no webhook is tried")

        def delivered():
            return [
                alert
                for message in received
                for alert in message["alerts"]
                if alert["labels"]["alertname"] == "FairnessToleranceNotKept"
            ]

        alarm = eventually(delivered, prometheus)[0]
        assert alarm["status"] == "firing"
        assert (
            alarm["annotations"]["summary"] == "loans: the tolerance was not kept since the monitor started"
        )
