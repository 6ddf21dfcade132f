"""The HTTP side: what is asked where, and what is answered.

Everything that changes anything goes to the worker and is awaited there; nothing here blocks. An error is
``{"error": "one line"}`` with its status.
"""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from rewardrouter import __version__
from rewardrouter.errors import UserError
from rewardrouter.pairs import as_messages
from rewardrouter.pretrained.conversation import answer_text
from rewardrouter.serve.chat import Completion
from rewardrouter.serve.completions import Score, scores_or_raise
from rewardrouter.serve.engine import Engine
from rewardrouter.serve.errors import RequestError
from rewardrouter.serve.events import Event
from rewardrouter.serve.gateway import Gateway
from rewardrouter.serve.messages import (
    AnnotateBody,
    AnnotationsBody,
    ArmBody,
    ArmsBody,
    ClassBody,
    ClassifyBody,
    ClassifyReply,
    FeedbackBody,
    HealthBody,
    OpenRlhfBody,
    OpenRlhfReply,
    Problem,
    ReceivedBody,
)
from rewardrouter.serve.metrics import Metrics
from rewardrouter.serve.protection import Protection
from rewardrouter.serve.reading import JsonRoute
from rewardrouter.serve.status import status_page
from rewardrouter.serve.view import View

VIEW_SECONDS = 0.5
"""How long a reader waits for the newest view; while an RM takes its time there is the one before."""

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": text}
    for status, text in {
        401: "Without the token",
        403: "From another site",
        408: "Not sent in time",
        409: "Contradicts what is there",
        413: "Too large",
        415: "Not JSON, or not said to be",
        422: "Not such a request",
        429: "Too many at once; Retry-After says when",
        503: "No reward model answered, the state cannot be written, or shutting down",
    }.items()
}
_READING: dict[int | str, dict[str, Any]] = {status: _PROBLEMS[status] for status in (401, 403, 503)}


def make_app(gateway: Gateway, token: str | None) -> tuple[FastAPI, Protection]:
    """Return the application, and what stands before it and is what a server must be given."""
    app = FastAPI(
        title="rewardrouter",
        version=__version__,
        description="Sends each preference pair to the one reward model most likely to judge it right.",
        redoc_url=None,
        docs_url=None,
    )
    app.router.route_class = JsonRoute
    metrics = Metrics()
    protected = Protection(metrics.timed(app), token, gateway.config.limits)
    metrics.watch(gateway, protected)
    _add_routing(app, gateway)
    _add_drop_ins(app, gateway)
    _add_pages(app, gateway, metrics, protected)
    app.add_exception_handler(RequestValidationError, _not_such_a_request)
    app.add_exception_handler(RequestError, _refused)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _fault)
    return app, protected


def _add_routing(app: FastAPI, gateway: Gateway) -> None:
    worker, most = gateway.worker, gateway.config.limits.pairs

    @app.post("/v1/annotate", response_model=AnnotationsBody, responses=_PROBLEMS)
    async def annotate(body: AnnotateBody) -> Response:
        """Label pairs. Asked again with the same ids and texts, the answer is the same, and nothing is done twice."""
        if len(body.pairs) > most:
            raise RequestError(f"pairs: {len(body.pairs)}, at most {most} at once")
        return JSONResponse(await asyncio.wrap_future(worker.annotate(body.labelled())))

    @app.post("/v1/feedback", response_model=ReceivedBody, responses=_PROBLEMS)
    async def feedback(body: FeedbackBody) -> Response:
        """Take in outcomes of decisions: late, in part, twice, as they come. What is accepted is on disk."""
        outcomes = {name: one.outcome() for name, one in body.outcomes.items()}
        reply = await asyncio.wrap_future(worker.submit(lambda engine, now: engine.observe(outcomes, now)))
        return JSONResponse(reply)

    @app.post("/v1/arms", response_model=ArmsBody, responses={**_PROBLEMS, 404: {"model": Problem}})
    async def add_arm(body: ArmBody) -> ArmsBody:
        """Let a reward model of the pool be chosen from now on."""

        def work(engine: Engine, now: float) -> tuple[ArmsBody, Event]:
            event = engine.add_arm(body.name, body.like, now)
            return _arms(engine), event

        return await asyncio.wrap_future(worker.submit(work))

    @app.delete(
        "/v1/arms/{name:path}", response_model=ArmsBody, responses={**_PROBLEMS, 404: {"model": Problem}}
    )
    async def remove_arm(name: str) -> ArmsBody:
        """Let a reward model be chosen no longer, and forget what was learnt of it."""

        def work(engine: Engine, now: float) -> tuple[ArmsBody, Event]:
            event = engine.remove_arm(name, now)
            return _arms(engine), event

        return await asyncio.wrap_future(worker.submit(work))

    @app.get("/v1/router", responses=_READING)
    async def router() -> dict[str, Any]:
        """Return arms, shares, beliefs and counts."""
        view = await _newest(gateway)
        return {**view.as_json(), "reward_models": gateway.reward_models}


def _add_drop_ins(app: FastAPI, gateway: Gateway) -> None:
    given, most = gateway.config.completions, gateway.config.limits.pairs

    async def scores(completions: list[Completion], rows: list[dict[str, Any]]) -> list[Score]:
        if len(completions) > most:
            raise RequestError(f"{len(completions)} completions, at most {most} at once")
        asked = (gateway.room.score(one, row) for one, row in zip(completions, rows, strict=True))
        return scores_or_raise(await asyncio.gather(*asked))

    @app.post(given.openrlhf_path, response_model=OpenRlhfReply, responses=_PROBLEMS)
    async def openrlhf(body: OpenRlhfBody) -> OpenRlhfReply:
        """Answer as OpenRLHF's remote reward model: a score per query, on one scale for all reward models."""
        prompts: Sequence[str | None] = body.prompts or [None] * len(body.query)
        read = [gateway.reader.completion(q, p) for q, p in zip(body.query, prompts, strict=True)]
        rows = [{given.gold_column: one} for one in body.labels] if body.labels else [{} for _ in read]
        found = await scores(read, rows)
        values = [one.value for one in found if one.value is not None]
        shares = {f"share/{name}": [float(one.rm == name) for one in found] for name in gateway.reward_models}
        return OpenRlhfReply(rewards=values, scores=values, extra_logs=shares)

    @app.post(given.classify_path, response_model=ClassifyReply, responses=_PROBLEMS)
    async def classify(body: ClassifyBody) -> ClassifyReply:
        """Answer as vLLM's /classify for a reward model: raw scores with use_activation false, else their sigmoid."""
        if body.messages is not None:
            messages = tuple(one.message() for one in body.messages)
            response = answer_text(as_messages(messages[-1:], "assistant"))
            read = [Completion(messages[:-1], response)]
        else:
            texts = [body.input] if isinstance(body.input, str) else body.input or []
            read = [gateway.classify_reader.completion(text) for text in texts]
        found = await scores(read, [body.metadata for _ in read])
        values = [one.value for one in found if one.value is not None]
        raw = body.use_activation is False
        return ClassifyReply(
            id=f"classify-{uuid.uuid4().hex}",
            created=int(time.time()),
            model=body.model,
            data=[ClassBody(index=n, probs=[x if raw else _sigmoid(x)]) for n, x in enumerate(values)],
        )


def _add_pages(app: FastAPI, gateway: Gateway, metrics: Metrics, protected: Protection) -> None:
    @app.get("/healthz", response_model=HealthBody, responses={503: {"model": HealthBody}})
    async def healthz() -> Response:
        """Say whether requests are answered."""
        failure = gateway.worker.failure or gateway.worker.unwritten
        status = "draining" if protected.draining else "ok" if failure is None else f"broken: {failure}"
        return JSONResponse({"status": status}, 200 if status == "ok" else 503)

    @app.get("/metrics", response_class=Response, responses=_READING)
    async def prometheus() -> Response:
        """Return counts and times as Prometheus reads them."""
        await _newest(gateway)
        return Response(metrics.text(), media_type=metrics.media_type)

    @app.get("/", response_class=HTMLResponse, responses=_READING)
    async def page() -> HTMLResponse:
        """Show the arms, their shares and their health over time."""
        headers = {
            "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
        }
        return HTMLResponse(status_page(await _newest(gateway), time.time()), headers=headers)


async def _newest(gateway: Gateway) -> View:
    """Return the newest view, or where the worker is busy the one before."""
    newest = asyncio.wrap_future(gateway.worker.look())
    try:
        return await asyncio.wait_for(asyncio.shield(newest), VIEW_SECONDS)
    except TimeoutError:
        return gateway.worker.view


def _arms(engine: Engine) -> ArmsBody:
    others = [name for name in engine.pool_names if name not in engine.arms]
    return ArmsBody(arms=list(engine.arms), others=others)


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))


def _problem(status: int, error: str) -> JSONResponse:
    return JSONResponse({"error": error}, status)


def _not_such_a_request(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 (it is registered for these)
    said = []
    for one in error.errors()[:5]:
        if one["type"] == "json_invalid":
            said.append(f"not JSON: {one['ctx']['error']}")
            continue
        place = ".".join(str(part) for part in one["loc"] if part != "body")
        text = "there is none" if one["type"] == "missing" else one["msg"].removeprefix("Value error, ")
        said.append(f"{place or 'body'}: {text}" if place or one["type"] == "missing" else text)
    return _problem(422, "; ".join(said))


def _refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestError)  # noqa: S101 (it is registered for these)
    return _problem(error.status, str(error))


def _http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 (it is registered for these)
    response = _problem(error.status_code, str(error.detail))
    response.headers.update(error.headers or {})
    return response


def _fault(_request: Request, error: Exception) -> JSONResponse:
    said = str(error) if isinstance(error, UserError) else f"{type(error).__name__}; its log says more"
    return _problem(500, f"a fault of the gateway: {said}")
