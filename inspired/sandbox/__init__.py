"""A stand-in for Binance Pay, Calendly and three chains, for development and tests. No real money, no real calendar.

    config     how one is started, and the switches that can be turned while it runs
    server     a small threaded HTTP server: keep-alive, no delay, connections that can be dropped on purpose
    store      everything that survives a restart: an append-only journal of JSON lines
    wire       money as text and as JSON numbers
    keys       RSA keys, certificate serials, HMAC of requests
    faults     what goes wrong next
    webhooks   signed notices, sent again up to six times
    orders     the rules of orders and refunds           binance    the merchant API over them
    schedule   the rules of times, events and invitees   calendly   API v2 over them
    chains     USDT on TRON, BNB Smart Chain and Ethereum: a package with parts of the same kinds
    control    the JSON control API                      pages      pages for people

It imports nothing of the product and nothing of the product imports it, so that a mistake cannot be shared.
Start it with `python -m inspired.sandbox --port 8001`.
"""
