"""Token buckets: how many requests a sender may make, without keeping any address."""

from __future__ import annotations

import hmac
import math
import secrets

__all__ = ["TokenBuckets"]

#: How many senders are told apart at a time. The one that was heard of least lately is forgotten first.
MOST_BUCKETS = 4_096


class TokenBuckets:
    """A bucket of tokens per sender, which fills at a steady rate; a request takes one token.

    Senders are known by a keyed digest of their address, under a key that is drawn anew at each start and
    written nowhere.

    Parameters
    ----------
    rate : float
        Tokens per second.
    burst : float
        How many a full bucket holds.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst = rate, burst
        self._key = secrets.token_bytes(32)
        self._buckets: dict[bytes, tuple[float, float]] = {}  # tokens left, and when; in the order of use

    def __len__(self) -> int:
        return len(self._buckets)

    def wait(self, sender: str, now: float) -> int:
        """Take a token.

        Parameters
        ----------
        sender : str
            The address.
        now : float
            Seconds of a clock that never goes back.

        Returns
        -------
        int
            0 if there was a token; else in how many whole seconds there will be one.
        """
        name = hmac.digest(self._key, sender.encode("utf-8", "replace"), "sha256")[:16]
        left, when = self._buckets.pop(name, (self.burst, now))
        left = min(self.burst, left + (now - when) * self.rate)
        while len(self._buckets) >= MOST_BUCKETS:
            del self._buckets[next(iter(self._buckets))]
        served = left >= 1
        self._buckets[name] = (left - served, now)
        return 0 if served else max(1, math.ceil((1 - left) / self.rate))
