"""A language model on this machine, trained in the test: its scores are those of a loop written by hand."""

from __future__ import annotations

import copy
import itertools
import pickle
import random
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

torch = pytest.importorskip("torch")
transformers = pytest.importorskip(
    "transformers", reason="in the extra text, which the oldest versions go without"
)
tokenizers = pytest.importorskip("tokenizers")

from fairsk import GroupThresholdOptimizer  # noqa: E402
from fairsk.text import LLMClassifier, LocalScorer  # noqa: E402

JOBS = {"nurse": 0.9, "teacher": 0.75, "cook": 0.6, "judge": 0.5, "pilot": 0.3, "welder": 0.1}
PROMPTS = ["the nurse said that", "the welder said that", "the", "the cook said that the judge said that"]
ANSWERS = [" she", " he came", " the teacher"]
CONTEXT = 24


def word_tokenizer(padding_side="right"):
    """Return a tokenizer of whole words."""
    words = ["<unk>", "<bos>", "<eos>", "<pad>", "the", "said", "that", "she", "he", "came", ".", *JOBS]
    words += ["<", ">", "eos", "yes", "no"]
    model = tokenizers.models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>")
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<bos>",
        eos_token="<eos>",
        pad_token="<pad>",
        padding_side=padding_side,
    )


def merging_tokenizer():
    """Return a tokenizer that joins a blank with the word after it, as those of most models do."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<end>", "<user>", "<model>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["Good? Answer: yes", "Good? Answer: no", "Answer: never"] * 20, trainer)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")


def tiny_model(n_tokens, spread=0.3, **options):
    """Return a model of two layers, with random weights."""
    state = torch.get_rng_state()
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=n_tokens,
        n_positions=CONTEXT,
        n_embd=32,
        n_layer=2,
        n_head=2,
        initializer_range=spread,  # by default far from uniform, so that no mistake is small
        bos_token_id=1,
        eos_token_id=2,
        **options,
    )
    model = transformers.GPT2LMHeadModel(config).eval()
    torch.set_rng_state(state)
    return model


def trained(tokenizer, shares):
    """Return a model that has learnt how many of each occupation are "she"."""
    model = tiny_model(len(tokenizer), spread=0.1)
    texts = [f"the {job} said that {pronoun}" for job in shares for pronoun in ("she", "he")]
    weights = torch.tensor([w for share in shares.values() for w in (share, 1 - share)])
    tokens = torch.tensor([[1, *tokenizer(text)["input_ids"]] for text in texts])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    for _ in range(200):
        logs = model(input_ids=tokens[:, :-1]).logits.log_softmax(-1)
        losses = -logs.gather(2, tokens[:, 1:, None])[..., 0].sum(1)
        loss = (weights * losses).sum() / weights.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def by_hand(model, tokens, first):
    """Add up the log-probabilities of tokens from ``first`` on, one token at a time, without a batch."""
    total = 0.0
    with torch.no_grad():
        for i in range(first, len(tokens)):
            logits = model(input_ids=torch.tensor([tokens[:i]])).logits[0, -1].double()
            total += float(logits[tokens[i]] - torch.log(torch.exp(logits).sum()))
    return total


@pytest.fixture(scope="module")
def tokenizer():
    return word_tokenizer()


@pytest.fixture(scope="module")
def model(tokenizer):
    return tiny_model(len(tokenizer))


@pytest.fixture
def scorer(model, tokenizer):
    return LocalScorer(model, tokenizer)


@pytest.fixture(scope="module")
def folder(model, tokenizer, tmp_path_factory):
    path = tmp_path_factory.mktemp("model")
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def ids(tokenizer, text):
    """Return the tokens of a text, after that for its beginning."""
    return [1, *tokenizer(text)["input_ids"]]


# what a score is


@pytest.mark.parametrize("padding_side", ["left", "right"])
@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_scores_are_sums_of_conditional_log_probabilities(model, padding_side, batch_size):
    tokenizer = word_tokenizer(padding_side)
    scores = LocalScorer(model, tokenizer, batch_size=batch_size)(PROMPTS, ANSWERS)
    expected = [
        [by_hand(model, ids(tokenizer, prompt + answer), len(ids(tokenizer, prompt))) for answer in ANSWERS]
        for prompt in PROMPTS
    ]
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


def test_the_log_likelihood_of_a_text_is_the_sum_over_its_tokens(scorer, model, tokenizer):
    texts = [prompt + answer for prompt, answer in itertools.product(PROMPTS, ANSWERS)]
    expected = [by_hand(model, ids(tokenizer, text), 1) for text in texts]
    np.testing.assert_allclose(scorer.log_likelihood(texts), expected, rtol=1e-5)
    # ... of which an answer is the last part
    prompts = scorer.log_likelihood(PROMPTS)[:, None]
    np.testing.assert_allclose(
        scorer(PROMPTS, ANSWERS), np.reshape(expected, (4, 3)) - prompts, rtol=1e-4, atol=1e-4
    )
    assert scorer.count_tokens(texts[:3]).tolist() == [5, 6, 6]


def test_without_a_start_the_first_token_is_given(model, tokenizer):
    scorer = LocalScorer(model, tokenizer, start_token="none")
    tokens = tokenizer("the cook said")["input_ids"]
    np.testing.assert_allclose(
        scorer.log_likelihood(["the cook said"]), [by_hand(model, tokens, 1)], rtol=1e-5
    )
    assert scorer.count_tokens(["the cook said"]).tolist() == [2]
    with pytest.raises(ValueError, match=r"texts\[1\] has one token, and nothing before it"):
        scorer.log_likelihood(["the cook", "the"])
    with pytest.raises(ValueError, match=r"Nothing stands before the answers to prompts\[1\]"):
        scorer(["the", ""], [" cook"])


def test_a_prompt_that_ends_inside_of_a_token_is_scored_with_its_answers():
    tokenizer = merging_tokenizer()
    model = tiny_model(len(tokenizer))
    joined, apart = ("Good? Answer:", [" yes", " no", " zebra"]), ("Good? Answer: ", ["yes", "no", "zebra"])
    encoded = tokenizer(joined[0])["input_ids"]
    assert tokenizer(joined[0] + " yes")["input_ids"][:-1] == encoded  # the blank is a part of the answer
    assert tokenizer(apart[0])["input_ids"][:-1] == encoded  # ... or a token of the prompt
    for prompt, answers in (joined, apart):
        # This tokenizer has a token for the end of a text only, which then stands at the beginning.
        whole = [[0, *tokenizer(prompt + answer)["input_ids"]] for answer in answers]
        expected = [by_hand(model, tokens, 1 + len(encoded)) for tokens in whole]
        np.testing.assert_allclose(LocalScorer(model, tokenizer)([prompt], answers), [expected], rtol=1e-5)


def test_what_a_model_has_learnt_is_found_and_nothing_else(tokenizer):
    def log_odds(shares):
        scores = LocalScorer(trained(tokenizer, shares), tokenizer)(
            [f"the {job} said that" for job in JOBS], [" she", " he"]
        )
        return scores[:, 0] - scores[:, 1]

    planted = np.array(list(JOBS.values()))
    np.testing.assert_allclose(log_odds(JOBS), np.log(planted / (1 - planted)), atol=0.15)
    np.testing.assert_allclose(log_odds(dict.fromkeys(JOBS, 0.5)), 0, atol=0.05)


def test_many_places_are_read_in_parts(scorer, model, tokenizer, monkeypatch):
    expected = scorer.log_likelihood(PROMPTS), scorer(PROMPTS, ANSWERS)
    monkeypatch.setattr("fairsk.text._local.forward._MOST_LOGITS", 3 * len(tokenizer))
    other = LocalScorer(model, tokenizer)
    np.testing.assert_allclose(other.log_likelihood(PROMPTS), expected[0], rtol=1e-5)
    np.testing.assert_allclose(other(PROMPTS, ANSWERS), expected[1], rtol=1e-5)


def test_models_that_give_all_logits_give_the_same(scorer, model, tokenizer):
    class Plain(torch.nn.Module):
        config = model.config

        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, input_ids, attention_mask):
            return self.inner(input_ids=input_ids, attention_mask=attention_mask)

    np.testing.assert_allclose(
        LocalScorer(Plain(), tokenizer)(PROMPTS, ANSWERS), scorer(PROMPTS, ANSWERS), rtol=1e-5
    )


def test_answers_are_told_apart_by_their_tokens(scorer, model):
    scorer.check_answers([" she", " he came", " he said"])
    with pytest.raises(ValueError, match="holds ' he' and ' he came', and the tokens of the second begin"):
        scorer.check_answers([" she", " he came", " he"])
    tokenizer = merging_tokenizer()
    LocalScorer(tiny_model(len(tokenizer)), tokenizer).check_answers([" no", " never", " yes"])


def test_a_classifier_asks_each_distinct_prompt_once(model, tokenizer):
    scorer = LocalScorer(model, tokenizer)
    texts = [f"the {job} said that the {other} said" for job in JOBS for other in JOBS]
    X, y, groups = texts * 3, [0, 1] * 54, (["a"] * 54 + ["b"] * 54)
    classifier = LLMClassifier(scorer, answers={0: " he", 1: " she"}, calibrate="fit")
    assert classifier.cost(X).calls == 36
    search = GridSearchCV(classifier, {"C": [0.1, 1.0, 10.0]}, cv=3).fit(X, y)
    assert scorer.n_calls == 36
    assert clone(search.best_estimator_).scorer is scorer
    thresholds = GroupThresholdOptimizer(
        classifier, constraint="demographic_parity", max_difference=0.2, sensitive_features=None
    )
    thresholds.fit(X, y, sensitive_features=groups)
    assert scorer.n_calls == 36
    assert classifier.cost(X).calls == 0


# texts that are too long


def test_a_prompt_that_is_too_long_is_refused_or_loses_its_beginning(scorer, model, tokenizer):
    long = " ".join(["the nurse said that"] * 6)
    prompts, answers = ["the cook", long], [" she", " he came ."]
    with pytest.raises(
        ValueError, match=r"prompts\[1\] has 27 tokens with what is asked of it.* reads 24 at"
    ):
        scorer(prompts, answers)
    short = LocalScorer(model, tokenizer, too_long="truncate")
    with pytest.warns(UserWarning, match="1 texts have more tokens than the 24"):
        scores = short(prompts, answers)
    # Both answers are given the same tokens: the first one, and as many as fit before the longer answer.
    whole = ids(tokenizer, long + answers[1])
    kept = [1, *whole[4:]]
    expected = [by_hand(model, kept[:-3] + ids(tokenizer, answer)[1:], len(kept) - 3) for answer in answers]
    np.testing.assert_allclose(scores[1], expected, rtol=1e-5)
    np.testing.assert_allclose(scores[0], scorer(prompts[:1], answers)[0], rtol=1e-5)
    assert short.n_truncated == 1
    with pytest.raises(ValueError, match=r"answers to prompts\[0\] leave no room"):
        short(["the"], [" she" * 24])


def test_every_token_of_a_long_text_is_scored_given_half_of_what_fits(model, tokenizer):
    text = " ".join(["the nurse said that she came ."] * 8)
    with pytest.raises(ValueError, match=r"texts\[0\] has 56 tokens"):
        LocalScorer(model, tokenizer).log_likelihood([text])
    scorer = LocalScorer(model, tokenizer, too_long="truncate")
    with pytest.warns(UserWarning, match="1 texts have more tokens"):
        found = scorer.log_likelihood([text])
    tokens = ids(tokenizer, text)
    expected = by_hand(model, tokens[:25], 1)
    for begin in (25, 37, 49):
        end = min(begin + 12, 57)
        window = [1, *tokens[end - 24 : end]]
        expected += by_hand(model, window, 25 - (end - begin))
    np.testing.assert_allclose(found, [expected], rtol=1e-5)
    assert scorer.count_tokens([text]).tolist() == [56]


# each prompt once


def test_each_distinct_prompt_goes_through_the_model_once(scorer, model, tokenizer, tmp_path):
    scores = scorer([*PROMPTS, *PROMPTS], ANSWERS)
    assert scorer.n_calls == 4
    np.testing.assert_array_equal(scores[:4], scores[4:])
    np.testing.assert_array_equal(clone(scorer)(PROMPTS[::-1], ANSWERS), scores[:4][::-1])
    assert scorer.n_calls == 4
    assert copy.deepcopy(scorer) is copy.copy(scorer) is clone(scorer) is scorer
    scorer(PROMPTS, ANSWERS[:2])  # a prompt with other answers is another question
    assert scorer.n_calls == 8

    path = tmp_path / "answers"
    LocalScorer(model, tokenizer, cache=path)(PROMPTS, ANSWERS)
    again = LocalScorer(model, tokenizer, cache=path)
    np.testing.assert_array_equal(again(PROMPTS, ANSWERS), scores[:4])
    assert again.n_calls == 0
    assert b"nurse" not in path.read_bytes()


def test_changed_weights_are_asked_again(tokenizer):
    model = tiny_model(len(tokenizer))
    scorer = LocalScorer(model, tokenizer)
    before = scorer(PROMPTS, ANSWERS)
    with torch.no_grad():
        model.transformer.wpe.weight.mul_(2.0)
    after = scorer(PROMPTS, ANSWERS)
    assert np.abs(after - before).max() > 0.01
    np.testing.assert_array_equal(LocalScorer(model, tokenizer)(PROMPTS, ANSWERS), after)


def test_the_cost_is_told_before(scorer):
    cost = scorer.cost([*PROMPTS, *PROMPTS], ANSWERS)
    assert (cost.prompts, cost.cached, cost.calls, cost.tokens_out, cost.estimated) == (4, 0, 4, 0, False)
    # The first token, the prompt, and what goes before the last token of two answers of two words.
    assert cost.tokens_in == sum(2 * (1 + len(prompt.split())) + 2 for prompt in PROMPTS)
    assert scorer.n_calls == 0
    scorer(PROMPTS[:1], ANSWERS)
    assert scorer.cost(PROMPTS, ANSWERS).cached == 1
    written = scorer.cost(PROMPTS[:2], n_samples=3, max_tokens=5)
    assert (written.calls, written.tokens_in, written.tokens_out) == (6, 30, 30)
    state = np.random.default_rng(0)
    assert scorer.cost(PROMPTS, n_samples=2, random_state=state, max_tokens=3).cached == 0
    scorer.generate(PROMPTS, 2, np.random.default_rng(0), max_tokens=3)
    assert scorer.cost(PROMPTS, n_samples=2, random_state=state, max_tokens=3).calls == 0
    assert scorer.cost([], ANSWERS).calls == 0


# nothing is changed but the answers that are known


def test_a_model_is_left_as_it_was(tokenizer):
    model = tiny_model(len(tokenizer), resid_pdrop=0.5).train()
    model.transformer.h[0].eval()
    modes = [part.training for part in model.modules()]
    weights = copy.deepcopy(model.state_dict())
    threads, state, numbers = torch.get_num_threads(), torch.get_rng_state(), np.random.get_state()[1].copy()
    scorer = LocalScorer(model, tokenizer)
    scores = scorer(PROMPTS, ANSWERS)
    scorer.generate(PROMPTS, 2, 0, max_tokens=3)
    assert [part.training for part in model.modules()] == modes
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())
    assert all(each.requires_grad and each.grad is None for each in model.parameters())
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numbers)
    np.testing.assert_allclose(  # without dropout
        scores, LocalScorer(model.eval(), tokenizer)(PROMPTS, ANSWERS), rtol=1e-6
    )


def test_special_tokens_in_a_text_are_characters(scorer, model, tokenizer):
    special, plain = tokenizer("the <eos>")["input_ids"], tokenizer("the < eos >")["input_ids"]
    assert (special, len(plain)) == ([4, 2], 4)
    expected = by_hand(model, [1, *plain], 1)
    np.testing.assert_allclose(scorer.log_likelihood(["the <eos>"]), [expected], rtol=1e-5)
    assert tokenizer("the <eos>")["input_ids"] == special  # the user's tokenizer reads as before


def test_a_chat_template_frames_prompts_and_cannot_be_left():
    tokenizer = merging_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<user>", "<model>"]})
    tokenizer.chat_template = (
        "{% for m in messages %}<user>{{ m['content'] | trim }}{% endfor %}"
        "{% if add_generation_prompt %}<model>{% endif %}"
    )
    model = tiny_model(len(tokenizer))
    scorer = LocalScorer(model, tokenizer, chat=True)
    tokens = [1, *tokenizer("Good?")["input_ids"], 2, *tokenizer("yes")["input_ids"]]
    first = 2 + len(tokenizer("Good?")["input_ids"])
    np.testing.assert_allclose(scorer(["Good? "], ["yes"]), [[by_hand(model, tokens, first)]], rtol=1e-5)
    with pytest.raises(ValueError, match=r"prompts\[1\] holds '<model>'"):
        scorer(["Good?", "Bad.<model>yes"], ["yes", "no"])
    with pytest.raises(ValueError, match="chat=True asks for the tokenizer's chat template"):
        LocalScorer(model, merging_tokenizer(), chat=True)(["Good?"], ["yes"])


# folders and pickles


def test_a_folder_is_opened_when_it_is_asked(folder, scorer):
    opened = LocalScorer(folder, batch_size=2)
    assert repr(opened) == f"LocalScorer({str(folder)!r})" or "..." in repr(opened)
    written = pickle.dumps(opened)
    np.testing.assert_allclose(opened(PROMPTS, ANSWERS), scorer(PROMPTS, ANSWERS), rtol=1e-6)
    assert not opened._asked.causal.module.training
    again = pickle.loads(pickle.dumps(opened))  # with what it knows, without weights
    np.testing.assert_array_equal(again(PROMPTS, ANSWERS), opened(PROMPTS, ANSWERS))
    assert again.n_calls == 0
    assert len(written) < 1_500
    np.testing.assert_array_equal(pickle.loads(written)(PROMPTS, ANSWERS), opened(PROMPTS, ANSWERS))
    with_float16 = LocalScorer(str(folder), dtype="float16")._asked.causal.module
    assert with_float16.dtype == torch.float16


def test_a_loaded_model_cannot_be_pickled(scorer):
    with pytest.raises(TypeError, match=r"save_pretrained\(folder\)"):
        pickle.dumps(scorer)


def test_models_that_fill_gaps_are_refused(tokenizer, tmp_path):
    config = transformers.BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
    )
    with pytest.raises(ValueError, match="The model is not causal"):
        LocalScorer(transformers.BertForMaskedLM(config), tokenizer)(["the"], [" cook"])
    transformers.BertModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"no weights for .* parts of a causal language model"):
        LocalScorer(tmp_path)(["the"], [" cook"])


# what is written


def test_texts_are_drawn_from_the_distribution_of_the_model(model, tokenizer):
    """One row, one token at a time: the token at which the shares add up to a uniform number."""
    from fairsk.text._local.sampling import _generator

    seed = int(np.random.default_rng(3).integers(2**62))
    scorer = LocalScorer(model, tokenizer, batch_size=3)
    found = scorer.generate(PROMPTS, 2, 3, max_tokens=6, temperature=1.5)
    for prompt, texts in zip(PROMPTS, found, strict=True):
        for sample, text in enumerate(texts):
            generator = _generator(seed, prompt, sample)
            tokens = ids(tokenizer, prompt)
            given = len(tokens)
            while len(tokens) < given + 6:
                with torch.no_grad():
                    logits = model(input_ids=torch.tensor([tokens])).logits[0, -1].double() / 1.5
                shares = torch.softmax(logits, 0).numpy()
                tokens.append(int(np.searchsorted(np.cumsum(shares), generator.random())))
                if tokens[-1] == 2:
                    break
            whole, before = (
                tokenizer.decode(each, skip_special_tokens=True) for each in (tokens, tokens[:given])
            )
            assert text == whole[len(before) :]


def test_texts_depend_on_the_seed_and_the_prompt_alone(model, tokenizer):
    first = LocalScorer(model, tokenizer).generate(PROMPTS, 3, 7, max_tokens=8)
    assert LocalScorer(model, tokenizer).generate(PROMPTS, 3, 8, max_tokens=8) != first
    turned = LocalScorer(model, tokenizer, batch_size=1).generate(PROMPTS[::-1], 3, 7, max_tokens=8)
    assert turned[::-1] == first
    assert LocalScorer(model, tokenizer).generate(PROMPTS, 1, 7, max_tokens=8) == [[t[0]] for t in first]
    assert LocalScorer(model, tokenizer).generate(PROMPTS[:1] * 2, 3, 7, max_tokens=8) == first[:1] * 2
    drawing = LocalScorer(model, tokenizer)
    assert drawing.generate(PROMPTS, 3, max_tokens=8) != drawing.generate(PROMPTS, 3, max_tokens=8)
    assert (drawing.n_calls, len(drawing.cache)) == (24, 0)
    greedy = LocalScorer(model, tokenizer).generate(PROMPTS, 2, max_tokens=8, temperature=0)
    assert all(a == b for a, b in greedy)
    assert len({text for texts in first for text in texts}) > 6


def test_written_texts_are_known_too_and_end_where_the_model_ends_them(model, tokenizer):
    scorer = LocalScorer(model, tokenizer)
    texts = scorer.generate(PROMPTS, 40, 0, max_tokens=8, temperature=3.0)
    assert (scorer.n_calls, scorer.generate(PROMPTS, 40, 0, max_tokens=8, temperature=3.0)) == (
        160,
        texts,
    )
    assert scorer.n_calls == 160
    lengths = {len(text.split()) for row in texts for text in row}
    assert min(lengths) < 8
    assert max(lengths) == 8
    assert not any("<eos>" in text for row in texts for text in row)
    with pytest.raises(ValueError, match=r"prompts\[0\] has 25 tokens"):
        scorer.generate(["the"], max_tokens=23)


# messages


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size must be a whole number from 1 upwards; got 0"),
        ({"context": 1}, ValueError, "context must be a whole number from 2"),
        ({"start_token": "bos"}, ValueError, "start_token must be one of 'auto', 'none'; got 'bos'"),
        ({"too_long": "cut"}, ValueError, "too_long must be one of 'error', 'truncate'; got 'cut'"),
        ({"cache": 3}, TypeError, "cache must be the path of a file"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_options_are_checked_at_once(options, error, message):
    with pytest.raises(error, match=message):
        LocalScorer("folder", **options)


def test_models_are_checked_when_they_are_asked(model, tokenizer, tmp_path, monkeypatch):
    ask = ["the"], [" cook"]
    with pytest.raises(TypeError, match="tokenizer is missing: of a model that is loaded"):
        LocalScorer(model)(*ask)
    with pytest.raises(ValueError, match="device and dtype cannot be set for a model that is loaded"):
        LocalScorer(model, tokenizer, device="cpu", dtype="float32")(*ask)
    with pytest.raises(TypeError, match="model must be a folder, a name, or a causal language model; got 3"):
        LocalScorer(3, tokenizer)(*ask)
    for missing in (tmp_path / "missing", str(tmp_path / "missing")):
        with pytest.raises(FileNotFoundError, match=r"model must be a folder that holds it; .* is not there"):
            LocalScorer(missing)(*ask)
    with pytest.raises(ValueError, match="gives the token 21, and the model knows 20 tokens"):
        LocalScorer(tiny_model(20), tokenizer)(["the"], [" no"])
    bare = word_tokenizer()
    bare.bos_token = bare.eos_token = None
    with pytest.raises(ValueError, match="with start_token='none' nothing stands before a text"):
        LocalScorer(model, bare)(*ask)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r'pip install "fairsk\[text\]"'):
        LocalScorer(tmp_path)(*ask)


def test_texts_are_checked(scorer):
    with pytest.raises(TypeError, match="prompts must be a list of texts; got 'the'"):
        scorer("the", [" she"])
    with pytest.raises(TypeError, match=r"prompts\[1\] must be a text; got None, of type NoneType"):
        scorer(["the", None], [" she"])
    with pytest.raises(ValueError, match=r"texts\[0\] holds half a character"):
        scorer.log_likelihood(["the \ud83d cook"])
    with pytest.raises(ValueError, match="answers is empty"):
        scorer(["the"], [])
    with pytest.raises(ValueError, match="The answer ' ' adds no token to prompts"):
        scorer(["the"], [" she", " "])
    with pytest.raises(ValueError, match=r"texts\[1\] is empty"):
        scorer.log_likelihood(["the", ""])
    with pytest.raises(ValueError, match="temperature must be a number from 0 upwards; got -1"):
        scorer.generate(["the"], temperature=-1)
    assert scorer([], [" she"]).shape == (0, 1)
    assert scorer.log_likelihood([]).shape == (0,)
    assert scorer.count_tokens([]).shape == (0,)
    assert scorer.generate([]) == []


def test_damaged_weights_are_refused(tokenizer):
    model = tiny_model(len(tokenizer))
    scorer = LocalScorer(model, tokenizer)
    scorer(["the"], [" she"])
    with torch.no_grad():
        model.transformer.wpe.weight[2] = torch.nan
    with pytest.raises(ValueError, match="log-probabilities that are NaN"):
        scorer(["the cook said"], [" she"])


def test_scripts_and_long_texts_are_read_as_they_are():
    tokenizer = merging_tokenizer()
    model = tiny_model(len(tokenizer))
    texts = ["المرأة", "她是医生", "e\u0301te\u0301", "\U0001f469\u200d⚕️", "a\0b"]
    scorer = LocalScorer(model, tokenizer, context=200)
    short = [text for text in texts if len(tokenizer(text)["input_ids"]) < CONTEXT]
    expected = [by_hand(model, [0, *tokenizer(text)["input_ids"]], 1) for text in short]
    np.testing.assert_allclose(scorer.log_likelihood(short), expected, rtol=1e-5)
    long = "".join(random.Random(0).choices("abc de", k=10_000))
    with pytest.raises(ValueError, match="tokens with what is asked of it") as raised:
        scorer([long], [" yes"])
    assert len(str(raised.value)) < 300
