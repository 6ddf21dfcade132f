"""Whether a policy is there, found out without reading its weights: for ``benchmark --dry-run``."""

from __future__ import annotations

import json
from pathlib import Path

from rewardrouter.errors import CheckpointError, one_line
from rewardrouter.pretrained.locate import Wanted, check_files, refuse_revision

_CONFIG = "config.json"
_ADAPTER = "adapter_config.json"
_SECONDS = 10.0
"""How long the hub may take to answer."""


def check_policy(source: str, revision: str | None = None) -> str:
    """Look for a causal LM, or the adapter of one and its base, in a folder, the hub's cache or on the hub.

    Returns
    -------
    A sentence: where it was found, or that it could not be looked for.

    Raises
    ------
    CheckpointError
        If it is not there, or lacks files.
    """
    wanted = Wanted(f"policy {source}", source, revision=revision, auto="AutoModelForCausalLM")
    folder = Path(source).expanduser()
    if (folder / _ADAPTER).is_file():
        return f"{wanted.what} is an adapter; its base: {check_policy(_base(wanted, folder))}"
    if folder.is_dir():
        refuse_revision(wanted)
        check_files(wanted, folder)
        return f"{wanted.what} is there"
    if source.startswith((".", "/", "~")) or source.count("/") > 1 or "\\" in source:
        raise CheckpointError(f"{wanted.what}: no such folder.{wanted.hint}")
    return _on_hub(wanted)


def _base(wanted: Wanted, folder: Path) -> str:
    try:
        return str(json.loads((folder / _ADAPTER).read_text(encoding="utf-8"))["base_model_name_or_path"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{wanted.what}: {_ADAPTER} names no base model ({one_line(error)})") from error


def _on_hub(wanted: Wanted) -> str:
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        if isinstance(try_to_load_from_cache(wanted.source, _CONFIG, revision=wanted.revision), str):
            return f"{wanted.what} is in the hub's cache"
        files = HfApi().model_info(wanted.source, revision=wanted.revision, timeout=_SECONDS).siblings or []
    except (HFValidationError, RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise CheckpointError(
            f"{wanted.what}: no such folder, and not on the hub ({one_line(error)}).{wanted.hint}"
        ) from error
    except Exception as error:  # which one says that there is no network depends on the hub's library
        return f"{wanted.what}: no such folder; whether it is on the hub could not be checked ({one_line(error)})"
    if _CONFIG not in {file.rfilename for file in files}:
        raise CheckpointError(f"{wanted.what} has no {_CONFIG} on the hub: not a Hugging Face checkpoint")
    return f"{wanted.what} is on the hub"
