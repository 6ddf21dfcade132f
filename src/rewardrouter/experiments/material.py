"""What an experiment is made of at a scale: verdicts, the parts they are cut into, and how policies are trained."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from rewardrouter.config.experiment import Scale
from rewardrouter.experiments.selection import EVERYTHING, Selection, write_selection
from rewardrouter.experiments.steps import Step, own_step


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """Verdicts: a file or folder, which of its pairs, and a digest of what it holds where that is known before."""

    path: Path
    selection: Selection = EVERYTHING
    content: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Split:
    """What a router is fitted to, and pairs that it is measured on."""

    name: str
    fit: Source
    held_out: Source


@dataclasses.dataclass(frozen=True, slots=True)
class Training:
    """How policies are trained for some columns.

    Parameters
    ----------
    name
        Of the training.
    words
        Of ``train``: its settings but for router, strategies and seeds.
    steps
        What must be done before.
    benchmarks
        The columns that its policies are measured by with ``benchmark``; none where ``train`` verifies.
    """

    name: str
    words: tuple[str, ...]
    steps: tuple[Step, ...]
    benchmarks: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Material:
    """Everything that the measures need.

    Parameters
    ----------
    rms
        The pool.
    made
        What makes the verdicts of a source, by its path.
    fit
        Words of ``fit``: the encoder, and whether it is trained; settings of a row come after them and win.
    columns
        Splits by column of ``evaluate``; the pairs of all splits of a column are counted together.
    replay
        What ``simulate`` is fitted to and streams.
    simulate
        Further words of ``simulate``: its policy.
    streamed
        Settings of every ``simulate``; those of an experiment come after them and win.
    policy_reads_fit
        Whether the replay's small policy first learns the texts that the router was fitted to.
    trainings
        How policies are trained; none where there is nothing to train on.
    benchmark
        Words of ``benchmark``, its policy and tasks left out.
    policy
        The policy before training.
    judged
        Benchmarks that compare with its answers.
    says
        Models and devices, a line each.
    """

    scale: Scale
    rms: tuple[str, ...]
    made: Mapping[Path, tuple[Step, ...]]
    fit: tuple[str, ...]
    columns: Mapping[str, tuple[Split, ...]]
    replay: Split
    simulate: tuple[str, ...] = ()
    streamed: tuple[str, ...] = ()
    policy_reads_fit: bool = False
    trainings: tuple[Training, ...] = ()
    benchmark: tuple[str, ...] = ()
    policy: str = ""
    judged: tuple[str, ...] = ()
    says: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Choices:
    """What the user chose for all experiments of a folder.

    ``fit``, ``simulate``, ``train`` and ``benchmark`` are settings ``a.b=c`` of those commands.
    """

    out: Path
    seeds: int | None = None
    workers: int | None = None
    fit: tuple[str, ...] = ()
    simulate: tuple[str, ...] = ()
    train: tuple[str, ...] = ()
    benchmark: tuple[str, ...] = ()

    def file_of(self, source: Source) -> Path:
        """Return the file that holds a source's pairs."""
        if source.selection.everything:
            return source.path
        return self.out / "parts" / f"{slug(source.selection.words)}-{key_of(source)}.parquet"

    def steps_for(self, source: Source, material: Material) -> list[Step]:
        """Return what makes that file."""
        found, file = list(material.made.get(source.path, ())), self.file_of(source)
        if file != source.path:
            make = partial(write_selection, source.path, material.rms, source.selection, file)
            found.append(own_step(f"{file}: of {source.path}, {source.selection.words}", file, make))
        return found


def key_of(*what: object) -> str:
    """Return 8 hexadecimal digits that stand for some settings."""
    return hashlib.sha256(json.dumps([str(one) for one in what]).encode()).hexdigest()[:8]


def slug(text: str) -> str:
    """Return a text as part of a file's name."""
    return re.sub(r"[^\w.+]+", "-", text).strip("-")[:60]


def settings_words(settings: Sequence[str]) -> list[str]:
    """Return settings ``a.b=c`` as a command's words."""
    return [f"--{one}" for one in settings]
