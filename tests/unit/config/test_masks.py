"""What is shown of a configuration has no secret in it."""

from __future__ import annotations

import pytest

from aresmon.config.masks import mask_secrets

CONFIGURATION = """\
[[outputs.influxdb]]
  urls = ["http://ada:hunter2@biere:8086", "http://biere:8086"]
  username = "agent-lewi"
  password = "hunter2"
  api_token = 'hunter2'
  # secret = "hunter2"
+  Password="hunter2"
-  passphrase = '''hunter2'''
  password = "${ARESMON_PASSWORD}"
  token = "@{store:token}"
"""


def test_secrets_that_stand_in_clear_are_not_shown() -> None:
    text = mask_secrets(CONFIGURATION)

    assert "hunter2" not in text
    assert text.count("***") == 6
    assert 'password = "${ARESMON_PASSWORD}"' in text
    assert 'token = "@{store:token}"' in text
    assert 'username = "agent-lewi"' in text
    assert "http://ada:***@biere:8086" in text
    assert '"http://biere:8086"' in text


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ('headers = {"Authorization" = "Token s3", X = "y"}', 'headers = {"Authorization" = "***", X = "y"}'),
        ('{ api-key = "s3", b = "c" }', '{ api-key = "***", b = "c" }'),
        ("community = 's3'", "community = '***'"),
        ('password = "a\\"s3"', 'password = "***"'),
        ('password = """\ns3\n"""\nx = 1', 'password = """***"""\nx = 1'),
        ('password = ""\nx = "y"', 'password = ""\nx = "y"'),
        ('password = "s3', 'password = "***"'),
        ('address = "host=db password=s3 user=me"', 'address = "host=db password=*** user=me"'),
        ('address = "postgres://db/x?sslpassword=s3&y=1"', 'address = "postgres://db/x?sslpassword=***&y=1"'),
        ('urls = ["https://a/?access_token=s3"]', 'urls = ["https://a/?access_token=***"]'),
        ('urls = ["https://s3@a/"]', 'urls = ["https://***@a/"]'),
        ('servers = ["me:s3@tcp(127.0.0.1:3306)/"]', 'servers = ["me:***@tcp(127.0.0.1:3306)/"]'),
        ("+HAPROXY_PASSWORD=s3", "+HAPROXY_PASSWORD=***"),
        ('HAPROXY_PASSWORD: "s3"', 'HAPROXY_PASSWORD: "***"'),
    ],
)
def test_secrets_are_known_wherever_they_are_written(written: str, shown: str) -> None:
    assert mask_secrets(written) == shown


def test_what_has_no_secret_stays_byte_for_byte() -> None:
    text = "[agent]\r\n  interval = '10s'\n\n[[inputs.ping]]\n  urls = ['https://[::1]:80/@x', 'a:b@c']\n"

    assert mask_secrets(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "TELEGRAF_SECRET='/srv/ares/.aresmon/secrets/agent-biere'",
        "GF_SECURITY_ADMIN_PASSWORD__FILE=/run/secrets/grafana",
        'servers = ["me:${ARESMON_SECRET_MYSQL}@unix(/run/mysqld/mysqld.sock)/"]',
        'address = "host=db password=${ARESMON_SECRET_DB}"',
        "password=$(cat /run/secrets/agent)",
        "passwords: they are elsewhere",
    ],
)
def test_where_a_secret_is_kept_is_shown(text: str) -> None:
    assert mask_secrets(text) == text
