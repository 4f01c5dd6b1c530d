"""Scorers of prompts: the cache of answers, endpoints, and what happens when they fail."""

from __future__ import annotations

import copy
import os
import pickle
import sqlite3
import stat
import threading
import time

import joblib
import pytest
from sklearn.base import clone

from fairsk.text._scorers import files
from fairsk.text._scorers.cache import AnswerCache, as_cache, key_of

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
    cache.answers([key_of(number=i) for i in range(200)], ask_and_count([]))
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
    with pytest.raises(TypeError, match="cache must be the path of a file, or None"):
        as_cache(5)


def test_a_file_that_was_removed_is_made_again(tmp_path):
    cache = AnswerCache(tmp_path / "answers.db")
    cache.answers(["a"], ask_and_count([]))
    (tmp_path / "answers.db").unlink()
    cache.answers(["a"], ask_and_count(asked := []))
    assert asked == ["a"]
