"""Where everything of a sandbox lies."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from rewardrouter.sandbox.specialities import SPECIALITIES
from rewardrouter.sandbox.tasks import Part

PAIR_PARTS: tuple[Part, ...] = ("router", "stream", "evaluation")
"""Parts of which there are preference pairs."""

PROMPT_PARTS: tuple[Part, ...] = ("stream", "evaluation")
"""Parts whose prompts are there for a policy to be trained on, or measured on."""


@dataclasses.dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox's folder; its files are there once :attr:`finished`."""

    folder: Path

    @property
    def finished(self) -> bool:
        """Whether it was built to its end."""
        return self._record.exists()

    @property
    def policy(self) -> Path:
        """The policy's checkpoint: a causal LM that is right about half of the time."""
        return self.folder / "policy"

    @property
    def pool(self) -> Path:
        """The pool file that names all reward models."""
        return self.folder / "pool.yaml"

    @property
    def card(self) -> Path:
        """What the models are and how good, for a reader."""
        return self.folder / "README.md"

    @property
    def rms(self) -> tuple[str, ...]:
        """The names of the reward models."""
        return tuple(one.name for one in SPECIALITIES)

    def reward_model(self, name: str) -> Path:
        """Return a reward model's checkpoint."""
        return self.folder / "rms" / name

    def pairs(self, part: Part) -> Path:
        """Return the labelled pairs for fitting a router, for the replay (``stream``) or for the evaluation."""
        return self.folder / "pairs" / f"{part}.jsonl"

    def prompts(self, part: Part) -> Path:
        """Return the problems of ``stream`` or ``evaluation``, with their answers."""
        return self.folder / "prompts" / f"{part}.jsonl"

    def samples(self, part: Part, chunk: int) -> Path:
        """Return a file of what the policy answered."""
        return self.folder / "samples" / f"{part.replace(' ', '-')}-{chunk}.jsonl"

    def all_samples(self, part: Part) -> list[Path]:
        """Return all those files of a part, in order."""
        found = (self.folder / "samples").glob(f"{part.replace(' ', '-')}-*.jsonl")
        return sorted(found, key=lambda path: int(path.stem.rsplit("-", 1)[1]))

    def measured(self, name: str) -> Path:
        """Return the file that says which pairs of the evaluation a reward model gets right."""
        return self.folder / "measured" / f"{name}.json"

    @property
    def record(self) -> dict[str, Any]:
        """Settings and figures of the finished sandbox."""
        content: dict[str, Any] = json.loads(self._record.read_text(encoding="utf-8"))
        return content

    @property
    def _record(self) -> Path:
        return self.folder / "sandbox.json"
