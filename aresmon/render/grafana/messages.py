"""What Grafana's messages say: templates for the contact points, which people's own contact points may use too.

`aresmon.title` is one line, `aresmon.message` what follows it, `aresmon.text` both. `aresmon.severity` is the worst
severity of what fires, and empty if nothing does; `aresmon.color` and `aresmon.priority` are that for Slack and ntfy.

A place that is beyond two thresholds is reported once, as the worse one, with what it was before.

Source: Grafana 12, grafana/alerting's templates (what an alert has) and prometheus/alertmanager's
template.DefaultFuncs. Other functions are not used: Grafana does not start with a template that it refuses. It does
not expand a `$` here, as it does in the settings of a contact point.

When Grafana starts, it restores alerts with the texts of their rule as these are written; one whose series is gone by
then ends with `{{ $labels.path }}` in them (pkg/services/ngalert/state/manager.go, Warm). So a text that was not
filled in is left out, and the end of an alert is reported by its labels alone.
"""

from __future__ import annotations

import json

from aresmon.config.views import HOST

NAME = "aresmon"
"""Grafana's name for the file of templates."""
_DETAILED, _LINES, _HOSTS = 3, 8, 3
"""How many alerts of a message are shown in full, how many at all, and how many hosts a title names: Discord takes
2,000 characters, and 256 of a title."""
NO_PLACE = ("alertname", "grafana_folder", "severity", "collector", HOST, "datasource_uid", "ref_id", "rulename")
"""Labels that say nothing of where on its host it is."""


def templates(zone: str) -> str:
    """The file of templates; times of day are those of this time zone."""
    since = f'.StartsAt | tz "{zone}" | date "Mon 15:04 MST"'
    shown = {
        "place": _PLACE,
        "end": _END + ' {{ template "aresmon.place" . }}',
        "title": _title(),
        "message": _message(since),
        "text": '{{ template "aresmon.title" . }}\n{{ template "aresmon.message" . }}',
        "severity": _ALL + _firing("") + "{{ $worst }}",
        "color": _by_severity("#d63232", "#e8871a", "#3274d9", "#36a64f"),
        # ntfy's go from 1 to 5.
        "priority": _by_severity("5", "3", "2", "2"),
    }
    return "\n".join(f'{{{{ define "aresmon.{name}" }}}}{text}{{{{ end }}}}' for name, text in shown.items()) + "\n"


def with_templates(text: str, file: str) -> str:
    """A text of a contact point that brings the templates along: Grafana knows a new file only some seconds later."""
    return file + text


def with_templates_as_json(payload: str, file: str) -> str:
    """The same for a webhook's payload, whose functions look for templates elsewhere."""
    return f"{{{{ with tmpl.Inline {json.dumps(file)} . }}}}{{{{ end }}}}{payload}"


# Parts -----------------------------------------------------------------------------------------------

_WORD = '{{{{ or {} "alert" | toUpper }}}}'
# Where the worse alert of two has its own messages, the lesser one may go on.
_END = "{{ with .Annotations.lesser }}NO LONGER {{ $.Labels.severity | toUpper }}{{ else }}OVER{{ end }}"
_ALL = "{{ $all := . }}"
_PLACE = (
    "{{ with .Labels.host }}{{ . }}: {{ end }}{{ with .Labels.rulename }}{{ . }} cannot be evaluated"
    "{{ else }}{{ .Labels.alertname }}{{ end }}"
    f"{{{{ range (.Labels.Remove (stringSlice {' '.join(chr(34) + one + chr(34) for one in NO_PLACE)})).Values }}}}"
    ", {{ . }}{{ end }}"
)


def _key(alert: str) -> str:
    """All of an alert's labels but its severity; `alert` is a variable, or empty for what a range is at."""
    return f'(join "|" ({alert}.Labels.Remove (stringSlice "severity")).Values)'


def _is_worse(one: str, other: str) -> str:
    critical, warning = f'(eq {one}.Labels.severity "critical")', f'(eq {one}.Labels.severity "warning")'
    return (
        f'(or (and {critical} (ne {other}.Labels.severity "critical"))'
        f' (and {warning} (eq {other}.Labels.severity "information")))'
    )


def _firing(each: str) -> str:
    """What fires, but where something worse fires for the same place; `$n` has a character for each, `$worst` is the
    worst severity. `each` knows `$a`, and `$was`, its severity before."""
    return (
        '{{ $n := "" }}{{ $worst := "" }}'
        f"{{{{ range $a := $all.Alerts.Firing }}}}{{{{ $key := {_key('$a')} }}}}{{{{ $shown := true }}}}"
        '{{ $was := "" }}'
        f"{{{{ range $all.Alerts.Firing }}}}{{{{ if eq $key {_key('')} }}}}"
        f"{{{{ if {_is_worse('', '$a')} }}}}{{{{ $shown = false }}}}"
        # Both begin at once where a value jumps over both thresholds.
        f"{{{{ else if and {_is_worse('$a', '')} (gt ($a.StartsAt.Sub .StartsAt).Seconds 90.0) }}}}"
        "{{ $was = .Labels.severity }}{{ end }}{{ end }}{{ end }}"
        f"{{{{ range $all.Alerts.Resolved }}}}{{{{ if and (eq $key {_key('')}) {_is_worse('', '$a')} }}}}"
        "{{ $was = .Labels.severity }}{{ end }}{{ end }}"
        '{{ if $shown }}{{ $n = printf "%s." $n }}'
        '{{ if or (not $worst) (eq $a.Labels.severity "critical") (eq $worst "information") }}'
        "{{ $worst = $a.Labels.severity }}{{ end }}" + each + "{{ end }}{{ end }}"
    )


def _resolved(each: str) -> str:
    """What is over, but where something fires for the same place; `$m` has a character for each."""
    return (
        '{{ $m := "" }}'
        f"{{{{ range $a := $all.Alerts.Resolved }}}}{{{{ $key := {_key('$a')} }}}}{{{{ $shown := true }}}}"
        f"{{{{ range $all.Alerts.Firing }}}}{{{{ if eq $key {_key('')} }}}}{{{{ $shown = false }}}}"
        "{{ end }}{{ end }}"
        f"{{{{ range $all.Alerts.Resolved }}}}{{{{ if and (eq $key {_key('')}) {_is_worse('$a', '')} }}}}"
        "{{ $shown = false }}{{ end }}{{ end }}"
        '{{ if $shown }}{{ $m = printf "%s." $m }}' + each + "{{ end }}{{ end }}"
    )


def _filled_in(alert: str, name: str, text: str) -> str:
    """`text` with an annotation as `.`, if it is there and was filled in."""
    raw = '(match "[{][{] (with )?[$]" .)'
    return f"{{{{ with {alert}.Annotations.{name} }}}}{{{{ if not {raw} }}}}{text}{{{{ end }}}}{{{{ end }}}}"


def _several(count: str) -> str:
    return (
        "{{ if $all.CommonLabels.host }}{{ $all.CommonLabels.host }}: {{ $name }} ({{ len " + count + " }})"
        "{{ else }}{{ len " + count + " }} hosts: {{ $name }} ({{ $hosts }}){{ end }}"
    )


def _listed(count: str) -> str:
    return (
        "{{ $name = or $a.Labels.rulename $a.Labels.alertname }}"
        f"{{{{ if eq (len {count}) 1 }}}}{{{{ $hosts = $a.Labels.host }}}}"
        f"{{{{ else if le (len {count}) {_HOSTS} }}}}{{{{ $hosts = printf `%s, %s` $hosts $a.Labels.host }}}}"
        f"{{{{ else if eq (len {count}) {_HOSTS + 1} }}}}{{{{ $hosts = printf `%s, …` $hosts }}}}{{{{ end }}}}"
    )


def _title() -> str:
    """`CRITICAL biere: Disk full, /srv 98 % (was warning)`; of several `CRITICAL biere: Disk full (3)` or `CRITICAL
    3 hosts: Host is silent (biere, lewi, ronflex)`; at the end `OVER biere: Disk full, /srv`."""
    return (
        _ALL
        + '{{ $first := "" }}{{ $before := "" }}{{ $ended := "" }}{{ $hosts := "" }}{{ $name := "" }}'
        + _firing("{{ $first = $a }}{{ $before = $was }}" + _listed("$n"))
        + _resolved("{{ $ended = $a }}{{ if not $n }}" + _listed("$m") + "{{ end }}")
        + "{{ if $n }}"
        + _WORD.format("$worst")
        + ' {{ if eq (len $n) 1 }}{{ template "aresmon.place" $first }}'
        + "{{ if not $first.Labels.rulename }}"
        + _filled_in("$first", "value", " {{ . }}")
        + "{{ end }}"
        + "{{ with $before }} (was {{ . }}){{ end }}{{ else }}"
        + _several("$n")
        + '{{ end }}{{ else if eq (len $m) 1 }}{{ template "aresmon.end" $ended }}'
        + "{{ else }}OVER "
        + _several("$m")
        + "{{ end }}"
    )


def _message(since: str) -> str:
    """Of each alert: what and where, with the value; since when, and what it was before; what to do; a link."""
    sentence = (
        '{{ $text := "" }}'
        + _filled_in("$a", "summary", "{{ $text = . }}")
        + "{{ if and $text (not $a.Labels.rulename) }}{{ $text }}"
        + '{{ else }}{{ template "aresmon.place" $a }}.{{ end }}\n'
    )
    details = (
        "{{ if not $a.Labels.rulename }}{{ with $a.Annotations.limit }}{{ . }}, {{ end }}{{ end }}since {{ $a"
        + since
        + " }}{{ with $was }}, was {{ . }} before{{ end }}\n"
        + "{{ if $a.Labels.rulename }}`aresmon alerts list` shows why.\n{{ else }}"
        + _filled_in("$a", "description", "{{ . }}\n")
        + "{{ end }}"
        + _filled_in("$a", "dashboard", "{{ . }}\n")
    )
    firing = (
        f"{{{{ if le (len $n) {_LINES} }}}}"
        + _WORD.format("$a.Labels.severity")
        + ": "
        + sentence
        + f"{{{{ if le (len $n) {_DETAILED} }}}}{details}{{{{ end }}}}{{{{ end }}}}"
    )
    # After a restart of Grafana an alert that is over begins when it ends.
    lasted = (
        '{{ $time := (($a.EndsAt.Sub $a.StartsAt).Round 60000000000).String | reReplaceAll "([hm])0s$" "${1}"'
        ' | reReplaceAll "h0m$" "h" }}{{ if ne $time "0s" }}, after {{ $time }}{{ end }}'
    )
    resolved = f'{{{{ if le (len $m) {_LINES} }}}}{{{{ template "aresmon.end" $a }}}}{lasted}.\n{{{{ end }}}}'
    more = f"{{{{ if gt (len {{0}}) {_LINES} }}}}and more: {{{{ len {{0}} }}}} in all{{1}}\n{{{{ end }}}}"
    return (
        _ALL
        + _firing(firing)
        + more.replace("{0}", "$n").replace("{1}", "")
        + _resolved(resolved)
        + more.replace("{0}", "$m").replace("{1}", " are over")
    )


def _by_severity(critical: str, warning: str, information: str, over: str) -> str:
    return (
        _ALL
        + _firing("")
        + f'{{{{ if not $n }}}}{over}{{{{ else if eq $worst "critical" }}}}{critical}'
        + f'{{{{ else if eq $worst "warning" }}}}{warning}{{{{ else }}}}{information}{{{{ end }}}}'
    )
