"""The API's own description, and requests made up from it."""

from __future__ import annotations

import pytest
from gateways import gateway, running, settings

from rewardrouter.serve.app import make_app


def test_every_error_that_is_answered_is_described(tmp_path):
    made = gateway(settings(tmp_path))
    app, _ = make_app(made, None)
    paths = app.openapi()["paths"]
    made.worker.start()
    made.worker.stop()
    assert paths.keys() >= {
        "/v1/annotate",
        "/v1/feedback",
        "/v1/router",
        "/v1/arms",
        "/openrlhf",
        "/classify",
        "/healthz",
    }
    for path, methods in paths.items():
        for method, described in methods.items():
            if method == "post":
                assert described["responses"].keys() >= {
                    "200",
                    "401",
                    "403",
                    "409",
                    "413",
                    "422",
                    "429",
                    "503",
                }, path
            assert described["description"], path


@pytest.mark.slow
def test_requests_made_up_from_it_get_what_it_says(tmp_path):
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    from hypothesis import HealthCheck
    from hypothesis import settings as hypothesis_settings
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    with running(tmp_path, "completions.hold_seconds=0") as at:
        url = f"http://127.0.0.1:{at.client.port}"
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
        asked = 0
        for operation in (found.ok() for found in schema.get_all_operations()):

            @hypothesis_settings(
                max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
            )
            @_given(operation)
            def ask(case):
                nonlocal asked
                asked += 1
                # Not everything that must be so can be said there: ids that differ, rows of one length.
                case.call_and_validate(base_url=url, excluded_checks=[positive_data_acceptance])

            ask()
        assert asked > 60
        assert at.client.get("/healthz").json == {"status": "ok"}
        assert at.gateway.worker.failure is None


def _given(operation):
    from hypothesis import given

    return given(case=operation.as_strategy())
