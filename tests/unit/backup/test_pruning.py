"""Which archives stay: by each rule, and what holds for any archives and rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from aresmon.backup.pruning import select
from aresmon.backup.storage.base import StoredArchive, archive_name
from aresmon.config.backup import KeepRules

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1)).map(  # noqa: DTZ001 (in UTC below)
    lambda at: at.replace(microsecond=0, tzinfo=UTC)
)
ARCHIVES = st.lists(MOMENTS, max_size=60, unique=True).map(lambda moments: [archive(at) for at in moments])
COUNTS = st.integers(0, 20)
RULES = st.builds(KeepRules, COUNTS, COUNTS, COUNTS, COUNTS)
NONE = KeepRules(0, 0, 0, 0)


def archive(at: datetime) -> StoredArchive:
    return StoredArchive(archive_name("ares", at), 1, at)


def nightly(days: int) -> list[StoredArchive]:
    """One archive a night, at 03:30; the last one on the 31st of March 2026, a Tuesday."""
    last = datetime(2026, 3, 31, 3, 30, tzinfo=UTC)
    return [archive(last - timedelta(days=back)) for back in range(days)]


def staying(archives: list[StoredArchive], rules: KeepRules, verified: str = "") -> list[str]:
    """The days of those that stay, the newest last."""
    verdicts = select(archives, rules, verified=verified)
    return [f"{one.archive.at:%m-%d}" for one in verdicts if one.is_kept]


def test_the_last_ones_stay() -> None:
    assert staying(nightly(30), KeepRules(3, 0, 0, 0)) == ["03-29", "03-30", "03-31"]


def test_of_a_day_with_several_the_last_one_stays() -> None:
    noon = [archive(datetime(2026, 3, day, hour, tzinfo=UTC)) for day in (30, 31) for hour in (6, 12, 18)]

    kept = [one.archive.at for one in select(noon, KeepRules(0, 2, 0, 0)) if one.is_kept]

    assert [f"{at:%d %H}" for at in kept] == ["30 18", "31 18"]


def test_a_week_ends_on_sunday_and_a_month_on_its_last_day() -> None:
    assert staying(nightly(60), KeepRules(0, 0, 3, 0)) == ["03-22", "03-29", "03-31"]
    assert staying(nightly(60), KeepRules(0, 0, 0, 3)) == ["01-31", "02-28", "03-31"]


def test_days_without_an_archive_are_not_counted() -> None:
    gap = [*nightly(2), *(archive(datetime(2024, 1, day, tzinfo=UTC)) for day in (1, 2, 3))]

    assert staying(gap, KeepRules(0, 4, 0, 0)) == ["01-02", "01-03", "03-30", "03-31"]


def test_each_that_stays_says_for_which_rules() -> None:
    *_, former, newest = select(nightly(9), KeepRules(2, 1, 0, 1))

    assert newest.rules == ("last 1", "daily 1", "monthly 1")
    assert former.rules == ("last 2",)


def test_the_last_one_that_was_verified_stays_without_any_rule() -> None:
    archives = nightly(20)

    assert staying(archives, NONE, verified=archives[12].name) == ["03-19", "03-31"]


@given(ARCHIVES, RULES)
def test_the_newest_always_stays(archives: list[StoredArchive], rules: KeepRules) -> None:
    verdicts = select(archives, rules)

    assert not archives or verdicts[-1].is_kept
    assert not archives or verdicts[-1].archive.at == max(one.at for one in archives)


@given(ARCHIVES, RULES)
def test_each_archive_gets_one_verdict_whatever_their_order(archives: list[StoredArchive], rules: KeepRules) -> None:
    verdicts = select(archives, rules)

    assert sorted(one.archive.name for one in verdicts) == sorted(one.name for one in archives)
    assert select(reversed(archives), rules) == verdicts


@given(ARCHIVES, RULES)
def test_no_rule_keeps_more_than_it_says_nor_less_than_there_are(
    archives: list[StoredArchive], rules: KeepRules
) -> None:
    verdicts = select(archives, rules)

    days = {one.at.date() for one in archives}
    wanted = [word for one in verdicts for word in one.rules if word.startswith("daily")]
    assert len(wanted) == min(rules.daily, len(days))


@given(ARCHIVES, RULES, st.data())
def test_pruning_again_removes_nothing_more(
    archives: list[StoredArchive], rules: KeepRules, data: st.DataObject
) -> None:
    verified = data.draw(st.sampled_from([one.name for one in archives]) if archives else st.just(""))

    once = [one.archive for one in select(archives, rules, verified=verified) if one.is_kept]
    twice = [one.archive for one in select(once, rules, verified=verified) if one.is_kept]

    assert twice == once
    assert not archives or verified in {one.name for one in once}


@given(ARCHIVES, RULES)
def test_a_rule_that_keeps_more_never_makes_another_archive_go(archives: list[StoredArchive], rules: KeepRules) -> None:
    more = KeepRules(rules.last + 1, rules.daily + 1, rules.weekly + 1, rules.monthly + 1)

    fewer = {one.archive.name for one in select(archives, rules) if one.is_kept}

    assert fewer <= {one.archive.name for one in select(archives, more) if one.is_kept}


@given(st.integers(0, 60))
def test_one_backup_a_day_after_another_leaves_what_one_pruning_would(days: int) -> None:
    rules, kept = KeepRules(2, 3, 2, 2), list[StoredArchive]()
    for one in reversed(nightly(days)):
        kept = [verdict.archive for verdict in select([*kept, one], rules) if verdict.is_kept]

    assert kept == [one.archive for one in select(nightly(days), rules) if one.is_kept]
