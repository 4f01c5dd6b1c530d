"""The service of monitors and concerns: one ASGI callable, without a framework.

It shows what monitors say and takes concerns. It keeps no address and sets no cookie, and it acknowledges a
concern only once it is on disk.
"""

from __future__ import annotations

from fairsk.monitoring._service.application import app
from fairsk.monitoring._service.texts import FORM_TEXTS

__all__ = ["FORM_TEXTS", "app"]
