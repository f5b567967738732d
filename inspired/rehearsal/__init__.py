"""Rehearsals: every failure we know, played on this very code against the stand-ins, on a database made for it.

    drill      what a drill is: its words, and the script that plays it
    stage      what it is played on: sandbox process, scratch database, a door for webhooks, mails that go nowhere
    play       the words scripts are written in: hold, pay, pass time, look, check
    chains     the same for what happens on the stand-in's chains
    notices, orders, amounts, on_chain, refunds, ourselves, alerts, calendar    the drills
    running    one drill for the worker, all of them for the command line

The product's flows do not know that this exists. Nothing of the real site is touched: no key, mailbox, queue or
booking.
"""
