"""The report's page: what a person reads, and that it needs nothing from outside."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from aresmon.report import page, pdf, period
from aresmon.report.alert_history import AlertFigures
from aresmon.report.figures import BackupFigures, DiskFigures, Figures, HostFigures, Outage, Peak
from aresmon.system.errors import AresmonError

NOW = 1_796_000_000.0
OCTOBER = period.month("2026-10", NOW)
GB = 1e9
UNKNOWN = page.NoAlerts("Grafana is not running here")


def host(name: str, *outages: tuple[float, float], since: float | None = OCTOBER.start) -> HostFigures:
    found = tuple(Outage(name, OCTOBER.start + start, seconds) for start, seconds in outages)
    expected = 0.0 if since is None else OCTOBER.end - since
    return HostFigures(name, since, expected, found, Peak(93.4, OCTOBER.start), Peak(71.2, OCTOBER.start))


def figures(*hosts: HostFigures, disks: tuple[DiskFigures, ...] = ()) -> Figures:
    return Figures(OCTOBER, 60, hosts, disks, BackupFigures(29, 4, 31, 2), {"lewi": Counter(verified=3, broken=1)})


def disk(growth: float, full_in: float | None) -> DiskFigures:
    return DiskFigures("biere", "/exports", 100 * GB, 40 * GB, growth, (0.5, 0.6), full_in)


class Reader(HTMLParser):
    """The texts of the cells by row, the tags, and every attribute."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1] and self.lasttag in ("td", "th", "span"):
            self.rows[-1][-1] += data.strip()


def read(found: Figures, alerts: list[AlertFigures] | page.NoAlerts = UNKNOWN) -> tuple[str, Reader]:
    text = page.html_page("ares <&>", found, alerts, now=NOW)
    return text, Reader(text)


def test_nothing_is_loaded_and_nothing_runs() -> None:
    text, reader = read(figures(host("biere", (0, 600)), disks=(disk(GB, 40),)), [])

    assert not {"script", "link", "img", "iframe", "object", "form"} & set(reader.tags)
    assert not [name for name, _ in reader.attributes if name.startswith("on") or name in ("src", "href", "action")]
    assert "http" not in re.sub(r'http-equiv="[^"]*"', "", text)
    assert "url(" not in text
    assert "ares &lt;&amp;&gt;: October 2026" in text


def test_availability_is_rounded_down_so_that_a_minute_shows() -> None:
    _, reader = read(
        figures(host("biere"), host("lewi", (3600, 60)), host("ronflex", (0, 744 * 360.0)), host("new", since=None))
    )

    table = reader.rows[: 1 + next(at for at, row in enumerate(reader.rows) if row[0] == "new")]
    rows = {row[0]: row[1:4] for row in table}
    assert rows["biere"] == ["100.00 %", "\N{EN DASH}", "0"]
    assert rows["lewi"] == ["99.99 %", "60 s", "1"]
    assert rows["ronflex"] == ["90.0 %", "3 days", "1"]
    assert rows["new"][0] == "no data"


def test_each_day_has_a_bar_with_its_own_share() -> None:
    since = OCTOBER.start + 2 * 86400
    found = replace(host("lewi", (3 * 86400, 43200)), since=since, expected=OCTOBER.end - since)

    text, _ = read(figures(found))

    bars = re.findall(r'<rect fill="(#\w+)"[^>]*><title>([^<]*)</title>', text)
    assert len(bars) == len(OCTOBER.days)
    grey, blue, red = "#e4e4e4", "#3274d9", "#c4162a"
    assert [colour for colour, _ in bars[:5]] == [grey, grey, blue, red, blue]
    assert bars[3][1].endswith("October: 50.0 %")


def test_a_disk_that_is_soon_full_is_marked_and_first() -> None:
    late, soon = disk(GB / 10, 400), replace(disk(GB, 40), path="/srv")

    text, reader = read(figures(host("biere"), disks=(disk(-GB, None), late, soon)))

    paths = [row[1:6] for row in reader.rows if row[0] == "biere" and len(row) == 7]
    assert [row[0] for row in paths] == ["/srv", "/exports", "/exports"]
    assert paths[0] == ["/srv", "100 GB", "60.0 %", "+30 GB a month", "in 40 days"]
    assert paths[2][3:] == ["-30 GB a month", "\N{EN DASH}"]
    assert text.count('class="bad"') == 1


def test_without_grafana_it_says_that_alerts_are_unknown() -> None:
    unknown, _ = read(figures(host("biere")), UNKNOWN)
    none, _ = read(figures(host("biere")), [])
    some, reader = read(figures(host("biere")), [AlertFigures("Disk full", "critical", "biere", 2, 7200)])

    assert "Unknown, since Grafana has their history: Grafana is not running here." in unknown
    assert "None fired" in none
    assert ["Disk full", "critical", "biere", "2", "2 hours"] in reader.rows
    assert "Unknown" not in none + some


def test_deployments_and_backups_are_counted() -> None:
    text, reader = read(figures(host("lewi")), [])

    assert ["lewi", "1 broken, 3 verified"] in reader.rows
    assert "29 stored, 4 verified, 2 of 31 days without one" in text


def test_a_month_before_the_first_data_says_so_and_has_no_empty_tables() -> None:
    later = figures(HostFigures("biere", OCTOBER.end + 86400, 0, ()), HostFigures("new", None, 0, ()))
    found = replace(later, backups=BackupFigures(0, 0, 0, 0))

    text, reader = read(found, [])

    assert re.search(
        r'<p class="bad">No data for October 2026: the first data is of 2 November 2026, \d\d:\d\d '
        r"\(the report of the month in which it began: `aresmon report --month 2026-11`\)\.",
        text,
    )
    assert reader.rows == [["Host", "Outcomes"], ["lewi", "1 broken, 3 verified"]]
    assert "No filesystem is collected" not in text
    assert "0 stored, 0 verified.</p>" in text


def test_a_site_without_any_data_says_so() -> None:
    text, _ = read(figures(HostFigures("new", None, 0, ())), [])

    assert "No data for October 2026: no host has sent data yet." in text


def test_a_month_of_silence_says_so_beside_its_outages() -> None:
    text, reader = read(figures(host("biere", (0, OCTOBER.end - OCTOBER.start))), [])

    assert "No data for October 2026: no host sent any." in text
    assert ["biere", "0.0 %", "31 days", "1"] in [row[:4] for row in reader.rows]
    assert not figures(host("biere", (0, OCTOBER.end - OCTOBER.start))).has_data


def test_a_month_with_data_says_nothing_of_the_kind() -> None:
    found = figures(host("biere", (0, 600)), HostFigures("new", None, 0, ()))

    assert (found.has_data, page.no_data(found)) == (True, "")
    assert "No data for" not in read(found, [])[0]


@pytest.mark.parametrize("program", ["weasyprint", "chromium", "google-chrome"])
def test_a_pdf_is_made_by_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    fake = tmp_path / "bin" / program
    fake.parent.mkdir()
    fake.write_text(
        "#!/bin/bash\n"
        'for one in "$@"; do case $one in --print-to-pdf=*) made=${one#*=} ;; file:*) page=${one#file://} ;; '
        "*.pdf) made=$one ;; *.html) page=$one ;; esac; done\n"
        '{ echo %PDF; read -r line <"$page"; echo "$line"; } >"$made"\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:/usr/bin:/bin")

    pdf.write("<!doctype html>\n", tmp_path / "report.pdf", mark=page.MARK)

    assert (tmp_path / "report.pdf").read_text() == "%PDF\n<!doctype html>\n\n% Written by aresmon report\n"


def test_without_a_program_for_it_a_pdf_is_refused_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(AresmonError, match="needs WeasyPrint or Chromium") as caught:
        pdf.write("", tmp_path / "report.pdf", mark=page.MARK)

    assert "--output report.html" in (caught.value.hint or "")
    assert not (tmp_path / "report.pdf").exists()
