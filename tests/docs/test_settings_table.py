"""Pages that list every setting list them as they are."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel
from settings_table import table

from rewardrouter.config.speed import SpeedConfig

HOWTO = Path(__file__).resolve().parents[2] / "docs" / "howto"


class Outer(BaseModel):
    """A model with one of its own below, and one of elsewhere."""

    class Inner(BaseModel):
        b: int

    inner: Inner | None = None
    several: tuple[Inner, ...]
    speed: SpeedConfig = SpeedConfig(seed=3)


def test_what_a_table_shows() -> None:
    assert [row.split(" | ")[:2] for row in table(Outer).splitlines()[2:]] == [
        ["| `inner`", "`null`"],
        ["| `inner.b`", "to be given"],
        ["| `several`", "to be given"],
        ["| `several.b`", "to be given"],
        ["| `speed`", "`seed: 3`"],
    ]


def test_the_page_on_speed_is_up_to_date() -> None:
    assert table(SpeedConfig) in (HOWTO / "speed.md").read_text(encoding="utf-8"), (
        "put the output of `python docs/_ext/settings_table.py rewardrouter.config.speed.SpeedConfig` in its place"
    )
