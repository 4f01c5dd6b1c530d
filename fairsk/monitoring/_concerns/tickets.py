"""Tickets: the names of a decision and its batch, with a code that only the holder of the secret can make."""

from __future__ import annotations

import hashlib
import hmac

from fairsk._core.messages import show
from fairsk.monitoring._concerns.concern import is_word

__all__ = ["LEAST_SECRET", "Tickets", "as_secret"]

#: Shorter secrets can be guessed by whoever holds one ticket, with as many tries as they like.
LEAST_SECRET = 16
#: What the code is about, so that it fits no other use of the same secret.
_PURPOSE = b"fairsk concern ticket 1"
#: Not among the characters of decisions and batches, and stands in addresses as it is.
_BETWEEN = "~"
#: 128 bits in hexadecimal digits.
_CODE_LENGTH = 32


def as_secret(secret: str | bytes | None) -> bytes | None:
    """Return a secret as bytes.

    Raises
    ------
    ValueError
        If it is no text or bytes, or too short.
    """
    if secret is None:
        return None
    if not isinstance(secret, str | bytes):
        raise ValueError(f"secret must be text or bytes, not {type(secret).__name__}.")
    secret = secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else secret
    if len(secret) < LEAST_SECRET:
        raise ValueError(
            f"secret has {len(secret)} bytes, and whoever holds a ticket could guess it: give at least "
            f"{LEAST_SECRET}, such as secrets.token_hex(32)."
        )
    return secret


class Tickets:
    """Tickets made with one secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def make(self, decision: str, batch: str) -> str:
        """Return the ticket of a decision.

        Raises
        ------
        ValueError
            If the decision or the batch is not a word.
        """
        for name, value in {"decision": decision, "batch": batch}.items():
            if not is_word(value) and not (name == "batch" and value == ""):
                raise ValueError(
                    f"{name} must be 1 to 64 letters, digits, or signs out of _ . : - in a ticket; "
                    f"got {show(value)}."
                )
        return _BETWEEN.join((decision, batch, self._code(decision, batch)))

    def read(self, ticket: str) -> tuple[str, str] | None:
        """Return the decision and the batch of a ticket; None if it was not made with the secret."""
        decision, _, rest = ticket.partition(_BETWEEN)
        batch, _, code = rest.partition(_BETWEEN)
        if not is_word(decision) or not (batch == "" or is_word(batch)):
            return None
        # In constant time: how long it takes does not tell how much of the code is right. Bytes, for text
        # beyond ASCII is not compared.
        right = hmac.compare_digest(
            code.encode("utf-8", "surrogatepass"), self._code(decision, batch).encode("ascii")
        )
        return (decision, batch) if right else None

    def _code(self, decision: str, batch: str) -> str:
        message = b"\0".join((_PURPOSE, decision.encode("ascii"), batch.encode("ascii")))
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()[:_CODE_LENGTH]
