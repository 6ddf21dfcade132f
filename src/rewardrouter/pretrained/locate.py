"""Find the files of a checkpoint: a local folder or a hub id.

``identity`` names the exact weights and tokenizer, for caches, manifests and saved routers: a digest of the
files (``sha256:...``), or ``REPO@COMMIT`` for the hub. Weights must be safetensors, which cannot run code.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from rewardrouter.errors import CheckpointError, one_line

_VOCABULARY = ("tokenizer.json", "vocab*", "*.model")
_FILES = (
    *("config.json", "*.safetensors", "*.safetensors.index.json"),
    *(*_VOCABULARY, "tokenizer*", "merges.txt", "*_tokens*.json", "chat_template*"),
)
"""What is read of a checkpoint, and so what its digest is of."""


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """A checkpoint to be found, and how messages speak of it."""

    what: str
    """The subject of a message: ``"encoder minilm"``."""
    source: str
    """A folder or a hub id."""
    relative_to: Path = Path()
    """Where a relative folder is looked for."""
    revision: str | None = None
    """Branch, tag or commit on the hub."""
    hint: str = " Give a folder of save_pretrained or a hub id"
    """The end of a message that it cannot be found."""
    auto: str = "AutoModel"
    """The class of transformers that converts its weights."""
    code: bool = False
    """Whether Python files are part of it."""

    @property
    def patterns(self) -> tuple[str, ...]:
        """The files wanted."""
        return (*_FILES, "*.py") if self.code else _FILES


@dataclasses.dataclass(frozen=True, slots=True)
class Located:
    """Where a checkpoint's files are, and which weights and tokenizer they hold."""

    folder: Path
    identity: str


def locate_checkpoint(wanted: Wanted) -> Located:
    """Find a checkpoint: the folder where there is one of that name, else the one on the hub.

    Raises
    ------
    CheckpointError
        If it cannot be found or lacks files.
    """
    name, folder = wanted.source, wanted.relative_to / Path(wanted.source).expanduser()
    if folder.is_dir():
        refuse_revision(wanted)
        check_files(wanted, folder)
        return Located(folder, digest(path for pattern in wanted.patterns for path in folder.glob(pattern)))
    if name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name:
        raise CheckpointError(f"{wanted.what}: no such folder.{wanted.hint}")
    return locate_on_hub(wanted)


def locate_on_hub(wanted: Wanted) -> Located:
    """Find a checkpoint on the hub, whatever folders there are.

    Raises
    ------
    CheckpointError
        If it cannot be had or lacks files.
    """
    folder = download(wanted)
    check_files(wanted, folder)
    return Located(folder, f"{wanted.source}@{folder.name}")


def refuse_revision(wanted: Wanted) -> None:
    """Refuse a revision of what is no checkpoint of the hub.

    Raises
    ------
    CheckpointError
        If one is given.
    """
    if wanted.revision is not None:
        raise CheckpointError(
            f"{wanted.what}: revision {wanted.revision} is for hub checkpoints. Leave it unset"
        )


def download(wanted: Wanted) -> Path:
    """Return the folder of one commit of a hub checkpoint, with the files wanted at its top.

    Raises
    ------
    CheckpointError
        If it cannot be had.
    """
    from huggingface_hub import snapshot_download

    allowed, ignored = list(wanted.patterns), ["*/*"]
    try:
        folder = snapshot_download(
            wanted.source, revision=wanted.revision, allow_patterns=allowed, ignore_patterns=ignored
        )
    # no network, no such repository or revision, no access; not the form of an id
    except (OSError, ValueError) as error:
        at = f" at {wanted.revision}" if wanted.revision else ""
        raise CheckpointError(
            f"{wanted.what}: no such folder, and {wanted.source}{at} could not be had from the hub"
            f" ({one_line(error)}).{wanted.hint}"
        ) from error
    return Path(folder)


def check_files(wanted: Wanted, folder: Path) -> None:
    """Refuse a folder that lacks settings, weights or a tokenizer.

    Raises
    ------
    CheckpointError
        If it does.
    """
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"{wanted.what} has no config.json: not a Hugging Face checkpoint")
    if not any(folder.glob("*.safetensors")):
        raise CheckpointError(
            f"{wanted.what} has no *.safetensors."
            f" Convert its weights: {wanted.auto}.from_pretrained(folder).save_pretrained(folder)"
        )
    if not _any_of(folder, _VOCABULARY):
        raise CheckpointError(f"{wanted.what} has no tokenizer: add it with its save_pretrained")


def digest(paths: Iterable[Path]) -> str:
    """Return a digest of the files' names and contents, whatever their order."""
    contents = sorted(f"{path.name} {file_digest(path)}" for path in set(paths) if path.is_file())
    return "sha256:" + hashlib.sha256("\n".join(contents).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the sha256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _any_of(folder: Path, patterns: Sequence[str]) -> bool:
    return any(path for pattern in patterns for path in folder.glob(pattern))
