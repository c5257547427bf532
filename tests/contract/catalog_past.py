"""What every catalog must do with what happened to databases."""

from datetime import timedelta

from contract.catalog_values import DB, EARLIER, NOON, OTHER, contents

from restorekit.model.changes import Blow, DatabaseChanges, LogReading, Stretch, Tally

HOUR = timedelta(hours=1)
MINUTE = int(NOON.timestamp())


def tally(minute=0, *, table="posts", op="U", rows=3, statements=2):
    return Tally(MINUTE + 60 * minute, MINUTE + 60 * minute + 60, table, op, rows, statements, 100)


def blow(minute=0, **more):
    values = {"table": "posts", "kind": "mass_delete", "rows": 919, "digest": "DELETE FROM posts"}
    values |= {"position": f"log.000001:{minute}", "gtid": f"0-1-{minute}"} | more
    return Blow(MINUTE + 60 * minute, MINUTE + 60 * minute + 3, **values)


def covered(start=NOON, hours=1, coverage="rows", why=""):
    return Stretch(start=start, end=start + hours * HOUR, coverage=coverage, why=why)


def reading(*tallies: Tally, blows=(), stretches=(), cursor="log.000001:400", name=DB.name):
    mine = DatabaseChanges(database=name, tallies=tallies, blows=blows)
    return LogReading(changes=(mine,), stretches=stretches, cursor=cursor)


class Pasts:
    def test_of_what_was_never_looked_at_nothing_is_known(self, store):
        past = store.past(DB)
        assert (past.tallies, past.blows, past.stretches, past.states, past.read_at) == ((), (), (), (), None)
        assert store.log_cursor("db1") == ""

    def test_what_a_look_found_comes_back(self, store):
        assert store.record_log("db1", reading(tally(), tally(1), blows=(blow(2),), stretches=(covered(),)), "")
        past = store.past(DB)
        assert past.tallies == (tally(), tally(1))
        assert past.blows == (blow(2),)
        assert past.stretches == (covered(),)
        assert past.read_at == NOON
        assert store.log_cursor("db1") == "log.000001:400"
        assert store.past(OTHER).tallies == ()

    def test_a_minute_in_two_looks_is_counted_together(self, store):
        store.record_log("db1", reading(tally(), cursor="1"), "")
        store.record_log("db1", reading(tally(), tally(1), cursor="2"), "1")
        assert store.past(DB).tallies == (tally(rows=6, statements=4)._replace(bytes=200), tally(1))

    def test_rows_unknown_once_are_unknown_in_the_sum(self, store):
        store.record_log("db1", reading(tally(), cursor="1"), "")
        store.record_log("db1", reading(tally(rows=None), cursor="2"), "1")
        assert store.past(DB).tallies[0].rows is None

    def test_the_same_stretch_of_log_is_never_counted_twice(self, store):
        """Two commands looked at once, from the same cursor: the second one's answer is not kept."""
        assert store.record_log("db1", reading(tally(), cursor="1"), "")
        assert not store.record_log("db1", reading(tally(), cursor="1"), "")
        assert store.past(DB).tallies == (tally(),)

    def test_stretches_that_touch_become_one_and_holes_stay(self, store):
        hole = covered(NOON + 2 * HOUR, coverage="none", why="the log was purged")
        for number, part in enumerate((covered(), covered(NOON + HOUR), hole, covered(NOON + 3 * HOUR))):
            store.record_log("db1", reading(stretches=(part,), cursor=str(number + 1)), str(number or ""))
        assert store.past(DB).stretches == (covered(hours=2), hole, covered(NOON + 3 * HOUR))

    def test_since_leaves_out_whole_days_before(self, store):
        old = int(EARLIER.timestamp())
        store.record_log("db1", reading(tally()._replace(start=old, end=old + 60), tally(), cursor="1"), "")
        assert store.past(DB, NOON).tallies == (tally(),)

    def test_states_come_oldest_first_and_once(self, store):
        early, late = (contents().model_copy(update={"taken_at": at}) for at in (EARLIER, NOON))
        for state in (late, early, late):
            store.record_state(DB, state)
        states = store.past(DB).states
        assert [s.taken_at for s in states] == [EARLIER, NOON]
        assert states[0].tables == early.tables

    def test_a_state_that_lasts_is_kept_where_it_began_and_where_it_was_last_seen(self, store):
        first = contents().model_copy(update={"taken_at": EARLIER})
        store.record_log("db1", LogReading(states={DB.name: first}, cursor="1"), "")
        for number in range(1, 4):
            at = EARLIER + number * HOUR
            again = LogReading(unchanged=(DB.name,), looked_at=at, cursor=str(number + 1))
            assert store.record_log("db1", again, str(number))
        states = store.past(DB).states
        assert [s.taken_at for s in states] == [EARLIER, EARLIER + 3 * HOUR]
        assert states[0].tables == states[1].tables
