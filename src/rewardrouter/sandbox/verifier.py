"""The sandbox's verifier, in the form that trainers and reports ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewardrouter.sandbox.tasks import is_right


def verify(response: str, row: Mapping[str, Any]) -> bool:
    """Tell whether a response gives the right answer, and no other, to the prompt of a row of ``prompts/*.jsonl``."""
    return is_right(str(row["domain"]), str(row["answer"]), response)
