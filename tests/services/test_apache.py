"""Apache, and what is read of its server-status."""

from __future__ import annotations

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import only, tags_of

STATUS = "http://127.0.0.1/server-status?auto"
READ = collect("apache")
PRIVATE = "http://127.0.0.1/private-status?auto"
LOGIN = {"urls": [PRIVATE], "user": "monitoring", "password": {"secret": "apache"}}
_WITH_LOGIN = """\
ServerName lewi
<Location /private-status>
  SetHandler server-status
  AuthType Basic
  AuthName status
  AuthUserFile /etc/apache2/monitoring
  Require valid-user
</Location>
"""
_FEW = """\
<IfModule mpm_event_module>
ServerLimit 1
ThreadLimit 10
ThreadsPerChild 10
MaxRequestWorkers 10
</IfModule>
"""


@pytest.fixture(scope="module")
def apache(host: Host) -> Host:
    host.write("/etc/apache2/conf-enabled/zz-name.conf", _WITH_LOGIN)
    host.run("echo monitoring:$(openssl passwd -apr1 'bi:e/r@e') > /etc/apache2/monitoring")
    host.start(
        "apache",
        "bash -c '. /etc/apache2/envvars; mkdir -p /run/apache2; exec apache2 -D FOREGROUND'",
        ready=f"curl -fs '{STATUS}'",
    )
    return host


def told_by_apache(host: Host) -> dict[str, str]:
    """What its own page says."""
    lines = host.run(f"curl -fs '{STATUS}'").splitlines()
    return dict(line.split(": ", 1) for line in lines if ": " in line)


def test_what_is_read_is_what_apache_tells(apache: Host) -> None:
    apache.run("for n in {1..5}; do curl -fs -o /dev/null http://127.0.0.1/; done")
    before = told_by_apache(apache)
    points = gather(apache, READ, of="apache")
    after = told_by_apache(apache)

    read = only(points, "apache")
    assert tags_of(points, "apache") == {"server", "port"}
    assert (read["BusyWorkers"], read["IdleWorkers"]) == (1, int(before["IdleWorkers"]))
    assert read["scboard_open"] == before["Scoreboard"].count(".")
    assert 5 <= float(before["Total Accesses"]) < read["TotalAccesses"] < float(after["Total Accesses"])
    assert 50 < float(before["Total kBytes"]) <= read["TotalkBytes"] <= float(after["Total kBytes"])


def test_a_page_with_a_login_is_read_and_no_point_has_the_login(apache: Host) -> None:
    assert apache.run(f"curl -s -o /dev/null -w '%{{http_code}}' '{PRIVATE}'") == "401"

    points = gather(apache, collect({"apache": LOGIN}, secrets={"apache": "bi:e/r@e"}), of="apache")

    assert only(points, "apache")["BusyWorkers"] == 1
    assert "bi:e/r@e" not in str(points)


def test_workers_that_are_all_busy_are_an_alert(apache: Host, alerts: Alerts) -> None:
    with apache.stopped("apache"):
        apache.write("/etc/apache2/conf-enabled/zz-few.conf", _FEW)
    with agent(apache, READ, pace=20) as running:
        running.read(15, of="apache")
        assert alerts.firing(running) == set()
        # Requests of which the end does not come, on all workers but that which shows the page.
        apache.run(
            r"for n in {1..9}; do (printf 'GET / HTTP/1.1\r\n'; sleep 14) | timeout 15 nc 127.0.0.1 80 & done; wait"
        )
        points = running.points("apache")

        busiest = max(one["BusyWorkers"] for one in points)
        assert busiest == 10
        assert alerts.firing(running) == {"apache-busy-warning"}


def test_a_server_that_is_stopped_is_an_error_of_its_input_and_an_alert(apache: Host, alerts: Alerts) -> None:
    with agent(apache, READ, pace=20) as running:
        running.read(10)
        with apache.stopped("apache"):
            running.read(20)

    assert "connection refused" in running.errors()[0]
    assert alerts.firing(running) == {"input-fails-warning"}
