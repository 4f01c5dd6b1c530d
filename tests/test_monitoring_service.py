"""The service of monitors and concerns, called as a server calls it; in a browser; and with uvicorn."""

import asyncio
import contextlib
import json
import logging
import os
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
from browser import Browser, find_chromium
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairsk.monitoring._concerns import ConcernLog
from fairsk.monitoring._files import create_monitor, open_monitor
from fairsk.monitoring._monitor import FairnessMonitor
from fairsk.monitoring._service import FORM_TEXTS, app, floods, requests

SECRET = "kept elsewhere, not in the file"
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
GROUPS = {"loan-1": "women", "loan-2": "men"}


class Answer:
    """What came back."""

    def __init__(self, messages):
        start, *parts = messages
        self.status = start["status"]
        self.headers = {name.decode(): value.decode() for name, value in start["headers"]}
        self.body = b"".join(part["body"] for part in parts)

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode()


async def call(application, method, path, body=b"", headers=(), client=("192.0.2.7", 1), **scope):
    """Send a request as a server does, its body in two parts; return the answer, or None if there is none."""
    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in dict(headers).items()],
        "client": client,
        **scope,
    }
    half = len(body) // 2
    parts = [
        {"type": "http.request", "body": body[:half], "more_body": True},
        {"type": "http.request", "body": body[half:]},
    ]
    sent = []

    async def receive():
        return parts.pop(0) if parts else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    await application(scope, receive, send)
    return Answer(sent) if sent else None


def ask(*args, **kwargs):
    return asyncio.run(call(*args, **kwargs))


def post(application, body, path="/concerns", **kwargs):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ask(application, "POST", path, data, JSON, **kwargs)


def send_form(application, values, path="/concerns/form", headers=(), **kwargs):
    data = values if isinstance(values, bytes) else urlencode(values).encode()
    return ask(application, "POST", path, data, {**FORM, **dict(headers)}, **kwargs)


@pytest.fixture
def log(tmp_path):
    with ConcernLog(
        tmp_path / "concerns.db",
        secret=SECRET,
        groups=("women", "men"),
        store_text=True,
        group_of=GROUPS.get,
    ) as opened:
        yield opened


@pytest.fixture
def service(log):
    return app(concerns=log, rate=1e6, burst=10**6)


def monitor_file(path, name, n_batches=1):
    create_monitor(path, FairnessMonitor("demographic_parity", min_ratio=0.8, name=name))
    for _ in range(n_batches):
        add_batch(path)
    return path


def add_batch(path):
    with open_monitor(path) as monitor:
        y_pred = np.array([1, 0] * 40)
        groups = np.repeat(["women", "men"], 40)
        monitor.update_predictions(y_pred, batch=f"batch-{monitor.n_batches + 1}", sensitive_features=groups)


def concern(key, **fields):
    return {"key": key, "category": "other", **fields}


# Concerns as JSON


def test_a_concern_is_new_once_and_known_afterwards(service, log):
    first = post(service, concern("k1", group="women", text="It is wrong."))
    assert (first.status, first.json) == (201, {"number": 1, "is_new": True, "note": ""})
    again = post(service, concern("k1", group="women", text="It is wrong."))
    assert (again.status, again.json["number"], again.json["is_new"]) == (200, 1, False)
    assert post(service, concern("k2")).json["number"] == 2
    assert log.head()[0] == 2
    assert log.verify() == []


def test_what_is_acknowledged_is_on_disk(service, log, tmp_path):
    """Another connection sees it at the very moment at which the answer begins."""
    seen = []

    async def report():
        async def send(message):
            if message["type"] == "http.response.start":
                with contextlib.closing(sqlite3.connect(tmp_path / "concerns.db")) as other:
                    seen.append(other.execute("SELECT count(*) FROM event").fetchone()[0])

        body = json.dumps(concern("k1")).encode()

        async def receive():
            return {"type": "http.request", "body": body}

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/concerns",
            "headers": [(b"content-type", b"application/json")],
        }
        await service(scope, receive, send)

    asyncio.run(report())
    assert seen == [1]


def test_requests_at_once_share_a_commit(service, log, monkeypatch):
    sizes = []
    submit = log.submit

    def counted(*concerns):
        sizes.append(len(concerns))
        return submit(*concerns)

    monkeypatch.setattr(log, "submit", counted)

    async def many():
        return await asyncio.gather(
            *(
                call(service, "POST", "/concerns", json.dumps(concern(f"k{i}")).encode(), JSON)
                for i in range(200)
            )
        )

    answers = asyncio.run(many())
    assert [answer.status for answer in answers] == [201] * 200
    assert sorted(answer.json["number"] for answer in answers) == list(range(1, 201))
    assert sum(sizes) == 200
    assert len(sizes) < 100  # a handful, unless the machine is busy with something else


#: Bodies that no service should stumble over, and the answer to each.
BAD = [
    (b"", 422),
    (b"{", 422),
    (b"[]", 422),
    (b"1", 422),
    (b"\xff\xfe", 422),
    ("\ufeff{}".encode(), 422),
    (b"[" * 16_000, 422),
    (b'{"a":' * 3_000, 422),
    (b'{"key":"k","category":"other","text":"\\ud800"}', 422),
    (b'{"key":"k\\udfff","category":"other"}', 422),
    (b'{"\\ud800":1}', 422),
    (b'{"key":"k","key":"k","category":"other"}', 422),
    (b'{"key":NaN,"category":"other"}', 422),
    (b'{"key":"k","category":"other","group":1e999}', 422),
    (b'{"key":"k","category":"other","group":' + b"9" * 5_000 + b"}", 422),
    (b'{"key":"k","category":"other","group":[[]]}', 422),
    (b'{"key":"k","category":{},"group":{}}', 422),
    (b'{"key":"k\\u0000","category":"other"}', 422),
    (b'{"key":"k","category":"other","ticket":"\\u0661~~0"}', 422),
    (b'{"key":"k","category":"other","ticket":7}', 422),
    (b'{"key":"k","category":"other","who":"me"}', 422),
    (b'{"key":"' + b"k" * 65 + b'","category":"other"}', 422),
    (b'{"key":"k","category":"other","ticket":"loan-1~~' + b"0" * 32 + b'"}', 403),
    (b'{"key":"k","category":"other","text":"' + b"a" * 2_001 + b'"}', 422),
    (b'{"key":"k","category":"other","text":"' + b"a" * 17_000 + b'"}', 413),
]


def test_a_bad_body_never_changes_a_neighbours_answer(service, log):
    async def together():
        requests = []
        for i, (body, _) in enumerate(BAD):
            requests.append(call(service, "POST", "/concerns", body, JSON))
            requests.append(
                call(service, "POST", "/concerns", json.dumps(concern(f"good-{i}")).encode(), JSON)
            )
        return await asyncio.gather(*requests)

    answers = asyncio.run(together())
    assert [answer.status for answer in answers[1::2]] == [201] * len(BAD)
    for (body, status), answer in zip(BAD, answers[::2], strict=True):
        assert answer.status == status, (body[:60], answer.body)
        assert list(answer.json) == ["error"]
        assert len(answer.json["error"]) <= 300
    assert log.verify() == []
    assert log.head()[0] == len(BAD)


def test_what_passes_the_check_and_cannot_be_stored_fails_alone(service, log, monkeypatch):
    """As if a later version of the log forgot to check something."""
    submit = log.submit

    def fussy(*concerns):
        if any(one.key == "poison" for one in concerns):
            raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")
        return submit(*concerns)

    monkeypatch.setattr(log, "submit", fussy)

    async def together():
        keys = ["a", "b", "poison", "c"]
        return await asyncio.gather(
            *(call(service, "POST", "/concerns", json.dumps(concern(key)).encode(), JSON) for key in keys)
        )

    assert [answer.status for answer in asyncio.run(together())] == [201, 201, 503, 201]


def test_a_disk_that_fails_loses_nothing(service, log, monkeypatch, caplog):
    submit, calls = log.submit, []

    def full(*concerns):
        calls.append(len(concerns))
        raise sqlite3.OperationalError("database or disk is full")

    async def together():
        return await asyncio.gather(
            *(
                call(service, "POST", "/concerns", json.dumps(concern(f"k{i}")).encode(), JSON)
                for i in range(8)
            )
        )

    monkeypatch.setattr(log, "submit", full)
    with caplog.at_level(logging.ERROR, "fairsk.monitoring"):
        answers = asyncio.run(together())
    assert {answer.status for answer in answers} == {503}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
    assert "the same key" in answers[0].json["error"]
    assert "disk is full" in caplog.text
    assert sum(calls) == 8  # a disk that is full for one is full for all: nobody waits for another try
    monkeypatch.setattr(log, "submit", submit)
    assert {answer.status for answer in asyncio.run(together())} == {201}


def test_a_lookup_of_groups_that_fails_is_told_to_nobody(tmp_path):
    def group_of(decision):
        if decision == "loan-3":
            raise LookupError("host=10.0.0.3 password=hunter2")
        return "women"

    with ConcernLog(tmp_path / "c.db", secret=SECRET, group_of=group_of) as log:
        service = app(concerns=log)
        answer = post(service, concern("k1", ticket=log.ticket("loan-3")))
        assert answer.status == 503
        assert "hunter2" not in answer.text
        assert post(service, concern("k2", ticket=log.ticket("loan-1"))).status == 201


def test_a_sender_that_goes_is_not_answered(service, log):
    async def gone():
        sent = []

        async def receive():
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        headers = [(b"content-type", b"application/json")]
        await service(
            {"type": "http", "method": "POST", "path": "/concerns", "headers": headers}, receive, send
        )
        return sent

    assert asyncio.run(gone()) == []
    assert log.head()[0] == 0


def test_a_body_that_does_not_come_is_not_waited_for(service, monkeypatch):
    monkeypatch.setattr(requests, "_MOST_SECONDS", 0.05)

    async def slow():
        sent = []

        async def receive():
            await asyncio.sleep(60)

        async def send(message):
            sent.append(message)

        headers = [(b"content-type", b"application/json")]
        await service(
            {"type": "http", "method": "POST", "path": "/concerns", "headers": headers}, receive, send
        )
        return Answer(sent)

    assert asyncio.run(slow()).status == 408


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 415),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/json; charset=latin-1"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": "application/json", "content-encoding": "gzip"}, 415),
        ({"content-type": 'Application/JSON; charset="UTF-8"'}, 201),
        ({"content-type": "application/json", "content-length": "16385"}, 413),
        ({"content-type": "application/json", "content-length": "9" * 5_000}, 413),
    ],
)
def test_only_short_json_is_read(service, headers, status):
    assert ask(service, "POST", "/concerns", json.dumps(concern("k")).encode(), headers).status == status


def test_the_longest_body_is_sixteen_kilobytes(service):
    body = json.dumps(concern("k", text="x" * 2_000)).encode()
    padded = body + b" " * (16_384 - len(body))
    assert post(service, padded).status == 201
    assert post(service, padded + b" ").status == 413
    # 2,000 characters fit, whatever they are
    assert (
        post(
            service, json.dumps(concern("l", text="\N{GRINNING FACE}" * 2_000), ensure_ascii=False).encode()
        ).status
        == 201
    )


def test_a_ticket_shows_what_became_of_a_concern(service, log):
    ticket = log.ticket("loan-1", batch="2026-11")
    unknown = post(service, {"ticket": ticket}, "/concerns/status")
    forged = post(service, {"ticket": ticket[:-1] + ("0" if ticket[-1] != "0" else "1")}, "/concerns/status")
    assert (unknown.status, forged.status) == (404, 404)
    assert unknown.body == forged.body
    assert unknown.headers == forged.headers
    post(service, concern("k1", ticket=ticket))
    log.answer(1, "answered", reason="data corrected")
    found = post(service, {"ticket": ticket}, "/concerns/status").json
    since = found.pop("since")
    assert found == {"number": 1, "state": "answered", "reason": "data corrected"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:00Z", since)
    for body in ({}, {"ticket": 1}, {"ticket": "loan-1"}, {"ticket": ticket, "more": 1}, [ticket]):
        assert post(service, body, "/concerns/status").status == 422


def test_the_summary_hides_small_numbers(service, log):
    for i in range(7):
        post(service, concern(f"k{i}", group="women"))
    answer = ask(service, "GET", "/concerns/summary")
    assert answer.json == json.loads(json.dumps(log.summary().to_dict()))
    post(service, concern("one", group="men"))
    assert ask(service, "GET", "/concerns/summary").json == json.loads(json.dumps(log.summary().to_dict()))


# Floods


def test_a_flood_from_one_address_leaves_others_alone(log):
    service = app(concerns=log, rate=1.0, burst=3)
    answers = [post(service, concern(f"k{i}")) for i in range(6)]
    assert [answer.status for answer in answers] == [201, 201, 201, 429, 429, 429]
    assert answers[-1].headers["retry-after"] == "1"
    assert post(service, concern("other"), client=("192.0.2.8", 1)).status == 201
    assert ask(service, "GET", "/metrics").status == 200
    assert send_form(service, {}).status == 429
    assert post(service, {}, "/concerns/status").status == 429


def test_buckets_fill_at_their_rate_and_hold_no_more_than_the_burst():
    buckets = floods.TokenBuckets(rate=2.0, burst=3)
    assert [buckets.wait("a", 0.0) for _ in range(4)] == [0, 0, 0, 1]
    assert buckets.wait("a", 0.4) == 1  # four fifths of a token
    assert buckets.wait("a", 0.5) == 0
    assert [buckets.wait("a", 1e6) for _ in range(4)] == [0, 0, 0, 1]
    slow = floods.TokenBuckets(rate=0.1, burst=1)
    assert [slow.wait("a", 0.0), slow.wait("a", 0.0), slow.wait("a", 4.0)] == [0, 10, 6]


def test_senders_are_remembered_up_to_a_number_and_by_no_address():
    buckets = floods.TokenBuckets(rate=1e-6, burst=1)
    assert buckets.wait("192.0.2.1", 0.0) == 0
    for i in range(floods.MOST_BUCKETS - 1):
        buckets.wait(f"10.{i // 256}.{i % 256}.1", 0.0)
    assert len(buckets) == floods.MOST_BUCKETS
    assert buckets.wait("192.0.2.1", 0.0) > 0  # still known, and now heard of most lately
    for i in range(floods.MOST_BUCKETS):
        buckets.wait(f"11.{i // 256}.{i % 256}.1", 0.0)
    assert len(buckets) == floods.MOST_BUCKETS
    assert buckets.wait("192.0.2.1", 0.0) == 0  # forgotten
    kept = list(buckets._buckets)
    assert b"192.0.2.1" not in kept
    assert {len(name) for name in kept} == {16}
    other = floods.TokenBuckets(rate=1e-6, burst=1)
    other.wait("192.0.2.1", 0.0)
    assert not set(other._buckets) & set(kept)  # the key is another one at each start


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("not an address", "another", False),
    ],
)
def test_a_sender_is_an_address_or_a_network_of_ipv6(one, two, same):
    senders = [requests.Request({"client": (address, 1)}, None).sender for address in (one, two)]
    assert (senders[0] == senders[1]) is same
    assert requests.Request({"client": None}, None).sender == ""


def test_headers_of_proxies_are_not_believed(log):
    service = app(concerns=log, rate=1e-3, burst=1)
    forged = [{**JSON, "x-forwarded-for": f"192.0.2.{i}", "forwarded": f"for=192.0.2.{i}"} for i in range(3)]
    answers = [
        ask(service, "POST", "/concerns", json.dumps(concern(f"k{i}")).encode(), headers)
        for i, headers in enumerate(forged)
    ]
    assert [answer.status for answer in answers] == [201, 429, 429]


def test_neither_addresses_nor_browsers_are_kept(service, log, tmp_path):
    headers = {
        **JSON,
        "user-agent": "a-telling-browser",
        "cookie": "who=me",
        "referer": "https://example.org/x",
    }
    body = json.dumps(concern("k1")).encode()
    assert ask(service, "POST", "/concerns", body, headers, client=("198.51.100.77", 4711)).status == 201
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for trace in (b"198.51.100.77", b"4711", b"telling", b"who=me", b"example.org"):
        assert trace not in stored


# Paths, methods, headers


def test_paths_and_methods_that_are_not_there(service):
    assert ask(service, "GET", "/nothing").status == 404
    assert ask(service, "GET", "/concerns/").status == 404
    for method, path, allowed in [
        ("GET", "/concerns", "POST"),
        ("HEAD", "/concerns", "POST"),
        ("DELETE", "/concerns", "POST"),
        ("OPTIONS", "/concerns", "POST"),
        ("POST", "/", "GET, HEAD"),
        ("PUT", "/metrics", "GET, HEAD"),
        ("PUT", "/concerns/form", "GET, POST, HEAD"),
    ]:
        answer = ask(service, method, path)
        assert (answer.status, answer.headers["allow"]) == (405, allowed), (method, path)


def test_without_a_log_no_concern_is_taken(tmp_path):
    service = app([monitor_file(tmp_path / "a.json", "loans")])
    for path in ("/concerns", "/concerns/form", "/concerns/summary", "/concerns/status"):
        assert ask(service, "GET", path).status == 404
    assert not any(path.startswith("/concerns") for path in service.openapi["paths"])
    assert ask(service, "GET", "/metrics").status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/metrics",
        "/healthz",
        "/openapi.json",
        "/concerns/summary",
        "/concerns/form",
        "/concerns/form/status",
    ],
)
def test_head_is_answered_like_get(service, path):
    get, head = ask(service, "GET", path), ask(service, "HEAD", path)
    assert head.body == b""
    assert (head.status, head.headers) == (get.status, get.headers)
    assert int(head.headers["content-length"]) == len(get.body)


def test_every_answer_keeps_browsers_from_harm(service, log):
    answers = [
        *(
            ask(service, "GET", path)
            for path in ("/", "/metrics", "/healthz", "/openapi.json", "/concerns/summary")
        ),
        *(
            ask(service, "GET", path)
            for path in ("/concerns/form", "/concerns/form/status", "/nothing", "/concerns")
        ),
        post(service, concern("k1")),
        post(service, b"{"),
        send_form(service, {"key": "k2", "category": "other"}),
        send_form(service, {}),
        send_form(service, b"%ff"),
    ]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        policy = dict(
            part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";")
        )
        assert policy["default-src"] == "'none'"
        assert policy["frame-ancestors"] == "'none'"
        assert "script-src" not in policy
        assert "set-cookie" not in answer.headers
        assert not any(name.startswith("access-control") for name in answer.headers)
        is_page = answer.headers["content-type"] == "text/html; charset=utf-8"
        assert is_page == answer.text.startswith("<!DOCTYPE html>")
        if is_page:
            assert "unsafe" not in answer.headers["content-security-policy"]
            assert "<script" not in answer.text


def test_a_service_below_a_path(service):
    def below(path):
        return ask(service, "GET", path, root_path="/fairness")

    assert below("/fairness/metrics").status == 200
    assert below("/metrics").status == 200
    assert below("/fairness/concerns/form").status == 200
    assert below("/fairnessmetrics").status == 404
    assert below("/fairness/openapi.json").json["servers"] == [{"url": "/fairness"}]
    assert ask(service, "GET", "/openapi.json").json["servers"] == [{"url": "/"}]


def test_servers_start_and_stop_it(service):
    async def live():
        kinds = iter(["lifespan.startup", "lifespan.shutdown"])
        sent = []

        async def receive():
            return {"type": next(kinds)}

        async def send(message):
            sent.append(message["type"])

        await service({"type": "lifespan"}, receive, send)
        await service({"type": "websocket"}, lambda: asyncio.sleep(0), send)
        return sent

    assert asyncio.run(live()) == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
        "websocket.close",
    ]


def test_an_error_of_ours_is_told_to_us_and_not_to_the_sender(service, log, monkeypatch, caplog):
    monkeypatch.setattr(log, "summary", lambda: 1 / 0)
    with caplog.at_level(logging.ERROR, "fairsk.monitoring"):
        answer = ask(service, "GET", "/concerns/summary")
    assert answer.status == 500
    assert "zero" not in answer.text
    assert "ZeroDivisionError" in caplog.text

    def locked():
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(log, "summary", locked)
    assert ask(service, "GET", "/concerns/summary").status == 503


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"rate": 0}, ValueError, "rate must be a positive number"),
        ({"burst": 0.5}, ValueError, "burst must be at least 1"),
        ({"rate": float("nan")}, ValueError, "rate must be a positive number"),
        ({"monitors": [3]}, TypeError, "monitors must hold paths"),
        ({"texts": {"titel": "x"}}, ValueError, "Did you mean 'title'"),
        ({"texts": {"title": 3}}, TypeError, r"texts\['title'\] must be text"),
    ],
)
def test_arguments_that_make_no_sense(log, arguments, error, message):
    with pytest.raises(error, match=message):
        app(**{"concerns": log, **arguments})


# Monitors


def test_state_files_are_read_again_when_they_change(tmp_path):
    path = monitor_file(tmp_path / "a.json", "loans")
    service = app(path)

    def n_batches():
        return re.search(
            r'fairsk_monitor_batches_total\{monitor="loans"\} (\d+)', ask(service, "GET", "/metrics").text
        )[1]

    assert n_batches() == "1"
    page = ask(service, "GET", "/").body
    assert ask(service, "GET", "/").body == page
    add_batch(path)
    assert n_batches() == "2"
    assert ask(service, "GET", "/").body != page
    answer = ask(service, "GET", "/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_a_page_is_drawn_once_for_many_who_ask(tmp_path, monkeypatch):
    from fairsk.monitoring._dashboard import page as _dashboard

    drawn = []
    draw = _dashboard.monitors_page

    def counted(*args, **kwargs):
        drawn.append(threading.current_thread())
        return draw(*args, **kwargs)

    monkeypatch.setattr(_dashboard, "monitors_page", counted)
    service = app(monitor_file(tmp_path / "a.json", "loans"))

    async def many():
        return await asyncio.gather(*(call(service, "GET", "/") for _ in range(20)))

    assert len({answer.body for answer in asyncio.run(many())}) == 1
    (thread,) = drawn
    assert thread is not threading.main_thread()


def test_concerns_and_scrapes_do_not_wait_for_a_slow_page(tmp_path, monkeypatch, log):
    from fairsk.monitoring._dashboard import page as _dashboard

    going_on = threading.Event()

    def slow(*args, **kwargs):
        going_on.wait(10)
        return '<meta http-equiv="Content-Security-Policy" content="default-src &#x27;none&#x27;">'

    monkeypatch.setattr(_dashboard, "monitors_page", slow)
    service = app(monitor_file(tmp_path / "a.json", "loans"), concerns=log)

    async def together():
        page = asyncio.create_task(call(service, "GET", "/"))
        await asyncio.sleep(0)
        others = await asyncio.gather(
            call(service, "GET", "/metrics"),
            call(service, "POST", "/concerns", json.dumps(concern("k")).encode(), JSON),
        )
        waits = not page.done()
        going_on.set()
        return waits, [answer.status for answer in [*others, await page]]

    assert asyncio.run(together()) == (True, [200, 201, 200])


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"version": 1}', b"\xff", b"[" * 100_000, b'{"log": "<script>alert(1)</script>"}'],
)
def test_a_broken_state_file_does_not_kill_the_rest(tmp_path, content):
    good = monitor_file(tmp_path / "good.json", "loans")
    bad = tmp_path / "bad<b>.json"
    bad.write_bytes(content)
    service = app([good, bad, tmp_path / "missing.json"])
    page = ask(service, "GET", "/")
    assert page.status == 200
    assert "bad&lt;b&gt;.json" in page.text
    assert "missing.json" in page.text
    assert "loans" in page.text
    assert str(tmp_path) not in page.text
    assert "<script>" not in page.text
    metrics = ask(service, "GET", "/metrics")
    assert metrics.status == 200
    assert 'fairsk_state_readable{file="good.json"} 1' in metrics.text
    assert 'fairsk_state_readable{file="bad<b>.json"} 0' in metrics.text
    assert 'fairsk_state_readable{file="missing.json"} 0' in metrics.text
    assert 'fairsk_monitor_batches_total{monitor="loans"} 1' in metrics.text
    health = ask(service, "GET", "/healthz")
    assert (health.status, health.json["ok"], health.json["monitors"]) == (503, False, 1)
    assert len(health.json["failures"]) == 2
    assert str(tmp_path) not in health.text
    bad.unlink()
    monitor_file(bad, "cards")
    monitor_file(tmp_path / "missing.json", "rents")
    health = ask(service, "GET", "/healthz")
    assert (health.status, health.json) == (200, {"ok": True, "monitors": 3, "failures": []})
    assert "could not be read" not in ask(service, "GET", "/").text


def test_two_monitors_of_one_name_are_told_apart_by_their_files(tmp_path):
    service = app([monitor_file(tmp_path / "a.json", "loans"), monitor_file(tmp_path / "b.json", "loans")])
    assert ask(service, "GET", "/metrics").status == 200
    assert ask(service, "GET", "/healthz").json["failures"] == [
        "b.json: There is another monitor that is called 'loans'."
    ]
    (tmp_path / "c").mkdir()
    service = app([tmp_path / "a.json", monitor_file(tmp_path / "c" / "a.json", "cards")])
    text = ask(service, "GET", "/metrics").text
    assert 'fairsk_state_readable{file="a.json (1)"} 1\nfairsk_state_readable{file="a.json (2)"} 1\n' in text


def test_health_looks_at_the_log_of_concerns(service, log, monkeypatch):
    assert ask(service, "GET", "/healthz").json == {"ok": True, "monitors": 0, "failures": []}

    def unreadable():
        raise sqlite3.DatabaseError("database disk image is malformed")

    monkeypatch.setattr(log, "head", unreadable)
    answer = ask(service, "GET", "/healthz")
    assert (answer.status, answer.json["failures"]) == (503, ["The log of concerns cannot be read."])


# The form


class Page(HTMLParser):
    """What a page of the form holds: the attributes of its tags, and the values of its fields."""

    def __init__(self, answer):
        super().__init__()
        self.tags, self.fields, self.text, self.open = [], {}, "", ""
        self.feed(answer.text)
        self.ids = {attributes["id"]: tag for tag, attributes in self.tags if "id" in attributes}

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        name, kind = attributes.get("name"), attributes.get("type")
        if tag == "input" and name and (kind != "radio" or "checked" in attributes):
            self.fields[name] = attributes["value"]
        if tag in ("select", "textarea"):
            self.open = name
            self.fields[name] = ""
        if tag == "option" and "selected" in attributes:
            self.fields[self.open] = attributes["value"]

    def handle_data(self, data):
        self.text += data
        if self.open == "text":
            self.fields["text"] += data

    def handle_endtag(self, tag):
        if tag in ("select", "textarea"):
            self.open = ""
            self.fields.update({name: value.removeprefix("\n") for name, value in self.fields.items()})


def test_the_form_takes_what_it_offers(service, log):
    ticket = log.ticket("loan-1", batch="2026-11")
    page = Page(ask(service, "GET", f"/concerns/form?ticket={ticket}"))
    assert page.fields.keys() == {"key", "ticket", "group", "text"}
    assert page.fields["ticket"] == ticket
    filled = {**page.fields, "category": "wrong data", "group": "men", "text": "One\r\ntwo <b> & \u202e."}
    answer = send_form(service, filled)
    assert answer.status == 201
    assert "It has the number 1." in answer.text
    (row,) = log.frame("pandas", states=("received",)).to_dict("records")
    assert (row["category"], row["group"], row["text"]) == ("wrong data", "women", "One\ntwo <b> & \u202e.")
    again = send_form(service, filled)
    assert again.status == 200
    assert "under the number 1" in again.text
    assert log.head()[0] == 1


def test_every_form_has_a_key_of_its_own(service):
    keys = {Page(ask(service, "GET", "/concerns/form")).fields["key"] for _ in range(20)}
    assert len(keys) == 20
    assert all(re.fullmatch(r"[A-Za-z0-9_.:-]{22,64}", key) for key in keys)


def test_every_control_has_a_label_and_every_note_is_read_with_it(service):
    wrong = {"key": "k", "ticket": "x", "category": "?", "group": "?", "text": "a" * 2_001}
    for answer in (
        ask(service, "GET", "/concerns/form"),
        send_form(service, wrong),
        ask(service, "GET", "/concerns/form/status"),
        send_form(service, {"ticket": "x"}, "/concerns/form/status"),
    ):
        page = Page(answer)
        labelled = {attributes["for"] for tag, attributes in page.tags if tag == "label"}
        controls = [
            attributes
            for tag, attributes in page.tags
            if tag in ("input", "select", "textarea") and attributes.get("type") != "hidden"
        ]
        assert {attributes["id"] for attributes in controls} == labelled
        assert len(page.ids) == sum("id" in attributes for _, attributes in page.tags)
        described = [
            name for _, attributes in page.tags for name in attributes.get("aria-describedby", "").split()
        ]
        notes = [a["id"] for tag, a in page.tags if tag == "p" and a.get("class") in ("hint", "error")]
        assert sorted(described) == sorted(notes)
        links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
        assert all(link[1:] in page.ids for link in links if link.startswith("#"))
        assert page.tags[0] == ("html", {"lang": "en", "dir": "ltr"})
        assert not any(name.startswith("on") or name == "style" for _, a in page.tags for name in a)


def test_errors_stand_beside_their_fields_and_nothing_is_lost(service, log):
    values = {
        "key": "form-1",
        "ticket": 'loan-1"><script>alert(1)</script>',
        "group": "women",
        "text": "\nfirst </textarea><script>alert(2)</script> & last",
    }
    answer = send_form(service, values)
    assert answer.status == 422
    assert "<script" not in answer.text
    page = Page(answer)
    assert page.fields["key"] == "form-1"
    assert page.fields["ticket"] == "".join(values["ticket"].split())
    assert page.fields["group"] == "women"
    assert page.fields["text"] == values["text"].strip()
    wrong = {a.get("id", a.get("role")): a for _, a in page.tags if a.get("aria-invalid") == "true"}
    assert wrong.keys() == {"ticket", "radiogroup"}
    assert wrong["ticket"]["aria-describedby"] == "ticket-hint ticket-error"
    assert wrong["radiogroup"]["aria-describedby"] == "category-error"
    assert FORM_TEXTS["ticket_error"] in page.text
    assert FORM_TEXTS["category_error"] in page.text
    links = [a["href"] for tag, a in page.tags if tag == "a" and a["href"].startswith("#")]
    assert links == ["#content", "#ticket", "#category-1"]
    fixed = {**page.fields, "ticket": "", "category": "other"}
    assert send_form(service, fixed).status == 201
    assert log.head()[0] == 1


def test_a_ticket_may_be_copied_with_blanks_around_and_in_it(service, log):
    ticket = log.ticket("loan-1")
    broken = f"  {ticket[:9]}\r\n{ticket[9:]}\t"
    assert send_form(service, {"key": "k", "category": "other", "ticket": broken}).status == 201
    found = send_form(service, {"ticket": broken}, "/concerns/form/status")
    assert found.status == 200
    assert "Concern number 1" in found.text
    assert FORM_TEXTS["state=received"] in found.text


def test_the_form_for_looking_up(service, log):
    ticket = log.ticket("loan-1")
    assert send_form(service, {"ticket": " "}, "/concerns/form/status").status == 422
    unknown = send_form(service, {"ticket": ticket}, "/concerns/form/status")
    assert unknown.status == 404
    assert FORM_TEXTS["status_unknown"] in unknown.text
    assert Page(unknown).fields["ticket"] == ticket
    receipt = send_form(service, {"key": "k", "category": "other", "ticket": ticket})
    log.answer(1, "answered", reason="duplicate")
    found = send_form(service, Page(receipt).fields, "/concerns/form/status")
    assert found.status == 200
    assert "Answered." in found.text
    assert "Duplicate" in found.text
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:00 UTC", found.text)


def test_a_form_that_could_not_be_stored_is_shown_again(service, log, monkeypatch):
    def full(*concerns):
        raise sqlite3.OperationalError("database or disk is full")

    values = {"key": "k", "category": "other", "group": "men", "text": "It is wrong."}
    with monkeypatch.context() as patch:
        patch.setattr(log, "submit", full)
        answer = send_form(service, values)
    assert answer.status == 503
    assert FORM_TEXTS["not_stored"] in Page(answer).text
    fields = Page(answer).fields
    assert fields == {**values, "ticket": ""}
    assert send_form(service, fields).status == 201


@pytest.mark.parametrize("site", ["cross-site", "same-site", "same-origin", "none"])
def test_a_form_is_not_taken_from_another_site(service, log, site):
    values = {"key": "k", "category": "other"}
    answer = send_form(service, values, headers={"sec-fetch-site": site})
    assert answer.status == (403 if site == "cross-site" else 201)
    assert log.head()[0] == (site != "cross-site")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"%ff=%fe", 422),
        (b"\xff", 422),
        (b"key=a&key=b", 422),
        (b"key=a&category=other&text=%ED%A0%80", 422),
        (b"key=a&category=other&more=b", 422),
        (b"&".join(b"a%d=b" % i for i in range(99)), 422),
        (b"key=a&category=other&text=" + b"%F0%9F%98%80" * 2_000, 201),
        (b"key=a&category=other&text=" + b"%F0%9F%98%80" * 2_001, 422),
        (b"key=a&category=other&text=" + b"a" * 30_000, 413),
    ],
)
def test_forms_that_no_browser_sends(service, body, status):
    answer = send_form(service, body)
    assert answer.status == status
    assert answer.text.startswith("<!DOCTYPE html>")


def test_other_bodies_than_forms(service):
    assert ask(service, "POST", "/concerns/form", b"{}", JSON).status == 415
    multipart = {"content-type": "multipart/form-data; boundary=x"}
    assert ask(service, "POST", "/concerns/form", b"--x--", multipart).status == 415
    assert ask(service, "DELETE", "/concerns/form").status == 405


TEXT = st.text(max_size=30)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    fields=st.dictionaries(
        st.sampled_from(["key", "ticket", "category", "group", "text", "more"]), TEXT, max_size=6
    ),
    tail=st.binary(max_size=20),
)
def test_whatever_a_form_holds_it_is_answered_with_a_page(service, fields, tail):
    body = urlencode(fields, errors="surrogatepass").encode() + tail
    for path in ("/concerns/form", "/concerns/form/status"):
        answer = send_form(service, body, path)
        assert answer.status in (200, 201, 403, 404, 422)
        assert answer.text.startswith("<!DOCTYPE html>")
        assert all(
            char.isprintable() or char == "\n"
            for char in re.sub("<textarea.*?</textarea>", "", answer.text, flags=re.S)
        )


def test_texts_are_replaced_and_the_language_is_told(tmp_path):
    texts = {
        "title": "Bedenken <melden>",
        "category=other": "Anderes",
        "group=0": "Frauen & andere",
        "state=received": "Eingegangen",
        "received": "Nummer {number}",
    }
    with ConcernLog(tmp_path / "c.db", secret=SECRET, groups=(0, 1)) as log:
        service = app(concerns=log, texts=texts, language="de-AT")
        answer = ask(service, "GET", "/concerns/form")
        page = Page(answer)
        assert "Bedenken &lt;melden&gt;" in answer.text
        assert "Frauen &amp; andere" in answer.text
        assert "Anderes" in page.text
        assert page.tags[0] == ("html", {"lang": "de-AT", "dir": "ltr"})
        assert "text" not in page.fields
        sent = send_form(
            service, {**page.fields, "category": "other", "group": "0", "ticket": log.ticket("a")}
        )
        assert "Nummer 1" in sent.text
        assert "Eingegangen" in send_form(service, Page(sent).fields, "/concerns/form/status").text
    with ConcernLog(tmp_path / "d.db") as log:
        page = Page(ask(app(concerns=log, language="ar"), "GET", "/concerns/form?ticket=x"))
        assert page.tags[0] == ("html", {"lang": "ar", "dir": "rtl"})
        assert page.fields.keys() == {"key"}  # no tickets, no groups, no texts


# The OpenAPI document


def test_the_document_offers_what_the_log_takes(tmp_path):
    with ConcernLog(tmp_path / "c.db", secret=SECRET, groups=("a", 1), store_text=True, most_text=50) as log:
        service = app(concerns=log)
        document = ask(service, "GET", "/openapi.json").json
        assert document == service.openapi
        fields = document["components"]["schemas"]["Concern"]["properties"]
        assert fields["group"] == {"enum": ["a", "1", 1, "", None]}
        assert fields["category"]["enum"] == list(log.categories)
        assert fields["text"]["maxLength"] == 50
        ticket = fields["ticket"]["pattern"]
        assert re.search(ticket, log.ticket("d" * 64, batch="b" * 64))
        assert re.search(ticket, log.ticket("d"))
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                declared = set(operation["responses"])
                assert declared >= {"200"}, (path, method)
                if method == "post":
                    assert declared >= {"408", "413", "415", "422", "429", "503"}, path


def fuzz(application, n, **only):
    """Send what schemathesis makes of the document, with all of its checks; return failures and statuses."""
    reason = "schemathesis is not installed (pip install schemathesis)"
    schemathesis = pytest.importorskip("schemathesis", reason=reason)
    from schemathesis.engine import events, from_schema

    schema = schemathesis.openapi.from_asgi("/openapi.json", application)
    schema.config.generation.update(
        max_examples=n, deterministic="FUZZ_EXAMPLES" not in os.environ, database="none"
    )
    failures, statuses = [], set()
    for event in from_schema(schema.include(**only) if only else schema).execute():
        assert not isinstance(event, events.NonFatalError | events.FatalError), event
        if isinstance(event, events.ScenarioFinished):
            answered = event.recorder.interactions.values()
            statuses |= {(one.request.method, one.request.uri, one.response.status_code) for one in answered}
            checks = [check for checks in event.recorder.checks.values() for check in checks]
            failures += [check.name for check in checks if check.status.name != "SUCCESS"]
    return failures, {(method, uri.partition("testserver")[2], status) for method, uri, status in statuses}


def test_schemathesis_finds_nothing(log, tmp_path):
    """More examples: ``make fuzz-concerns``."""
    service = app(monitor_file(tmp_path / "a.json", "loans"), concerns=log, rate=1e9, burst=10**9)
    failures, statuses = fuzz(service, int(os.environ.get("FUZZ_EXAMPLES", "5")))
    assert failures == []
    for path, n in {"/concerns": {200, 201, 415, 422}, "/concerns/status": {404, 415, 422}}.items():
        assert {status for method, uri, status in statuses if (method, uri) == ("POST", path)} >= n, path
    assert log.verify() == []


def test_schemathesis_would_find_something(log):
    service = app(concerns=log, rate=1e9, burst=10**9)
    responses = service.openapi["paths"]["/concerns/status"]["post"]["responses"]
    del responses["404"], responses["415"]
    failures, _ = fuzz(service, 1, path="/concerns/status")
    assert "status_code_conformance" in failures


# In a browser, and with uvicorn


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Run uvicorn as the documentation does; yield its address and a ticket."""
    pytest.importorskip("uvicorn", reason="uvicorn is not installed (pip install fairsk[serve])")
    folder = tmp_path_factory.mktemp("server")
    monitor_file(folder / "loans.json", "loans")
    (folder / "served.py").write_text(
        "from fairsk.monitoring._concerns import ConcernLog\n"
        "from fairsk.monitoring._service import app\n"
        f"groups = {GROUPS!r}\n"
        f"log = ConcernLog('concerns.db', secret={SECRET!r}, groups=('women', 'men'), store_text=True, "
        "group_of=groups.get)\n"
        "application = app('loans.json', concerns=log)\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = str(Path(__file__).parents[1])
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "served:application",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    command += ["--limit-concurrency", "200", "--no-access-log", "--log-level", "error"]
    with open(folder / "output", "wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"},
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None, (folder / "output").read_text()
            assert time.monotonic() < deadline, "uvicorn does not answer"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}", folder
    finally:
        process.terminate()
        process.wait(20)
    assert (folder / "output").read_text() == ""


def fetch(url, data=None, headers=(), method=None):
    request = urllib.request.Request(url, data, dict(headers), method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def test_uvicorn_serves_it(server):
    address, _ = server
    status, headers, body = fetch(f"{address}/metrics")
    assert status == 200
    assert headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b'fairsk_monitor_batches_total{monitor="loans"} 1' in body
    assert fetch(f"{address}/")[0] == 200
    assert fetch(f"{address}/", method="HEAD")[::2] == (200, b"")
    body = json.dumps(concern("by-uvicorn")).encode()
    assert fetch(f"{address}/concerns", body, JSON)[0] == 201
    assert fetch(f"{address}/concerns", body, JSON)[0] == 200
    assert fetch(f"{address}/concerns", b" " * 20_000, JSON)[0] == 413
    assert fetch(f"{address}/concerns", b"{", JSON)[0] == 422
    assert json.loads(fetch(f"{address}/healthz")[2]) == {"ok": True, "monitors": 1, "failures": []}


@pytest.fixture(scope="module")
def browser():
    if find_chromium() is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    with Browser() as started:
        yield started


def visit(browser, url):
    browser.events.clear()
    browser.call("Page.navigate", url=url)
    loaded(browser)


def loaded(browser):
    deadline = time.monotonic() + browser.timeout
    while not browser.happened("Page.loadEventFired"):
        browser.events.append(browser._read(deadline))
    browser.call("Page.getLayoutMetrics")


KEYS = {
    "Tab": ("Tab", 9, ""),
    "Space": ("Space", 32, " "),
    "Enter": ("Enter", 13, "\r"),
    "ArrowDown": ("ArrowDown", 40, ""),
}


def press(browser, key, times=1):
    code, number, text = KEYS[key]
    name = " " if key == "Space" else key
    for _ in range(times):
        for kind in ("keyDown", "keyUp"):
            added = {"text": text} if text and kind == "keyDown" else {}
            browser.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=name,
                code=code,
                windowsVirtualKeyCode=number,
                **added,
            )


def focused(browser):
    return browser.evaluate("document.activeElement.id || document.activeElement.tagName")


def tab_to(browser, wanted):
    for _ in range(30):
        if focused(browser) == wanted:
            return
        press(browser, "Tab")
    raise AssertionError(f"{wanted} cannot be reached by Tab")


def said_and_requested(browser):
    said = browser.happened(
        "Log.entryAdded",
        "Runtime.consoleAPICalled",
        "Runtime.exceptionThrown",
        "Page.javascriptDialogOpening",
    )
    # An answer that is no success is in the log of a browser's console, and is no message of the page.
    said = [one for one in said if one.get("entry", {}).get("source") != "network"]
    return said, [one["request"]["url"] for one in browser.happened("Network.requestWillBeSent")]


def submit(browser, key="Enter"):
    browser.events.clear()
    press(browser, key)
    loaded(browser)


def until(browser, expression):
    """Wait until something is true on the page."""
    deadline = time.monotonic() + 20
    while not browser.evaluate(expression):
        assert time.monotonic() < deadline, expression
        time.sleep(0.02)


@pytest.mark.parametrize("dark", [False, True])
def test_the_form_by_keyboard_alone_on_a_phone(server, browser, dark):
    address, folder = server
    with ConcernLog(folder / "concerns.db", secret=SECRET) as other:
        ticket = other.ticket("loan-2" if dark else "loan-1")
    browser.emulate(390, 844, dark=dark)
    visit(browser, f"{address}/concerns/form?ticket={ticket}")
    assert said_and_requested(browser) == ([], [f"{address}/concerns/form?ticket={ticket}"])
    assert browser.evaluate("document.documentElement.scrollWidth") <= 390
    small = (
        "[...document.querySelectorAll('input:not([type=hidden]):not([type=radio]),select,textarea,button')]"
    )
    assert browser.evaluate(f"Math.min(...{small}.map(e => e.getBoundingClientRect().height))") >= 44
    assert browser.evaluate(f"Math.min(...{small}.map(e => parseFloat(getComputedStyle(e).fontSize)))") >= 16
    ground = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(16, 21, 29)") is dark

    tab_to(browser, "BUTTON")  # nothing chosen yet
    submit(browser)
    said, requested = said_and_requested(browser)
    assert (said, requested) == ([], [f"{address}/concerns/form"])
    until(browser, "document.activeElement.getAttribute('role') == 'alert'")
    press(browser, "Tab")
    press(browser, "Enter")  # the link to the field that is wrong
    assert browser.evaluate("location.hash") == "#category-1"
    tab_to(browser, "category-1")
    press(browser, "Space")
    press(browser, "ArrowDown", 2)
    assert browser.evaluate("document.querySelector('input:checked').value") == "wrong data"
    press(browser, "Tab")
    assert focused(browser) == "group"
    press(browser, "ArrowDown")
    press(browser, "Tab")
    assert focused(browser) == "text"
    browser.call("Input.insertText", text="The income is wrong.")
    press(browser, "Tab")
    submit(browser, "Space")
    said, requested = said_and_requested(browser)
    assert (said, requested) == ([], [f"{address}/concerns/form"])
    assert FORM_TEXTS["received_title"] in browser.evaluate("document.body.innerText")
    assert "ticket" not in browser.evaluate("location.search")

    tab_to(browser, "BUTTON")
    submit(browser)
    assert said_and_requested(browser) == ([], [f"{address}/concerns/form/status"])
    assert FORM_TEXTS["state=received"] in browser.evaluate("document.body.innerText")
    assert browser.evaluate("document.documentElement.scrollWidth") <= 390
    assert browser.evaluate("document.scripts.length") == 0


def test_a_screen_reader_is_told_what_each_field_is(server, browser):
    address, _ = server
    browser.emulate(1280, 900)
    visit(browser, f"{address}/concerns/form?ticket=wrong")
    tab_to(browser, "BUTTON")
    submit(browser)
    nodes = {}
    for node in browser.accessible():
        said = {one["name"]: one["value"].get("value") for one in node.get("properties", [])}
        nodes[node["role"]["value"], node.get("name", {}).get("value", "")] = (
            said,
            node.get("description", {}).get("value", ""),
        )
    said, description = nodes["textbox", "Ticket (optional)"]
    assert said["invalid"] == "true"
    assert FORM_TEXTS["ticket_error"] in description
    assert FORM_TEXTS["ticket_hint"] in description
    assert FORM_TEXTS["category_error"] in nodes["radiogroup", FORM_TEXTS["category"]][1]
    for name in ("category=other", "category=no access"):
        assert ("radio", FORM_TEXTS[name]) in nodes
    assert ("combobox", f"{FORM_TEXTS['group']} (optional)") in nodes
    assert ("textbox", f"{FORM_TEXTS['text']} (optional)") in nodes
    assert ("button", FORM_TEXTS["send"]) in nodes
    assert ("alert", FORM_TEXTS["problem"]) in nodes
