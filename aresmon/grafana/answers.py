"""Grafana's answers: their JSON, or the error that they mean and the next step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aresmon.system.errors import AresmonError, ExitCode

if TYPE_CHECKING:
    import requests

_STATUS_HINT = "`aresmon status` shows whether it is running, `aresmon logs grafana` its last messages"


class GrafanaError(AresmonError):
    """Grafana answered, and refused; `status` is HTTP's."""

    def __init__(self, message: str, *, status: int = 0, hint: str = "") -> None:
        super().__init__(f"Grafana: {message}", hint=hint)
        self.status = status


class GrafanaUnreachableError(AresmonError):
    """Grafana did not answer, or not yet as Grafana does."""

    def __init__(self, message: str, *, hint: str = _STATUS_HINT) -> None:
        super().__init__(message, hint=hint, code=ExitCode.BROKEN)


class GrafanaNotRunningError(AresmonError):
    """There is no Grafana on this machine that could be asked."""

    def __init__(self) -> None:
        super().__init__("Grafana is not running here", hint="`aresmon status` shows why, and what starts it")


def parse_answer(response: requests.Response, *, base: str, login: str) -> Any:
    """Return the JSON of an answer. Raises GrafanaError or GrafanaUnreachableError if it is not a success."""
    status = response.status_code
    try:
        answer = response.json()
    except ValueError:
        raise _not_json_error(response, base) from None
    if status < 300:
        return answer
    said = _message(answer) or response.reason
    if status in (502, 503, 504):
        raise GrafanaUnreachableError(f"Grafana does not serve on {base} yet: {said}")
    if status == 401:
        raise GrafanaError(f"rejects the login of {login}: {said}", status=status, hint="`aresmon users apply`")
    raise GrafanaError(said, status=status, hint=_hint(status))


def _not_json_error(response: requests.Response, base: str) -> AresmonError:
    status = response.status_code
    if status in (502, 503):  # 502: Grafana ended while it answered
        return GrafanaUnreachableError(f"the edge on {base} cannot reach Grafana")
    if 300 <= status < 400 and base.startswith("http://") and response.headers.get("Location", "")[:8] == "https://":
        return wrong_scheme_error(
            f"what answers on {base} speaks https ({status}), and aresmon.yml names no certificate"
        )
    if 300 <= status < 400:
        return GrafanaUnreachableError(f"what answers on {base} sends elsewhere ({status}): it is no Grafana")
    if status == 429:
        return GrafanaError("too many requests from this address", status=status, hint="wait a minute, then try again")
    return GrafanaUnreachableError(
        f"what answers on {base} gives no JSON ({status}): Grafana is still starting, or something else listens there"
    )


def wrong_scheme_error(message: str) -> AresmonError:
    """An error that waiting does not fix: the edge does not match aresmon.yml since `grafana.tls` was changed."""
    hint = "if grafana.tls was changed in aresmon.yml, `aresmon up` applies the change to the edge"
    return AresmonError(message, hint=hint, code=ExitCode.BROKEN)


def _message(answer: Any) -> str:
    """Grafana's own words, in one line."""
    return " ".join(str(answer.get("message", "")).split())[:300] if isinstance(answer, dict) else ""


def _hint(status: int) -> str:
    if status == 429:
        return "wait a minute, then run the same command again"
    if status == 403:
        return "this login lacks the permission; `aresmon users apply` restores the administrator's permissions"
    return "`aresmon logs grafana` may show more" if status >= 500 else ""


def require_mapping(answer: Any) -> dict[str, Any]:
    """Return an answer that must be a JSON object. Raises GrafanaError if it is not."""
    if not isinstance(answer, dict):
        raise GrafanaError("gave an unexpected answer", hint=_STATUS_HINT)
    return answer


def require_rows(answer: Any) -> list[dict[str, Any]]:
    """Return an answer that must be a list of JSON objects. Raises GrafanaError if it is not."""
    if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
        raise GrafanaError("gave an unexpected answer", hint=_STATUS_HINT)
    return answer
