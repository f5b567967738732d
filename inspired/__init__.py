"""Inspired Analyst sells one-to-one calls for USDT by Binance Pay.

The map, journey → files (rings, outermost first: cli, app, web | jobs, rehearsal, flows, services, adapters, domain):

choose a call and a time   web/booking.py, web/api.py → flows/booking.py → domain/slots.py, adapters/calendly.py
what is offered, and when  adapters/offer.py → domain/meeting_types.py, domain/availability.py
the owner's own calendar   flows/own_calendar.py → adapters/feeds.py → adapters/unfolding.py (a process of its own)
                           → adapters/calendar_zones.py
pay                        flows/payment.py → adapters/binance.py → domain/lifecycle.py (the crux: `settle`)
not too many calls         adapters/throttle.py (budget, back-off, breaker; `state` is what pages ask)
be told at once            web/webhooks.py → flows/notices.py → flows/refreshing.py
told by the calendar       web/webhooks.py → flows/calendar_notices.py → domain/steps.py
be told in any case        cli.py clock → jobs.py → flows/refreshing.py
every request              adapters/gateway.py (whole bodies) → web/https.py → web/pulse.py, web/static.py → app.py
is it Binance's key        adapters/certificates.py → domain/certificates.py (when it may be asked for again)
live page                  web/pulse.py, adapters/hints.py → domain/status.py
what is owed, and done     flows/delivery.py → domain/outbox.py, domain/delivery.py, adapters/mail.py, templates/email/
what happened              domain/history.py; how both are spelled in the database: adapters/spellings.py
what the owner reads of it domain/sentences/owner.py
what is wrong              flows/alerting.py → domain/alerts.py, domain/runbook.py → adapters/alerts.py; web/alerts.py
how the site is            web/health.py, web/board.py → flows/health.py → domain/health.py, adapters/heartbeats.py
write to us, be answered   web/helping.py, web/tickets.py → flows/tickets.py → domain/tickets.py
what was promised          flows/promising.py → domain/promises.py (pure), found by `promised_by` of a booking
what we say we do          domain/assurances.py (each promise's words, once), domain/statement.py (amounts in mails)
whom mails reach           adapters/mail.py (`deliverable`), flows/reaching.py (forms), domain/mails.py (`reach`)
newsletter                 web/newsletter.py → flows/newsletter.py → domain/newsletter.py
what the owner looks for   web/today.py, web/listing.py → flows/today.py, flows/finding.py → adapters/lists.py
                           → domain/listing.py (labels), domain/attention.py; files: web/exports.py
how much one customer pays web/limiting.py → flows/limits.py → domain/limits.py, adapters/allowances.py
keys for programs          web/keys.py, web/guards.py → flows/api_keys.py → adapters/room.py (views, chores, too)
the owner's room           web/admin.py; money: web/refunding.py, web/display_money.py; calls, hours: web/offering.py
one booking by hand        web/by_owner.py → flows/by_owner.py → domain/by_owner.py; told: web/story.py, domain/why.py
the evidence               web/evidence.py → flows/replaying.py
what the owner chooses     web/owner_settings.py → flows/choosing.py → domain/preferences.py, adapters/preferences.py
people are forgotten       flows/forgetting.py → domain/retention.py
who changed what           adapters/audit.py, flows/auditing.py (is the chain whole?)
failures, rehearsed        web/rehearsing.py, jobs.py → rehearsal/ (drills, stage) → flows/rehearsing.py (the gate)
numbers, reports           web/numbers.py, web/reports.py → flows/counting.py, flows/reporting.py → domain/numbers.py
what an address asks       web/parsing.py (never raises); forms: web/forms.py; the JSON API: web/schemas.py
settings of the process    settings.py
how it is put together     services.py
on one's own machine       dev/ (supervisor, mail catcher), sandbox/ (stand-in Binance Pay and Calendly)
"""

from zoneinfo import reset_tzpath

# Time zones come from the pinned package alone: an operating system's own data may be years behind the laws.
reset_tzpath(())
