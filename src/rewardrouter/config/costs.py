"""What a call to a reward model costs, as files give it: a number that is not negative; 0 is a call for nothing."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticKnownError


def _no_truth(given: object) -> object:
    """Refuse ``true``, which pydantic would read as 1."""
    if isinstance(given, bool):
        raise PydanticKnownError("float_type")
    return given


Cost: TypeAlias = Annotated[float, BeforeValidator(_no_truth), Field(ge=0, le=1e12, allow_inf_nan=False)]
"""In a unit of the user's own; beyond the limit sums over pairs lose their digits."""
