"""Inspired Analyst sells one-to-one calls for USDT by Binance Pay.

The map, journey → files (rings, outermost first: cli, app, web | jobs, rehearsal, flows, services, adapters, domain):

choose a call and a time   web/booking.py, web/api.py → flows/booking.py → domain/slots.py, adapters/calendly.py
what is offered, and when  adapters/offer.py → domain/meeting_types.py, domain/availability.py
the owner's own calendar   flows/own_calendar.py → adapters/feeds.py → adapters/unfolding.py (a process of its own)
pay                        flows/payment.py → adapters/binance.py → domain/lifecycle.py (the crux: `settle`)
not too many calls         adapters/throttle.py (budget, back-off, breaker; `state` is what pages ask)
be told at once            web/webhooks.py → flows/notices.py → flows/refreshing.py
told by the calendar       web/webhooks.py → flows/calendar_notices.py → domain/steps.py
be told in any case        cli.py clock → jobs.py → flows/refreshing.py
live page                  web/pulse.py, adapters/hints.py → domain/status.py
mail, alerts, releases     flows/delivery.py → adapters/mail.py, templates/email/
newsletter                 web/newsletter.py → flows/newsletter.py → domain/newsletter.py
the owner's room           web/admin.py; money: web/refunding.py, web/display_money.py; calls, hours: web/offering.py
failures, rehearsed        web/rehearsing.py, jobs.py → rehearsal/ (drills, stage) → flows/rehearsing.py (the gate)
all settings               settings.py
how it is put together     services.py
on one's own machine       dev/ (supervisor, mail catcher), sandbox/ (stand-in Binance Pay and Calendly)
"""

from zoneinfo import reset_tzpath

# Time zones come from the pinned package alone: an operating system's own data may be years behind the laws.
reset_tzpath(())
