"""Tokens of prompts, answers and texts: where an answer begins, what stands first, what is too long."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from fairsk._core.messages import list_labels, show
from fairsk._core.texts import check_texts

__all__ = ["Passage", "StartToken", "TextEncoder", "TooLong", "check_readable"]

#: What stands before a text: the tokenizer's own token for that, or nothing.
StartToken: TypeAlias = Literal["auto", "none"]
#: What becomes of texts with more tokens than the model reads at once.
TooLong: TypeAlias = Literal["error", "truncate"]
Rows: TypeAlias = Sequence[int] | None


@dataclass(frozen=True)
class Passage:
    """Tokens, of which those from ``first`` on are scored, each given all before it."""

    tokens: tuple[int, ...]
    first: int


def check_readable(name: str, texts: Any) -> list[str]:
    """Return texts as a list, each of them one that a tokenizer can read."""
    checked = check_texts(name, texts)
    for i, text in enumerate(checked):
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            raise ValueError(
                f"{name}[{i}] holds half a character (a lone surrogate), which no tokenizer reads: decode "
                "the text from its bytes again, with errors='replace'."
            )
    return checked


class TextEncoder:
    """Texts as the model reads them.

    Parameters
    ----------
    tokenizer : tokenizer of transformers
        It is called and never changed: how it would pad and truncate makes no difference.
    start_token : {"auto", "none"}
        Whether a text is preceded by the token for its beginning (of tokenizers that have none: for the end).
    chat : bool
        Whether prompts are put into the tokenizer's chat template, as what the user says.
    context : int or None
        How many tokens the model reads at once; None for any number.
    too_long : {"error", "truncate"}
        What becomes of longer texts.
    """

    def __init__(
        self, tokenizer: Any, *, start_token: StartToken, chat: bool, context: int | None, too_long: TooLong
    ) -> None:
        self.tokenizer = tokenizer
        self.chat = chat
        self.context = context
        self.too_long = too_long
        self.start = _start(tokenizer) if start_token == "auto" else ()
        #: How many prompts and texts were too long so far.
        self.n_truncated = 0
        if chat and not getattr(tokenizer, "chat_template", None):
            raise ValueError("chat=True asks for the tokenizer's chat template, and it has none.")
        self._special = frozenset(_special_tokens(tokenizer)) if chat else frozenset()

    def fingerprint(self) -> str:
        """Return a digest of all that tokens depend on, beside the text."""
        digest = hashlib.sha256()
        for part in (self.start, self.context, self.too_long, self.chat and self.tokenizer.chat_template):
            digest.update(repr(part).encode("utf-8", "backslashreplace"))
        for token, number in sorted(self.tokenizer.get_vocab().items()):
            digest.update(f"{token}\0{number}\0".encode("utf-8", "backslashreplace"))
        return digest.hexdigest()

    def prompts(self, prompts: Sequence[str], rows: Rows = None, room: int = 0) -> list[tuple[int, ...]]:
        """Return the tokens of prompts after which there is room for that many more.

        ``rows`` says where the prompts stood in what the user gave, for messages; so it does below.
        """
        names = _names("prompts", prompts, rows)
        encoded = self._framed(prompts, [""], names)
        return [self._shortened(name, tokens, room) for name, (tokens,) in zip(names, encoded, strict=True)]

    def answers(
        self, prompts: Sequence[str], answers: Sequence[str], rows: Rows = None
    ) -> list[list[Passage]]:
        """Return, per prompt, the passages of its answers.

        Tokens are those of prompt and answer together. An answer begins where they leave the prompt's own
        tokens; of several answers, where the first of them does, so that all are given the same.
        """
        found = []
        names = _names("prompts", prompts, rows)
        for name, (alone, *whole) in zip(names, self._framed(prompts, ["", *answers], names), strict=True):
            first = min(_n_common(alone, tokens) for tokens in whole)
            _check_answers(name, answers, whole, first)
            longest = max(map(len, whole)) - 1
            # All answers of a prompt lose the same tokens, or they would be given different ones.
            drop = self._excess(name, longest, first)
            kept = len(self.start)
            found.append([Passage(tokens[:kept] + tokens[kept + drop :], first - drop) for tokens in whole])
        return found

    def alone(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Return the tokens of texts, with nothing before them."""
        return self._encode(texts, in_template=self.chat)

    def texts(self, texts: Sequence[str], rows: Rows = None) -> list[list[Passage]]:
        """Return, per text, passages in which every token but the one that stands first is scored once."""
        found = []
        started = self._started(self._encode(texts))
        for name, tokens in zip(_names("texts", texts, rows), started, strict=True):
            if len(tokens) < 2:
                what = "has one token, and nothing before it" if tokens and not self.start else "is empty"
                raise ValueError(f"{name} {what}: there is no token to score.")
            found.append(self._windows(name, tokens))
        return found

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens of each text are scored."""
        return [max(len(tokens) - 1, 0) for tokens in self._started(self._encode(texts))]

    def decode(self, tokens: Sequence[int], given: int) -> str:
        """Return the text of the tokens after the first ``given``."""
        options = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
        # Some tokenizers drop a blank at the beginning of what they decode, so that the end is cut off
        # from the whole.
        before, whole = (self.tokenizer.decode(list(part), **options) for part in (tokens[:given], tokens))
        return (
            whole[len(before) :]
            if whole.startswith(before)
            else self.tokenizer.decode(list(tokens[given:]), **options)
        )

    def _framed(
        self, prompts: Sequence[str], answers: Sequence[str], names: Sequence[str]
    ) -> list[list[tuple[int, ...]]]:
        """Return the tokens of each prompt with each answer behind it."""
        if self.chat:
            framed = [self._in_template(*pair) for pair in zip(names, prompts, strict=True)]
        else:
            framed = list(prompts)
        whole = [prompt + answer for prompt in framed for answer in answers]
        tokens = self._encode(whole, in_template=self.chat)
        if not self.chat:
            tokens = self._started(tokens)
        n = len(answers)
        return [tokens[i : i + n] for i in range(0, len(tokens), n)]

    def _in_template(self, name: str, prompt: str) -> str:
        """Return a prompt as what the user says, up to where the model's answer begins."""
        if marks := [mark for mark in sorted(self._special) if mark in prompt]:
            raise ValueError(
                f"{name} holds {list_labels(marks)}, which would end what the user says in the chat "
                "template: take it out of the text."
            )
        message = [{"role": "user", "content": prompt}]
        return self.tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)

    def _encode(self, texts: Sequence[str], *, in_template: bool = False) -> list[tuple[int, ...]]:
        """Return the tokens of texts, in which special tokens are read as such in a chat template only."""
        if not texts:
            return []
        encoded = self.tokenizer(
            list(texts),
            add_special_tokens=False,
            # What somebody writes in a comment must not be read as the end of the text.
            split_special_tokens=not in_template,
            padding=False,
            truncation=False,
            return_attention_mask=False,
            verbose=False,
        )
        return [tuple(tokens) for tokens in encoded["input_ids"]]

    def _started(self, encoded: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        return [self.start + tokens for tokens in encoded]

    def _excess(self, name: str, n_read: int, n_given: int) -> int:
        """Return how many tokens must go from what is given, so that no more are read than the model can."""
        if self.context is None or n_read <= self.context:
            return 0
        if self.too_long == "error":
            raise ValueError(self._too_long(name, n_read))
        excess = n_read - self.context
        # Of what is given, the token for the beginning stays, and one more.
        if excess > n_given - len(self.start) - 1:
            raise ValueError(
                f"The answers to {name} leave no room for it: the model reads {self.context:,} tokens at "
                "once. Shorten the answers."
            )
        self.n_truncated += 1
        return excess

    def _too_long(self, name: str, n_read: int) -> str:
        return (
            f"{name} has {n_read:,} tokens with what is asked of it, and the model reads {self.context:,} at "
            "once. Shorten it, or let too_long='truncate' take tokens away from its beginning."
        )

    def _shortened(self, name: str, tokens: tuple[int, ...], room: int) -> tuple[int, ...]:
        if not tokens:
            raise ValueError(f"{name} is empty: with start_token='auto' it has a token to begin with.")
        drop = self._excess(name, len(tokens) + room, len(tokens))
        kept = len(self.start)
        return tokens[:kept] + tokens[kept + drop :]

    def _windows(self, name: str, tokens: tuple[int, ...]) -> list[Passage]:
        """Return the passages of a text: one, or several of which each is given half of what fits."""
        size = self.context
        if size is None or len(tokens) - 1 <= size:
            return [Passage(tokens, 1)]
        if self.too_long == "error":
            raise ValueError(self._too_long(name, len(tokens) - 1))
        self.n_truncated += 1
        passages = [Passage(tokens[: size + 1], 1)]
        step = max(1, size // 2)
        for begin in range(size + 1, len(tokens), step):
            end = min(begin + step, len(tokens))
            window = self.start + tokens[end - size - 1 + len(self.start) : end]
            passages.append(Passage(window, len(window) - (end - begin)))
        return passages


def _check_answers(name: str, answers: Sequence[str], whole: Sequence[tuple[int, ...]], first: int) -> None:
    """Refuse an answer without tokens of its own, and tokens that nothing stands before."""
    if empty := [answer for answer, tokens in zip(answers, whole, strict=True) if len(tokens) == first]:
        raise ValueError(
            f"The answer {show(empty[0])} adds no token to {name}: every answer must be a text of its own, "
            "such as ' yes'."
        )
    if first == 0:
        raise ValueError(
            f"Nothing stands before the answers to {name}: it is empty, or its only token merges with "
            "theirs. With start_token='auto' the token for the beginning of a text stands there."
        )


def _n_common(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens two texts begin with alike."""
    shorter = min(len(one), len(other))
    return next((i for i in range(shorter) if one[i] != other[i]), shorter)


def _names(what: str, texts: Sequence[str], rows: Rows) -> list[str]:
    """Return how messages call texts."""
    return [f"{what}[{row}]" for row in (range(len(texts)) if rows is None else rows)]


def _start(tokenizer: Any) -> tuple[int, ...]:
    """Return the token that a text begins with."""
    for name in ("bos_token_id", "eos_token_id"):
        # Models without a token for the beginning were trained on texts with that for the end between them.
        if (number := getattr(tokenizer, name, None)) is not None:
            return (int(number),)
    raise ValueError(
        "The tokenizer has a token neither for the beginning nor for the end of a text: with "
        "start_token='none' nothing stands before a text, and its first token is not scored."
    )


def _special_tokens(tokenizer: Any) -> set[str]:
    """Return all tokens that a text must not name inside of a chat template."""
    added = getattr(tokenizer, "added_tokens_decoder", {})
    return {*tokenizer.all_special_tokens, *(token.content for token in added.values() if token.special)}
