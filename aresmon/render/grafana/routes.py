"""Where the messages of a rule go, so that an alert of several severities is one message that rises and falls.

Grafana makes one message of the alerts that have the same labels to group by and the same contact point with the same
settings. So all rules of such an alert name the contact point of their least severity, and the templates tell the worst
of what fires. Who hears only the worse ones has rules of their own, since a rule names one contact point.

Two severities stay apart where their messages cannot be one: quiet hours are for one of them alone, or a channel has
a fixed priority.

Source: Grafana 12, pkg/services/ngalert/models/notifications.go (what a rule can say). Grafana 12.2 refuses
inhibition rules.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from aresmon.config.alerts import Alerts
from aresmon.config.views import HOST, SEVERITIES, Severity
from aresmon.render.grafana import contact_points
from aresmon.render.grafana.contact_points import Json

_GROUPED = {"group_by": ["grafana_folder", "alertname", HOST]}
# Both severities are there when the first message is written, and what rises is sent within a minute.
_JOINED = {"group_wait": "30s", "group_interval": "1m"}


@dataclass(frozen=True, slots=True)
class Route:
    """A contact point for the messages of a rule. `suffix` is that of the uid of a rule that is there for this route
    alone; `lesser` is a severity that may go on when this one ends, of which these messages do not tell."""

    receiver: str
    muted: tuple[str, ...] = ()
    is_joined: bool = False
    suffix: str = ""
    lesser: Severity | None = None

    def settings(self, *, by_host: bool) -> Json:
        """What the rule says of it in Grafana's file."""
        if self.receiver == contact_points.NOBODY:
            grouped = {}
        else:
            grouped = (_GROUPED if by_host else {}) | (_JOINED if self.is_joined else {})
        return {"receiver": self.receiver, **grouped} | (
            {"mute_time_intervals": list(self.muted)} if self.muted else {}
        )


def routes(alerts: Alerts, severity: Severity, of: Collection[Severity]) -> list[Route]:
    """Where a rule of this severity sends, of an alert that has all of `of`; the first is for the rule itself."""
    muted = tuple(contact_points.mute_names(alerts, severity))
    lesser = [one for one in SEVERITIES[: SEVERITIES.index(severity)] if one in of]
    heard = [one for one in SEVERITIES if one in of and contact_points.is_heard(alerts, one)]
    if severity not in heard or len(heard) < 2 or not contact_points.can_join(alerts, heard):
        ends = lesser[-1] if lesser else None
        return [Route(contact_points.name_for(alerts, severity), muted, lesser=ends)]
    muted = tuple(contact_points.mute_names(alerts, heard[0]))
    ends = lesser[-1] if lesser and severity == heard[0] else None
    own = Route(contact_points.contact_point_name(heard[0]), muted, is_joined=True, lesser=ends)
    return [own, *_more(alerts, severity, heard, muted)]


def _more(alerts: Alerts, severity: Severity, heard: list[Severity], muted: tuple[str, ...]) -> Iterator[Route]:
    """Those for channels that do not hear the least severity."""
    for least in contact_points.only(alerts):
        notified = [one for one in heard if SEVERITIES.index(one) >= SEVERITIES.index(least)]
        if severity in notified and SEVERITIES.index(least) > SEVERITIES.index(heard[0]):
            before = heard[heard.index(severity) - 1] if severity == notified[0] else None
            name = contact_points.only_name(least)
            yield Route(name, muted, is_joined=len(notified) > 1, suffix=f"only-{least}", lesser=before)
