"""slapd, and what is read of its monitor backend."""

from __future__ import annotations

import pytest

from tests.services.agent import agent, collect, gather
from tests.services.alerts import Alerts
from tests.services.host import Host
from tests.services.points import fields_of, only, tags_of

DN = "cn=monitoring,dc=example,dc=org"
READ = collect({"openldap": {"dn": DN, "password": {"secret": "openldap"}}}, secrets={"openldap": "bi ere$1"})
ANONYMOUS = collect("openldap")
_MODULE = """\
dn: cn=module{0},cn=config
changetype: modify
add: olcModuleLoad
olcModuleLoad: back_monitor
"""
_DATABASES = f"""\
dn: olcDatabase=monitor,cn=config
objectClass: olcDatabaseConfig
olcDatabase: monitor
olcAccess: to * by dn.exact="{DN}" read by dn.exact="gidNumber=0+uidNumber=0,cn=peercred,cn=external,cn=auth" read

dn: olcDatabase=mdb,cn=config
objectClass: olcDatabaseConfig
objectClass: olcMdbConfig
olcDatabase: mdb
olcSuffix: dc=example,dc=org
olcRootDN: cn=admin,dc=example,dc=org
olcRootPW: admin
olcDbDirectory: /var/lib/ldap/example
olcAccess: to attrs=userPassword by anonymous auth by * none
olcAccess: to * by * read
"""
_ENTRIES = f"""\
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: {DN}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: monitoring
userPassword: bi ere$1
"""
_ADMIN = "-x -D cn=admin,dc=example,dc=org -w admin -H ldap://127.0.0.1"


@pytest.fixture(scope="module")
def slapd(host: Host) -> Host:
    host.run("install -d -o openldap /run/slapd /var/lib/ldap/example")
    # Two hundred connections and files, no more.
    serve = "slapd -d 0 -h 'ldap://127.0.0.1/ ldapi:///' -u openldap -g openldap -F /etc/ldap/slapd.d"
    ready = "ldapsearch -x -H ldap://127.0.0.1 -s base -b ''"
    host.start("slapd", f"prlimit --nofile=200 {serve}", ready=ready)
    host.run("ldapmodify -Y EXTERNAL -H ldapi:///", stdin=_MODULE)
    host.run("ldapadd -Y EXTERNAL -H ldapi:///", stdin=_DATABASES)
    host.run(f"ldapadd {_ADMIN}", stdin=_ENTRIES)
    return host


def told_by_slapd(host: Host, entry: str, attribute: str = "monitorCounter") -> int:
    found = host.run(
        f"ldapsearch -LLL -Y EXTERNAL -H ldapi:/// -s base -b '{entry},cn=Monitor' {attribute} 2> /dev/null"
    )
    return int(next(line.split()[1] for line in found.splitlines() if line.startswith(attribute)))


def test_what_is_read_is_what_slapd_tells(slapd: Host) -> None:
    before = {
        "connections_total": told_by_slapd(slapd, "cn=Total,cn=Connections"),
        "operations_search_completed": told_by_slapd(slapd, "cn=Search,cn=Operations", "monitorOpCompleted"),
        "operations_bind_completed": told_by_slapd(slapd, "cn=Bind,cn=Operations", "monitorOpCompleted"),
        "operations_completed": told_by_slapd(slapd, "cn=Operations", "monitorOpCompleted"),
    }
    points = gather(slapd, READ, of="openldap")

    read = only(points, "openldap", server="127.0.0.1", port="389").fields
    for name, value in before.items():
        assert value < read[name] < value + 50, name
    assert read["operations_modify_completed"] == told_by_slapd(slapd, "cn=Modify,cn=Operations", "monitorOpCompleted")
    assert read["connections_max_file_descriptors"] == 200
    assert read["connections_current"] == 1
    assert read["threads_max"] == 16
    assert read["threads_pending"] == 0
    assert tags_of(points, "openldap") == {"server", "port"}
    assert len(fields_of(points, "openldap")) == 10


def test_connections_that_are_nearly_all_taken_are_an_alert(slapd: Host, alerts: Alerts) -> None:
    with agent(slapd, READ, pace=50) as running:
        running.read(6, of="openldap")
        assert alerts.firing(running) == set()
        with slapd.meanwhile("clients", "for n in {1..165}; do nc -d 127.0.0.1 389 & done; wait"):
            points = running.read(30, of="openldap")

    assert only(points, "openldap")["connections_current"] > 160
    assert "openldap-connections-warning" in alerts.firing(running)


def test_a_login_that_is_refused_and_a_slapd_that_is_stopped_are_errors_of_the_input(
    slapd: Host, alerts: Alerts
) -> None:
    with agent(slapd, ANONYMOUS, pace=10) as running:
        running.read(3)
    assert "connections_current" not in fields_of(running.points(), "openldap")
    with agent(slapd, READ, pace=50) as running:
        running.read(6)
        slapd.stop("slapd")
        running.read(60)
    assert "connection refused" in running.errors()[0]
    assert alerts.firing(running) == {"input-fails-warning"}
