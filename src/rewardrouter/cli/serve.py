"""``rewardrouter serve``: labels and scores over HTTP, for trainers that are not ours."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import click

from rewardrouter.cli.options import config_option, no_cache_option
from rewardrouter.cli.overrides import check_overrides
from rewardrouter.errors import MissingDependencyError

_NEEDED = ("fastapi", "uvicorn", "prometheus_client", "jinja2")


@click.command("serve", context_settings={"ignore_unknown_options": True})
@click.option("--router", type=click.Path(path_type=Path), metavar="ROUTER", help="Folder of the router.")
@click.option(
    "--pool",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="POOL.yaml",
    help="The reward models that may be asked.",
)
@click.option("--strategy", metavar="S", help="Who labels, as in simulate.  [default: router]")
@click.option("--host", metavar="HOST", help="Where to listen.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), metavar="N", help="0: a free one.  [default: 8080]")
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Where what is learnt is kept.  [default: gateway]",
)
@config_option()
@no_cache_option
@click.argument("overrides", nargs=-1, metavar="[--a.b=c ...]")
def serve(
    config_file: Path | None, no_cache: bool, overrides: tuple[str, ...], **given: str | Path | int | None
) -> None:
    """Label pairs, score completions and learn from outcomes over HTTP.

    POST /v1/annotate labels pairs, POST /v1/feedback takes their outcomes;
    /openrlhf and /classify answer as OpenRLHF's remote reward model and vLLM's
    do. GET / shows what goes on. Outcomes that were acknowledged survive
    kill -9: the same command with the same --state goes on where it stood.

    Any setting can be given as --a.b=c, for example
    --completions.tokenizer=Qwen/Qwen2.5-0.5B-Instruct or --limits.waiting=64.
    Other machines are let in by --host=0.0.0.0 with a token in
    REWARDROUTER_TOKEN.
    """
    check_overrides(overrides)
    for package in _NEEDED:
        if importlib.util.find_spec(package) is None:
            raise MissingDependencyError(package, "serve", "serve")

    from rewardrouter.config.loading import load_config
    from rewardrouter.config.serve import ServeConfig

    options = [
        f"{name}={json.dumps(str(value) if isinstance(value, Path) else value)}"
        for name, value in given.items()
        if value is not None
    ]
    config = load_config(ServeConfig, config_file, [*options, *overrides])

    from rewardrouter.serve.server import check_address, token_of
    from rewardrouter.serve.server import serve as run

    token = token_of(config)
    check_address(config)

    # After what can be said at once: this takes seconds.
    from rewardrouter.serve.gateway import load_gateway

    with load_gateway(config, no_cache=no_cache) as gateway:
        run(gateway, token)
