"""The small stores, on a real server: of many who want one thing one gets it, and no older word undoes a newer one."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
import redis

from inspired.adapters.crypto.vault import Vault
from inspired.adapters.mongo import heartbeats
from inspired.adapters.mongo.alerts import PAUSES, Alerts, Deliveries, Delivery, WebhookSetting
from inspired.adapters.mongo.allowances import Allowances
from inspired.adapters.mongo.api_keys import ApiKeys
from inspired.adapters.mongo.audit_outbox import AuditOutbox, Note, notes_out
from inspired.adapters.mongo.bulk_jobs import BulkJob, BulkJobs
from inspired.adapters.mongo.calendly_sync_state import CalendlySyncState
from inspired.adapters.mongo.database import connect
from inspired.adapters.mongo.heartbeats import Heartbeats, Outcomes, RefusedJobs, Workers
from inspired.adapters.mongo.metrics import Numbers, Visits
from inspired.adapters.mongo.own_calendar import Known, OwnCalendar
from inspired.adapters.mongo.rehearsals import Gate, Rehearsals
from inspired.adapters.mongo.report_plans import ReportPlans
from inspired.adapters.mongo.saved_views import MOST_VIEWS, View, Views
from inspired.adapters.mongo.subscribers import Subscribers
from inspired.adapters.mongo.tickets import Tickets
from inspired.domain.accounts.api_keys import ApiKey, Scope
from inspired.domain.booking.booking import Sealed
from inspired.domain.booking.states import Cause
from inspired.domain.monitoring.alerts import Channel, Kind
from inspired.domain.monitoring.rehearsals import Run, Verdict
from inspired.domain.reporting import reports
from inspired.domain.reporting.metrics import Day, Failure, Figures, Found, Returned, Rolling, Step, together
from inspired.domain.reporting.payment_limits import Allowance
from inspired.domain.reporting.reports import Plan
from inspired.domain.shared.errors import Busy, Conflict, NotFound
from inspired.domain.shared.money import Money
from inspired.domain.shared.periods import Length
from inspired.domain.shared.slots import Span
from inspired.domain.site.newsletter import Subscriber, unsubscribed
from inspired.domain.support import tickets as rules
from inspired.domain.support.tickets import Author, Priority, Ticket, Topic
from inspired.domain.support.tickets import Message as TicketMessage
from tests.factories import MINUTE, NOW, SECOND

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PEOPLE = 12


def of_many(wanting: Callable[[], object]) -> int:
    """How many of those who want the same thing at once got it."""
    with ThreadPoolExecutor(PEOPLE) as pool:
        return sum(bool(got) for got in pool.map(lambda _: wanting(), range(PEOPLE)))


class TestMessagesAboutAlerts:
    @pytest.fixture
    def deliveries(self, database) -> Deliveries:
        return Deliveries(database)

    def message(self, **changes) -> Delivery:
        made = Delivery("d1", "m1", Channel.WEBHOOK, "mail_down", Kind.BEGAN, NOW, "{}", NOW)
        return replace(made, **changes)

    def test_one_is_saved_once(self, deliveries):
        assert deliveries.add(self.message())
        assert not deliveries.add(self.message(body="another"))
        assert deliveries.get("d1") == self.message()

    def test_one_of_many_gets_to_send_it(self, deliveries):
        deliveries.add(self.message())

        assert of_many(lambda: deliveries.claim(self.message(), NOW)) == 1
        assert deliveries.get("d1").tries == 1
        assert deliveries.due(NOW, 10) == []

    def test_the_pauses_grow_and_after_the_last_it_is_given_up(self, deliveries):
        deliveries.add(self.message())
        now, waited = NOW, []
        for _ in PAUSES:
            [due] = deliveries.due(now, 10)
            assert deliveries.claim(due, now)
            deliveries.failed(deliveries.get("d1"), "503", for_good=False)
            following = deliveries.get("d1").due_at
            if following is not None:
                waited.append(following - now)
                now = following

        assert waited == list(PAUSES[:-1])
        assert deliveries.get("d1").is_given_up
        assert deliveries.get("d1").answer == "503"

    def test_a_refusal_for_good_is_not_tried_again_unless_the_owner_asks(self, deliveries):
        deliveries.add(self.message())
        deliveries.claim(self.message(), NOW)
        with pytest.raises(Conflict):
            deliveries.again("d1", NOW)

        deliveries.failed(deliveries.get("d1"), "410", for_good=True)
        assert deliveries.get("d1").is_given_up
        deliveries.again("d1", NOW + HOUR)

        [due] = deliveries.due(NOW + HOUR, 10)
        assert (due.tries, due.answer, due.message_id) == (0, "", "m1")

    def test_what_was_sent_is_done(self, deliveries):
        deliveries.add(self.message())
        deliveries.claim(self.message(), NOW)
        deliveries.went(deliveries.get("d1"), "200", NOW + SECOND)

        sent = deliveries.get("d1")
        assert (sent.done_at, sent.due_at, sent.is_given_up) == (NOW + SECOND, None, False)

    def test_the_newest_come_first_and_no_older_ones(self, deliveries):
        for place in range(4):
            deliveries.add(self.message(id=f"d{place}", at=NOW + place * MINUTE))

        assert [one.id for one in deliveries.newest(NOW + MINUTE, 2)] == ["d3", "d2"]
        with pytest.raises(NotFound):
            deliveries.get("d9")

    def test_of_many_changes_to_an_alert_none_is_lost(self, database):
        alerts = Alerts(database)

        of_many(lambda: alerts.change("mail_down", lambda standing: replace(standing, number=standing.number + 1)))

        assert alerts.all()["mail_down"].number == PEOPLE


class TestTheOwnersWebhook:
    @pytest.fixture
    def setting(self, database, settings_env) -> WebhookSetting:
        return WebhookSetting(database, Vault(settings_env["ENCRYPTION_KEYS"], settings_env["BLIND_INDEX_KEY"]))

    def test_neither_address_nor_secret_can_be_read_in_the_database(self, setting, database):
        setting.set("https://hooks.example/T0/abc", "hooks.example", "s3cret", NOW)

        stored = str(database["alert_channels"].find_one({}))
        assert "abc" not in stored
        assert "s3cret" not in stored
        found = setting.get(NOW)
        assert (found.url, found.secrets) == ("https://hooks.example/T0/abc", ("s3cret",))

    def test_for_a_day_the_old_secret_signs_too(self, setting):
        setting.set("https://hooks.example/a", "hooks.example", "old", NOW)
        setting.rotated(setting.get(NOW), "new", NOW + HOUR)

        assert setting.get(NOW + HOUR + DAY - SECOND).secrets == ("new", "old")
        assert setting.get(NOW + HOUR + DAY).secrets == ("new",)
        setting.remove()
        assert setting.get(NOW) is None


class TestHeartbeats:
    def test_since_is_when_the_present_state_began(self, database):
        beats = Heartbeats(database)
        beats.beat("mail", NOW)
        beats.beat("mail", NOW + MINUTE)
        assert beats.one("mail").since == NOW

        beats.beat("mail", NOW + HOUR, is_well=False, detail="refused")
        beats.beat("mail", NOW + 2 * HOUR, is_well=False, detail="refused again")

        beat = beats.one("mail")
        assert (beat.since, beat.at, beat.well_at) == (NOW + HOUR, NOW + 2 * HOUR, NOW + MINUTE)
        assert beat.detail == "refused again"
        assert set(beats.all()) == {"mail"}

    def test_many_first_beats_at_once_make_one(self, database):
        beats = Heartbeats(database)

        of_many(lambda: beats.beat("clock", NOW))

        assert database["heartbeats"].count_documents({}) == 1

    def test_a_frequent_outcome_is_written_when_it_changes(self, database):
        beats = Heartbeats(database)
        outcome = Outcomes(beats, "mail", lambda: NOW)

        outcome(True)
        assert beats.one("mail") is None, "well is what a new process assumes"
        outcome(False, "refused")
        assert not beats.one("mail").is_well
        outcome(True)
        assert beats.one("mail").is_well

    def test_an_outcome_that_stays_the_same_is_written_once_a_minute(self, database):
        beats, clock = Heartbeats(database), [NOW]
        outcome = Outcomes(beats, "mail", lambda: clock[0], said=None)

        for clock[0] in (NOW, NOW + 59 * SECOND, NOW + MINUTE, NOW + MINUTE + SECOND):
            outcome(True)

        assert beats.one("mail").at == NOW + MINUTE

    def test_a_busy_worker_writes_its_turns_every_ten_seconds(self, database):
        elapsed = [0.0]
        workers = Workers(database, elapsed=lambda: elapsed[0])
        assert workers.last_turn() is None

        workers.turned("one", NOW)
        elapsed[0] = heartbeats.TURN_EVERY - 1
        workers.turned("one", NOW + 9 * SECOND)
        assert workers.last_turn() == NOW
        elapsed[0] = heartbeats.TURN_EVERY
        workers.turned("one", NOW + 10 * SECOND)
        assert workers.last_turn() == NOW + 10 * SECOND

    def test_a_worker_of_yesterday_is_forgotten(self, database):
        workers = Workers(database)
        workers.write_turn("old", NOW)
        workers.write_turn("new", NOW + DAY + SECOND)

        assert [worker.name for worker in workers.all()] == ["new"]

    def test_foreign_jobs_are_counted_until_a_day_passes_without_one(self, database):
        refused = RefusedJobs(database)
        refused.add("os.system", NOW)
        refused.add("os.remove", NOW + HOUR)

        found = refused.recent(NOW + DAY)
        assert (found.count, found.what) == (2, "os.remove")
        assert refused.recent(NOW + HOUR + DAY + SECOND) is None
        refused.add("os.system", NOW + 3 * DAY)
        assert refused.recent(NOW + 3 * DAY).count == 1


class TestReportPlans:
    PLAN = Plan(reports.Kind.TAX, Length.MONTH, date(2026, 11, 1), NOW)

    def test_one_of_many_sends_a_period(self, database):
        plans = ReportPlans(database)
        plans.set(self.PLAN)

        assert of_many(lambda: plans.lease(self.PLAN, NOW, NOW + HOUR)) == 1
        assert plans.lease(self.PLAN, NOW + HOUR, NOW + 2 * HOUR), "whoever had it died"

    def test_a_plan_that_was_changed_meanwhile_keeps_the_change(self, database):
        plans = ReportPlans(database)
        plans.set(self.PLAN)
        plans.set(replace(self.PLAN, length=Length.WEEK, first=date(2026, 11, 2)))

        plans.sent(self.PLAN, date(2026, 12, 1))

        assert plans.all()[reports.Kind.TAX].first == date(2026, 11, 2)

    def test_what_was_sent_is_followed_by_the_next_period_and_can_be_stopped(self, database):
        plans = ReportPlans(database)
        plans.set(self.PLAN)
        plans.sent(self.PLAN, date(2026, 12, 1))
        assert plans.all()[reports.Kind.TAX].first == date(2026, 12, 1)

        plans.stop(reports.Kind.TAX)
        assert plans.all() == {}


class TestAllowances:
    def test_one_holds_until_its_end_and_the_newest_counts(self, database):
        allowances = Allowances(database)
        allowed = Allowance("ann", Money(Decimal(500)), NOW + DAY, "owner", NOW)
        allowances.set(allowed)
        allowances.set(replace(allowed, most=Money(Decimal(900))))

        assert allowances.of("ann", NOW).most == Money(Decimal(900))
        assert allowances.of("ann", NOW + DAY) is None
        assert [one.customer for one in allowances.all(NOW)] == ["ann"]

    def test_it_is_taken_back_once(self, database):
        allowances = Allowances(database)
        allowances.set(Allowance("ann", Money(Decimal(500)), NOW + DAY, "owner", NOW))

        allowances.end("ann")

        assert allowances.of("ann", NOW) is None
        with pytest.raises(NotFound):
            allowances.end("ann")


class TestApiKeys:
    def test_a_key_is_found_by_its_hash_and_revoked_once(self, database):
        keys = ApiKeys(database)
        key = ApiKey("k1", "books", "hash", "wxyz", frozenset({Scope.READ_PAYMENTS}), "owner", NOW)
        keys.add(key)
        assert keys.by_hash("hash") == key
        assert keys.by_hash("other") is None

        keys.used("k1", NOW + HOUR)
        assert of_many(lambda: keys.revoke("k1", NOW + DAY)) == 1
        [found] = keys.all()
        assert (found.used_at, found.revoked_at) == (NOW + HOUR, NOW + DAY)


class TestSavedViews:
    def test_a_view_of_the_same_name_is_replaced_and_only_its_owner_removes_it(self, database):
        views = Views(database)
        views.add(View("v1", "ann", "Late", "state=PENDING"))
        views.add(View("v2", "ann", "Late", "state=PAID"))
        views.add(View("v3", "ann", "early", "state=PAID"))

        views.remove("v2", "bob")

        assert [(view.name, view.query) for view in views.of("ann")] == [
            ("early", "state=PAID"),
            ("Late", "state=PAID"),
        ]
        assert views.of("bob") == []

    def test_there_are_not_too_many(self, database):
        views = Views(database)
        for place in range(MOST_VIEWS):
            views.add(View(f"v{place}", "ann", f"view {place}", ""))

        with pytest.raises(Conflict):
            views.add(View("v99", "ann", "one more", ""))
        views.add(View("v98", "ann", "view 3", "changed"))
        assert len(views.of("ann")) == MOST_VIEWS


class TestBulkJobs:
    def test_it_is_due_until_each_booking_has_its_outcome(self, database):
        jobs = BulkJobs(database)
        jobs.add(BulkJob("j1", "remind", "owner", NOW, ("b1", "b2")), NOW + SECOND)
        assert jobs.due(NOW, 10) == []

        jobs.done("j1", "b1", "sent")
        [due] = jobs.due(NOW + SECOND, 10)
        assert due.left == ["b2"]
        jobs.lease("j1", NOW + MINUTE)
        assert jobs.due(NOW + SECOND, 10) == []

        jobs.done("j1", "b2", "refused")
        jobs.lease("j1", NOW)
        assert jobs.due(NOW + DAY, 10) == [], "a lease does not bring back what is done"
        assert jobs.get("j1").done == {"b1": "sent", "b2": "refused"}

    def test_outcomes_noted_at_once_are_all_kept(self, database):
        jobs = BulkJobs(database)
        names = tuple(f"b{place}" for place in range(PEOPLE))
        jobs.add(BulkJob("j1", "remind", "owner", NOW, names), NOW)

        with ThreadPoolExecutor(PEOPLE) as pool:
            list(pool.map(lambda name: jobs.done("j1", name, "sent"), names))

        assert jobs.get("j1").left == []
        with pytest.raises(NotFound):
            jobs.get("nobody")


class TestTheCalendlyPoll:
    def test_one_of_many_gets_a_poll_the_first_one_too(self, database):
        state = CalendlySyncState(database)

        assert of_many(lambda: state.take(NOW, NOW + MINUTE)) == 1
        assert of_many(lambda: state.take(NOW + MINUTE, NOW + 2 * MINUTE)) == 1
        assert not state.take(NOW + MINUTE, NOW + 2 * MINUTE)

    def test_a_success_ends_the_trouble(self, database):
        state = CalendlySyncState(database)
        state.failed("no answer", NOW, told=True)
        assert (state.get().trouble, state.get().trouble_told) == ("no answer", True)

        state.looked(NOW + MINUTE, ("30 minutes there, 45 here",))

        found = state.get()
        assert (found.trouble, found.trouble_since, found.trouble_told) == ("", None, False)
        assert found.told_drift == ("30 minutes there, 45 here",)

    def test_webhooks_that_come_at_once_are_all_counted(self, database):
        state = CalendlySyncState(database)

        of_many(lambda: state.noticed(NOW))
        of_many(state.found_by_looking)
        state.connected()

        found = state.get()
        assert (found.notices, found.by_looking, found.last_notice_at, found.connected) == (PEOPLE, PEOPLE, NOW, True)


class TestSubscribers:
    ANN = Subscriber("s1", "t" * 28, Sealed(b"key", b"mail", b"name"), "ann", NOW, mail_due=NOW)

    def test_an_address_subscribes_once(self, database):
        subscribers = Subscribers(database)

        assert of_many(lambda: subscribers.add(self.ANN)) == 1
        assert not subscribers.add(replace(self.ANN, id="s2", token="u" * 28))
        assert subscribers.by_email("ann") == subscribers.by_token(self.ANN.token) == subscribers.get("s1")

    def test_a_lease_is_lost_to_nobody_who_changes_the_subscription_meanwhile(self, database):
        subscribers = Subscribers(database)
        subscribers.add(self.ANN)
        assert subscribers.due(NOW, 10) == ["s1"]
        subscribers.lease("s1", NOW + MINUTE)
        assert subscribers.due(NOW, 10) == []

        subscribers.change("s1", unsubscribed)
        subscribers.lease("s1", NOW + HOUR)

        assert subscribers.due(NOW + DAY, 10) == []
        with pytest.raises(NotFound):
            subscribers.change("nobody", unsubscribed)


class TestRehearsals:
    RUN = Run("r1", "paid-late", "owner", NOW)

    def test_one_of_many_workers_begins_a_run(self, database):
        rehearsals = Rehearsals(database)
        rehearsals.ask([self.RUN])
        assert rehearsals.waiting(NOW - DAY, NOW + DAY, 10) == ["r1"]

        assert of_many(lambda: rehearsals.begin("r1", "v1", NOW + SECOND)) == 1
        assert rehearsals.waiting(NOW - DAY, NOW + DAY, 10) == []
        assert [run.id for run in rehearsals.abandoned(NOW + MINUTE, 10)] == ["r1"]

    def test_a_run_that_was_given_up_leaves_the_earlier_result(self, database):
        rehearsals = Rehearsals(database)
        green = replace(self.RUN, verdict=Verdict.GREEN, ended_at=NOW + MINUTE)
        rehearsals.ask([self.RUN])
        rehearsals.begin("r1", "v1", NOW)
        rehearsals.end(green)
        rehearsals.ask([replace(self.RUN, id="r2", asked_at=NOW + HOUR)])
        begun = rehearsals.begin("r2", "v1", NOW + HOUR)

        rehearsals.give_up(replace(begun, verdict=Verdict.RED, ended_at=NOW + DAY))

        asked, last = rehearsals.newest()["paid-late"]
        assert (asked.id, last.id, last.verdict) == ("r2", "r1", Verdict.GREEN)
        assert rehearsals.abandoned(NOW + 2 * DAY, 10) == []

    def test_the_gate_is_opened_once_and_for_its_version_only(self, database):
        gate = Gate(database, "v1", is_needed=True)
        assert not gate.is_open()

        assert of_many(lambda: gate.open("owner", NOW)) == 1
        assert gate.is_open()
        assert not Gate(database, "v2", is_needed=True).is_open()
        assert Gate(database, "v2", is_needed=False).is_open()
        assert gate.opened().by == "owner"


class TestTickets:
    @pytest.fixture
    def tickets(self, database) -> Tickets:
        return Tickets(database)

    def asked(self, number: str = "482913", *, at=NOW, **changes) -> Ticket:
        given = {"priority": Priority.HIGH, "booking_id": "b1", "email_index": "ann", **changes}
        ticket = Ticket(number, f"token-{number}", b"key", at, Topic.CALL, **given)
        return rules.customer_wrote(ticket, TicketMessage("q1", at, Author.CUSTOMER, b"sealed"), at)

    def test_a_number_and_a_token_belong_to_one(self, tickets):
        asked = self.asked()

        assert of_many(lambda: tickets.add(asked)) == 1
        assert not tickets.add(replace(asked, id="482914"))
        assert tickets.get("482913") == tickets.by_token("token-482913") == asked
        with pytest.raises(NotFound):
            tickets.get("482914")

    def test_the_most_urgent_answer_is_owed_first_and_to_whoever_took_it(self, tickets):
        for number, priority, person in (
            ("1", Priority.LOW, ""),
            ("2", Priority.HIGH, "p1"),
            ("3", Priority.MEDIUM, ""),
        ):
            tickets.add(self.asked(number, priority=priority, assigned=person))

        assert [ticket.id for ticket in tickets.owed(NOW, 10)] == ["2", "3", "1"]
        assert [ticket.id for ticket in tickets.owed(NOW, 10, assigned="p1")] == ["2"]
        first = tickets.get("2").due
        assert [ticket.id for ticket in tickets.owed(NOW, 10, before=first)] == ["2"]
        assert [ticket.id for ticket in tickets.owed(first, 10)] == ["3", "1"]

    def test_an_answered_one_waits_for_the_customer_and_a_closed_one_is_done(self, tickets):
        tickets.add(self.asked())
        answer = TicketMessage("a1", NOW + HOUR, Author.OWNER, b"sealed", "p1")

        tickets.change("482913", lambda ticket: rules.answered(ticket, answer, 1, NOW + HOUR, done=False))
        assert tickets.owed(NOW, 10) == []
        assert [ticket.id for ticket in tickets.waiting(NOW + DAY, 10)] == ["482913"]

        tickets.change("482913", lambda ticket: rules.closed(ticket, 2, "p1", NOW + 2 * HOUR))
        assert tickets.waiting(NOW + DAY, 10) == []
        assert [ticket.id for ticket in tickets.done(NOW + DAY, 10)] == ["482913"]

    def test_of_one_customer_the_newest_come_first(self, tickets):
        for place in range(3):
            tickets.add(self.asked(f"{place}", at=NOW + place * MINUTE))

        assert [ticket.id for ticket in tickets.of_booking("b1")] == ["2", "1", "0"]
        assert [ticket.id for ticket in tickets.of_stranger("ann")] == ["2", "1", "0"]
        assert tickets.of_booking("b2") == []

    def test_its_mail_is_due_until_it_was_sent_and_a_lease_only_puts_off(self, tickets):
        tickets.add(self.asked())
        assert tickets.mail_due(NOW, 10) == ["482913"]

        tickets.lease("482913", NOW + MINUTE)
        assert tickets.mail_due(NOW, 10) == []
        tickets.lease("482913", NOW)
        assert tickets.mail_due(NOW, 10) == [], "never brought forward"
        assert tickets.get("482913") == self.asked(), "the ticket itself does not change"


class TestNumbers:
    FIGURES = Figures(
        visits={"mentoring": 3},
        steps={("mentoring", Step.PAID): 2},
        failures={Failure.EXPIRED: 1},
        found={Found.NOTICE: 2},
        to_pay={30: 2},
        outcomes={"SUCCESS": 9},
        customers={"new": 1},
        sales=2,
        accounts={("sales", "USDT"): Decimal("-150.00000001")},
    )

    def day(self, number: int, **changes) -> Day:
        return Day(date(2026, 11, number), **{"figures": self.FIGURES, "counted_at": NOW, **changes})

    def test_a_day_comes_back_to_the_last_digit(self, database):
        numbers = Numbers(database)
        usdt = Money(Decimal("0.00000001"))
        day = self.day(
            3,
            returned=(Returned(NOW, "b1", "r1", usdt, None, "p1"), Returned(NOW, "b2", "r2", usdt, Cause.SURPLUS, "")),
            large=(Rolling("ann", usdt, usdt, usdt),),
        )
        numbers.save(day)
        numbers.save(day)

        assert numbers.between(date(2026, 11, 3), date(2026, 11, 3), "figures", "returned", "large") == [day]
        assert numbers.between(date(2026, 11, 4), date(2026, 11, 30), "figures") == []

    def test_of_a_day_only_what_is_asked_for_is_read(self, database):
        numbers = Numbers(database)
        numbers.save(self.day(3))

        [read] = numbers.between(date(2026, 11, 1), date(2026, 11, 30), "accounts", "sales")

        assert (read.figures.sales, read.figures.accounts) == (2, self.FIGURES.accounts)
        assert read.figures.visits == {}

    def test_the_sum_of_all_days_is_the_same_however_much_of_it_is_stored(self, database):
        numbers = Numbers(database)
        for number in (1, 2, 3):
            numbers.save(self.day(number))
        before = numbers.all_time()

        numbers.save_all_time(date(2026, 11, 3))

        assert before == numbers.all_time() == together([self.day(number) for number in (1, 2, 3)])
        numbers.save(self.day(3, figures=replace(self.FIGURES, sales=7)))
        assert numbers.all_time().sales == 2 + 2 + 7, "a newer day may still be counted anew"


class TestVisits:
    DAY = date(2026, 11, 3)

    @pytest.fixture
    def connection(self, sandbox) -> Iterator[redis.Redis]:
        with redis.Redis.from_url(sandbox.redis_url) as connection:
            connection.delete("visits")
            yield connection

    def test_of_visits_counted_while_they_are_carried_over_none_is_lost_or_doubled(self, database, connection):
        visits = Visits(database, connection)

        def visit_and_carry_over() -> None:
            visits.count(self.DAY, "mentoring")
            visits.carry_over()

        of_many(visit_and_carry_over)
        visits.carry_over()

        assert visits.of(self.DAY) == {"mentoring": PEOPLE}

    def test_what_the_database_did_not_take_is_counted_again_later(self, servers, database, connection):
        visits = Visits(database, connection)
        visits.count(self.DAY, "mentoring")
        away = connect("mongodb://127.0.0.1:1/", "nowhere", seconds=0.2)

        with pytest.raises(Busy):
            Visits(away, connection).carry_over()
        visits.carry_over()

        assert visits.of(self.DAY) == {"mentoring": 1}
        away.client.close()

    def test_a_page_does_not_wait_for_a_redis_that_is_away(self, database):
        asked = []

        class Away(redis.Redis):
            def hincrby(self, *arguments):
                asked.append(arguments)
                raise redis.ConnectionError

        visits = Visits(database, Away())
        for _ in range(5):
            visits.count(self.DAY, "mentoring")

        assert len(asked) == 1
        assert visits.of(self.DAY) == {}


class TestTheOwnersCalendar:
    SPAN = Span(NOW + HOUR, NOW + 2 * HOUR)

    def test_busy_are_the_times_that_reach_into_the_window_of_all_feeds(self, database):
        calendar = OwnCalendar(database, ["a", "b"])
        calendar.save("a", Known(busy=(self.SPAN,)))
        calendar.save("b", Known(busy=(Span(NOW + 5 * HOUR, NOW + 6 * HOUR),)))

        assert calendar.busy(Span(NOW, NOW + 90 * MINUTE)) == [self.SPAN]
        assert calendar.busy(Span(NOW, NOW + HOUR)) == [], "a time that only touches is free"
        assert len(calendar.busy(Span(NOW, NOW + DAY))) == 2

    def test_times_that_overlap_are_kept_as_one(self, database):
        calendar = OwnCalendar(database, ["a"])
        calendar.save("a", Known(busy=(self.SPAN, Span(NOW + 90 * MINUTE, NOW + 3 * HOUR))))

        assert calendar.known()["a"].busy == (Span(NOW + HOUR, NOW + 3 * HOUR),)

    def test_a_feed_that_was_taken_out_of_the_settings_blocks_nothing(self, database):
        OwnCalendar(database, ["a"]).save("a", Known(busy=(self.SPAN,)))

        assert OwnCalendar(database, ["b"]).busy(Span(NOW, NOW + DAY)) == []

    def test_a_feed_is_due_at_once_and_then_when_it_was_put_off_to(self, database):
        calendar = OwnCalendar(database, ["a", "b"])
        assert calendar.due(NOW) == ["a", "b"]

        calendar.due_again("a", NOW + MINUTE)
        assert calendar.due(NOW) == ["b"]
        assert calendar.due(NOW + MINUTE) == ["a", "b"]

    def test_what_was_told_is_told_of_that_outage_only(self, database):
        calendar = OwnCalendar(database, ["a"])
        calendar.save("a", Known(failing_since=NOW, why="404"))
        calendar.told("a", NOW - HOUR)
        assert not calendar.known()["a"].is_told

        calendar.told("a", NOW)
        assert calendar.known()["a"].is_told


class TestTheAuditOutbox:
    def test_entries_are_owed_until_logged_and_a_newer_version_keeps_its_own(self, database):
        collection, outbox = database["preferences"], AuditOutbox(database["preferences"])
        note = Note(NOW, "owner", "changed", "brand", "name")
        collection.insert_one({"_id": "brand", "version": 1, "unlogged": notes_out([note])})
        collection.insert_one({"_id": "links", "version": 4, "unlogged": []})

        [owing] = outbox.owing(["brand", "links", "nobody"])
        assert (owing.id, owing.notes) == ("brand", (note,))

        collection.update_one({"_id": "brand"}, {"$set": {"version": 2}})
        outbox.logged(owing)
        assert outbox.owing(["brand"]) == [replace(owing, version=2)], "somebody changed it meanwhile"
        outbox.logged(replace(owing, version=2))
        assert outbox.owing(["brand"]) == []
