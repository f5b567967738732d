"""Every alert with its run-book: what happened, what it means, what to do, and how to trigger it on purpose.

`SITE` concerns the whole site and is checked every minute; `OF_BOOKING` concerns one booking, which sends the mail
itself. Both have a page at /admin/runbook/<id>.
"""

from collections.abc import Mapping
from datetime import timedelta

from inspired.domain.monitoring.alerts import Alert, Channel, Severity

MAILED_ALREADY = (Channel.WEBHOOK,)  # a more specific mail was already sent by whatever detected it
ASK_ENGINEER = "If it stays, give this page to whoever looks after the site."

SITE: Mapping[str, Alert] = {
    alert.id: alert
    for alert in (
        Alert(
            id="unconfirmed_now",
            sentence="A booking was paid more than five minutes ago and is not confirmed.",
            severity=Severity.NOW,
            found="A booking is PAID for more than 5 minutes, and does not wait for your own word.",
            happened="A customer's money is here, and our own question to Binance Pay or to the calendar, which has to "
            "come before a confirmation, has not been answered yet.",
            means="The customer has paid and holds no confirmed call yet. The money is safe and the time is still "
            "kept; it is asked again all the time.",
            todo=(
                "Open the booking: its history says which answer is missing.",
                "Press “Ask Binance again” there.",
                "Look under Health whether Binance Pay, Calendly and the workers are well; mend those first.",
                "If it lasts longer than half an hour, write to the customer that the payment has arrived.",
            ),
            drill="Sandbox: let calls of “query order” fail, pay an order, and wait five minutes.",
            drills=("binance-down-while-paying",),
        ),
        Alert(
            id="effect_overdue",
            sentence="Something owed to a customer was due two minutes ago and nobody has begun it.",
            severity=Severity.NOW,
            found="A mail, an alert or the freeing of a time is due for more than 2 minutes.",
            happened="What bookings owe the outside is written down with them, and a worker does it within seconds. "
            "That did not happen.",
            means="Customers wait for mails, or times stay blocked. Nothing is lost: it is done as soon as a worker "
            "comes to it, once.",
            todo=(
                "Look under Health whether a worker runs and how long the queues are.",
                "Start the worker again if there is none (on a Heroku-style platform: restart “worker”).",
                "Many letters at once need some minutes: wait until the queue “letters” is empty.",
                ASK_ENGINEER,
            ),
            drill="Stop the worker, pay an order in the sandbox, and wait two minutes.",
            drills=("worker-gone",),
        ),
        Alert(
            id="notice_waiting",
            sentence="A notice of Binance Pay has not been worked on for two minutes.",
            severity=Severity.NOW,
            found="A signed notice is older than 2 minutes and nobody has written down what followed from it.",
            happened="Binance Pay has told us of a payment or a refund, and the question that follows from it was not "
            "answered or not asked.",
            means="A payment may be noticed late. It is found without the notice too, by asking every half minute.",
            todo=(
                "Look under Health whether a worker runs and whether Binance Pay answers.",
                "It is tried again every few seconds by itself; when it succeeds this is over.",
                ASK_ENGINEER,
            ),
            drill="Sandbox: let calls of “query order” fail and pay an order with its notice.",
            drills=("worker-gone",),
        ),
        Alert(
            id="payments_failing",
            sentence="More than 5 % of payments fail.",
            severity=Severity.TODAY,
            found="Of the bookings of the last 24 hours whose payment has ended one way or another (at least 50), "
            "surely more than 5 % failed: no order could be made, Binance called it an error, or the money did not "
            "match. Bookings that nobody paid do not count.",
            happened="More payments than usual went wrong, and not by chance: with so few of them, one or two that "
            "fail are not enough to be told.",
            means="Customers want to pay and cannot. Each of these bookings has said so on its own page.",
            todo=(
                "Look at the newest bookings: which of them failed, and by the same cause?",
                "Orders that cannot be made: look under Health at Binance Pay, and at the keys in the merchant portal.",
                "Amounts that do not match: has the price list changed, or the currency in the merchant account?",
            ),
            drill="Sandbox: let calls of “create order” fail and book fifty times (the bulk page does it).",
            drills=("create-gives-up", "create-refused"),
        ),
        Alert(
            id="notices_failing",
            sentence="More than 2 % of payments come without a notice of Binance Pay.",
            severity=Severity.TODAY,
            found="Of the payments of the last 24 hours that are older than 5 minutes (at least 50), surely more than "
            "2 % were found by asking, and no signed notice came.",
            happened="Binance Pay tells of each payment by a notice to this site. Some did not arrive, or did not "
            "prove to be Binance's.",
            means="No payment is lost: every order is asked about as well. Customers wait up to half a minute longer.",
            todo=(
                "Compare the webhook address in the merchant portal with BINANCE_PAY_WEBHOOK_URL.",
                "Look whether the site was away or answered 503 in that time.",
                "Look at the evidence for refused notices: a wrong certificate, or somebody's attempts?",
            ),
            drill="Sandbox: pay with the notice “lost”.",
            drills=("webhook-lost",),
        ),
        Alert(
            id="notices_refused",
            sentence="Many notices were refused because they do not prove to come from Binance Pay.",
            severity=Severity.TODAY,
            found="At least 20 notices were refused within an hour.",
            happened="Somebody sends notices with a wrong or missing signature, or Binance signs with a certificate "
            "that we do not know.",
            means="Nothing was believed and nothing was changed. If it is Binance itself, notices are lost and "
            "payments are found by asking.",
            todo=(
                "Is “Certificates of Binance Pay” under Health red too? Then mend that.",
                "If BINANCE_PAY_CERT_ID is set, compare it with the certificate in the merchant portal.",
                "Otherwise it is somebody's attempt. It has no effect; the addresses are limited by themselves.",
            ),
            drill="Sandbox: pay with the notice “forged”, twenty times.",
            drills=("webhook-forged", "webhook-altered"),
        ),
        Alert(
            id="logins_refused",
            sentence="Many wrong passwords or codes were entered at the owner's login.",
            severity=Severity.TODAY,
            found="At least 20 were refused within an hour, or 60 within a day, wherever they came from and whichever "
            "account they were for.",
            happened="Somebody tries passwords, perhaps from many places and for many accounts, so that each place and "
            "each account by itself looks harmless.",
            means="Nobody has got in by it: what was right is not counted. Each account takes ten guesses in a quarter "
            "of an hour, and a second step keeps out whoever finds a password.",
            todo=(
                "Look under Account whether you have a second step; set one up if not, and see that the others do.",
                "Is it one of yours who forgot a password? Under “Other accounts” you can make a new link.",
                "Switch off the accounts that nobody needs any more, and look where you are logged in.",
                "Was a password used elsewhere too? Change it.",
                "If it goes on for days, let whoever looks after the site limit /admin to your own addresses.",
            ),
            drill="Enter a wrong password at the login, twenty times within an hour.",
            drills=("passwords-guessed",),
        ),
        Alert(
            id="reconciliation_missed",
            sentence="Binance, the calendar and the books were not held against each other for more than a day.",
            severity=Severity.TODAY,
            found="The last finished reconciliation is older than 26 hours, or none ever finished.",
            happened="The reconciliation of the night did not begin, or did not come to its end.",
            means="A difference between Binance and the books could be there unseen. What bookings do by themselves "
            "is not touched by it.",
            todo=(
                "Look under Health whether the clock and a worker run.",
                "Press “Reconcile now” under Money.",
                ASK_ENGINEER,
            ),
            drill="Stop the clock for longer than a day.",
            drills=("standstill",),
            after=timedelta(minutes=15),
        ),
        Alert(
            id="balances_missed",
            sentence="The addresses on chain were not held against the books for more than a day.",
            severity=Severity.TODAY,
            found="The last finished comparison is older than 26 hours, or none ever finished.",
            happened="The comparison of the night did not begin, or did not come to its end.",
            means="Money could be missing from an address unseen, and your sweeps are booked late. What customers pay "
            "is found and counted as always.",
            todo=(
                "Look under Health whether the clock and a worker run.",
                "Press “Reconcile now” under Money.",
                ASK_ENGINEER,
            ),
            drill="Stop the clock for longer than a day.",
            drills=("standstill",),
            after=timedelta(minutes=15),
        ),
        Alert(
            id="check_missed",
            sentence="What must always be true was not checked for three hours.",
            severity=Severity.TODAY,
            found="The hourly check has not finished for 3 hours.",
            happened="The check of the hour did not begin, or did not come to its end.",
            means="Something could be broken and nobody would be told.",
            todo=("Look under Health whether the clock and a worker run.", ASK_ENGINEER),
            drill="Stop the worker for three hours.",
            drills=("standstill",),
            after=timedelta(minutes=15),
        ),
        Alert(
            id="invariant_broken",
            sentence="Something in the database is not as it must be.",
            severity=Severity.NOW,
            found="The hourly check found a sentence that must always be true and is not.",
            happened="A booking or the books say something that cannot be right, such as a ledger that does not sum "
            "to zero.",
            means="It is a fault of the program or of somebody's hand in the database. No money moves because of it.",
            todo=(
                "Give this to whoever looks after the site: “inspired check” has the details.",
                "Until then do not refund the booking it names, or settle it by hand.",
            ),
            drill="Alter a booking's ledger in a copy of the database and run “inspired check”.",
            drills=("books-altered",),
        ),
        Alert(
            id="orphan",
            sentence="Somebody paid an order that is not ours.",
            severity=Severity.TODAY,
            found="A signed notice of a payment names an order that no booking has.",
            happened="Money came to your Binance account for an order this site does not know: made elsewhere with "
            "the same account, or of a database that was lost.",
            means="The money is yours to return or to keep; the books hold it as somebody's.",
            todo=(
                "Look the order up in the Binance merchant portal and return the money there, or find out whose it is.",
                "Then press “It is settled” under Money and write down how.",
            ),
            drill="Sandbox: send a signed notice about an order number of your own.",
            drills=("webhook-unknown-order",),
            channels=MAILED_ALREADY,
        ),
        Alert(
            id="case_open",
            sentence="The reconciliation has found a difference it cannot mend.",
            severity=Severity.TODAY,
            found="A case of the reconciliation is open.",
            happened="Binance, the calendar and the books do not agree about a booking, and asking again did not help.",
            means="Until it is looked at nobody knows which of them is right.",
            todo=("Open Money: each case says what differs and what the next step is.",),
            drill="Sandbox: refund an order by hand in “Binance's console”, then reconcile.",
            drills=("refund-in-console",),
            channels=MAILED_ALREADY,
        ),
        Alert(
            id="screening_old",
            sentence="The screening list could not be read for three days.",
            severity=Severity.TODAY,
            found="The list of SCREENING_LIST was last read whole three days ago, or never since it was named.",
            happened="The file or the address is gone, does not answer, is too large, or has no address in it.",
            means="The last list that could be read is in force. Money from addresses that were added since is taken "
            "like any other. If none was ever read, none is held.",
            todo=(
                "Look whether the list is where SCREENING_LIST says: one address in a line, at most 4 MB.",
                "It is tried again every hour. Receiving says when it was read last.",
                ASK_ENGINEER,
            ),
            drill="Set SCREENING_LIST to a file that is not there, and wait three days.",
            drills=("chain-screening-list-old",),
        ),
        Alert(
            id="balance_differs",
            sentence="Balance differs: an address on chain holds something else than our books explain.",
            severity=Severity.TODAY,
            found="The nightly comparison, asked twice within seconds: what came less what left is not what the node "
            "says the address holds; or a booking's books hold something else than what came for it.",
            happened="Money moved at an address of yours in a way that the site has not seen, or the node tells "
            "something wrong.",
            means="Nothing was changed, and no customer is told. Until it is looked at, the books may be wrong about "
            "this address.",
            todo=(
                "Open Sweeps: it names the address, and says what came, what left and what is there.",
                "Look the address up in two block explorers. If they tell what our books tell, the node is wrong: set "
                "another one under Receiving.",
                "Less there than there should be, and you have sent nothing: somebody else has your wallet's keys. "
                "Move everything to a new wallet, and enter its addresses under Receiving.",
                "Press “Reconcile now” under Money: this ends once both agree.",
                ASK_ENGINEER,
            ),
            drill="Sandbox: let the network's node lie, and press “Reconcile now”.",
            drills=("chain-balance-differs",),
        ),
        Alert(
            id="balances_unread",
            sentence="Balances of addresses on chain could not be read for two nights.",
            severity=Severity.TODAY,
            found="Two nightly comparisons in a row could not ask the network’s node for all balances and for what "
            "left the addresses. The detail names the network and what the node said last.",
            happened="The node was away both nights, has forgotten the blocks that were asked about, or does not give "
            "balances on your plan.",
            means="Money could be missing from an address of this network unseen, and your sweeps there are booked "
            "late. What customers pay is found and counted as always.",
            todo=(
                "Press “Reconcile now” under Money. If that reads them, the node was only away, and this ends.",
                "Does the detail speak of a missing state, an archive or old blocks? Ask your provider for a node that "
                "answers eth_getBalance and eth_call at final blocks, or set another one under Receiving.",
                "Does it speak of too many calls? Choose a larger plan, or let another program use another key.",
                "Until then look the largest addresses under Sweeps up in a block explorer.",
                ASK_ENGINEER,
            ),
            drill="Sandbox: let the network's node refuse calls, and press “Reconcile now” on two days.",
            drills=("chain-balances-unread",),
        ),
        Alert(
            id="certificates",
            sentence="The certificates of Binance Pay could not be fetched for ten minutes.",
            severity=Severity.TODAY,
            found="The question for them has failed for 10 minutes.",
            happened="Notices are proven with certificates that Binance Pay gives out and changes. They could not be "
            "asked for.",
            means="As long as the old ones hold, notices are proven as before. After a change they would be refused, "
            "and payments would be found by asking.",
            todo=(
                "Look at Binance's own status page.",
                "“Invalid API key” or a refusal means: the key was withdrawn, or this server's address is not on its "
                "list in the merchant portal.",
                ASK_ENGINEER,
            ),
            drill="Sandbox: let calls of “certificates” fail for ten minutes.",
            drills=("certificates-away",),
            after=timedelta(minutes=10),
        ),
        Alert(
            id="clock_skew",
            sentence="This server's clock differs from Binance's.",
            severity=Severity.NOW,
            found="The difference is more than about a second and a half.",
            happened="The server's clock runs wrong.",
            means="Binance Pay refuses calls that are more than about a second off: no orders, no refunds.",
            todo=("Restart the site, which on most platforms sets the clock.", ASK_ENGINEER),
            drill="Sandbox: advance its clock by a minute.",
            drills=("clock-off",),
            after=timedelta(minutes=3),
        ),
        Alert(
            id="scheme_unsaid",
            sentence="Your site cannot tell whether visitors come by https.",
            severity=Severity.TODAY,
            found="A page or a call was asked for within 15 minutes without the header X-Forwarded-Proto, though the "
            "site's address is https and TRUSTED_PROXIES says that a proxy is in front.",
            happened="The proxy in front of the site ends the encryption and should say in X-Forwarded-Proto which way "
            "a visitor came. It does not say it, or fewer proxies say it than TRUSTED_PROXIES counts.",
            means="Everything works, but whoever opens the site by http is not sent on to https: what they type could "
            "be read on its way. Nobody is sent on by guessing, since that could go in circles.",
            todo=(
                "Have every proxy set the header. nginx does with “proxy_set_header X-Forwarded-Proto $scheme;” in its "
                "configuration.",
                "Compare TRUSTED_PROXIES with the number of proxies that are really in front.",
                "If the site can also be reached past the proxy, close that way.",
            ),
            drill="Start the site with an https SITE_URL and TRUSTED_PROXIES=1, and open it without a proxy.",
            drills=("scheme-unsaid",),
        ),
        Alert(
            id="binance_paused",
            sentence="Binance Pay does not answer, and no bookings are taken.",
            severity=Severity.NOW,
            found="Calls to Binance Pay have been paused for 5 minutes.",
            happened="Five calls in a row had no usable answer, and those after the pauses had none either.",
            means="No times are offered, since nobody could pay. Bookings that stand keep their time and are asked "
            "about again by themselves.",
            todo=("Look at Binance's own status page.", "It ends by itself with the first answer."),
            drill="Sandbox: let any call of Binance fail.",
            drills=("payments-paused",),
            after=timedelta(minutes=5),
        ),
        Alert(
            id="binance_refuses",
            sentence="Binance Pay refuses every call, and no bookings are taken.",
            severity=Severity.NOW,
            found="Three calls in a row, or three orders in a row, were refused for what this site is and not for what "
            "was asked: its key, its signature, its address, its region or its merchant account.",
            happened="Binance Pay answers, and takes no call of ours. The detail has its own words and what they mean.",
            means="No times are offered, since nobody could pay. Bookings that stand keep their time. Payments already "
            "made are found, and refunds sent, as soon as calls are taken again.",
            todo=(
                "Open the Binance merchant portal: is the key still there, may it take payments and refund, and is "
                "this server’s address on its list?",
                "A new key goes into BINANCE_PAY_API_KEY, its secret into BINANCE_PAY_SECRET_KEY; then restart.",
                "A restricted location or account: ask Binance’s merchant support. A site in such a region has to "
                "move to another.",
                "“inspired doctor” says whether calls are taken. This ends by itself within two minutes of the first "
                "answer; where only orders were refused, the next order is tried ten minutes after the last.",
            ),
            drill="Sandbox: let any call of Binance end with “key_refused”.",
            drills=("binance-refuses",),
        ),
        Alert(
            id="chain_unread",
            sentence="A network on which USDT is taken is not read.",
            severity=Severity.NOW,
            found="For 10 minutes no node of the network has given a usable answer, or the watcher was silent.",
            happened="The node that the site asks about this network is away, behind, or refuses calls; or the process "
            "that watches the networks has ended.",
            means="New bookings are not offered this network while its node does not answer. What arrives meanwhile is "
            "not lost: it is found and counted as soon as the network is read again. Bookings whose money was seen in "
            "time keep their call for a while.",
            todo=(
                "The detail names the network and what its node said.",
                "Look at the page of the node's provider: is the key still valid, is its quota used up?",
                "Is the clock well (page Health)? It watches the networks, unless “inspired watch-chains” does.",
                "Another node can be set; the owners are told of it, and it is asked a day later.",
            ),
            drill="Sandbox: let the network's node refuse calls.",
            drills=("chain-node-away", "chain-watcher-dead"),
            after=timedelta(minutes=10),
        ),
        Alert(
            id="nodes_differ",
            sentence="Two nodes of a network do not agree, or the second one does not answer.",
            severity=Severity.NOW,
            found="When a payment was last to be confirmed, or an unpaid order closed, the second node did not answer "
            "or told something else.",
            happened="The site asks two providers about each larger payment, and both have to tell of the same "
            "transaction in the same final block.",
            means="Nothing is confirmed and nothing is closed as unpaid on this network until they agree. Money is not "
            "lost, and customers see that their payment was seen. New bookings are still taken.",
            todo=(
                "The detail names the network, and the transaction where there is one. Look it up in two block "
                "explorers.",
                "Is it there and final? Then the node that denies it is behind or broken: tell its provider.",
                "Is it not there? Then one node has made it up. Do not confirm that booking by hand; set another node.",
                "If the second node is only away, wait: it is asked again every few seconds.",
            ),
            drill="Sandbox: let the second node of the network refuse calls, and pay.",
            drills=("chain-nodes-differ",),
        ),
        Alert(
            id="node_hid_money",
            sentence="A node that you have replaced had not told of money that was there.",
            severity=Severity.NOW,
            found="After another node came into force, the site read with it once more what the one before had told "
            "of, and found payments in final blocks that it did not know. This alert ends a day after the last one.",
            happened="The node before was broken, or it lied.",
            means="These payments are counted now like money that comes late: calls whose time is still free are "
            "confirmed, other customers choose, and you find the bookings in the lists.",
            todo=(
                "Look at the bookings: the filter “paid late” has most of them. Write to the customers, who were told "
                "that nothing had come.",
                "Do not go back to that node. A second one of another provider, under Receiving, would have noticed.",
                "Press “Reconcile now” under Money: it holds balances against what is known now.",
            ),
            drill="Sandbox: let the first node of a network hide transfers, pay, and set the second one in its place.",
            drills=("chain-node-hid",),
        ),
        Alert(
            id="calendly",
            sentence="Calendly cannot be asked.",
            severity=Severity.TODAY,
            found="The look at Calendly every ten minutes has failed for an hour, or we are refused.",
            happened="Calendly does not answer, or does not accept the token any more.",
            means="What happens in Calendly itself is followed late, and times may not be offered.",
            todo=(
                "Is the token still valid? A new one goes into CALENDLY_TOKEN.",
                "“inspired doctor” says which permission is missing.",
            ),
            drill="Sandbox: let any call of Calendly fail.",
            drills=("calendly-down",),
            channels=MAILED_ALREADY,
        ),
        Alert(
            id="own_calendar",
            sentence="Your own calendar cannot be read.",
            severity=Severity.TODAY,
            found="Its address has not answered with a calendar for an hour.",
            happened="The secret address of your calendar has changed, or its server is away.",
            means="What was known of it is still kept free; what is new in it is not.",
            todo=("Look whether your calendar has a new secret address, and put it into BUSY_FEED_URLS.",),
            drill="Set BUSY_FEED_URLS to an address that is not there.",
            drills=("own-calendar-away",),
            channels=MAILED_ALREADY,
        ),
        Alert(
            id="workers_gone",
            sentence="No worker runs.",
            severity=Severity.NOW,
            found="No worker has given a sign of life for two minutes.",
            happened="The process that does what is due has ended, or cannot reach Redis.",
            means="No bookings are taken meanwhile, since nobody would confirm them. Payments are noticed only where "
            "a customer has the page open; mails are not sent; times are not freed. All of it is made up for when a "
            "worker runs again.",
            todo=(
                "Start “worker” again.",
                "Look at its log for the reason it ended, or why it waits for Redis.",
                "Look under Health how Redis is. Is it its certificate, REDIS_TLS may be what it needs.",
                ASK_ENGINEER,
            ),
            drill="Stop the worker.",
            drills=("worker-gone",),
            after=timedelta(minutes=2),
        ),
        Alert(
            id="strange_job",
            sentence="The queue held a job that is not this site's. It was not run.",
            severity=Severity.NOW,
            found="A worker has refused a job within the last 24 hours. The name of the last one is told with it.",
            happened="Somebody or something else writes to this site's Redis. Workers run the jobs of this site and no "
            "others, so nothing came of it.",
            means="Whoever writes there could delete or repeat what waits in the queue, lift limits, and show a "
            "payment page a wrong status for some seconds. Money, bookings and personal data are not there, and what "
            "is due is found in the database in any case.",
            todo=(
                "Does its name begin with “inspired.jobs.”, just after a release? Then the version before has enqueued "
                "it, and nothing is wrong.",
                "Does another program use the same Redis? Give each its own.",
                "Change the password of Redis (at Heroku: “heroku redis:credentials --reset”) and put the new address "
                "into REDIS_URL.",
                "Look for “job_refused” in the worker's log: when it began, and what was wanted.",
                ASK_ENGINEER,
            ),
            drill="Put a job of another name into the queue “bookings”.",
            drills=("strange-job",),
        ),
        Alert(
            id="receiving_altered",
            sentence="What says where money on chain goes was altered, or an older one was put back.",
            severity=Severity.NOW,
            found="The register of addresses, nodes or refund wallets of a network cannot be read with our keys, is "
            "older than one that was seen, or addresses were given out of a source that is not in it.",
            happened="Somebody has written to the collection “receiving” past this site, the database was put back to "
            "an older backup, or the key in ENCRYPTION_KEYS that sealed it is gone.",
            means="The network is not offered (refund wallets: no transfer settles a refund), and no address is shown "
            "that does not come from a source of yours, so no money can go elsewhere. Orders begun there show no "
            "address until this is mended.",
            todo=(
                "Was a backup restored, or ENCRYPTION_KEYS changed? Then put back what belongs together: the newest "
                "backup, and all keys.",
                "Otherwise find out who can write to your database, and change its passwords.",
                "Put the collection “receiving” back from the newest backup before it happened, start web, worker and "
                "clock again, and look at “Receiving” and at the audit log: they must tell the same changes.",
                "Enter addresses that are missing once more: a key or list that was there before goes on with its "
                "numbers.",
                ASK_ENGINEER,
            ),
            drill="Change one byte of a document in the collection “receiving”.",
            drills=("receiving-altered", "chain-address-altered"),
        ),
        Alert(
            id="addresses_out",
            sentence="A network is not offered, because no address is left to be given out.",
            severity=Severity.NOW,
            found="A network that is on has no free address in its list, or as many addresses in a row as a wallet "
            "looks at (ADDRESS_GAP_LIMIT, 20) were given out and never paid to.",
            happened="Each booking gets an address of its own, and none is given out twice. Wallets look for money "
            "only so many unused addresses ahead, so more must not be given out than yours would find.",
            means="Nobody can choose this network until there are more. Other ways to pay go on, and so does all that "
            "was begun.",
            todo=(
                "A list: paste another one with fresh addresses under “Receiving”. It counts 24 hours later.",
                "An account key: send a small amount of USDT to the newest address that was given out. Your wallet "
                "then looks 20 further, and so do we.",
                "Or paste a list, or the key of another account of the same wallet.",
                "Many unpaid bookings in a short time? Look at them: ADDRESSES_PER_VISITOR limits each visitor.",
            ),
            drill="Sandbox: set a list of one address and book twice.",
            drills=("addresses-used-up",),
        ),
        Alert(
            id="addresses_low",
            sentence="Few addresses are left to be given out on a network.",
            severity=Severity.TODAY,
            found="A network that is on has at most 20 free addresses in its list, or at most 5 more may follow the "
            "last one that was paid to.",
            happened="Each booking gets an address of its own, and none is given out twice.",
            means="Once none is left, the network is not offered any more.",
            todo=(
                "A list: paste another one with fresh addresses under “Receiving”. It counts 24 hours later.",
                "An account key: usually nothing, since the next payment sets it back. To be sure, send a small amount "
                "of USDT to the newest address that was given out.",
            ),
            drill="Sandbox: set a list of five addresses and switch the network on.",
            drills=("addresses-used-up",),
        ),
        Alert(
            id="queue_stuck",
            sentence="Work waits in the queue for more than two minutes.",
            severity=Severity.NOW,
            found="The oldest job of a queue is older than 2 minutes.",
            happened="The workers are slower than the work, or hang.",
            means="Confirmations and mails come late. Nothing is lost.",
            todo=(
                "Look under Health which queue it is, and whether the workers are busy.",
                "Start a second worker, or restart the one there is.",
                ASK_ENGINEER,
            ),
            drill="Stop the worker and book some calls.",
            drills=("worker-gone",),
        ),
        Alert(
            id="clock",
            sentence="The clock does not run.",
            severity=Severity.NOW,
            found="It has given no sign of life for 2 minutes.",
            happened="The process that rings for what is due has ended or hangs.",
            means="Unpaid bookings do not expire, mails and reminders are not sent, and nobody looks for alerts. Only "
            "this page and the public status page say so: where the clock is dead, no mail comes.",
            todo=("Start “clock” again (exactly one of it).", "Look at its log for the reason it ended."),
            drill="Stop the clock.",
            drills=("standstill",),
            after=timedelta(minutes=1),  # right after its start the clock has not beaten yet
        ),
        Alert(
            id="database",
            sentence="The database does not answer.",
            severity=Severity.NOW,
            found="The clock could not reach it for 2 minutes. Told by mail alone, since where webhooks go is in it.",
            happened="MongoDB is away or too slow, or it refuses us: a password or a role that was changed, another "
            "replica set. Where it has said so, the detail has its code and name.",
            means="The site cannot take bookings. Notices of Binance are refused with 503, so that they are sent "
            "again; nothing is lost.",
            todo=(
                "Look at the database's own status page or console.",
                "“inspired doctor” says what it answers: compare user, password and replicaSet in MONGODB_URI.",
                ASK_ENGINEER,
            ),
            drill="Stop the database for three minutes.",
            drills=("database-away",),
            channels=(Channel.MAIL,),
        ),
        Alert(
            id="redis",
            sentence="Redis does not answer.",
            severity=Severity.NOW,
            found="The clock could not reach it for 2 minutes.",
            happened="Redis is away or too slow.",
            means="Workers get nothing to do: confirmations and mails wait, and after two minutes no bookings are "
            "taken. Nothing is lost, since what is due is in the database.",
            todo=(
                "The mail and the page Health say why: a certificate, a password, too many connections, or no answer.",
                "Look at Redis's own status page or console.",
                ASK_ENGINEER,
            ),
            drill="Stop Redis for three minutes.",
            drills=("redis-away",),
            after=timedelta(minutes=2),
        ),
        Alert(
            id="mail",
            sentence="Mails cannot be sent.",
            severity=Severity.NOW,
            found="Sending has failed for ten minutes and never succeeded since.",
            happened="The mail server does not answer, or does not let us in.",
            means="Customers get no confirmation; the page they booked on still says everything. Mails are tried again "
            "for two days.",
            todo=(
                "Look whether the password of the mail account has changed (SMTP_PASSWORD).",
                "Look whether the account has reached its limit for today.",
                "“inspired doctor” says whether the server lets us in.",
            ),
            drill="Set SMTP_PASSWORD to something wrong.",
            drills=("mail-down",),
            after=timedelta(minutes=10),
        ),
        Alert(
            id="backup_late",
            sentence="No backup was reported for more than a day.",
            severity=Severity.TODAY,
            found="The last “inspired backup-done” is older than 26 hours. If it was never run, nobody can know.",
            happened="The backup did not run, or did not end with the command that reports it.",
            means="If the database were lost now, what happened since the last backup would have to be found again at "
            "Binance and in the calendar.",
            todo=(
                "Look at whatever makes your backups: has it run?",
                "End it with “inspired backup-done”, so that it is known here.",
            ),
            drill="Run “inspired backup-done” once and never again.",
            drills=("backup-late",),
        ),
        Alert(
            id="webhook_undelivered",
            sentence="Your own webhook does not take what is sent to it.",
            severity=Severity.TODAY,
            found="A message has been tried at least four times without success.",
            happened="The address under Alerts does not answer with 200, or not in time.",
            means="Alerts reach you by mail alone.",
            todo=(
                "Look under Alerts what it answered.",
                "Mend the receiver, press “Send a test”, then “Send again” on what it missed.",
            ),
            drill="Set the webhook to an address that answers 500, and send a test.",
            drills=("your-webhook-away",),
            channels=(Channel.MAIL,),
        ),
    )
}

NOTHING = ("Nothing: it goes on by itself.",)
BACK = (
    "Nothing with Binance Pay: it goes on by itself.",
    "On chain nothing yet: the customer is asked for an address, and you get a mail once it is confirmed.",
)
BACK_AFTER_TWO_DAYS = ("Nothing: without an answer it goes back after two days; on chain you send it.",)


def _of_booking(
    alert_id: str,
    sentence: str,
    happened: str,
    todo: tuple[str, ...],
    drill: str,
    severity: Severity = Severity.TODAY,
    drills: tuple[str, ...] = (),
) -> Alert:
    found = "The booking itself finds it when it is looked at, and owes the mail."
    means = "The rest of the site is not touched by it. The booking's page says what has become of its money."
    channels = (Channel.MAIL,)
    return Alert(alert_id, sentence, severity, found, happened, means, todo, drill, drills, channels=channels)


OF_BOOKING: Mapping[str, Alert] = {
    alert.id: alert
    for alert in (
        _of_booking(
            "amount",
            "A payment does not match the price. What is too much, or all of a payment that is short, goes back: by "
            "itself with Binance Pay, from your wallet on chain.",
            "Somebody paid another amount than was asked for. Binance's app does not offer that, so it is rare there. "
            "On chain an exchange may take its fee out of the amount.",
            BACK,
            "Sandbox: pay an order with another amount.",
            Severity.KNOW,
            drills=("too-little", "too-much"),
        ),
        _of_booking(
            "unclear",
            "A payment cannot be counted: it came in another currency, Binance does not tell its amount, or a part of "
            "it went back and nobody knows how much. It is kept, and waits for you on the booking's page.",
            "Money is there, and nobody can say how much of the price it is.",
            (
                "Look the order up in Binance's console.",
                "Refund it on the booking's page, or enter the amount that is asked for there.",
            ),
            "Sandbox: pay an order in another currency.",
            drills=("other-currency",),
        ),
        _of_booking(
            "late",
            "Money arrived after the time to pay was over, and the time is taken. The customer was asked to choose "
            "another time or the money; without an answer it goes back.",
            "The customer paid after the end, and somebody else has the time by then.",
            BACK_AFTER_TWO_DAYS,
            "Sandbox: let an order expire, book its time again, and pay it with “force”.",
            Severity.KNOW,
            drills=("late-and-taken-chooses-time", "late-and-taken-wants-money", "late-and-taken-says-nothing"),
        ),
        _of_booking(
            "paid_twice",
            "A booking was paid twice. The second payment goes back.",
            "An order that was seen closed was paid after all, beside the one that counts.",
            BACK,
            "Sandbox: close an order, try again, pay both with “force”.",
            Severity.KNOW,
            drills=("paid-twice",),
        ),
        _of_booking(
            "slot_lost",
            "A paid booking has lost its slot: the event is no longer active in the calendar. The customer was asked "
            "to choose another time or the money; without an answer it goes back.",
            "The event was cancelled in Calendly while it was being paid.",
            BACK_AFTER_TWO_DAYS,
            "Sandbox: cancel the event in Calendly, then pay.",
            Severity.KNOW,
            drills=("calendly-slot-lost",),
        ),
        _of_booking(
            "returned",
            "Money of a booking was returned by another way than this site. Look whether the call stands.",
            "Somebody refunded it in Binance's console.",
            ("Open the booking: if the call stands all the same, press “The call stands with” what is left.",),
            "Sandbox: refund a confirmed order by hand.",
            drills=("refund-in-console",),
        ),
        _of_booking(
            "console_refund",
            "A refund was found that was not made here: in Binance's console, it seems. It is in the books now. Where "
            "Binance does not tell the amount, please enter it.",
            "Somebody refunded in Binance's console.",
            ("Open the booking and enter the amount where it is asked for.",),
            "Sandbox: refund an order by hand.",
            drills=("refund-meets-console",),
        ),
        _of_booking(
            "refund_stuck",
            "A refund could not be sent. Its page says why, and has the button to try it again.",
            "There is too little balance in the merchant account, or Binance refuses it.",
            (
                "Put money into the merchant account: it is tried again every hour.",
                "Or press “Try again”, or “I settled it by hand”, on the booking's page.",
            ),
            "Sandbox: let refunds be refused.",
            Severity.NOW,
            drills=("refund-low-balance",),
        ),
        _of_booking(
            "refund_to_send",
            "A refund on chain is yours to send: the customer has confirmed an address.",
            "This site has no key that could send. Money that was paid on chain goes back from your own wallet.",
            (
                "Open the booking and press “Send it from your wallet”: the page has the amount, the network and the "
                "address.",
                "Send exactly that amount, from a wallet that you have named, and enter the transaction's hash there.",
                "It is settled once the transaction is final: minutes, and up to twenty on Ethereum.",
            ),
            "Sandbox: pay on TRON, refund it, and confirm an address on the customer's page.",
            Severity.NOW,
            drills=("chain-refund",),
        ),
        _of_booking(
            "refund_taken_back",
            "The network has taken back the block with a refund that you had sent.",
            "A reorganisation replaced that block before it was final. Most transactions are in another block soon.",
            (
                "Look in your wallet whether the transaction was sent once more. If it was, enter its hash again.",
                "Only if your wallet says that it failed, send the refund again.",
            ),
            "Sandbox: send a refund, enter it, and reorganise the chain without it.",
            Severity.NOW,
            drills=("chain-refund-taken-back",),
        ),
        _of_booking(
            "refund_unsent",
            "A refund could not be sent for some time now. It is tried again by itself.",
            "Binance Pay does not answer the question for it.",
            ("Look under Health at Binance Pay. Nothing else: it goes on by itself.",),
            "Sandbox: let calls of “refund” fail.",
            drills=("refund-answer-lost",),
        ),
        _of_booking(
            "refund_rejected",
            "Binance rejected a refund. The money is still in your account; the booking's page has the next step.",
            "Binance had accepted it, and has given it up since.",
            ("Press “Try again”, or “I settled it by hand”, on the booking's page.",),
            "Sandbox: make refunds pending, then reject one.",
            Severity.NOW,
            drills=("refund-rejected",),
        ),
        _of_booking(
            "refund_slow",
            "A refund is not done a day after it was asked for.",
            "Binance has accepted it and not finished.",
            ("Ask Binance's merchant support about the refund's number.", "Write to the customer that it is coming."),
            "Sandbox: make refunds pending and wait a day.",
            Severity.NOW,
            drills=("refund-takes-long",),
        ),
        _of_booking(
            "cancelled",
            "A customer cancelled a confirmed call. What the policy promises goes back: by itself with Binance Pay, "
            "from your wallet on chain.",
            "The customer pressed the button, or cancelled in Calendly.",
            NOTHING,
            "Cancel a confirmed call on its own page.",
            Severity.KNOW,
            drills=("cancelled-by-policy",),
        ),
        _of_booking(
            "cancelled_by_owner",
            "You cancelled a confirmed call. The customer is told; what goes back, if anything, is on its way.",
            "You cancelled it here or in Calendly.",
            NOTHING,
            "Cancel a call in the admin area.",
            Severity.KNOW,
            drills=("refund-all",),
        ),
        _of_booking(
            "past_our_pages",
            "Somebody booked in Calendly itself, past this site. They got a mail with the way to pay; unpaid in time, "
            "the event is cancelled by itself.",
            "They have the address of your Calendly page.",
            (
                "Nothing, as a rule.",
                "For guests who need not pay use another event type, or CALENDLY_ORPHAN_HOURS=0.",
            ),
            "Sandbox: book on Calendly's own page.",
            Severity.KNOW,
            drills=("calendly-past-us-paid", "calendly-past-us-unpaid"),
        ),
        _of_booking(
            "other_length",
            "A customer moved a paid call in Calendly to a time of another length. It takes place then, and no longer "
            "than was paid for.",
            "The event type in Calendly lets customers choose among lengths.",
            (
                "Agree with the customer how long it takes; what stands in Calendly is the other length.",
                "Offer one length for each event type in Calendly, so that it does not happen again.",
            ),
            "Sandbox: set duration_options, and move a paid call to a longer time.",
            drills=("calendly-other-length",),
        ),
        _of_booking(
            "unconfirmed",
            "A booking has been paid for ten minutes and could not be confirmed yet.",
            "Our own question to Binance Pay or the calendar has no answer yet.",
            ("Open the booking and press “Ask Binance again”.", "Look under Health whether everything is well."),
            "Sandbox: let calls of “query order” fail, and pay.",
            Severity.NOW,
            drills=("binance-down-while-paying", "webhook-contradicted"),
        ),
        _of_booking(
            "denied",
            "Binance Pay told of a payment and, asked, says that its order was closed without one.",
            "A signed notice said that it is paid, and the answer to our own question says otherwise. The customer's "
            "page says so. One of the two is wrong at Binance.",
            (
                "Look the order up in the Binance merchant portal: is the money there?",
                "If it is, give Binance's support the order's number; the booking is confirmed by itself once the "
                "answer agrees. If it is not, write to the customer.",
            ),
            "Sandbox: send a signed notice of a payment for an order, and let the order expire.",
            Severity.NOW,
            drills=("webhook-contradicted",),
        ),
        _of_booking(
            "held",
            "USDT reached an address that somebody else had before, and it cannot be told by itself whose it is. It is "
            "kept, and waits for you on the booking’s page.",
            "Addresses that have rested are given out again, as you chose. Money there counts by itself only if it is "
            "exactly what the present booking asks for, in a block of its time to pay. This was another amount, or "
            "came at another time: perhaps the customer’s, perhaps a second payment of whoever had the address before.",
            (
                "Open the booking: “Money” shows the transfer, and the other bookings that have had the address.",
                "Ask the customers whose it is: “Write to the customer”. Believe nobody who only names a transaction: "
                "everybody can read it. Who asks for it back names an address on a page of their own booking.",
                "It is this customer’s: press “It is this booking’s”. It then counts like any other money.",
                "It is not: return it with “Refund…”, order by order, or leave it until somebody asks.",
            ),
            "Sandbox: let an address be given out again, and send another amount than the price.",
            drills=("chain-address-given-again",),
        ),
        _of_booking(
            "screened",
            "USDT came from an address on your screening list. It is kept, and waits for you on the booking’s page.",
            "The sender of a transfer is on the list of SCREENING_LIST. Often that is an exchange’s wallet, and says "
            "little about your customer.",
            (
                "Open the booking: “Money” shows the transfer and its transaction. Look it up in a block explorer.",
                "Decide whether you may take it; ask whoever advises you on that.",
                "You take it: press “Accept it”. It then counts like any other money, and late if the time was over.",
                "You do not: return it with “Refund…”, to an address that the customer names, or leave it where it is.",
            ),
            "Sandbox: put the sender of a transfer into the file that SCREENING_LIST names.",
            drills=("chain-screened",),
        ),
        _of_booking(
            "undelivered",
            "Something owed to a customer (a mail, or freeing a time in the calendar) cannot be delivered, or keeps "
            "failing.",
            "The mail server refuses this address, or Calendly does not answer.",
            (
                "Open the booking: it says what is still to be done.",
                "If the address is wrong, reach the customer another way.",
            ),
            "Book with an address your mail server refuses.",
            drills=("mail-refused",),
        ),
        _of_booking(
            "unreachable",
            "Binance Pay could not be asked about an order for ten minutes after its time was over.",
            "An order's fate is unknown, and its time stays held.",
            ("Look at Binance's own status page.", "It goes on by itself with the first answer."),
            "Sandbox: let calls of “query order” fail until an order's time is over.",
            drills=("binance-down-at-the-deadline",),
        ),
        _of_booking(
            "create_failed",
            "An order could not be created at Binance Pay. The customer was offered to try again.",
            "Binance Pay refused it or did not answer, three times.",
            ("Nothing, unless it repeats: then look under Health at Binance Pay, and at your keys.",),
            "Sandbox: let calls of “create order” fail.",
            Severity.KNOW,
            drills=("create-gives-up",),
        ),
        _of_booking(
            "above_limit",
            "An order was not made, since its customer would have paid more than one customer may without your word.",
            "The customer has paid much already, or booked in Calendly itself, past this site.",
            (
                "Decide. To allow it: “Reports”, “Limits”, their mail address and an amount; then the customer presses "
                "“Try again” on their page.",
                "To let it be: nothing. Without a payment the booking ends by itself and its time is free again.",
            ),
            "Book twice in the sandbox with a call of 6,000 USDT, and pay the first one.",
            drills=("above-the-limit",),
        ),
        _of_booking(
            "unknown_status",
            "Binance Pay told a status this program does not know. The booking is being watched.",
            "Binance has changed something.",
            ("Give it to whoever looks after the site.",),
            "Only by a change at Binance.",
        ),
    )
}

ALL: Mapping[str, Alert] = {**SITE, **OF_BOOKING}


def told_of(drill_id: str) -> list[Alert]:
    """The alerts this drill would trigger outside a rehearsal."""
    return [alert for alert in ALL.values() if drill_id in alert.drills]
