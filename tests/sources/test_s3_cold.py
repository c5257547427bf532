"""Objects in cold storage: moto thaws step by step; a stub of botocore says what AWS says and moto does not."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber
from contract.source import JANUARY, Quiet

from restorekit.errors import Cancelled, ConfigError, SourceUnavailable, UnknownName
from restorekit.model.database import DatabaseId
from restorekit.model.point import Quality, RecoveryPoint
from restorekit.sources.s3.bucket import Bucket
from restorekit.sources.s3.cold import Freezer, frost
from restorekit.sources.s3.settings import S3Settings
from restorekit.sources.s3.tiers import ThawSettings, ways

ETAG = "d41d8cd98f00b204e9800998ecf8427e"
KEY = "db1/shop.sql"
RUNNING = 'ongoing-request="true"'


def done(until: datetime) -> str:
    return f'ongoing-request="false", expiry-date="{format_datetime(until, usegmt=True)}"'


def point(**locator: str) -> RecoveryPoint:
    return RecoveryPoint(
        id="p1",
        source="ice",
        medium="s3",
        database=DatabaseId(engine="db1", name="shop"),
        consistent_at=JANUARY,
        quality=Quality.CLAIMED,
        format="sql",
        locator={"key": KEY, "size": "1000", "etag": ETAG, **locator},
    )


class Aws:
    """What AWS is known to answer, in order; every request must be the expected one."""

    def __init__(self, base: Path, **thaw: Any) -> None:
        (base / "keys").write_text("[default]\naws_access_key_id=a\naws_secret_access_key=s\n")
        told = S3Settings(
            layout="{engine}/{database}.sql",
            bucket="ice",
            endpoint="http://127.0.0.1:9",
            credentials_file=Path("keys"),
        )
        self.bucket = Bucket(told, base)
        self.stub = Stubber(self.bucket.client)
        self.stub.activate()
        self.base, self.settings = base, ThawSettings(**thaw)

    def freezer(self) -> Freezer:
        """A new one, as after a restart."""
        return Freezer(self.bucket, self.settings, self.base / "thaw")

    def head(self, storage: str = "GLACIER", restore: str | None = None, **more: Any) -> None:
        told = {"ContentLength": 1000, "ETag": f'"{ETAG}"', "StorageClass": storage, **more}
        self.stub.add_response("head_object", told | ({"Restore": restore} if restore else {}))

    def asked(self, tier: str, days: int | None = 5, **named: str) -> dict[str, Any]:
        request = {"GlacierJobParameters": {"Tier": tier}} | ({"Days": days} if days else {})
        return {"Bucket": "ice", "Key": KEY, "RestoreRequest": request, **named}

    def takes(self, tier: str, **named: Any) -> None:
        self.stub.add_response("restore_object", {}, self.asked(tier, **named))

    def refuses(self, tier: str, code: str, status: int, **named: Any) -> None:
        self.stub.add_client_error("restore_object", code, "x", status, expected_params=self.asked(tier, **named))


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Callable[..., Aws]]:
    made: list[Aws] = []

    def make(**thaw: Any) -> Aws:
        made.append(Aws(tmp_path, **thaw))
        return made[-1]

    yield make
    for one in made:
        one.stub.assert_no_pending_responses()


@pytest.mark.parametrize("storage", ["STANDARD", "GLACIER_IR", "STANDARD_IA", "INTELLIGENT_TIERING", None])
def test_what_is_not_archived_is_ready(storage: str | None):
    told = {"ContentLength": 5} | ({"StorageClass": storage} if storage else {})
    assert frost(told).archive is None


def test_words_about_a_thaw_that_nobody_knows_are_not_taken_for_readable():
    with pytest.raises(SourceUnavailable, match="not understood"):
        frost({"ContentLength": 5, "StorageClass": "GLACIER", "Restore": "soon"})


def test_ways_name_time_and_cost_and_nothing_fast_out_of_the_deep():
    fast, normal, slow = ways("GLACIER", 10 << 30, ThawSettings())
    assert (fast.name, normal.name, slow.name) == ("expedited", "standard", "bulk")
    assert (fast.low_s, fast.high_s) == (60, 360)  # 10 GB at 300 MB/s after the first 5 minutes
    assert fast.cost == pytest.approx(0.31)
    assert normal.said == "standard: 3 to 5 h, about 0.10 USD (an estimate by the price list, for 10.0 GB)"
    assert (slow.low_s, slow.high_s, slow.cost) == (5 * 3600, 12 * 3600, 0)
    assert [w.name for w in ways("DEEP_ARCHIVE", 1, ThawSettings())] == ["standard", "bulk"]


def test_prices_of_another_region_replace_only_what_they_name():
    told = ThawSettings.model_validate({"currency": "EUR", "prices": {"GLACIER": {"standard": {"per_gb": 1}}}})
    fast, normal, _ = ways("GLACIER", 1 << 30, told)
    assert (normal.cost, normal.currency) == (1, "EUR")
    assert fast.cost == pytest.approx(0.04)


@pytest.mark.parametrize(
    "wrong", [{"days": 1, "margin": "24h"}, {"prices": {"DEEP_ARCHIVE": {"expedited": {"per_gb": 1}}}}, {"dyas": 3}]
)
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, Any]):
    with pytest.raises(ValueError, match=r"margin|no expedited|dyas"):
        ThawSettings.model_validate(wrong)


def test_asking_names_version_tier_and_days(aws: Callable[..., Aws]):
    ice = aws(days=3)
    ice.head()
    ice.takes("Bulk", days=3, VersionId="v7")
    ice.head(restore=RUNNING)
    (answer,) = ice.freezer().warm([point(version="v7")], "bulk", Quiet())
    assert answer.state == "thawing"
    assert answer.ready_at is not None
    assert answer.ready_at - datetime.now(UTC) == pytest.approx(timedelta(hours=12), abs=timedelta(minutes=1))


def test_what_is_under_way_is_not_asked_for_again(aws: Callable[..., Aws]):
    ice = aws()
    ice.head()
    ice.takes("Standard")
    ice.head(restore=RUNNING)
    ice.freezer().warm([point()], "standard", Quiet())
    ice.head(restore=RUNNING)
    (answer,) = ice.freezer().warm([point()], "standard", Quiet())
    assert answer.state == "thawing"
    assert "3 to 5 hours" in answer.why


def test_the_same_thought_of_by_two_is_asked_for_once(aws: Callable[..., Aws]):
    ice = aws()
    ice.head()
    ice.refuses("Standard", "RestoreAlreadyInProgress", 409)
    ice.head(restore=RUNNING)
    (answer,) = ice.freezer().warm([point()], "standard", Quiet())
    assert answer.state == "thawing"


def test_no_capacity_falls_back_and_says_so_after_a_restart_too(aws: Callable[..., Aws]):
    ice = aws()
    ice.head()
    ice.refuses("Expedited", "GlacierExpeditedRetrievalNotAvailable", 503)
    ice.takes("Standard")
    ice.head(restore=RUNNING)
    (answer,) = ice.freezer().warm([point()], "expedited", Quiet())
    ice.head(restore=RUNNING)
    (later,) = ice.freezer().readiness([point()])
    for told in (answer, later):
        assert "no capacity for an expedited thaw" in told.why
        assert "standard" in told.why
        assert told.ready_at is not None
        assert told.ready_at > datetime.now(UTC) + timedelta(hours=4)


def test_without_fallback_no_capacity_is_temporary_and_nothing_was_asked_for(aws: Callable[..., Aws]):
    ice = aws(expedited_fallback=False)
    ice.head()
    ice.refuses("Expedited", "GlacierExpeditedRetrievalNotAvailable", 503)
    with pytest.raises(SourceUnavailable, match="nothing was asked for"):
        ice.freezer().warm([point()], "expedited", Quiet())
    ice.head()
    assert ice.freezer().readiness([point()])[0].state == "cold"


def test_a_way_not_offered_asks_for_nothing_not_even_for_the_others(aws: Callable[..., Aws]):
    ice = aws()
    ice.head()
    ice.head("DEEP_ARCHIVE")
    with pytest.raises(UnknownName, match="nothing was asked for") as raised:
        ice.freezer().warm([point(), point()], "expedited", Quiet())
    assert "standard, bulk" in raised.value.hint


def test_a_400_of_the_service_is_no_success(aws: Callable[..., Aws]):
    ice = aws()
    ice.head()
    ice.refuses("Standard", "InvalidArgument", 400)
    with pytest.raises(ConfigError, match="refuses the request"):
        ice.freezer().warm([point()], "standard", Quiet())


def test_lacking_the_right_to_ask_names_it(aws: Callable[..., Aws]):
    ice = aws()
    ice.head()
    ice.refuses("Standard", "AccessDenied", 403)
    with pytest.raises(ConfigError) as raised:
        ice.freezer().warm([point()], "standard", Quiet())
    assert "s3:RestoreObject" in raised.value.hint


def test_a_request_that_was_taken_but_shows_nowhere_is_no_success(aws: Callable[..., Aws]):
    ice = aws()
    ice.head()
    ice.takes("Standard")
    ice.head()
    with pytest.raises(SourceUnavailable, match="shows none"):
        ice.freezer().warm([point()], "standard", Quiet())


def test_a_header_of_a_thaw_that_is_over_is_believed_only_after_a_byte_was_read(aws: Callable[..., Aws]):
    ice = aws()
    ice.head(restore=done(datetime.now(UTC) + timedelta(days=3)))
    ice.stub.add_client_error("get_object", "InvalidObjectState", "x", 403, expected_params=ANY_GET)
    with pytest.raises(SourceUnavailable, match="cold storage"):
        ice.freezer().warm([point()], "standard", Quiet())


def test_a_service_that_names_no_end_of_its_thaw_is_not_asked_again(aws: Callable[..., Aws]):
    ice = aws()
    ice.head(restore='ongoing-request="false"')
    (answer,) = ice.freezer().readiness([point()])
    assert (answer.state, answer.until) == ("ready", None)


def test_what_somebody_else_thawed_is_readable_though_we_may_not_make_it_longer(aws: Callable[..., Aws]):
    ice = aws()
    near = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    ice.head(restore=done(near))
    ice.stub.add_response("get_object", {"Body": BytesIO(b"-")}, ANY_GET)
    ice.refuses("Standard", "AccessDenied", 403)
    (answer,) = ice.freezer().warm([point()], "", Quiet())
    assert (answer.state, answer.until) == ("ready", near)
    assert "cannot be kept longer" in answer.why


def test_an_expiry_in_the_past_is_cold_again(aws: Callable[..., Aws]):
    ice = aws()
    ice.head(restore=done(datetime.now(UTC) - timedelta(minutes=1)))
    assert ice.freezer().readiness([point()])[0].state == "cold"


def test_tiered_objects_move_back_for_good_and_take_no_days(aws: Callable[..., Aws]):
    ice = aws()
    ice.head("INTELLIGENT_TIERING", ArchiveStatus="DEEP_ARCHIVE_ACCESS")
    (cold,) = ice.freezer().readiness([point()])
    assert ([w.name for w in cold.ways], [w.cost for w in cold.ways]) == (["standard", "bulk"], [0, 0])
    assert "days" not in cold.why
    ice.head("INTELLIGENT_TIERING", ArchiveStatus="DEEP_ARCHIVE_ACCESS")
    ice.takes("Bulk", days=None)
    ice.head("INTELLIGENT_TIERING", restore=RUNNING, ArchiveStatus="DEEP_ARCHIVE_ACCESS")
    assert ice.freezer().warm([point()], "bulk", Quiet())[0].state == "thawing"
    ice.head("INTELLIGENT_TIERING")
    assert ice.freezer().readiness([point()])[0].state == "ready"


def test_without_our_note_only_the_estimate_is_lost(aws: Callable[..., Aws], tmp_path: Path):
    ice = aws()
    ice.head(restore=RUNNING)
    (answer,) = ice.freezer().readiness([point()])
    assert (answer.state, answer.ready_at, answer.again_s) == ("thawing", None, 900)
    assert "not known here" in answer.why


def test_an_expedited_thaw_is_looked_at_sooner(aws: Callable[..., Aws]):
    ice = aws()
    ice.head()
    ice.takes("Expedited")
    ice.head(restore=RUNNING)
    (answer,) = ice.freezer().warm([point()], "expedited", Quiet())
    assert answer.again_s == 60


def test_cancelling_between_two_points_leaves_the_second_alone(aws: Callable[..., Aws]):
    ice = aws()
    ice.head()
    ice.head()
    ice.takes("Standard")
    ice.head(restore=RUNNING)
    with pytest.raises(Cancelled):
        ice.freezer().warm([point(), point()], "standard", Quiet(checks=1))


def test_cooling_twice_and_what_was_never_asked_for_is_fine(aws: Callable[..., Aws]):
    ice = aws()
    ice.freezer().cool(point())
    ice.head()
    ice.takes("Standard")
    ice.head(restore=RUNNING)
    ice.freezer().warm([point()], "standard", Quiet())
    assert list((ice.base / "thaw").iterdir())
    ice.freezer().cool(point())
    ice.freezer().cool(point())
    assert not list((ice.base / "thaw").iterdir())


ANY_GET = {"Bucket": "ice", "Key": KEY, "Range": "bytes=0-0", "IfMatch": f'"{ETAG}"'}
