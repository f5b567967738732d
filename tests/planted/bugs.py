"""The bugs. At least one for each rule of money, each with the test that notices."""

from tests.planted.planting import Bug

LIFECYCLE = "inspired/domain/booking/lifecycle.py"
BINANCE = "inspired/adapters/providers/binance.py"
CERTIFICATES = "inspired/adapters/providers/binance_certificates.py"
MONGO = "inspired/adapters/mongo/bookings.py"
BOOKING = "inspired/domain/booking/booking.py"
REFUNDS = "inspired/domain/booking/refunds.py"
NOTICES = "inspired/flows/booking/payment_webhooks.py"
THROTTLE = "inspired/adapters/redis/throttle.py"
OF_LIFECYCLE = "tests/domain/booking/test_lifecycle.py::"
OF_BINANCE = "tests/adapters/providers/test_binance.py::"
OF_SIGNING = "tests/adapters/providers/test_signing.py::"
OF_MONGO = "tests/adapters/mongo/test_bookings.py::"
OF_THROTTLE = "tests/adapters/redis/test_throttle.py::"
OF_PAUSED = "tests/web/public/test_paused.py::"
OF_TABLE = "tests/domain/booking/test_table.py::"
OF_REFUNDS = "tests/domain/booking/test_refunds.py::"
OF_MIRRORED = "tests/domain/booking/test_mirrored.py::"
OF_RULES = "tests/planted/test_rules.py::"

BUGS = (
    # --- 1: facts come from the provider, authenticated
    Bug(
        name="a wrong signature is let through",
        rule="1",
        file=BINANCE,
        old='            raise BadSignature("the signature is wrong") from None',
        new="            pass",
        test=OF_SIGNING + "test_one_changed_byte_in_body_or_headers_is_a_wrong_signature",
    ),
    Bug(
        name="a withdrawn key verifies once more",
        rule="1",
        file=CERTIFICATES,
        old="            found = self._keys.get(serial)",
        new="            found = self._keys.get(serial, known)",
        test=OF_SIGNING + "test_a_withdrawn_key_is_gone_after_half_a_day",
    ),
    Bug(
        name="what strangers name is asked for as often as they like",
        rule="1",
        file="inspired/domain/monitoring/certificates.py",
        old="    if known.is_pausing(now) or len(of_same_kind) >= most or is_worn:",
        new="    if known.is_pausing(now) or is_worn:",
        test=OF_SIGNING + "test_forged_serials_spend_thirty_questions_an_hour_whoever_is_asked",
    ),
    Bug(
        name="a body that comes in pieces is cut at the limit",
        rule="1",
        file="inspired/adapters/process/gateway.py",
        old='        return size, bytes(kept) if size <= self._largest else b""',
        new="        return len(kept), bytes(kept)",
        test="tests/adapters/process/test_server.py::test_a_body_over_the_limit_is_refused_however_it_is_framed",
    ),
    Bug(
        name="strangers keep a changed key out",
        rule="1",
        file="inspired/flows/booking/payment_webhooks.py",
        old="order=lambda: _order_of_ours(svc, raw))",
        new='order=lambda: "")',
        test=OF_RULES + "test_a_changed_key_is_taken_up_for_our_own_order_though_strangers_have_spent_everything",
    ),
    Bug(
        name="an answer about another order is believed",
        rule="1",
        file=BINANCE,
        old='if str(body.get("merchantTradeNo", "")) != trade_no:',
        new='if "merchantTradeNo" not in body:',
        test=OF_BINANCE + "test_an_answer_about_another_order_is_not_believed",
    ),
    Bug(
        name="whoever knocks as Calendly is let in",
        rule="1",
        file="inspired/adapters/providers/calendly.py",
        old="    if not any(fits):",
        new="    if not fits:",
        test="tests/adapters/providers/test_calendly_signing.py::test_what_is_not_signed_like_this_is_refused",
    ),
    Bug(
        name="a longer call is sold for the price of a short one",
        rule="3",
        file="inspired/domain/booking/customer_actions.py",
        old="return not slot.event_uri or slot.span.end - slot.span.start == length",
        new="return not slot.event_uri or slot.span.end - slot.span.start >= length",
        test="tests/domain/booking/test_calendar_changes.py::test_no_other_length_is_taken_for_the_same_price",
    ),
    Bug(
        name="a paid call is made longer in the calendar for nothing",
        rule="3",
        file="inspired/domain/booking/customer_actions.py",
        old="    slot = _cut_to_paid(booking, slot)",
        new="    slot = slot if is_as_paid else replace(slot)",
        test="tests/domain/booking/test_calendar_changes.py::"
        "test_paid_it_is_never_longer_than_was_paid_for_and_the_owner_is_told_once",
    ),
    Bug(
        name="an order lives as long as what was booked past the site may wait",
        rule="4",
        file="inspired/domain/booking/payment_orders.py",
        old="expires_at = min(booking.expires_at or now, now + LONGEST_ORDER)",
        new="expires_at = booking.expires_at or now",
        test="tests/flows/booking/test_calendly_sync.py::"
        "test_an_order_lasts_an_hour_and_the_customer_gets_another_while_there_is_time",
    ),
    Bug(
        name="what was booked past the site is taken in however often it is seen",
        rule="5",
        file=BOOKING,
        old="            claims.append(Invitee(self.slot.invitee_uri))",
        new="            pass",
        test="tests/flows/booking/test_calendly_sync.py::test_it_is_taken_in_once_however_often_and_by_however_many",
    ),
    Bug(
        name="moving a call late brings all of the money back",
        rule="7",
        file="inspired/domain/booking/customer_actions.py",
        old="    percent = min(booking.meeting_type.policy.percent(booking.slot.span.start, now), booking.most_back)",
        new="    percent = booking.meeting_type.policy.percent(booking.slot.span.start, now)",
        test="tests/domain/booking/test_moving.py::test_moving_late_does_not_bring_back_the_time_in_which_cancelling_was_free",
    ),
    Bug(
        name="buffers are not held by the database",
        rule="5",
        file=BOOKING,
        old="claims += [Tick(number) for number in hold.around.ticks()]",
        new="claims += [Tick(number) for number in hold.span.ticks()]",
        test="tests/domain/catalogue/test_availability.py::test_a_booking_claims_what_is_kept_free_around_its_call_too",
    ),
    # --- 2: a webhook is durable before it is acknowledged
    Bug(
        name="a notice is acknowledged though it could not be written down",
        rule="2",
        file="inspired/web/public/webhooks.py",
        old='(_answer("FAIL", "try again"), 503)\n    except Busy:\n        return _answer("FAIL", "try again"), 503\n',
        new='(_answer("FAIL", "try again"), 503)\n    except Busy:\n        pass\n',
        test=OF_RULES + "test_a_notice_is_not_acknowledged_while_it_cannot_be_written_down",
    ),
    Bug(
        name="two partial refunds are taken for one notice",
        rule="2",
        file=NOTICES,
        old='webhook_id = f"{facts.biz_type}:{facts.biz_id}:{facts.biz_status}:{facts.data_hash}"',
        new='webhook_id = f"{facts.biz_type}:{facts.biz_id}:{facts.biz_status}"',
        test=OF_RULES + "test_two_partial_refunds_are_two_entries_and_a_repetition_is_none",
    ),
    # --- 3: PAID needs the right money, CONFIRMED needs our own query
    Bug(
        name="a notice alone confirms",
        rule="3",
        file="inspired/domain/booking/balance.py",
        old="if order.has_money and order.proven and not _is_unreadable(booking, order)\n",
        new="if order.has_money and not _is_unreadable(booking, order)\n",
        test=OF_LIFECYCLE + "test_a_signed_notice_alone_makes_it_paid_but_never_confirmed",
    ),
    Bug(
        name="the amount is not looked at",
        rule="3",
        file="inspired/domain/booking/balance.py",
        old="    if kept == wanted and not kept.is_nothing:\n",
        new="    if not kept.is_nothing:\n",
        test=OF_LIFECYCLE + "test_a_short_payment_confirms_nothing_and_all_of_it_goes_back",
    ),
    Bug(
        name="the currency is not looked at",
        rule="3",
        file=LIFECYCLE,
        old="        else observation.money,\n",
        new="        else (observation.money and replace(observation.money, currency=booking.price.currency)),\n",
        test=OF_LIFECYCLE + "test_money_that_cannot_be_counted_is_kept_and_the_owner_sees_it",
    ),
    Bug(
        name="an older observation wins",
        rule="3",
        file=LIFECYCLE,
        old="    if order.seen_at is not None and observation.asked_at < order.seen_at:\n        return booking\n",
        new="",
        test=OF_LIFECYCLE + "test_an_older_observation_changes_nothing",
    ),
    # --- 4: at most one payable attempt
    Bug(
        name="a second order while one can still be paid",
        rule="4",
        file="inspired/domain/booking/payment_orders.py",
        old="    return _is_over(order) or (order.checkout is None and order.retry_at is None)\n",
        new="    return bool(order.tries)\n",
        test=OF_LIFECYCLE + "test_trying_again_with_a_live_order_changes_nothing",
    ),
    Bug(
        name="create is called again before the provider was asked",
        rule="4",
        file="inspired/domain/booking/payment_orders.py",
        old="        and not order.uncertain\n",
        new="",
        test=OF_LIFECYCLE + "test_after_an_unknown_outcome_nothing_is_created_before_the_provider_was_asked",
    ),
    Bug(
        name="two call create at once",
        rule="4",
        file="inspired/domain/booking/payment_orders.py",
        old="order, tries=order.tries + 1, retry_at=now + CREATE_LEASE, uncertain=True, expires_at",
        new="order, tries=order.tries + 1, expires_at",
        test=OF_LIFECYCLE + "test_creating_is_counted_and_leased_before_the_call",
    ),
    Bug(
        name="a crash in the middle of create is forgotten",
        rule="4",
        file="inspired/domain/booking/payment_orders.py",
        old="retry_at=now + CREATE_LEASE, uncertain=True, expires_at",
        new="retry_at=now + CREATE_LEASE, expires_at",
        test=OF_LIFECYCLE + "test_after_a_crash_in_the_middle_of_create_the_provider_is_asked_first",
    ),
    Bug(
        name="one answer of no such order ends an order that can be paid",
        rule="4",
        file=LIFECYCLE,
        old="    if order.checkout is not None:\n        return replace(order, seen_at=asked_at)\n",
        new="    if order.checkout is not None:\n        return replace(order, status=Remote.EXPIRED)\n",
        test=OF_LIFECYCLE + "test_one_answer_of_no_such_order_does_not_end_an_order_that_was_created",
    ),
    Bug(
        name="the other order stays payable once there is money",
        rule="4",
        file="inspired/domain/booking/polling.py",
        old="    all_of_them = over or (payment is not Payment.NONE and not may_still_pay(booking, now))\n",
        new="    all_of_them = over\n",
        test=OF_LIFECYCLE + "test_once_there_is_money_every_other_order_is_closed_and_asked_about",
    ),
    Bug(
        name="a time-out of create counts as a definite no",
        rule="4",
        file="inspired/adapters/providers/http.py",
        old="maybe_applied=not never_sent",
        new="maybe_applied=False",
        test=OF_BINANCE + "test_after_a_broken_connection_the_outcome_is_unknown",
    ),
    # --- 5: the slot outlives the order
    Bug(
        name="the slot goes though the order was not seen closed",
        rule="5",
        file=LIFECYCLE,
        old="(PENDING,), UNPAID, when=_over_and_closed, then=_expired),",
        new="(PENDING,), UNPAID, when=lambda m: passed(m.booking.deadline, m.now), then=_expired),",
        test=OF_LIFECYCLE + "test_the_slot_goes_only_when_the_order_was_seen_closed_after_the_deadline",
    ),
    Bug(
        name="the slot ends before the order",
        rule="5",
        file="inspired/domain/booking/customer_actions.py",
        old="deadline=expires_at + min(",
        new="deadline=expires_at - min(",
        test=OF_LIFECYCLE + "test_the_slot_outlives_the_order_by_a_fifth_and_at_most_a_minute",
    ),
    Bug(
        name="the order can be paid after the countdown",
        rule="5",
        file=BINANCE,
        old='"orderExpireTime": _epoch_ms(expires_at),',
        new='"orderExpireTime": _epoch_ms(expires_at) + 3_600_000,',
        test=OF_BINANCE + "test_create_asks_for_what_the_contract_wants",
    ),
    Bug(
        name="a late PAY_CLOSED undoes money that was seen",
        rule="5",
        file=LIFECYCLE,
        old="    if order.has_money:\n        return _denied(booking, order, observation)\n",
        new="",
        test=OF_RULES + "test_an_order_said_to_be_closed_after_its_money_keeps_the_money_and_the_slot",
    ),
    Bug(
        name="giving up frees the slot of an order that can be paid",
        rule="5",
        file=LIFECYCLE,
        old="when=_given_up_and_closed, then=_cancelled),",
        new="when=lambda m: m.booking.cancel_requested, then=_cancelled),",
        test=OF_LIFECYCLE + "test_giving_up_waits_for_the_order_to_be_seen_closed",
    ),
    # --- 6: money that arrives anyway is never dropped
    Bug(
        name="late money is dropped",
        rule="6",
        file=LIFECYCLE,
        old="HAS_ENDED, (EXACT,), slots=(LOST,), when=_is_undecided, then=_late_chooses),",
        new="HAS_ENDED, (SHORT,), slots=(LOST,), when=_is_undecided, then=_late_chooses),",
        test=OF_LIFECYCLE + "test_a_late_payment_whose_slot_is_gone_lets_the_customer_choose",
    ),
    Bug(
        name="a second payment goes unnoticed",
        rule="6",
        file=LIFECYCLE,
        old="        ALIVE, (OVER,), then=_surplus_back),\n",
        new="        (PENDING, PAID), (OVER,), then=_surplus_back),\n",
        test=OF_LIFECYCLE + "test_a_second_payment_goes_back_and_the_first_stays",
    ),
    Bug(
        name="money in another currency goes unnoticed beside a confirmed call",
        rule="6",
        file=LIFECYCLE,
        old="        ALIVE, tuple(Payment), when=_has_uncounted, ",
        new="        ALIVE, (UNCLEAR,), when=_has_uncounted, ",
        test=OF_LIFECYCLE + "test_money_that_cannot_be_counted_is_told_whatever_stands_beside_it",
    ),
    Bug(
        name="money that went back confirms",
        rule="6",
        file=LIFECYCLE,
        old=(
            "    if changed.proven:\n"
            "        booking = refunds.console_refunds(booking, changed, observation.asked_at)\n"
        ),
        new="",
        test=OF_LIFECYCLE + "test_money_that_went_back_before_it_was_confirmed_confirms_nothing",
    ),
    Bug(
        name="nobody looks for late money",
        rule="6",
        file="inspired/domain/booking/polling.py",
        old=(
            "        return tuple("
            "order for order in booking.orders if order.was_sent and not (order.has_money and order.is_settled))\n"
        ),
        new="        return unproven\n",
        test=OF_LIFECYCLE + "test_after_the_end_late_money_is_looked_for_a_while_and_then_no_more",
    ),
    # --- 7: a refund's id is written before the call and used again
    Bug(
        name="a repeated refund has another id",
        rule="7",
        file=BINANCE,
        old='            "refundRequestId": refund_request_id,\n',
        new='            "refundRequestId": secrets.token_hex(16),\n',
        test=OF_BINANCE + "test_a_refund_is_asked_for_in_exact_numbers",
    ),
    # --- 8: never a float
    Bug(
        name="numbers of the provider are floats",
        rule="8",
        file=BINANCE,
        old="json.loads(raw, parse_float=Decimal, parse_constant=no_constant)",
        new="json.loads(raw, parse_constant=no_constant)",
        test="tests/adapters/providers/test_amounts.py::test_numbers_of_the_provider_are_never_floats",
    ),
    Bug(
        name="money is a float in the database",
        rule="8",
        file="inspired/adapters/mongo/documents.py",
        old='{"amount": _stored(str(money.amount)), ',
        new='{"amount": float(money.amount), ',
        test=OF_MONGO + "test_money_is_exact_decimals_in_the_database",
    ),
    Bug(
        name="an amount is read from a float",
        rule="8",
        file="inspired/domain/shared/money.py",
        old="not isinstance(text, str | int | Decimal):",
        new="not isinstance(text, str | int | float | Decimal):",
        test="tests/domain/shared/test_money.py::test_what_is_not_an_exact_amount_is_refused_and_why",
    ),
    # --- 9: no TTL on anything that carries money
    Bug(
        name="bookings expire by themselves",
        rule="9",
        file="inspired/adapters/mongo/indexes.py",
        old='bookings.create_index("created_at")',
        new='bookings.create_index("created_at", expireAfterSeconds=31_536_000)',
        test=OF_MONGO + "test_nothing_that_carries_money_ever_expires_by_itself",
    ),
    # --- what all of them stand on: one versioned write, each task once
    Bug(
        name="a save does not look at the version",
        rule="one writer wins",
        file=MONGO,
        old='replace_one({"_id": before.id, "version": before.version}, booking_out(after))',
        new='replace_one({"_id": before.id}, booking_out(after))',
        test=OF_MONGO + "test_whoever_comes_second_decides_again_on_what_the_first_has_written",
    ),
    Bug(
        name="a paid booking gives its slot back",
        rule="one writer wins",
        file="inspired/domain/booking/booking.py",
        old="hold.calendar is CalendarKind.BUILTIN:",
        new="hold.calendar is CalendarKind.BUILTIN and self.state is State.PENDING:",
        test=OF_RULES + "test_a_confirmed_call_keeps_its_slot_against_everybody",
    ),
    Bug(
        name="a task is done without having been claimed",
        rule="each task once",
        file="inspired/flows/booking/delivery.py",
        old="return delivery.claimed(current, task, now) if is_due else None",
        new="return current",
        test="tests/flows/booking/test_delivery.py::test_each_mail_is_sent_once_however_many_deliver",
    ),
    Bug(
        name="a mail goes out before the change it tells of is saved",
        rule="each task once",
        file="inspired/flows/booking/refreshing.py",
        old=(
            "        return svc.bookings.change("
            "booking.id, lambda current: decide(current, slot.seen), known=booking)\n"
        ),
        new=(
            "        after = decide(booking, slot.seen)\n"
            "        for item in after.outbox:\n"
            "            delivery._do(svc, after, item.task)\n"
            "        return svc.bookings.change(booking.id, lambda current: decide(current, slot.seen))\n"
        ),
        test="tests/flows/booking/test_delivery.py::test_each_mail_is_sent_once_however_many_deliver",
    ),
    Bug(
        name="a mail sent again has another id",
        rule="each task once",
        file="inspired/flows/booking/delivery.py",
        old='return hashlib.sha256(f"{booking_id}/{what}".encode()).hexdigest()[:32]',
        new='return __import__("secrets").token_hex(16)',
        test=OF_RULES + "test_a_mail_whose_acceptance_was_lost_is_sent_again_as_the_same_mail",
    ),
    # --- the providers' limits
    Bug(
        name="a call goes out although the breaker is open",
        rule="providers' limits",
        file=THROTTLE,
        old="        if verdict != GO:\n",
        new="        if verdict not in (GO, PAUSED):\n",
        test=OF_BINANCE + "test_while_the_breaker_is_open_nothing_goes_out",
    ),
    Bug(
        name="a refused call counts as maybe applied",
        rule="providers' limits",
        file=THROTTLE,
        old="super().__init__(service, why, retryable=True, maybe_applied=False)",
        new="super().__init__(service, why, retryable=True)",
        test="tests/flows/booking/test_payment.py::"
        "test_a_create_that_was_held_back_is_not_asked_about_and_uses_up_none_of_the_tries",
    ),
    Bug(
        name="everybody probes at once",
        rule="providers' limits",
        file=THROTTLE,
        old="string.format('%.0f', now + tonumber(ARGV[4]))",
        new="'0'",
        test=OF_THROTTLE + "test_afterwards_one_call_goes_through_and_the_others_wait_for_it",
    ),
    Bug(
        name="routine questions use up what orders and refunds need",
        rule="providers' limits",
        file=THROTTLE,
        old="most = self._burst if urgent else self._burst - self._burst // RESERVED_PART",
        new="most = self._burst",
        test=OF_THROTTLE + "test_routine_questions_leave_a_quarter_of_the_burst_to_orders_and_refunds",
    ),
    Bug(
        name="a refusal in the service's own words counts as a failure",
        rule="providers' limits",
        file=BINANCE,
        old="            is_usable = answer.status < 500 and answer.status != 429\n",
        new='            is_usable = envelope.get("status") == "SUCCESS"\n',
        test=OF_BINANCE + "test_an_answer_in_the_services_own_words_is_none",
    ),
    Bug(
        name="a form is taken though nobody could pay",
        rule="providers' limits",
        file="inspired/web/public/booking.py",
        old="        payment.refuse_while_paused(svc)\n",
        new="",
        test=OF_PAUSED + "test_a_form_sent_meanwhile_holds_nothing_and_keeps_what_was_typed",
    ),
    Bug(
        name="a job with somebody's callback is taken for ours",
        rule="1",
        file="inspired/adapters/redis/queue.py",
        old=" if odd else self._not_ours()\n",
        new=" if not found else self._not_ours()\n",
        test="tests/adapters/redis/test_worker.py::test_what_is_not_a_job_of_ours_is_not_run_but_counted_and_the_next_one_is",
    ),
    Bug(
        name="a job of another name is taken for ours",
        rule="1",
        file="inspired/adapters/redis/queue.py",
        old="        if self.func_name not in self.functions:\n            return _tame(str(self.func_name))\n",
        new="",
        test="tests/adapters/redis/test_worker.py::test_what_is_not_a_job_of_ours_is_not_run_but_counted_and_the_next_one_is",
    ),
    Bug(
        name="a call is sold that nobody would confirm",
        rule="1",
        file="inspired/flows/booking/payment.py",
        old="    refuse_unworked(svc)\n",
        new="",
        test=OF_PAUSED + "test_nothing_is_sold_that_nobody_would_confirm",
    ),
    Bug(
        name="a worker that cannot reach Redis counts as one",
        rule="1",
        file="inspired/adapters/redis/worker.py",
        old="        super().heartbeat(timeout, pipeline)\n",
        new="        self.on_turn(self.name)\n        super().heartbeat(timeout, pipeline)\n",
        test="tests/adapters/redis/test_worker.py::test_a_worker_that_cannot_ask_has_no_turn",
    ),
    Bug(
        name="times are offered though every call is refused",
        rule="providers' limits",
        file="inspired/flows/booking/payment.py",
        old=" or breaker.open or breaker.refusal is not None\n",
        new=" or breaker.open\n",
        test=OF_PAUSED + "test_where_every_call_is_refused_no_time_is_offered_and_none_held",
    ),
    Bug(
        name="a form is taken though every call is refused",
        rule="providers' limits",
        file="inspired/flows/booking/payment.py",
        old="    refuse_while_refused(svc)\n",
        new="",
        test=OF_PAUSED + "test_where_every_call_is_refused_no_time_is_offered_and_none_held",
    ),
    Bug(
        name="a refund is given up because the key was revoked",
        rule="6",
        file="inspired/flows/booking/refunding.py",
        old=" and not concerns_every_call(error.code)",
        new="",
        test="tests/flows/booking/test_refunding.py::"
        "test_a_refund_waits_while_every_call_is_refused_and_goes_out_once_by_itself_afterwards",
    ),
    Bug(
        name="a write counts as soon as one server has it, where the address says so",
        rule="the database",
        file="inspired/adapters/mongo/database.py",
        old='write_concern=WriteConcern(w="majority", j=True)',
        new="write_concern=None",
        test=OF_MONGO + "test_money_is_written_to_the_majority_and_read_from_the_primary_whatever_the_address_says",
    ),
    Bug(
        name="another site's drill is dropped",
        rule="the database",
        file="inspired/adapters/mongo/rehearsals.py",
        old='{"_id": MARKER, "beside": beside, "at": {"$lt": before}}',
        new='{"_id": MARKER, "at": {"$lt": before}}',
        test="tests/rehearsal/test_stage.py::test_what_does_not_say_that_it_is_this_sites_own_is_left_alone",
    ),
    Bug(
        name="a payment that is denied is said to have arrived",
        rule="3",
        file="inspired/domain/booking/status.py",
        old="    if (how := denied(booking)) is not None:\n",
        new="    if (how := None) is not None:\n",
        test="tests/domain/booking/test_status.py::"
        "test_a_payment_that_binance_denies_when_asked_is_told_in_words_and_to_the_owner",
    ),
    Bug(
        name="alone a process forgets what it may spend",
        rule="providers' limits",
        file=THROTTLE,
        old="            self._full_at = full_at\n",
        new="",
        test=OF_THROTTLE + "test_in_no_window_more_calls_go_through_than_the_burst_and_the_rate_allow",
    ),
    # --- money that goes back, the books, what is held against each other
    Bug(
        name="money that is promised back is promised again",
        rule="7",
        file="inspired/domain/booking/balance.py",
        old="        (refund for refund in booking.refunds_of(order) if refund.reserves), order.received.currency\n",
        new="        (refund for refund in booking.refunds_of(order) if refund.is_gone), order.received.currency\n",
        test=OF_RULES + "test_money_that_is_promised_back_cannot_be_promised_again",
    ),
    Bug(
        name="Binance's last refund is sent for a part",
        rule="7",
        file="inspired/domain/booking/refunds.py",
        old='            blocking.append(\n                f"Binance allows one last',
        new='            warnings.append(\n                f"Binance allows one last',
        test="tests/flows/booking/test_refunding.py::test_the_last_refund_binance_allows_is_not_sent_where_it_would_return_more_than_asked",
    ),
    Bug(
        name="a refund counts as done once it was accepted",
        rule="7",
        file="inspired/domain/booking/refunds.py",
        old="    sent = replace(refund, status=RefundStatus.SENT,",
        new="    sent = replace(refund, status=RefundStatus.DONE,",
        test="tests/flows/booking/test_refunding.py::test_a_refund_under_way_is_not_told_as_done_and_a_rejected_one_can_be_tried_again",
    ),
    Bug(
        name="the owner's request is done again when repeated",
        rule="7",
        file="inspired/domain/booking/customer_actions.py",
        old="    return bool(before)\n",
        new="    return False\n",
        test="tests/flows/booking/test_refunding.py::test_the_same_request_is_one_refund_and_another_amount_under_its_name_is_refused",
    ),
    Bug(
        name="a choice never ends",
        rule="6",
        file=LIFECYCLE,
        old="when=_choice_is_over, then=_not_chosen),",
        new="when=lambda m: False, then=_not_chosen),",
        test="tests/flows/booking/test_refunding.py::test_whoever_does_not_choose_gets_the_money_by_itself",
    ),
    Bug(
        name="the policy gives nothing back",
        rule="6",
        file="inspired/domain/catalogue/refund_policy.py",
        old="        return self.part_percent if left >= self.part_until else 0\n",
        new="        return 0\n",
        test="tests/domain/catalogue/test_refund_policy.py::test_what_goes_back_depends_on_how_long_before_the_call",
    ),
    Bug(
        name="what goes back is taken from nobody in the books",
        rule="ledger",
        file="inspired/domain/booking/ledger.py",
        old="Line(BINANCE, -refund.amount))",
        new="Line(BINANCE, -first))",
        test="tests/flows/booking/test_refunding.py::test_all_of_it_cancels_the_call_frees_its_time_and_ends_in_refunded",
    ),
    Bug(
        name="a cancelled call keeps its time",
        rule="5",
        file="inspired/domain/booking/customer_actions.py",
        old="moved(booking, State.CANCELLED, now, ended_at=now, agreed_amount=max(left, nothing(left.currency)))",
        new="replace(booking, agreed_amount=left)",
        test="tests/flows/booking/test_refunding.py::test_all_of_it_cancels_the_call_frees_its_time_and_ends_in_refunded",
    ),
    Bug(
        name="a difference is not kept as a case",
        rule="reconciliation",
        file="inspired/flows/booking/reconciling.py",
        old="    opened = svc.cases.record(left, svc.now())\n",
        new="    opened = svc.cases.record((), svc.now())\n",
        test="tests/flows/booking/test_reconciling.py::test_another_amount_in_our_books_is_a_case_for_the_owner_once",
    ),
    Bug(
        name="money of an unknown order is not booked",
        rule="6",
        file=NOTICES,
        old="    if facts.money is not None:\n        svc.ledger.post(webhook.id,",
        new="    if facts.money is None:\n        svc.ledger.post(webhook.id,",
        test="tests/flows/booking/test_payment_webhooks.py::test_a_notice_of_an_order_we_do_not_know_is_kept_and_the_owner_told",
    ),
    # --- the domain's own table, refunds and books
    Bug(
        name="an order that was seen closed can be paid again",
        rule="4",
        file=LIFECYCLE,
        old="        status=order.status if still_closed else observation.status,\n",
        new="        status=observation.status,\n",
        test=OF_MIRRORED + "test_late_events_of_a_closed_attempt_do_not_hurt_the_one_that_followed",
    ),
    Bug(
        name="surplus is kept silently",
        rule="6",
        file="inspired/domain/booking/balance.py",
        old="    if kept > wanted:\n        return Payment.OVER\n    if kept == wanted and",
        new="    if not kept < wanted and",
        test=OF_TABLE + "test_every_cell_comes_out_as_the_rules_of_money_say",
    ),
    Bug(
        name="surplus is taken from money nobody can count",
        rule="6",
        file=REFUNDS,
        old="    for order in reversed(counted(booking)):\n",
        new="    for order in reversed([one for one in booking.orders if one.received]):\n",
        test=OF_REFUNDS + "test_surplus_is_never_taken_from_money_nobody_can_count",
    ),
    Bug(
        name="a time that lapsed is polled for ever",
        rule="each look once",
        file="inspired/domain/booking/polling.py",
        old=" and (booking.choose_by > now or payment_of(booking) is Payment.EXACT):\n",
        new=":\n",
        test=OF_REFUNDS + "test_a_choice_that_can_no_longer_be_made_is_not_polled_for_ever",
    ),
    Bug(
        name="nobody looks again after a payment",
        rule="each look once",
        file="inspired/domain/booking/polling.py",
        old="    return replace(booking, check_at=min(moments, default=None))\n",
        new=(
            "    paid = any(one.has_money for one in booking.orders)\n"
            "    return replace(booking, check_at=None if paid else min(moments, default=None))\n"
        ),
        test=OF_LIFECYCLE + "test_a_signed_notice_alone_makes_it_paid_but_never_confirmed",
    ),
    Bug(
        name="a rejected refund that was replaced counts twice",
        rule="7",
        file=BOOKING,
        old="        return not self.replaced_by\n\n    @property\n    def is_under_way",
        new="        return True\n\n    @property\n    def is_under_way",
        test=OF_REFUNDS + "test_a_rejected_refund_that_is_tried_again_gets_a_new_id_and_is_counted_once",
    ),
    Bug(
        name="the second refund has the first one's id",
        rule="7",
        file=REFUNDS,
        old="    refund = Refund(\n        id=refund_id(order.trade_no, len(booking.refunds) + 1),\n",
        new="    refund = Refund(\n        id=refund_id(order.trade_no, 1),\n",
        test=OF_REFUNDS + "test_several_parts_go_back_until_nothing_is_left",
    ),
    Bug(
        name="a part that became Binance's last refund is sent",
        rule="7",
        file=REFUNDS,
        old="    if order.refunds_left == LAST_ONE and refund.amount is not None and refund.amount < left:\n",
        new="    if order.refunds_left < LAST_ONE and refund.amount is not None and refund.amount < left:\n",
        test=OF_REFUNDS + "test_a_part_that_became_the_last_refund_meanwhile_waits_for_the_owner_and_is_not_sent",
    ),
    Bug(
        name="a refund made in the console is not found",
        rule="7",
        file=REFUNDS,
        old="    if order.status is Remote.FULL_REFUNDED and gap > nothing(gap.currency):\n",
        new="    if order.status is Remote.FULL_REFUNDED and gap < nothing(gap.currency):\n",
        test=OF_REFUNDS + "test_all_of_it_by_console_is_found_by_the_orders_own_status_and_its_notice_adds_nothing",
    ),
    Bug(
        name="a refund made in the console is counted again with each notice",
        rule="7",
        file=REFUNDS,
        old="    if any(refund.found_as == observation.refund_id for refund in mine):\n        return booking\n",
        new="",
        test=OF_REFUNDS + "test_a_part_of_unknown_amount_waits_for_its_notice_and_is_counted_once",
    ),
    Bug(
        name="refunded is told before the money is gone",
        rule="7",
        file=REFUNDS,
        old="    return bool(live) and all(refund.is_gone and refund.amount is not None for refund in live)\n",
        new="    return bool(live)\n",
        test=OF_TABLE + "test_every_cell_comes_out_as_the_rules_of_money_say",
    ),
    Bug(
        name="an order above what one customer may pay is made",
        rule="10",
        file="inspired/flows/booking/payment.py",
        old="    if (found := payment_limits.above(svc, booking, order.amount)) is not None:\n",
        new="    if (found := payment_limits.above(svc, booking, order.amount)) is not None and not booking:\n",
        test="tests/flows/booking/test_payment_limits.py::"
        "test_an_order_that_became_too_much_meanwhile_is_not_made_and_the_owner_decides",
    ),
    Bug(
        name="the owner's words reach Binance raw",
        rule="7",
        file=BINANCE,
        old="        name = goods_text(title, otherwise=reference)\n",
        new="        name = title\n",
        test="tests/web/admin/test_catalogue.py::"
        "test_a_name_that_binance_would_refuse_is_sold_all_the_same_and_the_owner_sees_how_it_reads",
    ),
    Bug(
        name="what a customer has paid already does not count",
        rule="10",
        file="inspired/domain/reporting/payment_limits.py",
        old="        found += arrived\n",
        new="",
        test="tests/domain/reporting/test_payment_limits.py::"
        "test_an_order_that_would_bring_a_customer_above_the_limit_is_found_in_its_shortest_window",
    ),
    Bug(
        name="refunding a part cancels the call",
        rule="7",
        file="inspired/flows/booking/refunding.py",
        old="return booking.state is State.CONFIRMED and is_all",
        new="return booking.state is State.CONFIRMED",
        test="tests/flows/booking/test_refunding.py::test_a_part_cancels_nothing_unless_the_owner_says_so",
    ),
    Bug(
        name="an entry of the books is altered",
        rule="ledger",
        file="inspired/domain/booking/ledger.py",
        old="            entries.append(Entry(len(entries), now, fact, text, difference))\n",
        new=(
            "            entries = [one for one in entries if one.fact != fact]\n"
            "            entries.append(Entry(len(entries), now, fact, text, tuple(lines)))\n"
        ),
        test="tests/domain/booking/test_ledger.py::test_a_correction_is_an_entry_of_its_own_and_the_old_one_stays",
    ),
    Bug(
        name="nobody is told that a rest is missing while another order is open",
        rule="6",
        file=LIFECYCLE,
        old=(
            "    if any(not order.has_money and not order.is_closed for order in booking.orders):\n"
            "        return told\n"
        ),
        new=(
            "    if any(not order.has_money and not order.is_closed for order in booking.orders):\n"
            "        return booking\n"
        ),
        test=OF_TABLE + "test_every_cell_comes_out_as_the_rules_of_money_say",
    ),
    Bug(
        name="more follows a refund by hand and nobody asks what left by the console",
        rule="6",
        file="inspired/flows/booking/refunding.py",
        old="        if refunds.is_asked_about_first(booking, refund):\n",
        new="        if refunds.is_asked_about_first(booking, refund) and not refund:\n",
        test=(
            "tests/simulation/test_found.py::"
            "test_what_left_by_the_console_unseen_is_not_returned_once_more_after_a_refund_by_hand"
        ),
    ),
    # --- who may move money
    Bug(
        name="the list of payments gives out what opens a customer's page",
        rule="door",
        file="inspired/web/admin/bookings.py",
        old='        "bookingId": booking.id,',
        new='        "bookingId": booking.token,',
        test="tests/web/admin/test_readers.py::test_a_key_that_may_read_payments_gets_ids_that_open_nothing",
    ),
    Bug(
        name="a helper is led to the customer's page, where money goes back",
        rule="door",
        file="inspired/web/shared/permissions.py",
        old='    "owner_actions.customers_page": O,',
        new='    "owner_actions.customers_page": H,',
        test="tests/web/admin/test_readers.py::test_who_may_return_no_money_is_not_led_to_where_the_customer_can",
    ),
    Bug(
        name="a program returns money by a login of yesterday",
        rule="door",
        file="inspired/web/shared/auth.py",
        old="    if _is_stale():\n        return problem(",
        new="    if False:\n        return problem(",
        test="tests/web/admin/test_fresh_logins.py::test_by_the_api_as_by_the_page_a_refund_needs_a_login_of_a_moment_ago",
    ),
    Bug(
        name="a button that moves money stands in no table",
        rule="door",
        file="inspired/web/shared/permissions.py",
        old='"money.try_again", "money.by_hand"',
        new='"money.by_hand"',
        test="tests/web/admin/test_fresh_logins.py::test_with_an_old_login_no_route_moves_money",
    ),
    Bug(
        name="a session takes any number of wrong passwords",
        rule="door",
        file="inspired/web/shared/auth.py",
        old="        if number < MOST_GUESSES:\n            raise\n",
        new="        raise\n",
        test="tests/web/admin/test_account.py::test_the_tenth_wrong_guess_ends_the_session",
    ),
    Bug(
        name="what was too much is told as paid for the call",
        rule="6",
        file="inspired/domain/booking/statement.py",
        old="        return self.received - self.too_much\n",
        new="        return self.received\n",
        test="tests/domain/booking/test_statement.py::test_what_is_too_much_was_never_paid_for_the_call",
    ),
    Bug(
        name="a mail to a domain of other letters is sent as it was entered",
        rule="mail",
        file="inspired/adapters/mail/smtp.py",
        old="    domain = _in_ascii(domain)\n",
        new="",
        test=(
            "tests/web/shared/test_addresses.py::test_whoever_pays_with_an_address_of_other_letters_gets_the_confirmation"
        ),
    ),
    Bug(
        name="a mail that will never be delivered is told to nobody",
        rule="mail",
        file="inspired/domain/booking/mails.py",
        old="    if ended and ended[-1] is MailState.GIVEN_UP:\n",
        new="    if ended and ended[0] is MailState.OWED:\n",
        test="tests/domain/booking/test_mails.py::test_mails_reach_the_customer_until_one_of_them_is_given_up",
    ),
)
