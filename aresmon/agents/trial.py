"""Which inputs a push tries before it changes anything, and what became of it.

Telegraf reads an input once in its mode `--test`, which starts no output. Some must not be tried: those that listen on
a port, which the running agent has; those that take messages from a queue or files from a folder, which would be lost;
and those that measure for minutes.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aresmon.agents import plugin_names, remedies, tables
from aresmon.agents.remedies import CollectorNeeds
from aresmon.config.telegraf_toml import TelegrafTomlError

# Service inputs of Telegraf 1.39 that listen or consume, by `Start` in plugins/inputs/*; and internet_speed.
_CONSUMERS = """
    amqp_consumer azure_storage_queue cisco_telemetry_mdt cloud_pubsub cloud_pubsub_push
    cloudwatch_metric_streams directory_monitor docker_log eventhub_consumer execd firehose gnmi gnmi_listener
    google_cloud_storage http_listener_v2 influxdb_listener influxdb_v2_listener intel_pmu internal
    internet_speed jti_openconfig_telemetry kafka_consumer kinesis_consumer knx_listener lanz mavlink mock
    nats_consumer netflow nsq_consumer opcua_listener opentelemetry p4runtime riemann_listener sflow sip
    snmp_trap socket_listener statsd suricata syslog tail webhooks win_eventlog zipkin
"""
# What runs the trial, as bash text, since only who runs it may open its `<(…)`. Its arguments: the seconds, the
# configuration, the inputs with colons between, and what starts Telegraf with the secrets of a container. It writes to
# no log file. In a container with little memory it does not start.
COMMAND = (
    "limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null); "
    "[[ ! $limit =~ ^[0-9]+$ ]] || ((limit >= 200 << 20)) || exit 0; "
    'program=(telegraf); [ ! -e "$4" ] || program=(bash "$4"); '
    'exec timeout --kill-after=1 "$1" "${program[@]}" --config "$2" '
    """--config <(printf '[agent]\\n  logfile = ""\\n') --input-filter "$3" """
    "--output-filter none --aggregator-filter none --test"
)
# `exec: exit status 1 for command "bash -c \n cd /proc/spl ...": cd: /proc/spl: No such file`: without the script.
_SCRIPT = re.compile(r' for command "bash -c \\n.*?(?:(?<!\\)"(?=: |$)|$)')
SECONDS = 6
"""The time for a trial."""

# As in push/remote/trial.bash.
_LOGGED = re.compile(
    r" (?:E! (\[inputs\.[^\]]*\] .*|\[agent\] Starting input .*)|I! (\[inputs\.[^\]]*\] Startup failed: .*))$", re.M
)
_TRIED = re.compile(
    r"\[inputs\.(?P<plugin>\w+)[^\]]*\] (?:Error in plugin: |Startup failed: )?(?P<said>.*?)(?:; retrying\.*)?"
    r"|\[agent\] Starting input inputs\.(?P<started>\w+)\S*?: (?P<why>.*)"
)


def inputs(before: str, after: str) -> tuple[str, ...]:
    """The inputs to try of the configuration `after`: those that are new or have other settings than in `before`."""
    if before == after:
        return ()
    try:
        former, wanted = (_inputs(text) for text in (before, after))
    except TelegrafTomlError:
        return ()
    changed = (name for name, settings in wanted.items() if settings != former.get(name))
    return tuple(sorted(name for name in changed if name in _known() and name not in _CONSUMERS.split()))


def logged(log: str) -> list[str]:
    """The lines of Telegraf's log that say why an input fails, each once."""
    return list(dict.fromkeys(error or retried for error, retried in _LOGGED.findall(log)))


def describe(said: Sequence[str], known: Sequence[CollectorNeeds]) -> Iterator[tuple[str, str]]:
    """What failed, by what the host reported: each input, and a sentence with the remedy."""
    for line in said:
        found = _TRIED.fullmatch(line)
        if found is None:
            continue
        plugin, why = found["plugin"] or found["started"], (found["said"] or found["why"]).strip().rstrip(".")
        several = remedies.owners(plugin, known, why)
        remedy = remedies.remedy(several)
        what = f"{remedies.name(plugin, several)} failed when it was tried: {_SCRIPT.sub('', why).rstrip(': ')}"
        yield plugin, what + (remedy and f". {remedy}")


def _inputs(text: str) -> Mapping[str, Any]:
    found = tables.parse(text).get("inputs", {}) if text else {}
    return found if isinstance(found, dict) else {}


@functools.cache
def _known() -> frozenset[str]:
    return frozenset(plugin_names.whole()["inputs"])
