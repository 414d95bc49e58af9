"""Which messages Grafana sends of its rules, as time goes on: groups, their waits, and what each message tells.

Source: prometheus/alertmanager's dispatch/dispatch.go (groups) and notify/notify.go (DedupStage.needsUpdate).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aresmon.monitoring import evaluation
from aresmon.monitoring.evaluation import Ask
from aresmon.monitoring.expressions import Labels

_EVERY, _TICK = 60, 10
_WAIT, _INTERVAL = 30, 300  # those of Grafana's root policy
_Seen = dict[tuple[str, int], set[Labels]]
_TITLE, _FOLDER = "alertname", "grafana_folder"


@dataclass(frozen=True)
class Message:
    """A message, with its alerts as templates know them."""

    receiver: str
    at: int
    alerts: tuple[dict[str, Any], ...]

    def severities(self, status: str) -> list[str]:
        return sorted(one["labels"]["severity"] for one in self.alerts if one["status"] == status)


@dataclass
class _Group:
    receiver: str
    interval: int
    flush: int
    firing: dict[Labels, dict[str, Any]] = field(default_factory=dict)
    resolved: dict[Labels, dict[str, Any]] = field(default_factory=dict)
    told: frozenset[Labels] = frozenset()

    def message(self, at: int) -> Message | None:
        """What is sent at this moment; None if nothing is new."""
        firing, resolved = frozenset(self.firing), [one for key, one in self.resolved.items() if key in self.told]
        is_new = bool(firing - self.told) or bool(resolved)
        sent = Message(self.receiver, at, (*self.firing.values(), *resolved)) if is_new else None
        self.resolved.clear()
        self.told = firing
        return sent


def messages(rules: Iterable[Mapping[str, Any]], ask: Callable[[int], Ask], *, minutes: int) -> list[Message]:
    """All messages of these rules within so many minutes; `ask` are the answers at a second."""
    sent: list[Message] = []
    groups: dict[tuple[str, ...], _Group] = {}
    since: dict[tuple[str, Labels], int] = {}
    seen: _Seen = {}
    for now in range(0, minutes * 60, _TICK):
        for rule in rules if now % _EVERY == 0 else ():
            _evaluate(rule, ask, now, since, groups, seen)
        for group in groups.values():
            if now >= group.flush:
                found = group.message(now)
                sent += [found] if found else []
                group.flush += group.interval
        groups = {key: group for key, group in groups.items() if group.firing or group.resolved}
    return sent


def _evaluate(
    rule: Mapping[str, Any],
    ask: Callable[[int], Ask],
    now: int,
    since: dict[tuple[str, Labels], int],
    groups: dict[tuple[str, ...], _Group],
    seen: _Seen,
) -> None:
    uid, settings = rule["uid"], rule["notification_settings"]
    fires = _firing(rule, ask, now, seen)
    for key in [key for key in since if key[0] == uid and key[1] not in fires]:
        begun = since.pop(key)
        group = groups[_group_key(rule, key[1])]
        group.firing.pop(key[1])
        group.resolved[key[1]] = _alert(rule, key[1], begun, now)
    for labels in fires:
        begun = since.setdefault((uid, labels), now)
        key_of_group = _group_key(rule, labels)
        if key_of_group not in groups:
            interval = _seconds(settings.get("group_interval"), _INTERVAL)
            first = now + _seconds(settings.get("group_wait"), _WAIT)
            groups[key_of_group] = _Group(settings["receiver"], interval, first)
        groups[key_of_group].firing[labels] = _alert(rule, labels, begun)


def _firing(rule: Mapping[str, Any], ask: Callable[[int], Ask], now: int, seen: _Seen) -> set[Labels]:
    """As evaluation.firing, with answers that depend on the moment."""
    moments = range(now - evaluation.lasting(rule), now + 1, _EVERY)
    for moment in moments:
        if (rule["uid"], moment) not in seen:
            seen[rule["uid"], moment] = evaluation.states(rule, ask(moment), moment)
    return set.intersection(*(seen[rule["uid"], moment] for moment in moments))


def _group_key(rule: Mapping[str, Any], labels: Labels) -> tuple[str, ...]:
    settings = rule["notification_settings"]
    known = dict(labels) | {_TITLE: rule["title"], _FOLDER: ""}
    by = settings.get("group_by", [_FOLDER, _TITLE])
    return (str(sorted(settings.items(), key=str)), *(known.get(name, "") for name in by))


def _alert(rule: Mapping[str, Any], labels: Labels, begun: int, ended: int | None = None) -> dict[str, Any]:
    """Its annotations are as the rule has them: what is not filled in is not told."""
    return {
        "labels": {**dict(labels), _TITLE: rule["title"], _FOLDER: "aresmon alerts"},
        "annotations": rule["annotations"],
        "status": "firing" if ended is None else "resolved",
        "startsAt": _stamp(begun),
        "endsAt": _stamp(begun if ended is None else ended),
    }


def _stamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(text: str | None, default: int) -> int:
    return default if text is None else int(text[:-1]) * {"s": 1, "m": 60}[text[-1]]
