"""Notifications for trial: Grafana 12 and 13 have different addresses for them."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aresmon.grafana.answers import GrafanaError, require_rows
from aresmon.grafana.client import Grafana

_BY_ALERTMANAGER = "/api/alertmanager/grafana/config/api/v1/receivers/test"
_RECEIVERS = "/apis/notifications.alerting.grafana.app/v1beta1/namespaces/default/receivers"  # first organisation
_SETTINGS = ("uid", "type", "settings", "disableResolveMessage")

Alert = Mapping[str, Mapping[str, str]]
"""The `labels` and `annotations` of an alert."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of a notification for trial; `error` is Grafana's reason, empty where it gave none."""

    is_taken: bool
    error: str = ""


def try_receiver(
    grafana: Grafana, name: str, integration: Mapping[str, Any], alert: Alert, hidden: Sequence[str] = ()
) -> Trial:
    """Send a notification of this alert by one integration of a contact point. `hidden` are the settings that Grafana
    has and is not sent.

    Grafana 13 no longer has the address of Grafana 12, which does not have that of Grafana 13.
    """
    try:
        return _try_by_alertmanager(grafana, name, integration, alert)
    except GrafanaError as error:
        if error.status != 404:
            raise
        return _try_by_resource(grafana, name, integration, alert, hidden)


def _try_by_alertmanager(grafana: Grafana, name: str, integration: Mapping[str, Any], alert: Alert) -> Trial:
    """Not in the published description; source: Grafana 12's
    pkg/services/ngalert/api/tooling/definitions/alertmanager.go.
    """
    receiver = {"name": name, "grafana_managed_receiver_configs": [{**integration, "secureSettings": {}}]}
    answer = grafana.post(_BY_ALERTMANAGER, {"receivers": [receiver], "alert": dict(alert)})
    receivers = require_rows(answer.get("receivers", []))
    results = [one for each in receivers for one in each.get("grafana_managed_receiver_configs", [])]
    if not results:
        return Trial(False)
    return Trial(results[0].get("status") == "ok", str(results[0].get("error") or ""))


def _try_by_resource(
    grafana: Grafana, name: str, integration: Mapping[str, Any], alert: Alert, hidden: Sequence[str]
) -> Trial:
    """A contact point's identifier is its name in base64.

    Source: Grafana 13's upgrade guide, apps/alerting/notifications/pkg/apis/alertingnotifications/v1beta1 and
    pkg/services/ngalert/models/receivers.go (NameToUid).
    """
    uid = base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")
    known = {key: integration[key] for key in _SETTINGS if key in integration}
    whole = {**known, "version": "v1", "secureFields": dict.fromkeys(hidden, True)}
    answer = grafana.post(f"{_RECEIVERS}/{uid}/test", {"integration": whole, "alert": dict(alert)})
    return Trial(answer.get("status") == "success", str(answer.get("error") or ""))
