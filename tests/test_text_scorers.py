"""Scorers of prompts: the cache of answers, endpoints, and what happens when they fail."""

from __future__ import annotations

import base64
import copy
import itertools
import json
import math
import os
import pickle
import socketserver
import sqlite3
import stat
import threading
import time
import traceback
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llm_server import BAD, GOOD, ChatServer, Fault, planted_probabilities
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from fairsk import GroupThresholdOptimizer
from fairsk.text import CachedScorer, EndpointError, LLMClassifier, OpenAIScorer
from fairsk.text._scorers import endpoint, files, pool
from fairsk.text._scorers.cache import AnswerCache, as_cache, key_of
from fairsk.text._scorers.replies import (
    FirstTokens,
    Meanings,
    SampledTexts,
    check_answers,
    read_texts,
    read_top,
)

SECRET_TEXT = "Maria Musterfrau received chemotherapy"


# ---------------------------------------------------------------- the cache


@pytest.fixture(params=["memory", "file"])
def cache(request, tmp_path):
    return AnswerCache(None if request.param == "memory" else tmp_path / "answers.db")


def ask_and_count(asked, pause=0.0):
    """Return what answers a key with itself, and notes it."""

    def ask(keys):
        for key in keys:
            time.sleep(pause)
            asked.append(key)
            yield {key: [key, -0.1]}

    return ask


def test_each_distinct_key_is_asked_once_and_answers_are_in_order(cache):
    asked = []
    keys = ["a", "b", "a", "c", "b"]
    for _ in range(2):
        assert cache.answers(keys, ask_and_count(asked)) == [[key, -0.1] for key in keys]
    assert asked == ["a", "b", "c"]
    assert len(cache) == 3
    assert cache.known(["b", "z"]) == {"b": ["b", -0.1]}


def test_what_was_answered_before_an_error_is_kept(cache):
    def fail_at_the_third(keys):
        yield {keys[0]: 1}
        yield {keys[1]: 2}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.answers(["a", "b", "c", "d"], fail_at_the_third)
    asked = []
    assert cache.answers(["a", "b", "c"], ask_and_count(asked)) == [1, 2, ["c", -0.1]]
    assert asked == ["c"]


def test_an_answer_that_never_came_is_an_error(cache):
    with pytest.raises(RuntimeError, match="1 of 2 questions were asked and not answered"):
        cache.answers(["a", "b"], lambda keys: [{"a": 1}])


def test_threads_that_share_a_cache_ask_once(cache):
    asked, results = [], []
    keys = [str(i) for i in range(20)]

    def work():
        results.append(cache.answers(keys, ask_and_count(asked, 0.001)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(asked) == sorted(keys)
    assert results == [[[key, -0.1] for key in keys]] * 4


def test_a_thread_takes_over_what_another_one_gave_up(cache):
    claimed, asked = threading.Event(), []

    def give_up(keys):
        claimed.set()
        time.sleep(0.1)
        raise ValueError("gave up")
        yield

    def fail():
        with pytest.raises(ValueError, match="gave up"):
            cache.answers(["a"], give_up)

    thread = threading.Thread(target=fail)
    thread.start()
    claimed.wait()
    assert cache.answers(["a"], ask_and_count(asked)) == [["a", -0.1]]
    thread.join()
    assert asked == ["a"]


def keys_asked(cache):
    """Ask in a worker process, and return how many keys were asked there."""
    asked = []
    cache.answers([str(i) for i in range(30)], ask_and_count(asked, 0.002))
    return len(asked)


def test_processes_that_share_a_file_ask_once(tmp_path):
    cache = AnswerCache(tmp_path / "answers.db")
    counts = joblib.Parallel(n_jobs=2)(joblib.delayed(keys_asked)(cache) for _ in range(2))
    assert sum(counts) == 30
    assert len(cache) == 30


def test_claims_of_a_killed_process_lapse(tmp_path):
    store = files.FileStore(tmp_path / "answers.db")
    assert store.claim("killed", ["a"], seconds=-1) == ({}, ["a"])
    assert store.claim("next", ["a", "b"], seconds=60) == ({}, ["a", "b"])
    assert store.claim("third", ["a", "c"], seconds=60) == ({}, ["c"])
    store.renew("third", 60)
    store.release("next")
    assert store.claim("third", ["a"], seconds=60) == ({}, ["a"])


def test_clones_and_copies_are_the_cache_itself(cache):
    assert clone(cache, safe=False) is copy.copy(cache) is copy.deepcopy(cache) is cache
    assert as_cache(cache) is cache


def test_a_pickle_takes_answers_in_memory_along():
    cache = AnswerCache()
    cache.answers(["a"], ask_and_count([]))
    other = pickle.loads(pickle.dumps(cache))
    other.answers(["a", "b"], ask_and_count(asked := []))
    assert asked == ["b"]
    assert len(cache) == 1  # two caches from then on


def test_a_pickle_takes_the_path_of_a_file_along(tmp_path):
    cache = AnswerCache(tmp_path / "answers.db")
    cache.answers(["a"], ask_and_count([]))
    assert b"-0.1" not in pickle.dumps(cache)
    assert pickle.loads(pickle.dumps(cache)).known(["a"]) == {"a": ["a", -0.1]}
    assert repr(cache).startswith("AnswerCache('")


def test_keys_do_not_show_what_they_are_made_of(tmp_path):
    key = key_of(model="m", prompt=SECRET_TEXT)
    assert key != key_of(model="n", prompt=SECRET_TEXT)
    assert key == key_of(prompt=SECRET_TEXT, model="m")
    assert len(key_of(prompt="half a character: \ud800")) == 64
    AnswerCache(tmp_path / "answers.db").answers([key], ask_and_count([]))
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert key.encode() in content
    assert not any(word.encode() in content for word in SECRET_TEXT.split())


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
def test_only_its_owner_reads_a_file(tmp_path):
    AnswerCache(tmp_path / "answers.db")
    assert stat.S_IMODE((tmp_path / "answers.db").stat().st_mode) == 0o600


def spoil(path, kind):
    """Make a file that is no cache, or a damaged one."""
    if kind == "text":
        path.write_text("prompt,answer\n" * 500)
        return
    if kind == "other database":
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE people(name TEXT)")
        connection.close()
        return
    cache = AnswerCache(path)
    keys = [key_of(number=i) for i in range(200)]
    cache.answers(keys, lambda missing: [{key: [key, -0.1] for key in missing}])
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:6000])
    elif kind == "overwritten":
        content = path.read_bytes()
        path.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))
    else:
        with sqlite3.connect(path) as connection:
            connection.execute(
                "UPDATE answer SET value = '[1]'" if kind == "changed answers" else "PRAGMA user_version = 2"
            )
        connection.close()


@pytest.mark.parametrize(
    ("kind", "message"),
    {
        "text": "is no cache of answers, or damaged: file is not a database",
        "other database": "is a database of something else",
        "cut": "damaged: database disk image is malformed",
        "overwritten": "damaged: database disk image is malformed",
        "changed answers": "is damaged: an answer is not the one that was written",
        "later version": "has version 2 of the cache, and this version of fairsk reads 1",
    }.items(),
)
def test_a_file_that_is_no_cache_is_refused(tmp_path, kind, message):
    path = tmp_path / "answers.db"
    spoil(path, kind)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message) as caught:
        AnswerCache(path).known([key_of(number=i) for i in range(200)])
    assert "Give the path of another file" in str(caught.value)
    assert path.read_bytes() == before  # whatever it is, it is somebody's


def test_paths_that_cannot_be_files_are_refused(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a directory"):
        AnswerCache(tmp_path)
    with pytest.raises(FileNotFoundError, match="its directory does not exist"):
        AnswerCache(tmp_path / "none" / "answers.db")
    with pytest.raises(TypeError, match="cache must be the path of a file, the cache of another scorer"):
        as_cache(5)


def test_a_file_that_was_removed_is_made_again(tmp_path):
    cache = AnswerCache(tmp_path / "answers.db")
    cache.answers(["a"], ask_and_count([]))
    (tmp_path / "answers.db").unlink()
    cache.answers(["a"], ask_and_count(asked := []))
    assert asked == ["a"]


# ---------------------------------------------------------------- what is asked, and what is read


ANSWERS = ["positive", "negative"]
PROMPTS = ["She was great.", "He was great.", "She was rude.", "He was rude.", "It was on time."]
KEY = "sk-proj-Zq81LmvT0aWk3xBd"


@pytest.fixture
def pauses(monkeypatch):
    """Do not wait between attempts, and note for how long that would have been."""
    noted = []
    monkeypatch.setattr(endpoint, "pause", lambda seconds, stop: noted.append(seconds))
    return noted


def test_log_probabilities_are_those_of_the_model_and_prompts_are_asked_once():
    with ChatServer() as server:
        scorer = OpenAIScorer(server.url, "planted")
        scores = scorer(PROMPTS * 3, ANSWERS)
        np.testing.assert_array_equal(scorer(PROMPTS[::-1], ANSWERS[::-1]), scores[4::-1, ::-1])
    # " positive", "positive" and "POSITIVE" add up
    expected = [list(planted_probabilities(prompt).values()) for prompt in PROMPTS]
    np.testing.assert_allclose(np.exp(scores), expected * 3, rtol=1e-9)
    assert sorted(server.prompts) == sorted(PROMPTS)
    assert server.requests[0] == {
        "model": "planted",
        "messages": [{"role": "user", "content": server.prompts[0]}],
        "max_tokens": 1,
        "temperature": 0.0,
        "logprobs": True,
        "top_logprobs": 20,
        "path": "/v1/chat/completions",
    }


def test_options_of_the_body():
    with ChatServer() as server:
        scorer = OpenAIScorer(
            server.url + "/",
            "planted",
            top=8,
            token_limit="max_completion_tokens",
            extra={"temperature": None, "logit_bias": {"5": -100}},
            headers={"X-Title": "audit"},
        )
        scorer(["a"], ANSWERS)
    body = server.requests[0]
    assert (body["top_logprobs"], body["max_completion_tokens"], body["logit_bias"]) == (8, 1, {"5": -100})
    assert not {"temperature", "max_tokens"} & set(body)
    assert server.headers[0]["X-Title"] == "audit"
    assert "Authorization" not in server.headers[0]


@pytest.mark.parametrize(
    "text", ["x" * 10_000, "", "שלום 你好 é e\u0301 \U0001f600", "half \ud800", "\0\r\n"]
)
def test_any_text_is_asked_as_it_is(text):
    with ChatServer() as server:
        scores = OpenAIScorer(server.url, "planted")([text], ANSWERS)
    assert server.prompts == [text]
    np.testing.assert_allclose(np.exp(scores), [[0.45, 0.45]])


def test_no_more_requests_at_a_time_than_allowed():
    with ChatServer(faults=lambda body: Fault(delay=0.02, body=reply_of({" positive": 0.9}))) as server:
        OpenAIScorer(server.url, "m", concurrency=3)([str(i) for i in range(12)], ANSWERS)
    assert 1 < server.most_at_once <= 3


def reply_of(tokens, **choice):
    """Return a chat completion whose first token has these probabilities."""
    top = [{"token": token, "logprob": math.log(p)} for token, p in tokens.items()]
    choice = {"message": {"content": "x"}, "logprobs": {"content": [{"top_logprobs": top}]}, **choice}
    return {"choices": [choice]}


def scored(tokens, answers, **choice):
    """Return what is made of a reply, as probabilities."""
    meanings = Meanings(check_answers(answers, by_first_token=True))
    return np.exp(FirstTokens(read_top(reply_of(tokens, **choice)), meanings).row)


@pytest.mark.parametrize(
    ("tokens", "answers", "expected"),
    [
        # blanks and case do not matter, and what means the same adds up
        (
            {" Yes": 0.5, "yes\n": 0.2, "NO": 0.1, "\u0120no": 0.05, "\u2581No": 0.05},
            ["yes", "no"],
            [0.7, 0.2],
        ),
        # a piece of three characters, or the first word of an answer
        ({"pos": 0.6, "neg": 0.3}, ["positive", "negative"], [0.6, 0.3]),
        ({"I": 0.6, "You": 0.3}, ["I agree", "you agree"], [0.6, 0.3]),
        # but "I" is not "insult": that is how "I cannot help with this" begins
        ({"I": 0.6, "neutral": 0.3, "You": 0.05}, ["insult", "neutral"], [0.05, 0.3]),
        # an answer that is not among the tokens is as likely as the least likely of them, at most
        ({"yes": 0.6, "well": 0.3, "the": 0.01}, ["yes", "no"], [0.6, 0.01]),
        # ... or has what they leave, if that is less
        ({"yes": 0.8, "well": 0.15}, ["yes", "no"], [0.8, 0.05]),
        ({"yes": 1.0}, ["yes", "no"], [1.0, 1e-6]),
        # none of the answers
        ({"I": 0.6, "the": 0.3}, ["yes", "no"], [0, 0]),
        # a piece that two answers share is of neither, if an answer is likelier
        ({"positive": 0.6, "pos": 0.1, "possible": 0.2}, ["positive", "possible"], [0.6, 0.2]),
        # a letter of another script, composed or not
        ({"e\u0301t\u00e9": 0.6, "好": 0.3}, ["\u00e9t\u00e9", "好"], [0.6, 0.3]),
    ],
)
def test_tokens_stand_for_answers(tokens, answers, expected):
    np.testing.assert_allclose(scored(tokens, answers), expected)


def test_answers_that_share_the_likeliest_token_are_refused():
    with pytest.raises(ValueError, match="token 'pos' begins several answers: 'positive', 'possible'"):
        scored({"pos": 0.6, "possible": 0.2}, ["positive", "possible"])


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (["yes", " YES"], "must differ, also in lower case"),
        (["no", "not sure"], "'not sure' begins like 'no'"),
        (["1", "10"], "letters"),
        (["very good", "very bad"], "begins like"),
        (["yes", " "], "not empty"),
        ([], "not empty"),
        ("yes", "must be a list"),
        (["yes", 1], "must be a list"),
    ],
)
def test_answers_that_cannot_be_told_apart_are_refused(answers, message):
    scorer = OpenAIScorer("http://127.0.0.1:9/v1", "m")
    for check in (scorer.check_answers, lambda answers: scorer(["a"], answers)):
        with pytest.raises((TypeError, ValueError), match=message):
            check(answers)


def test_samples_are_compared_as_a_whole():
    OpenAIScorer("http://127.0.0.1:9/v1", "m", samples=2).check_answers(["no", "not sure"])
    # 3 times "no", 1 "not sure", 2 something else (one refused): (3 + 1/2) / (6 + 3/2)
    read = SampledTexts(["No.", " **no**", "no way", "Not sure!", "nothing", None], ["no", "not sure"])
    np.testing.assert_allclose(np.exp(read.row), [3.5 / 7.5, 1.5 / 7.5])
    assert np.isneginf(SampledTexts(["well", None], ["no", "yes"]).row).all()


def broken(**entry):
    """Return a reply with one entry of top_logprobs."""
    return {
        "choices": [
            {"logprobs": {"content": [{"top_logprobs": [{"token": "yes", "logprob": -1.0, **entry}]}]}}
        ]
    }


def without(logprobs):
    return {"choices": [{"message": {"content": "yes"}, "logprobs": logprobs}]}


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        *((without(value), "no log-probabilities: samples=n draws n samples") for value in (None, {}, [], 0)),
        (without({"content": []}), "no log-probabilities: samples=n"),
        (without({"content": [{"top_logprobs": []}]}), "no top_logprobs: samples=n"),
        (without({"content": ["yes"]}), "no log-probabilities"),
        (broken(logprob=0.5), "log-probability 0.5 of the token 'yes' is none"),
        (broken(logprob=math.nan), "log-probability nan"),
        (broken(logprob=math.inf), "log-probability inf"),
        *(
            (broken(logprob=value), "not that of a chat completion")
            for value in ("-1", None, True, [], -(10**400))
        ),
        (broken(token=None), "not that of a chat completion"),
        (reply_of({"yes": 0.9, "no": 0.8}), "add up to 1.7"),
        *((value, "not that of a chat completion") for value in ([], None, "x", {}, {"choices": []})),
        ({"choices": [None]}, "not that of a chat completion"),
        ({"error": {"message": "overloaded"}}, "its error is {'message': 'overloaded'}"),
    ],
)
def test_replies_that_cannot_be_used_are_errors(reply, message):
    with pytest.raises(EndpointError, match=message) as caught:
        read_top(reply)
    assert len(str(caught.value)) < 500


#: Any JSON, with the keys of a chat completion more often than not, so that the reader gets deep into it.
KEYS = [
    "choices",
    "message",
    "content",
    "logprobs",
    "top_logprobs",
    "token",
    "logprob",
    "refusal",
    "finish_reason",
]
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("content_filter")
)
ANY_JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)
ENTRY = st.fixed_dictionaries({"token": LEAVES, "logprob": LEAVES | st.floats(-9, 0)})
CHOICE = st.fixed_dictionaries(
    {
        "logprobs": ANY_JSON
        | st.fixed_dictionaries(
            {
                "content": st.lists(
                    st.fixed_dictionaries({"top_logprobs": st.lists(ENTRY, max_size=3)}), max_size=1
                )
            }
        )
    },
    optional={"message": ANY_JSON, "finish_reason": LEAVES},
)


@settings(max_examples=60, deadline=None)
@given(ANY_JSON | st.fixed_dictionaries({"choices": ANY_JSON | st.lists(CHOICE, max_size=2)}))
def test_any_reply_is_read_or_refused(reply):
    """Whatever an endpoint sends is a row that a classifier can use, or an error."""
    with suppress(EndpointError):
        row = FirstTokens(read_top(reply), Meanings(["yes", "no"])).row
        assert all(value <= 0 for value in row)  # no NaN
        assert np.isfinite(row).all() or np.isneginf(row).all()
        json.dumps(read_top(reply), allow_nan=False)
    for keep_refusals in (False, True):
        with suppress(EndpointError):
            texts = read_texts(reply, keep_refusals=keep_refusals)
            assert all(text is None or isinstance(text, str) for text in texts)
            assert max(SampledTexts(texts, ["yes", "no"]).row) < 0


def test_placeholders_for_impossible_tokens_are_no_bound():
    reply = reply_of({"yes": 0.5, "well": 0.1})
    top = reply["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    top += [
        {"token": "no", "logprob": -9999.0},
        {"token": "x", "logprob": -3.4e38},
    ]
    top[0]["logprob"] = math.log(1e-9)
    read = FirstTokens(read_top(reply), Meanings(["yes", "no"]))
    np.testing.assert_allclose(np.exp(read.row), [1e-9, 1e-9])
    assert read.is_given == [True, False]


@pytest.mark.parametrize(
    ("choice", "samples"),
    [
        ({"message": {"refusal": "I cannot help with that."}}, None),
        ({"finish_reason": "content_filter"}, None),
        ({"finish_reason": "content_filter", "logprobs": None}, None),
        ({"finish_reason": "content_filter"}, 3),
        ({"message": {"content": None, "refusal": "I cannot."}}, 3),
    ],
)
def test_refusals_are_no_answer(choice, samples):
    reply = reply_of({"yes": 0.9}, **choice)
    with ChatServer(faults=lambda body: None if body["messages"][0]["content"] == "b" else reply) as server:
        scorer = OpenAIScorer(server.url, "m", samples=samples)
        assert np.isneginf(scorer(["a"], ANSWERS)).all()
        coverage = scorer.coverage(["a", "a", "b"], ANSWERS)
    assert (coverage.prompts, coverage.refused) == (3, 2)


def test_a_prompt_that_a_filter_stops_is_a_refusal_and_no_failure():
    error = Fault(400, {"error": {"message": "filtered", "code": "content_filter", "status": 400}})
    with ChatServer(faults=[error, None, error, error]) as server:
        scorer = OpenAIScorer(server.url, "planted", concurrency=1)
        scores = scorer(["a", "b"], ANSWERS)
        assert scorer.generate(["a"], 2, 0) == [[None, None]]
        assert np.isneginf(OpenAIScorer(server.url, "planted", samples=2)(["a"], ANSWERS)).all()
    assert np.isneginf(scores).all(axis=1).tolist() == [True, False]


def test_coverage_counts_what_was_seen():
    replies = {
        "both": reply_of({"positive": 0.6, "negative": 0.2}),
        "one": reply_of({"positive": 0.6, "the": 0.2}),
        "none": reply_of({"the": 0.6}),
        "refused": reply_of({}, finish_reason="content_filter"),
    }
    with ChatServer(faults=lambda body: replies[body["messages"][0]["content"]]) as server:
        coverage = OpenAIScorer(server.url, "m").coverage([*replies, "one"], ANSWERS)
    assert coverage.to_dict() == {
        "basis": "first_token",
        "size": 20,
        "answers": ANSWERS,
        "prompts": 5,
        "given": [3, 1],
        "censored": [0, 2],
        "unanswered": 2,
        "refused": 1,
    }
    assert (
        "5 prompts, 2 without any of the answers among the 20 likeliest tokens; 1 of these refused."
        in str(coverage)
    )


# ---------------------------------------------------------------- samples and texts


def test_samples_stand_in_for_log_probabilities():
    with ChatServer() as server:
        scorer = OpenAIScorer(server.url, "planted", samples=2_000)
        scores = scorer(PROMPTS, ANSWERS)
    assert "samples=2000" in repr(scorer)
    assert [request["n"] for request in server.requests] == [2_000] * 5
    assert not {"logprobs", "top_logprobs"} & set(server.requests[0])
    expected = [list(planted_probabilities(prompt).values()) for prompt in PROMPTS]
    np.testing.assert_allclose(np.exp(scores), expected, atol=0.05)  # four standard errors


@pytest.mark.parametrize("kind", ["one choice", "refused"])
def test_an_endpoint_that_gives_one_sample_at_a_time_is_asked_often(kind):
    """Each request has another seed: the same one would give the same text."""

    def one(body):
        if kind == "refused" and body.get("n", 1) > 1:
            return Fault(400, {"error": {"message": "n must be 1"}})
        return {"choices": [{"message": {"content": f"text {body['seed']}"}}]}

    with ChatServer(faults=one) as server:
        scorer = OpenAIScorer(server.url, "m", max_calls=9, concurrency=1)
        (texts, others) = scorer.generate(["a", "b"], 4, random_state=0)
        assert len({*texts, *others}) == 8
        assert len(server.requests) == (8 if kind == "one choice" else 9)  # one of them refused
        assert scorer.cost(["a", "c"], n_samples=4, random_state=0).calls == 4
        with pytest.raises(ValueError, match="max_calls=9 leaves 1 call, and 4 more are needed"):
            scorer.generate(["c"], 4, random_state=0)


def test_texts_are_kept_by_seed():
    with ChatServer() as server:
        scorer = OpenAIScorer(server.url, "planted")
        texts = scorer.generate(["a", "b", "a"], 5, random_state=1)
        assert texts[0] == texts[2] != texts[1]
        assert list(map(len, texts)) == [5, 5, 5]
        assert scorer.generate(["a", "b"], 5, random_state=1) == texts[:2]
        assert len(server.requests) == 2
        assert scorer.generate(["a"], 5, random_state=2)[0] != texts[0]
        assert scorer.cost(["a", "z"], n_samples=5, random_state=2, max_tokens=10).calls == 2
        assert scorer.cost(["a", "z"], n_samples=5, random_state=2).calls == 1
        for _ in range(2):  # without a seed, each time anew
            scorer.generate(["a"], 2)
    assert len(server.requests) == 5
    assert len({request["seed"] for request in server.requests[:3]}) == 3
    assert "seed" not in server.requests[-1]
    assert len(scorer.cache) == 3


def test_what_a_model_says_when_it_refuses_is_a_text():
    reply = {
        "choices": [{"message": {"content": None, "refusal": "I cannot."}}, {"message": {"content": None}}]
    }
    with ChatServer(faults=[reply]) as server:
        assert OpenAIScorer(server.url, "m").generate(["a"], 2, 0) == [["I cannot.", ""]]


# ---------------------------------------------------------------- cost


def test_cost_is_told_before_and_counted_after():
    with ChatServer() as server:
        scorer = OpenAIScorer(server.url, "planted")
        scorer(["a b", "c d e"], ANSWERS)
        cost = scorer.cost(["a b", "x" * 40, "x" * 40], ANSWERS)
        assert (cost.prompts, cost.cached, cost.calls, cost.tokens_in, cost.tokens_out) == (2, 1, 1, 10, 1)
        assert cost.estimated
        spent = scorer.spent
        assert (spent.calls, spent.tokens_in, spent.tokens_out, spent.estimated) == (2, 5, 2, False)
        assert OpenAIScorer(server.url, "planted", samples=10).cost(["a"]).tokens_out == 160
        assert len(server.requests) == 2


def test_a_run_that_needs_too_many_calls_does_not_start():
    with ChatServer() as server:
        scorer = OpenAIScorer(server.url, "planted", max_calls=3)
        scorer(["a", "b", "a"], ANSWERS)
        with pytest.raises(ValueError, match="max_calls=3 leaves 1 call, and 2 more are needed") as caught:
            scorer(["a", "c", "d", "d"], ANSWERS)
        assert "2 distinct prompts: 2 calls, about 2 tokens in" in str(caught.value)
        assert len(server.requests) == 2
        scorer(["a", "b", "c"], ANSWERS)
        assert len(server.requests) == 3


def test_the_message_about_too_many_calls_says_what_works():
    with ChatServer() as server:
        scorer = OpenAIScorer(server.url, "planted", max_calls=2)
        model = LLMClassifier(scorer, answers=dict(enumerate(ANSWERS))).fit()
        assert model.predict(["a", "b"]).shape == (2,)
        with pytest.raises(ValueError, match=r"scorer\.max_calls = 4 on .*cache=scorer\.cache") as caught:
            model.predict(["a", "c", "d"])
        assert "set_params(scorer=...)" in str(caught.value)
        other = OpenAIScorer(server.url, "planted", max_calls=2, cache=scorer.cache)
        assert clone(model).set_params(scorer=other).fit().predict(["a", "b", "c"]).shape == (3,)
        assert (other.spent.calls, len(server.requests)) == (1, 3)
        scorer.max_calls = 3  # of 2 calls that were made, and one that is still needed
        assert clone(model).fit().predict(["a", "c", "d"]).shape == (3,)
        assert (scorer.max_calls, scorer.spent.calls, len(server.requests)) == (3, 3, 4)
    with pytest.raises(ValueError, match="max_calls must be a whole number"):
        scorer.max_calls = -1


def test_an_unpickled_scorer_counts_its_calls_anew():
    with ChatServer() as server:
        scorer = OpenAIScorer(server.url, "planted", max_calls=2)
        scorer(["a", "b"], ANSWERS)
        loaded = pickle.loads(pickle.dumps(scorer))
        assert (loaded.max_calls, loaded.spent.calls) == (2, 0)
        loaded(["a", "c", "d"], ANSWERS)
        assert (loaded.spent.calls, len(server.requests)) == (2, 4)
        with pytest.raises(
            ValueError, match="max_calls=2 leaves 0 calls, and 1 more is needed, so none was made"
        ):
            loaded(["e"], ANSWERS)


@pytest.mark.parametrize("name", ["base_url", "model", "timeout", "retries", "headers", "samples", "cache"])
def test_other_parameters_cannot_be_set_without_a_word(name):
    scorer = OpenAIScorer("http://127.0.0.1:9/v1", "m")
    before = repr(scorer)
    with pytest.raises(AttributeError, match=f"{name} of an OpenAIScorer cannot be set") as caught:
        setattr(scorer, name, SECRET_TEXT)
    assert SECRET_TEXT not in str(caught.value)
    assert repr(scorer) == before


def test_progress_is_shown_on_request(capsys):
    with ChatServer() as server:
        OpenAIScorer(server.url, "planted")(["a"], ANSWERS)
        assert capsys.readouterr() == ("", "")
        OpenAIScorer(server.url, "planted", progress=True)(["a", "b"], ANSWERS)
    out, err = capsys.readouterr()
    assert out == ""
    assert "2/2" in err
    assert "prompts" in err


# ---------------------------------------------------------------- faults


OK = reply_of({"positive": 0.6, "negative": 0.2})


@pytest.mark.parametrize(
    "fault",
    [
        *(Fault(status, {"error": {"message": "later"}}) for status in (408, 429, 500, 502, 503, 504, 529)),
        Fault(cut="start"),
        Fault(body=OK, cut="middle"),
        Fault(500, "<html>", kind="text/html", cut="middle"),
    ],
    ids=lambda fault: f"{fault.status}{fault.cut}",
)
def test_failures_that_may_pass_are_tried_again(fault, pauses):
    with ChatServer(faults=[fault, fault, None]) as server:
        scores = OpenAIScorer(server.url, "planted", retries=2)(["He was great."], ANSWERS)
        assert np.isfinite(scores).all()
        assert len(server.requests) == 3
        # one second, then two, each of it half to whole
        assert [0.5 <= pauses[0] < 1, 1 <= pauses[1] < 2] == [True, True]
        assert pauses[1] != 2 * pauses[0]
        first = list(pauses)
        pauses.clear()
    with ChatServer(faults=[fault, fault, None]) as server:
        OpenAIScorer(server.url, "planted", retries=2)(["He was great."], ANSWERS)
    assert pauses == first  # a run can be repeated


def test_a_time_out_is_tried_again(pauses):
    with ChatServer(faults=[Fault(delay=5), None]) as server:
        scorer = OpenAIScorer(server.url, "planted", timeout=0.5, retries=1)
        assert np.isfinite(scorer(["a"], ANSWERS)).all()
    with ChatServer(faults=lambda body: Fault(delay=5)) as server:
        scorer = OpenAIScorer(server.url, "planted", timeout=0.05, retries=1)
        with pytest.raises(
            EndpointError, match=r"no reply within 0.05 seconds \(timeout\). It was asked 2 times"
        ):
            scorer(["a"], ANSWERS)


def test_a_reply_that_trickles_in_takes_no_longer_than_the_time_out(monkeypatch):
    clock = itertools.count(0, 40)
    # a clock of the endpoint's own: the server goes by the real one
    monkeypatch.setattr(endpoint, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    monkeypatch.setattr(endpoint, "_BLOCK", 16)
    with ChatServer() as server:
        scorer = OpenAIScorer(server.url, "planted", retries=0)
        with pytest.raises(EndpointError, match="no reply within 60 seconds"):
            scorer(["a"], ANSWERS)


def test_retry_after_is_heeded(pauses):
    soon = (datetime.now(UTC) + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    waits = ["7", "0.5", soon, "Wed, 21 Oct 2015 07:28:00 GMT", "soon", "-5"]
    faults = [Fault(429, "", {"Retry-After": wait}) for wait in waits]
    with ChatServer(faults=faults) as server:
        OpenAIScorer(server.url, "planted", retries=6)(["a"], ANSWERS)
    # at least what is asked for, or 1, 2, 4, 8, 16 and 30 seconds, each half to whole
    assert 7 <= pauses[0] <= 7.7
    assert 1 <= pauses[1] < 2
    assert 60 <= pauses[2] <= 99
    assert 4 <= pauses[3] < 8
    assert 8 <= pauses[4] < 16
    assert 15 <= pauses[5] < 30


def test_who_is_told_to_wait_for_long_gives_up(pauses):
    with ChatServer(faults=[Fault(429, "slow down", {"Retry-After": "86400"})]) as server:
        with pytest.raises(
            EndpointError, match="left alone for 86,400 seconds, and no longer than 120"
        ) as caught:
            OpenAIScorer(server.url, "planted")(["a"], ANSWERS)
        assert caught.value.status == 429
    assert pauses == []


@pytest.mark.parametrize(
    ("status", "said", "message"),
    [
        (400, {"error": {"message": "top_logprobs must be at most 5"}}, "must be at most 5.*samples=n"),
        (400, {"error": {"message": "use max_completion_tokens"}}, "token_limit='max_completion_tokens'"),
        (400, {"error": "temperature is fixed"}, "temperature is fixed. .*extra={'temperature': None}"),
        (
            401,
            {"error": {"message": "bad key"}},
            "status 401: bad key. It wants a .valid. key: give api_key_var",
        ),
        (403, {"detail": "not yours"}, "status 403: not yours. The key does not allow this"),
        (404, {"message": "no such model"}, "status 404: no such model. Look at base_url"),
        (418, "", r"status 418: \(no words\)"),
        (
            429,
            {"error": {"message": "no money", "code": "insufficient_quota"}},
            "status 429: no money. Lower",
        ),
    ],
)
def test_errors_that_do_not_pass_are_told_at_once(status, said, message, pauses):
    with ChatServer(faults=lambda body: Fault(status, said)) as server:
        with pytest.raises(EndpointError, match=message) as caught:
            OpenAIScorer(server.url, "m", concurrency=1)(["a", "b"], ANSWERS)
        assert len(server.requests) == 1
    assert caught.value.status == status
    assert str(caught.value).startswith(server.url)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.status, again.code) == (str(caught.value), status, caught.value.code)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            Fault(body="<html><script>alert('x')</script><p>Welcome</p>", kind="text/html"),
            "no JSON but text/html: Welc",
        ),
        (Fault(body='{"choices": [', kind="application/json"), "the reply is no JSON:"),
        (Fault(body=b"\xff\xfe\x00", kind="application/json"), "the reply is no JSON:"),
        (Fault(body='{"choices": NaN}'), "the reply is no JSON:"),
        (Fault(body="[" * 100_000), "the reply is no JSON:"),
        (Fault(body=b""), "the reply is no JSON: .no words."),
        (Fault(body=b"[" + b"0," * (5 * 2**20) + b"0]"), "larger than 8 MB"),
        (Fault(body={"choices": []}), "not that of a chat completion"),
        (Fault(body=without(None)), "samples=n draws n samples"),
    ],
    ids=["page", "cut", "bytes", "NaN", "deep", "empty", "large", "no choice", "no log-probabilities"],
)
def test_replies_that_are_garbage_are_errors(fault, message, pauses):
    with ChatServer(faults=lambda body: fault) as server:
        with pytest.raises(EndpointError, match=message) as caught:
            OpenAIScorer(server.url, "m")(["a"], ANSWERS)
        assert len(server.requests) == 1
    assert len(str(caught.value)) < 700
    assert "script" not in str(caught.value)
    assert str(caught.value).isprintable()


@contextmanager
def replies_of_bytes(content):
    """Yield the URL of a server that reads, writes these bytes, and ends the connection."""
    asked = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            asked.append(self.request.recv(2**16))
            self.request.sendall(content)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", asked
        server.shutdown()
        thread.join()


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("content", "message", "attempts"),
    [
        (b"", "the connection was cut", 2),
        (CHUNKED + b"ff\r\n{", "cut before the reply was complete", 2),
        (CHUNKED + b"zz\r\n{", "cut before the reply was complete", 2),
        (b"SSH-2.0-OpenSSH\r\n", "does not speak HTTP", 1),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n", "does not speak HTTP", 1),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\0", "no JSON", 1),
        (b"HTTP/1.1 401 No\r\nContent-Length: 500\r\n\r\n{", "status 401", 1),
    ],
    ids=["nothing", "chunk cut", "bad chunk", "no HTTP", "headers", "compressed", "error cut"],
)
def test_what_is_hardly_http_is_an_error(content, message, attempts, pauses):
    with replies_of_bytes(content) as (url, asked):
        with pytest.raises(EndpointError, match=message):
            OpenAIScorer(url, "m", retries=1)(["a"], ANSWERS)
        assert len(asked) == attempts


@pytest.mark.parametrize(
    ("content", "message", "attempts"),
    [(b"", "the connection was cut", 2), (b"HTTP/1.1 400 No TLS\r\n\r\n", "no encrypted connection", 1)],
    ids=["cut", "no TLS"],
)
def test_connections_that_cannot_be_encrypted_are_errors(content, message, attempts, pauses):
    with replies_of_bytes(content) as (url, asked):
        with pytest.raises(EndpointError, match=message):
            OpenAIScorer(url.replace("http:", "https:"), "m", retries=1)(["a"], ANSWERS)
        assert len(asked) == attempts


@pytest.mark.parametrize("head", [CHUNKED + b"%x\r\n", b"HTTP/1.0 200 OK\r\n\r\n\xef\xbb\xbf"])
def test_replies_without_a_length_are_read(head):
    reply = json.dumps(OK).encode()
    content = head % len(reply) + reply + b"\r\n0\r\n\r\n" if b"%x" in head else head + reply
    with replies_of_bytes(content) as (url, _):
        np.testing.assert_allclose(np.exp(OpenAIScorer(url, "m")(["a"], ANSWERS)), [[0.6, 0.2]])


def test_redirects_are_not_followed(pauses):
    with ChatServer() as other:
        target = f"{other.url}/chat/completions"
        for status in (301, 302, 303, 307, 308):
            with ChatServer(faults=[Fault(status, "", {"Location": target})]) as server:
                scorer = OpenAIScorer(server.url, "m", headers={"api-key": KEY})
                with pytest.raises(EndpointError, match=f"redirects .status {status}. to {target}") as caught:
                    scorer(["a"], ANSWERS)
                assert caught.value.status == status
    assert other.requests == []


def test_who_does_not_listen_or_exist_is_told_at_once(pauses):
    with ChatServer() as server:
        url = server.url
    with pytest.raises(EndpointError, match="nothing listens there"):
        OpenAIScorer(url, "m")(["a"], ANSWERS)
    with pytest.raises(EndpointError, match="no such host"):
        OpenAIScorer("https://nowhere.invalid/v1", "m")(["a"], ANSWERS)
    assert pauses == []


def test_proxies_of_the_environment_are_not_used(monkeypatch):
    with ChatServer() as closed:
        nowhere = closed.url
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, nowhere)
    with ChatServer() as server:
        assert np.isfinite(OpenAIScorer(server.url, "planted")(["a"], ANSWERS)).all()
        # a proxy that is asked for is
        with ChatServer() as proxy:
            scorer = OpenAIScorer("http://localhost:1/v1", "planted", proxy=proxy.url.removesuffix("/v1"))
            assert np.isfinite(scorer(["a"], ANSWERS)).all()
    assert proxy.requests[0]["path"] == "http://localhost:1/v1/chat/completions"


def test_the_first_failure_ends_the_run_and_answers_are_kept(pauses):
    def fail_at_c(body):
        prompt = body["messages"][0]["content"]
        # those behind it take a while, so that few of them are sent before it fails
        return Fault(401, {"error": "no"}) if prompt == "c" else Fault(delay=0.03 * prompt.isdigit(), body=OK)

    prompts = ["a", "b", "c", *map(str, range(50))]
    with ChatServer(faults=fail_at_c) as server:
        scorer = OpenAIScorer(server.url, "planted", concurrency=2, max_calls=100)
        with pytest.raises(EndpointError, match="status 401"):
            scorer(prompts, ANSWERS)
        assert len(server.requests) < 20
        answered = {prompt for prompt in server.prompts if prompt != "c"}
        assert {"a", "b"} <= answered
        assert scorer.cost(prompts, ANSWERS).cached == len(scorer.cache) == len(answered)
        before = len(server.requests)
        scorer([prompt for prompt in prompts if prompt != "c"], ANSWERS)
        assert len(server.requests) == before + 52 - len(answered)


def test_an_interruption_keeps_answers(monkeypatch, tmp_path):
    real, rounds = pool.wait, []

    def interrupted(running, **options):
        if len(rounds) == 3:
            raise KeyboardInterrupt
        rounds.append(None)
        return real(running, **options)

    with ChatServer() as server:
        scorer = OpenAIScorer(
            server.url, "planted", concurrency=1, cache=tmp_path / "answers.db", max_calls=10
        )
        monkeypatch.setattr(pool, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            scorer(list("abcdef"), ANSWERS)
        monkeypatch.setattr(pool, "wait", real)
        assert len(scorer.cache) == 3
        assert scorer(list("abcdef"), ANSWERS).shape == (6, 2)
        assert len(server.requests) <= 7


# ---------------------------------------------------------------- secrets


def everything_said(scorer, path):
    """Return all that a scorer shows of itself, or leaves behind."""
    files = b"".join(file.read_bytes() for file in path.iterdir())
    shown = [
        repr(scorer),
        str(scorer),
        repr(vars(scorer)),
        repr(LLMClassifier(scorer)),
        repr(scorer.cost(["a"])),
    ]
    shown.append(LLMClassifier(scorer)._repr_html_())
    return " ".join(shown) + (pickle.dumps(scorer) + files).decode("latin-1")


@pytest.mark.parametrize("how", ["headers", "variable"])
def test_keys_are_sent_and_nothing_shows_them(how, tmp_path, monkeypatch, pauses):
    monkeypatch.setenv("FAIRSK_TEST_KEY", KEY + "\n")
    credentials = {"headers": {"Authorization": f"Bearer {KEY}"}, "variable": None}[how]
    options = {"headers": credentials} if how == "headers" else {"api_key_variable": "FAIRSK_TEST_KEY"}

    def echo(body):
        prompt = body["messages"][0]["content"]
        if prompt == "token":  # a poisoned endpoint answers with the key
            return reply_of({"positive": 0.6, KEY: 0.2})
        if prompt == "error":
            encoded = base64.b64encode(KEY.encode()).decode()
            shown = f"Bearer {KEY} {KEY.upper()} {encoded} {KEY[:12]}**** {KEY[9:]}"
            encoded_header = base64.b64encode(f"Bearer {KEY}".encode()).decode()
            code = f"\x1b[31m{KEY} {encoded_header}" + "x" * 5_000
            return Fault(401, {"error": {"message": shown + "x" * 400 + KEY, "code": code}})
        if prompt == "redirect":
            return Fault(302, "", {"Location": f"https://evil.example/?{KEY}"})
        if prompt == "wrong":
            return {"error": {"message": f"{KEY[:13]}**** {KEY[7:]}"}}
        if prompt == "page":
            return Fault(body=f"<b>{KEY}</b>", kind=f"text/{KEY}")
        return None

    with ChatServer(faults=echo) as server:
        scorer = OpenAIScorer(server.url, "planted", cache=tmp_path / "answers.db", **options)
        scorer(["a", "token"], ANSWERS)
        messages = []
        for prompt in ("error", "redirect", "page", "wrong"):
            with pytest.raises(EndpointError) as caught:
                scorer([prompt], ANSWERS)
            messages.append(
                "".join(traceback.format_exception(caught.value)) + repr(pickle.dumps(caught.value))
            )
            assert len(caught.value.code) < 100
            assert caught.value.code.isprintable()
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    said = everything_said(scorer, tmp_path) + "".join(messages)
    for start in range(len(KEY) - 7):
        assert KEY[start : start + 8].lower() not in said.lower()
    for sent in (KEY, f"Bearer {KEY}"):
        assert base64.b64encode(sent.encode()).decode()[:12] not in said
    assert "***" in messages[0]
    assert len(messages[0]) < 20_000


def test_a_pickled_scorer_has_its_answers_and_no_headers(monkeypatch):
    with ChatServer() as server:
        scorer = OpenAIScorer(server.url, "planted", headers={"api-key": KEY})
        expected = scorer(["a"], ANSWERS)
        other = pickle.loads(pickle.dumps(scorer))
        np.testing.assert_array_equal(other(["a"], ANSWERS), expected)
        with pytest.raises(
            EndpointError, match=r"headers of this scorer .'api-key'. are not here: a pickle takes"
        ):
            other(["b"], ANSWERS)
        by_variable = OpenAIScorer(server.url, "planted", api_key_variable="FAIRSK_TEST_KEY")
        other = pickle.loads(pickle.dumps(by_variable))
        with pytest.raises(EndpointError, match=r"'FAIRSK_TEST_KEY' .api_key_variable. is not set"):
            other(["b"], ANSWERS)
        monkeypatch.setenv("FAIRSK_TEST_KEY", KEY)
        np.testing.assert_array_equal(other(["a"], ANSWERS), expected)
        monkeypatch.setenv("FAIRSK_TEST_KEY", f"{KEY}\r\nX-Evil: 1")
        with pytest.raises(EndpointError, match="characters that no header can") as caught:
            other(["c"], ANSWERS)
        assert KEY not in str(caught.value)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(other))(["a"], ANSWERS), expected)


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"Authorization": f"Bearer {KEY}\r\nX: y"}, "without line breaks"),
        ({"Authorization": f"Bearer {KEY}\n"}, "without line breaks"),
        ({"api key": KEY}, "a name that is none of HTTP"),
        ({"Content-Length": KEY}, "that follows from the request"),
        ({"a": KEY, "A": KEY}, "a name twice"),
        ({"api-key": KEY + "é"}, "ASCII"),
        ({"api-key": KEY.encode()}, "ASCII"),
        ([("api-key", KEY)], "must be a mapping"),
    ],
)
def test_headers_that_cannot_be_sent_are_refused_and_not_shown(headers, message):
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        OpenAIScorer("http://127.0.0.1:9/v1", "m", headers=headers)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (f"https://me:{KEY}@example.com/v1", "must not hold a name or a password"),
        (f"https://example.com/v1?key={KEY}", "must end with a path"),
        (f"https://example.com/v1#{KEY}", "must end with a path"),
        *(
            (url, "must be an http or https URL")
            for url in ("file:///etc/passwd", "ftp://a/b", "example.com", "")
        ),
        *(
            (url, "must be an http or https URL")
            for url in ("http://", "http://a:b/", "http://a b/", "http://[::1")
        ),
    ],
)
def test_urls_that_are_refused(url, message):
    for options in ({"base_url": url}, {"base_url": "http://127.0.0.1:9/v1", "proxy": url}):
        with pytest.raises(ValueError, match=message) as caught:
            OpenAIScorer(model="m", **options)
        assert KEY not in str(caught.value)


def test_http_to_another_machine_is_warned_of():
    with pytest.warns(UserWarning, match="prompts and keys travel unencrypted. Use https"):
        OpenAIScorer("http://example.com/v1", "m", headers={"api-key": KEY})
    for host in ("127.0.0.1", "localhost", "[::1]", "127.1.2.3"):
        OpenAIScorer(f"http://{host}:8000/v1", "m")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top": 0}, "top must be a whole number from 1 to 20"),
        ({"top": 21}, "top must be a whole number from 1 to 20"),
        ({"samples": 0}, "samples must be a whole number"),
        ({"timeout": 0}, "timeout must be a number of seconds"),
        ({"timeout": math.nan}, "timeout must be a number of seconds"),
        ({"retries": -1}, "retries must be a whole number"),
        ({"concurrency": 2.5}, "concurrency must be a whole number"),
        ({"max_calls": True}, "max_calls must be a whole number"),
        ({"extra": {"n": 5}}, "extra must not set 'n'"),
        ({"extra": {"a": math.inf}}, "extra must hold values that JSON has"),
        ({"extra": ["a"]}, "extra must be a mapping"),
        ({"token_limit": "tokens"}, "token_limit must be one of 'max_tokens', 'max_completion_tokens'"),
        ({"model": ""}, "model must be the name"),
        ({"api_key_variable": ""}, "the name, not the key"),
        ({"api_key_variable": "K", "headers": {"authorization": "x"}}, "not both"),
    ],
)
def test_parameters_that_are_refused(options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        OpenAIScorer("http://127.0.0.1:9/v1", **{"model": "m", **options})


@pytest.mark.parametrize("prompts", ["a text", ["a", 5], [None], 5])
def test_prompts_that_are_refused(prompts):
    with pytest.raises(TypeError, match=r"^prompts( must be a list of texts|\[\d\] must be a text); got "):
        OpenAIScorer("http://127.0.0.1:9/v1", "m")(prompts, ANSWERS)


# ---------------------------------------------------------------- inside scikit-learn


@pytest.fixture(scope="module")
def comments():
    """Comments about women and men, with labels that do not depend on whom they are about."""
    rng = np.random.default_rng(0)
    people, words = ["She", "He"], sorted(GOOD | BAD)
    texts, y, groups = [], [], []
    for _ in range(160):
        person, word = rng.choice(people), rng.choice(words)
        texts.append(f"{person} was {word}.")
        y.append(int((word in GOOD) != (rng.random() < 0.1)))
        groups.append("women" if person == "She" else "men")
    return texts, np.array(y), np.array(groups)


def test_a_search_asks_each_distinct_prompt_once(comments, tmp_path):
    """In two processes, with thresholds per group on top."""
    texts, y, groups = comments
    with ChatServer() as server:
        scorer = OpenAIScorer(server.url, "planted", cache=tmp_path / "answers.db")
        classifier = LLMClassifier(scorer, answers={0: "negative", 1: "positive"}, calibrate="fit")
        search = GridSearchCV(classifier, {"C": [0.1, 1.0], "calibrate": ["none", "fit"]}, cv=3, n_jobs=2)
        search.fit(texts, y)
        search.predict_proba(texts)
        optimizer = GroupThresholdOptimizer(classifier, max_difference=0.05).fit(
            texts, y, sensitive_features=groups
        )
        optimizer.predict(texts, sensitive_features=groups)
        clone(optimizer).fit(texts[:80], y[:80], sensitive_features=groups[:80])
    assert len(server.requests) == len(set(texts)) == 20
    assert search.best_score_ > 0.8


def test_threads_of_a_search_share_the_cache_in_memory(comments):
    texts, y, _ = comments
    with ChatServer() as server:
        classifier = LLMClassifier(
            OpenAIScorer(server.url, "planted"), answers={0: "negative", 1: "positive"}
        )
        with joblib.parallel_backend("threading", n_jobs=2):
            GridSearchCV(classifier, {"calibrate": ["none", "fit"]}, cv=3).fit(texts, y)
    assert len(server.requests) == len(set(texts))


def test_refusals_are_a_rate_per_group_and_no_class():
    """A model that refuses to speak about women: the row of -inf is what the classifier abstains on."""
    refused = reply_of({}, finish_reason="content_filter")
    texts = ["She was great.", "He was great.", "She was rude.", "He was rude."]
    with ChatServer(faults=lambda body: refused if "She" in str(body) else None) as server:
        scorer = OpenAIScorer(server.url, "planted")
        answers = {"bad": "negative", "good": "positive"}
        classifier = LLMClassifier(scorer, answers=answers, unanswered="abstain").fit()
        assert classifier.is_unanswered(texts).tolist() == [True, False, True, False]
        assert classifier.predict(texts)[[1, 3]].tolist() == ["good", "bad"]
        assert len(server.requests) == 4
        with pytest.raises(ValueError, match="2 of"):
            LLMClassifier(scorer, answers=answers).fit().predict(texts)


def test_clones_of_a_scorer_are_the_scorer():
    scorer = OpenAIScorer("http://127.0.0.1:9/v1", "m")
    assert clone(scorer, safe=False) is copy.copy(scorer) is copy.deepcopy(scorer) is scorer
    assert clone(LLMClassifier(scorer)).scorer is scorer


# ---------------------------------------------------------------- any other scorer


class Stub:
    """A scorer that counts what it is asked."""

    def __init__(self, rows=None):
        self.asked, self.rows = [], rows

    def __call__(self, prompts, answers):
        self.asked.append(list(prompts))
        rows = [list(map(math.log, planted_probabilities(prompt).values())) for prompt in prompts]
        return np.array(rows if self.rows is None else self.rows, dtype=float)

    def log_likelihood(self, texts):
        self.asked.append(list(texts))
        return [-float(len(text)) for text in texts]

    def count_tokens(self, texts):
        return [len(text.split()) for text in texts]

    def generate(self, prompts, n_samples, random_state):
        self.asked.append(list(prompts))
        rng = np.random.default_rng(random_state)
        return [[f"{prompt} {rng.random()}" for _ in range(n_samples - 1)] + [None] for prompt in prompts]


def test_any_scorer_is_asked_once(tmp_path):
    stub = Stub()
    scorer = CachedScorer(stub, name="stub 1", cache=tmp_path / "answers.db")
    expected = Stub()(PROMPTS, ANSWERS)
    for one in (scorer, pickle.loads(pickle.dumps(scorer)), clone(scorer, safe=False)):
        np.testing.assert_array_equal(one(PROMPTS * 2, ANSWERS), expected.tolist() * 2)
    assert stub.asked == [PROMPTS]
    assert scorer.cost([*PROMPTS, "a b c"], ANSWERS).to_dict() == {
        "prompts": 6,
        "cached": 5,
        "calls": 1,
        "tokens_in": 3,
        "tokens_out": 1,
        "estimated": False,
    }
    scorer(PROMPTS[:1], ANSWERS[::-1])  # other answers are another question
    CachedScorer(stub, name="stub 2", cache=tmp_path / "answers.db")(PROMPTS[:1], ANSWERS)
    assert stub.asked[1:] == [PROMPTS[:1]] * 2
    assert "name='stub 1'" in repr(scorer)


def test_other_methods_of_a_scorer_are_cached_too():
    stub = Stub()
    scorer = CachedScorer(stub)
    for _ in range(2):
        assert scorer.log_likelihood(["ab", "c", "ab"]).tolist() == [-2.0, -1.0, -2.0]
    assert stub.asked == [["ab", "c"]]
    assert scorer.count_tokens(["a b"]) == [2]
    texts = scorer.generate(["a", "b"], 2, 0)
    assert scorer.generate(["b", "a"], 2, 0) == texts[::-1]
    assert texts[0][1] is None
    assert scorer.generate(["a"], 2, 1) != texts[:1]
    assert scorer.generate(["a"], 2) != scorer.generate(["a"], 2)
    assert not hasattr(CachedScorer(len), "generate")
    assert not hasattr(CachedScorer(len), "check_answers")


def test_a_cached_scorer_counts_what_was_asked():
    scorer = CachedScorer(Stub())
    assert str(scorer.spent) == "No prompt: no call."
    scorer(["a b", "c", "a b"], ANSWERS)
    scorer(["c"], ANSWERS)  # is answered already
    spent = scorer.spent
    assert (spent.prompts, spent.calls, spent.tokens_in, spent.tokens_out) == (2, 2, 3, 2)
    assert not spent.estimated
    scorer.log_likelihood(["a b c"])
    assert (scorer.spent.calls, scorer.spent.tokens_in, scorer.spent.tokens_out) == (3, 6, 2)
    scorer.generate(["x y"], 3, 0)  # two texts of three tokens, and a refusal
    assert (scorer.spent.calls, scorer.spent.tokens_in, scorer.spent.tokens_out) == (6, 12, 8)
    assert clone(scorer, safe=False).spent.calls == 6
    loaded = pickle.loads(pickle.dumps(scorer))
    assert loaded.spent.calls == 0
    loaded(["a b"], ANSWERS)
    assert loaded.spent.calls == 0
    # without a tokenizer, at 4 characters a token
    plain = CachedScorer(Stub().__call__)
    plain(["12345"], ANSWERS)
    assert (plain.spent.tokens_in, plain.spent.estimated) == (2, True)


def test_lots_are_kept_as_they_come():
    stub = Stub()
    prompts = [str(i) for i in range(600)]
    CachedScorer(stub)(prompts, ANSWERS)
    assert list(map(len, stub.asked)) == [256, 256, 88]


def test_silence_of_a_scorer_is_kept():
    stub = Stub([[-math.inf, -math.inf]])
    scorer = CachedScorer(stub)
    for _ in range(2):
        assert np.isneginf(scorer(["a"], ANSWERS)).all()
    assert len(stub.asked) == 1


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[-1.0, math.nan]], "hold NaN"),
        ([[-1.0, 0.5]], "one is 0.5"),
        ([[-1.0, math.inf]], "hold infinity"),
        ([[-1.0]], r"shape \(1, 2\)"),
        ([-1.0, -1.0], r"shape \(1, 2\)"),
    ],
)
def test_scorers_that_break_the_contract_are_refused(rows, message):
    scorer = CachedScorer(Stub(rows))
    with pytest.raises(ValueError, match=message):
        scorer(["a"], ANSWERS)
    assert len(scorer.cache) == 0


class Writer:
    """A scorer that writes what it was made with."""

    def __init__(self, texts):
        self.texts = texts

    def __call__(self, prompts, answers):
        return [["-1"] * len(answers)] * len(prompts)

    def log_likelihood(self, texts):
        return [math.nan] * len(texts)

    def generate(self, prompts, n_samples, random_state, **options):
        return self.texts


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda scorer: scorer("abc", ANSWERS), "prompts must be a list of texts; got 'abc'"),
        (lambda scorer: scorer([1], ANSWERS), r"prompts\[0\] must be a text; got 1, of type int"),
        (lambda scorer: scorer(["a"], "yes"), "answers must be a list of texts"),
        (lambda scorer: scorer(["a"], ANSWERS), "not an array of numbers"),
        (lambda scorer: scorer.cost("abc", ANSWERS), "prompts must be a list of texts"),
        (lambda scorer: scorer.log_likelihood(["a"]), "log_likelihood returned nan"),
        (lambda scorer: scorer.generate(["a", "b"], 2, 0), "1 lists for 2 prompts"),
        (lambda scorer: scorer.generate(["a"], 3, 0), "a list of 3 texts is expected"),
        (lambda scorer: scorer.generate(["a"], 2, 0), "must return texts; got b'y'"),
        (lambda scorer: scorer.generate(["a"], 0, 0), "n_samples must be a whole number"),
        (lambda scorer: scorer.generate(["a"], 2, 0, stop={1}), "options are part of a key"),
    ],
)
def test_what_a_cached_scorer_is_asked_and_answers_is_checked(ask, message):
    scorer = CachedScorer(Writer([["x", b"y"]]))
    with pytest.raises((TypeError, ValueError), match=message):
        ask(scorer)
    assert len(scorer.cache) == 0
    assert CachedScorer(Writer([["x", None]])).generate(["a"], np.int64(2), 0) == [["x", None]]


def test_cached_scorers_that_are_refused(tmp_path):
    with pytest.raises(ValueError, match="name must be given with cache"):
        CachedScorer(Stub(), cache=tmp_path / "answers.db")
    with pytest.raises(TypeError, match="scorer must be callable"):
        CachedScorer(5)
    with pytest.raises(TypeError, match="name must be a text"):
        CachedScorer(Stub(), name="")
