"""The way to the server and back: latency, clocks, subscriptions, a message on a channel.

The message goes to a reply channel of our own. On the other channels we listen and say nothing: an
invented event or command would reach those who act on it.
"""

import statistics
import time
from collections.abc import AsyncIterator
from typing import Final

from musterd.doctor.findings import Area, Finding
from musterd.doctor.subject import Subject
from musterd.valkey import ANSWER_TIMEOUT

TRAFFIC = Area.TRAFFIC

SAMPLES: Final = 15
SLOW: Final = 0.05
"""Seconds there and back from which on steps are told to be slow."""

SKEW: Final = 1.0
"""Seconds between two clocks from which on ages and logs mislead."""


async def latency_and_clock(subject: Subject) -> AsyncIterator[Finding]:
    """How long the server takes to answer, and how far its clock is from ours."""
    trips: list[tuple[float, float]] = []  # seconds there and back, its clock minus ours
    for _ in range(SAMPLES):
        began, sent = time.perf_counter(), time.time()
        seconds, micros = await subject.redis.time()
        trip = time.perf_counter() - began
        trips.append((trip, seconds + micros / 1e6 - (sent + trip / 2)))
    yield _latency([trip for trip, _ in trips])
    yield _difference(min(trips)[1])  # the quickest answer tells the time best


def _latency(trips: list[float]) -> Finding:
    median = statistics.median(trips)
    what = f"there and back in {_ms(median)}, at worst {_ms(max(trips))}"
    if median >= SLOW:
        do = "run the daemon nearer to its server: every step waits for an answer"
        return TRAFFIC.warning(what, do)
    return TRAFFIC.ok(what)


def _difference(seconds: float) -> Finding:
    if abs(seconds) >= SKEW:
        side = "ahead of" if seconds > 0 else "behind"
        what = f"its clock is {abs(seconds):.1f} s {side} ours"
        do = "run NTP on both: records have its time, logs and the ages of `musterd ps` have ours"
        return TRAFFIC.warning(what, do)
    return TRAFFIC.ok(f"its clock and ours differ by {abs(seconds) * 1000:.0f} ms")


async def subscriptions(subject: Subject) -> AsyncIterator[Finding]:
    """Whether the server confirms each subscription of a daemon and of a reader of events."""
    keys = subject.keys
    bells = (keys.kill_bell(subject.settings.node), keys.mail_bell(subject.settings.node))
    channels = (keys.control, keys.submit, keys.wake, *bells, keys.events)
    async with subject.redis.pubsub() as pubsub:
        await pubsub.subscribe(*channels)
        for _ in channels:
            if await pubsub.get_message(timeout=ANSWER_TIMEOUT) is None:
                do = "see what stands between here and the server: a proxy may know no PUBLISH"
                yield TRAFFIC.problem("a subscription is not confirmed", do)
                return
    yield TRAFFIC.ok(f"{len(channels)} channels can be heard")


async def messages(subject: Subject) -> AsyncIterator[Finding]:
    """Whether what is published arrives."""
    channel = subject.keys.reply + subject.probe
    async with subject.redis.pubsub() as pubsub:
        await pubsub.subscribe(channel)
        await pubsub.get_message(timeout=ANSWER_TIMEOUT)  # the confirmation
        began = time.perf_counter()
        await subject.redis.publish(channel, subject.probe)
        heard = await pubsub.get_message(ignore_subscribe_messages=True, timeout=ANSWER_TIMEOUT)
        took = time.perf_counter() - began
    if heard is None or heard["data"] != subject.probe:
        do = "kills and events do not get through: see the proxy or cluster in between"
        yield TRAFFIC.problem("a message on a reply channel did not arrive", do)
    else:
        yield TRAFFIC.ok(f"a message on a reply channel came back in {_ms(took)}")


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms"


CHECKS: Final = (latency_and_clock, subscriptions, messages)
