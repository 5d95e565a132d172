"""`python -m tests.checker --url URL --prefix PREFIX`: check what is there, by hand.

Exit code 0: nothing is broken; 1: a promise is; 2: the check proves nothing.
"""

import argparse
import sys
from pathlib import Path

import anyio
from redis.asyncio import Redis

from tests.checker.checking import Checker
from tests.checker.ledger import Ledger
from tests.checker.promises import BrokenError, VoidError


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.checker", description=__doc__)
    parser.add_argument("--url", default="redis://localhost:6379", help="the server's")
    parser.add_argument("--prefix", default="orchestrator", help="of the keys")
    parser.add_argument("--ledger", type=Path, help="folder that the agents wrote to")
    parser.add_argument("--quiet", action="store_true", help="nothing may be live or left over")
    parser.add_argument(
        "--expiring", action="store_true", help="ended records may be gone, and ids used again"
    )
    return parser.parse_args()


async def _check(arguments: argparse.Namespace) -> str:
    ledger = Ledger(arguments.ledger) if arguments.ledger else None
    async with Redis.from_url(arguments.url, decode_responses=True) as redis:
        checker = Checker(redis, arguments.prefix, ledger, records_expire=arguments.expiring)
        await checker.catch_up()
        if arguments.quiet:
            await checker.check_quiet()
        await checker.conclude()
    events = checker.events
    return f"ok: {events.count} events, {events.ended_count} tasks ended, {len(events.lives)} live"


def main() -> int:
    """Check once; the verdict is the exit code."""
    try:
        verdict, code = anyio.run(_check, _arguments()), 0
    except BrokenError as error:
        verdict, code = str(error), 1
    except VoidError as error:
        verdict, code = f"void: {error}", 2
    sys.stdout.write(f"{verdict}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
