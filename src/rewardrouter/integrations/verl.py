r"""verl's plug-in for rewards: every response is scored by the gateway.

verl starts the servers of its own reward models; one that runs elsewhere is reached by a function of the user's. This
is such a function. It needs nothing but Python, so that verl can load it in its own environment, where this package
need not be installed::

    rewardrouter serve --router ROUTER --pool POOL.yaml

    python -m verl.trainer.main_ppo ... \
        reward.custom_reward_function.path=verl.py \
        +reward.custom_reward_function.reward_kwargs.url=http://127.0.0.1:8080/classify

verl does not hand a prompt to such a function, so the prompt must be in the column ``extra_info`` of the data, as text
or messages, under ``prompt_key``. Responses of one prompt are scored by one reward model.

Protocol: verl 0.9, ``verl/experimental/reward_loop/reward_manager/naive.py``.
"""

from __future__ import annotations

import http.client
import json
import math
import os
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

URL = "http://127.0.0.1:8080/classify"


def compute_score(
    data_source: str,  # noqa: ARG001 - the router knows texts, not their sources
    solution_str: str,
    ground_truth: Any,
    extra_info: Mapping[str, Any] | None,
    *,
    url: str = URL,
    prompt_key: str = "question",
    gold_column: str = "answer",
    token_env: str = "REWARDROUTER_TOKEN",  # noqa: S107 - a name
    patience: float = 600.0,
    **_: Any,
) -> dict[str, float]:
    """Return the score of one response, on one scale for all reward models.

    Parameters
    ----------
    data_source, solution_str, ground_truth, extra_info
        What verl says of a response.
    url
        The gateway's endpoint of vLLM's form.
    prompt_key
        Where ``extra_info`` holds the prompt.
    gold_column
        The column in which verifiers of the pool find the true answer; here it is ``ground_truth``.
    token_env
        The environment variable that holds the gateway's token, if it has one.
    patience
        Seconds for which a gateway that is away, starting or overloaded is asked again.

    Raises
    ------
    ValueError
        If there is no prompt.
    RuntimeError
        If the gateway refuses, or gives no answer within ``patience``: a missing score must not become one of 0.
    """
    columns = extra_info or {}
    prompt = _plain(columns.get(prompt_key))
    if prompt is None:
        raise ValueError(
            f"extra_info has no {prompt_key!r}, but {', '.join(sorted(columns)) or 'nothing'}: set"
            " reward.custom_reward_function.reward_kwargs.prompt_key to where the prompt is"
        )
    if not isinstance(prompt, list):
        prompt = [prompt if isinstance(prompt, dict) else {"role": "user", "content": str(prompt)}]
    body: dict[str, Any] = {
        "messages": [*prompt, {"role": "assistant", "content": solution_str}],
        "use_activation": False,
    }
    if (gold := _plain(ground_truth)) is not None:
        body["metadata"] = {gold_column: gold}
    token = os.environ.get(token_env, "").strip()
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    reply = _post(url, json.dumps(body).encode(), headers, patience)
    return {"score": float(reply["data"][-1]["probs"][-1])}


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: numpy's scalars and arrays, out of parquet files, as numbers and lists.

    What JSON has no form for (a date, a decimal) becomes its text; a number that is none (NaN) is null.
    """
    if hasattr(value, "tolist"):  # numpy's and torch's, of any dtype
        value = value.tolist()
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(one) for one in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _post(url: str, body: bytes, headers: Mapping[str, str], patience: float) -> Any:
    """Return the reply; ask again where that may help."""
    deadline, pause = time.monotonic() + patience, 0.5
    while True:
        left = deadline - time.monotonic()
        try:
            status, after, reply = _post_once(url, body, headers, max(left, 1.0))
            said = f"{status}: {reply.get('error', reply)}"
        except (OSError, http.client.HTTPException, ValueError) as error:
            status, after, said = 503, 0.0, f"{type(error).__name__}: {error}"
        if status == 200:
            return reply
        pause = max(after, min(2 * pause, 10.0))
        if status not in (408, 429, 500, 502, 503, 504) or left < pause:
            raise RuntimeError(f"gateway {url}: {said}")
        time.sleep(pause)


def _post_once(
    url: str, body: bytes, headers: Mapping[str, str], timeout: float
) -> tuple[int, float, dict[str, Any]]:
    """Return the status, for how many seconds to wait before asking again, and the reply."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    try:
        connection.request("POST", parts.path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, float(answer.getheader("Retry-After", "0")), json.loads(answer.read())
    finally:
        connection.close()
