"""The command `inspired`: dev | web | worker | clock | migrate | refresh | check | reconcile | ledger | …"""

import argparse
import getpass
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from inspired.domain.shared.errors import Busy, Invalid, Refusal, UpstreamError

if TYPE_CHECKING:
    from inspired.services import Services
    from inspired.settings import Settings

# Each command imports what it needs when it runs: all imports take most of a second, and `dev` starts four commands.
SWEEP_SECONDS = 1.0
RUNS_SECONDS = 30.0
REACHED_SECONDS = 15.0  # long enough for a change of the database's primary; then an outage is reported
LONGEST_NOTE = 200


def main(given: list[str] | None = None) -> int:
    """Run one command. Exit status: 0 done, 1 refused or failed with a message, 2 wrong usage."""
    given = sys.argv[1:] if given is None else given
    # Text that is invalid in the terminal's encoding could be neither searched nor stored.
    arguments = _parser().parse_args([argument.encode("utf-8", "replace").decode() for argument in given])
    try:
        return int(arguments.run(arguments) or 0)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        print(sentence, file=sys.stderr)
        return 1


def _sentence(error: Exception) -> str | None:
    """A message about a problem the operator can fix; None for a bug of ours."""
    match error:
        case Busy():
            return f"{error} MONGODB_URI says where it is; `inspired doctor` looks at everything outside."
        case Invalid() if error.fields:
            return "".join(f"{name}: {words}." for name, words in error.fields.items())
        case Refusal():
            return str(error)
        case UpstreamError():
            return f"{error}."
    library, name = type(error).__module__.partition(".")[0], type(error).__name__
    if library == "pymongo" and name in ("InvalidURI", "ConfigurationError"):
        return f"MONGODB_URI cannot be used: {error}"
    if library == "pymongo":  # its own message may contain the written data
        return f"The database refused it: {name}, code {getattr(error, 'code', None)}."
    if library == "redis":
        return f"Redis does not answer: {name}. REDIS_URL says where it is."
    return None


def _whole(least: int, most: int) -> Callable[[str], int]:
    """Parser for a whole number within these bounds."""

    def parsed(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and least <= int(text[:12]) <= most):
            raise argparse.ArgumentTypeError(f"must be a whole number from {least} to {most}")
        return int(text)

    return parsed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="inspired", description="Inspired Analyst: one-to-one calls for USDT.")
    commands = parser.add_subparsers(required=True)
    dev = commands.add_parser("dev", help="everything on this machine, with stand-ins for Binance Pay and Calendly")
    dev.add_argument("--data", type=Path, default=Path(".data"), help="folder that survives restarts")
    dev.add_argument("--ready-file", type=Path, help="written when all is healthy")
    dev.add_argument("--port", type=_whole(0, 65535), help="port of the site")
    dev.set_defaults(run=_dev)
    web = commands.add_parser("web", help="the site")
    web.add_argument("--host", default="0.0.0.0")  # noqa: S104 - the platform's router is in front
    web.add_argument("--port", type=_whole(0, 65535), default=os.environ.get("PORT", "8000"))
    web.add_argument("--workers", type=_whole(1, 64), default=os.environ.get("WEB_CONCURRENCY", "2"))
    web.set_defaults(run=_web)
    commands.add_parser("worker", help="works through the queue").set_defaults(run=_worker)
    clock = commands.add_parser("clock", help="rings for what is due, and watches the chains; run exactly one")
    clock.add_argument("--without-chains", action="store_true", help="`inspired watch-chains` runs elsewhere")
    clock.set_defaults(run=_clock)
    watch = commands.add_parser("watch-chains", help="watches the chains for USDT that arrives; `clock` does it too")
    watch.set_defaults(run=_watch_chains)
    commands.add_parser("migrate", help="creates indexes; run at every release").set_defaults(run=_migrate)
    receive = commands.add_parser("receive-in-sandbox", help="takes USDT on the stand-in's chains; no real money")
    receive.add_argument("sandbox", help="the stand-in's address")
    receive.set_defaults(run=_receive_in_sandbox)
    refresh = commands.add_parser("refresh", help="asks the provider about one booking and does what is owed")
    refresh.add_argument("booking_id")
    refresh.set_defaults(run=_refresh)
    check = commands.add_parser("check", help="verifies every invariant; ends with 1 if one is broken")
    check.add_argument("--days", type=_whole(1, 3650), help="only bookings made in so many days")
    check.set_defaults(run=_check)
    reconcile = commands.add_parser("reconcile", help="holds Binance, chains, calendar and books together, now")
    reconcile.add_argument("--days", type=_whole(1, 3650), default=35, help="bookings made in so many days")
    reconcile.set_defaults(run=_reconcile)
    calendly = commands.add_parser("calendly", help="Calendly's webhooks to this site").add_subparsers(required=True)
    calendly.add_parser("connect", help="subscribes to them, under the newest signing key").set_defaults(run=_connect)
    admin = commands.add_parser("admin", help="accounts of the admin area").add_subparsers(required=True)
    create = admin.add_parser("create", help="a new account; prints the link on which its password is set")
    create.add_argument("email")
    create.add_argument("--role", choices=["owner", "helper", "reader"], default="owner")
    create.set_defaults(run=_create_account)
    reset = admin.add_parser("reset", help="without its second step, and with a new link: for who is locked out")
    reset.add_argument("email")
    reset.set_defaults(run=_reset_account)
    audit = commands.add_parser("audit", help="verifies the log of changes; ends with 1 if it was tampered with")
    audit.set_defaults(run=_audit)
    backup = commands.add_parser("backup-done", help="tells the site that a backup was made; run it after each")
    backup.add_argument("--note", default="", help="which one, or how large, for the page Health")
    backup.set_defaults(run=_backup_done)
    rehearse = commands.add_parser("rehearse", help="plays every failure there is; ends with 1 if one went wrong")
    rehearse.add_argument("drills", nargs="*", metavar="drill", help="only these")
    rehearse.add_argument(
        "--if-closed",
        action="store_true",
        help="only where no payment is taken without it, and only what is not green yet",
    )
    rehearse.set_defaults(run=_rehearse)
    doctor = commands.add_parser("doctor", help="is everything outside there, and may we use it? Ends with 1 if not")
    doctor.set_defaults(run=_doctor)
    commands.add_parser("ledger", help="what the books hold, account by account").set_defaults(run=_ledger)
    hashed = commands.add_parser("hash-password", help="for ADMIN_PASSWORD_HASH; asks for the password")
    hashed.add_argument("password", nargs="*", help=argparse.SUPPRESS)
    hashed.set_defaults(run=_hash_password)
    return parser


def _dev(arguments: argparse.Namespace) -> int:
    from inspired.dev.supervisor import run_dev  # the only command that needs the extra [embedded]

    return run_dev(arguments.data, arguments.ready_file, arguments.port)


def _web(arguments: argparse.Namespace) -> int:
    from inspired.adapters.process import processes

    _settings()  # report wrong settings once here instead of in every worker
    processes.serve(arguments.host, arguments.port, arguments.workers)


def _worker(arguments: argparse.Namespace) -> int:
    from inspired import jobs
    from inspired.adapters.redis import redis_server, worker

    settings = _started()
    # Jobs run in this process: they are short, safe to repeat, and share one database client. A killed worker leaves no
    # orphan process, and its work is due again in MongoDB within seconds.
    connection = redis_server.connect(
        settings.redis_url.get_secret_value(),
        seconds=30.0,
        most=worker.QUEUE_CONNECTIONS,
        verify_certificate=settings.verifies_redis,
    )
    worker.run(connection, jobs.JOBS, on_turn=jobs.worker_turned, on_refused=jobs.job_refused)
    return 0


def _clock(arguments: argparse.Namespace) -> int:
    import structlog

    from inspired.adapters.mongo import heartbeats
    from inspired.flows.monitoring import alerting, sweeping
    from inspired.services import build

    log = structlog.get_logger()
    svc = build(_started(), database_seconds=5.0, redis_seconds=1.0)
    stop = threading.Event()
    looked_at_runs = beaten = 0.0
    enqueued = sweeping.Enqueued()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    watching = threading.Thread(target=alerting.Watcher(svc).run, args=(stop,), name="watcher", daemon=True)
    watching.start()
    if not arguments.without_chains:
        _start_watching_chains(svc, stop)
    while not stop.is_set():
        try:
            found = sweeping.sweep(svc, enqueued)
            if time.monotonic() - looked_at_runs >= RUNS_SECONDS:
                sweeping.sweep_runs(svc)
                looked_at_runs = time.monotonic()
            if time.monotonic() - beaten >= alerting.BEAT_EVERY:
                svc.heartbeats.beat(heartbeats.CLOCK, svc.now())
                beaten = time.monotonic()
        except Busy:
            log.warning("sweep_failed")
            found = 0
        stop.wait(0.1 if found >= sweeping.BATCH else SWEEP_SECONDS)
    return 0


def _watch_chains(arguments: argparse.Namespace) -> int:
    from inspired.services import build

    svc, stop = build(_started(), database_seconds=5.0, redis_seconds=1.0), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    _start_watching_chains(svc, stop)
    stop.wait()
    return 0


def _start_watching_chains(svc: "Services", stop: threading.Event) -> None:
    """One thread for each network, so that one whose node hangs holds up no other."""
    from inspired.domain.shared.networks import Network
    from inspired.flows.booking.chain_watching import ChainWatch

    for network in Network:
        threading.Thread(target=ChainWatch(svc, network).run, args=(stop,), name=f"{network}", daemon=True).start()


def _migrate(arguments: argparse.Namespace) -> int:
    from inspired.adapters.mongo.database import connect
    from inspired.adapters.mongo.indexes import create_indexes
    from inspired.flows.booking import booking_search

    svc = _services(60.0)
    settings = svc.settings
    database = connect(settings.mongodb_uri.get_secret_value(), settings.mongodb_database, seconds=60)
    create_indexes(database)
    filed = booking_search.file_all(svc)
    print(f"Indexes are in place. Filed anew: {filed} bookings.")
    return 0


def _receive_in_sandbox(arguments: argparse.Namespace) -> int:
    from inspired.flows.site import sandbox_chains

    try:
        sandbox_chains.receive(_services(30.0), arguments.sandbox)
    except ValueError as error:
        print(f"Not here: {error}.", file=sys.stderr)
        return 1
    print("USDT is taken on the stand-in's chains.")
    return 0


def _refresh(arguments: argparse.Namespace) -> int:
    from inspired.flows.booking import refreshing

    booking = refreshing.refresh(_services(5.0), arguments.booking_id)
    print(f"{booking.id} is {booking.state}{' ' + ', '.join(sorted(booking.flags)) if booking.flags else ''}")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from datetime import timedelta

    from inspired.flows.booking import checking

    svc = _services(30.0)
    after = svc.now() - timedelta(days=arguments.days) if arguments.days else checking.BEGINNING
    report = checking.check(svc, after=after)
    print("\n".join(report.lines()))
    return 0 if report.is_clean else 1


def _reconcile(arguments: argparse.Namespace) -> int:
    from datetime import timedelta

    from inspired.domain.sentences.owner_pages import difference
    from inspired.flows.booking import chain_reconciling, reconciling

    svc = _services(30.0)
    if not reconciling.start(svc, after=timedelta(days=arguments.days)):
        print("A reconciliation is at work already; going on with it.")
    while reconciling.turn_page(svc):
        pass
    chain_reconciling.start(svc)
    while chain_reconciling.turn_page(svc):
        pass
    run, cases = svc.runs.get(reconciling.NAME), svc.cases.waiting()
    print(", ".join(f"{what}: {count}" for what, count in run.counts.items()) if run else "Nothing to reconcile.")
    if (run := svc.runs.get(chain_reconciling.NAME)) is not None and run.counts:
        print("On chain:", ", ".join(f"{what}: {count}" for what, count in run.counts.items()))
    for case in cases:
        found = case.difference
        whose = f"Booking {found.booking_id}" if found.booking_id else found.subject
        print(f"- {difference(found)} {whose}: {found.told}")
    return 1 if cases else 0


def _connect(arguments: argparse.Namespace) -> int:
    from inspired.flows.booking import calendar_webhooks

    print(f"Calendly sends its webhooks to {calendar_webhooks.connect(_services(5.0))}.")
    return 0


def _create_account(arguments: argparse.Namespace) -> int:
    from inspired.domain.accounts.people import Role
    from inspired.flows.accounts import authentication

    svc = _services(5.0)
    link = authentication.invite(svc, arguments.email, Role(arguments.role))
    svc.audit.add(svc.now(), "command line", "account made", detail=arguments.role)
    print(f"Open this once, within 24 hours, and choose a password: {link}")
    return 0


def _reset_account(arguments: argparse.Namespace) -> int:
    from inspired.adapters.crypto.vault import normalised
    from inspired.flows.accounts import authentication

    svc = _services(5.0)
    person = svc.people.by_email(normalised(arguments.email))
    if person is None:
        print("There is no such account.", file=sys.stderr)
        return 1
    authentication.without_second_step(svc, person.id)
    svc.audit.add(svc.now(), "command line", "account reset", person.id)
    print(f"Open this once, within 24 hours, and choose a password: {authentication.invite_again(svc, person.id)}")
    return 0


def _audit(arguments: argparse.Namespace) -> int:

    svc = _services(30.0)
    broken = list(svc.audit.broken())
    for number, wrong in broken:
        print(f"Entry {number} {wrong}.")
    last = next(iter(svc.audit.newest(1)), None)
    if last is not None and not broken:
        print(f"{last.number} entries, each following from the one before. The last one's hash: {last.hash}")
    return 1 if broken else 0


def _backup_done(arguments: argparse.Namespace) -> int:
    from inspired.adapters.mongo import heartbeats

    svc = _services(30.0)
    svc.heartbeats.beat(heartbeats.BACKUP, svc.now(), detail=arguments.note[:LONGEST_NOTE])
    print("The backup is written down.")
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    from inspired.flows.monitoring import doctor
    from inspired.services import build

    is_well = True
    for finding in doctor.examine(build(_started(), database_seconds=5.0, redis_seconds=1.0)):
        print(f"{'ok' if finding.is_well else 'WRONG':>6}  {finding.what} {finding.told}.", flush=True)
        is_well = is_well and finding.is_well
    return 0 if is_well else 1


def _rehearse(arguments: argparse.Namespace) -> int:
    from inspired.domain.shared.errors import NotFound
    from inspired.flows.monitoring import rehearsing
    from inspired.rehearsal import running

    svc = _services(5.0)
    if arguments.if_closed and svc.gate.is_open():
        print("Payments are open for this version: nothing to rehearse.")
        return 0
    try:
        wanted = [running.drill_called(name) for name in arguments.drills] or list(running.DRILLS)
    except NotFound as error:
        print(error, file=sys.stderr)
        return 2
    if arguments.if_closed:
        missing = set(rehearsing.missing(svc, running.IDS))
        # All of them if none is missing: the last run's worker died before it could open the gate.
        wanted = [drill for drill in wanted if drill.id in missing] or wanted
    is_green = True
    try:
        for drill, run in running.rehearse_now(svc, wanted):
            print(f"{run.verdict:>6}  {drill.id:<28} {drill.title}. {run.why}".rstrip(), flush=True)
            is_green = is_green and run.verdict == "green"
    except UpstreamError as error:
        print(f"Nothing can be rehearsed here: {error}.", file=sys.stderr)
        return 1
    if svc.gate.is_needed:
        print("Payments are open." if svc.gate.is_open() else "Payments stay closed until every drill is green.")
    return 0 if is_green else 1


def _ledger(arguments: argparse.Namespace) -> int:
    from inspired.domain.booking.ledger import balances
    from inspired.flows.booking import checking

    svc = _services(30.0)
    found = balances(entry for _, entry in svc.ledger.all(checking.BEGINNING, svc.now()))
    for (account, currency), money in sorted(found.items()):
        print(f"{account:<10} {money} {currency}")
    return 0


def _hash_password(arguments: argparse.Namespace) -> int:
    """Never as an argument: process lists and the shell's history would reveal it."""
    from inspired.domain.accounts.people import LEAST_PASSWORD, LONGEST_PASSWORD
    from inspired.flows.accounts import authentication

    if arguments.password:
        print("The password is asked for, and never stands in the command: leave it out.", file=sys.stderr)
        return 2
    try:
        password = getpass.getpass("Password: ")
    except EOFError:
        password = ""
    if not LEAST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        print(f"A password has at least {LEAST_PASSWORD} characters.", file=sys.stderr)
        return 1
    print(authentication.hash_password(password))
    return 0


def _settings() -> "Settings":
    """From the environment; missing or wrong settings are listed, and nothing starts."""
    from inspired.settings import SettingsError, read_settings

    try:
        return read_settings()
    except SettingsError as error:
        sys.exit("This does not start yet:\n" + "\n".join(f"- {problem}" for problem in error.problems))


def _services(database_seconds: float) -> "Services":
    """`database_seconds`: the limit for one operation. Raises Busy if the database cannot be reached."""
    from inspired.adapters.process import deadline
    from inspired.services import build

    svc = build(_started(), database_seconds=database_seconds, redis_seconds=1.0)
    with deadline.within(REACHED_SECONDS):
        svc.ping()
    return svc


def _started() -> "Settings":
    from inspired.adapters.process.logs import configure_logging
    from inspired.adapters.process.processes import few_arenas

    few_arenas()
    settings = _settings()
    logging.basicConfig(level=logging.WARNING)
    configure_logging(settings.log_level)
    return settings


if __name__ == "__main__":
    sys.exit(main())
