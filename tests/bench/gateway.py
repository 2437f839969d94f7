"""Measure the gateway as a process against a plain aiohttp gateway that stores nothing, and against the machine, in one run.

Usage: gateway.py [--rounds 5] [--connections 10000] [--seconds 2] [--rows 1000000] [--only NAME,...] [--json]. Servers take turns, in an
order that is reversed every round; ratios are per-round ratios to the baseline with its access log, as aiohttp ships it. One process plays all
clients. With `--rows`, "analyst full" is the gateway on a store that holds so many already; JetStream, where it is installed, flushes as we do;
"floor", where there is a C compiler, is an epoll loop that does nothing but the system calls.
"""

import argparse
import asyncio
import gc
import json
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from gateway_load import Producer, Receiver, connect_all
from gateway_servers import Server, filled, floors, slowing_library, started
from jetstream import JetstreamProducer, found

MESSAGE = "Down 15 % since 6:00. " * 10
Figures = dict[str, float]


def close_all(receivers: list[Receiver]) -> None:
    for receiver in receivers:
        receiver.transport.abort()


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


# Scenarios: each gets a fresh server and returns figures


async def memory(server: Server, options: argparse.Namespace) -> Figures:
    """RSS of an idle signed-in connection."""
    await asyncio.sleep(0.3)
    base, receivers, figures = server.rss, [], {"base_mb": server.rss / 1e6}
    for count in (1_000, options.connections):
        more, _ = await connect_all(
            server.port, [server.auth(f"u{n}") for n in range(len(receivers), count)], until=server.ready
        )
        receivers += more
        await asyncio.sleep(0.3)
        figures[f"rss_bytes_at_{count}"] = (server.rss - base) / count
    close_all(receivers)
    return figures


async def storm(server: Server, _: argparse.Namespace) -> Figures:
    """2,000 connect and sign in, 256 in flight: as deployed clients do (protocol 1), and with a cursor and nothing missed (protocol 2)."""
    figures = await stormed(server, [server.auth(f"u{n}", protocol=1) for n in range(2_000)], b'"auth_ok"')
    if server.protocol == 2:
        epoch, producer = await epoch_of(server), await Producer.on(server.socket)
        seqs = [json.loads(await producer.dispatch(f"u{n}", server.next(), MESSAGE))["seq"] for n in range(2_000)]
        auths = [server.auth(f"u{n}", since={"epoch": epoch, "seq": seq}) for n, seq in enumerate(seqs)]
        figures |= {f"cursor_{name}": each for name, each in (await stormed(server, auths, server.ready)).items()}
    return figures


async def stormed(server: Server, auths: list[bytes], ready: bytes) -> Figures:
    began, cpu = time.perf_counter(), server.cpu_s
    receivers, took = await connect_all(server.port, auths, until=ready)
    figures = {
        "connects_per_s": len(auths) / (time.perf_counter() - began),
        "cpu_us_per_connect": (server.cpu_s - cpu) / len(auths) * 1e6,
        "p99_ms": quantile(took, 0.99) * 1e3,
    }
    close_all(receivers)
    await asyncio.sleep(0.3)
    return figures


async def latency(server: Server, options: argparse.Namespace) -> Figures:
    """Dispatch to receive at 200/s with 1,000 connections of 1,000 users."""
    arrived: list[float] = []
    receivers, _ = await connect_all(
        server.port,
        [server.auth(f"u{n}") for n in range(1_000)],
        until=server.ready,
        on_notification=lambda _: arrived.append(time.perf_counter()),
    )
    producer = await Producer.on(server.socket)
    delays, answers = [], []
    for n in range(int(options.seconds * 200)):
        began = time.perf_counter()
        arrived.clear()
        await producer.dispatch(f"u{n * 7 % 1000}", server.next(), MESSAGE)
        answers.append(time.perf_counter() - began)
        while not arrived:
            await asyncio.sleep(0)
        delays.append(arrived[0] - began)
        await asyncio.sleep(max(0.0, 0.005 - (time.perf_counter() - began)))
    close_all(receivers)
    return {
        "delivery_p50_us": statistics.median(delays) * 1e6,
        "delivery_p99_us": quantile(delays, 0.99) * 1e6,
        "answer_p50_us": statistics.median(answers) * 1e6,
        "answer_p99_us": quantile(answers, 0.99) * 1e6,
    }


async def throughput(server: Server, options: argparse.Namespace) -> Figures:
    """Accepted dispatches a second at 1, 16 and 64 producers, to 1,000 connected users; nothing lost."""
    auths = [server.auth(f"u{n}") for n in range(1_000)] if server.protocol else []
    receivers, _ = await connect_all(server.port, auths, until=server.ready)
    figures: Figures = {}
    total = 0
    for count in (1, 16, 64):
        producers = [await server.producer() for _ in range(count)]
        until, cpu = time.perf_counter() + options.seconds, server.cpu_s
        took: list[float] = []

        async def produce(
            producer: Producer | JetstreamProducer, until: float = until, took: list[float] = took
        ) -> None:
            while (began := time.perf_counter()) < until:
                number = server.next()
                await producer.dispatch(f"u{number % 1000}", number, MESSAGE)
                took.append(time.perf_counter() - began)

        await asyncio.gather(*map(produce, producers))
        total += len(took)
        figures[f"dispatches_per_s_at_{count}"] = len(took) / options.seconds
        figures[f"cpu_us_at_{count}"] = (server.cpu_s - cpu) / len(took) * 1e6
        figures[f"answer_p99_ms_at_{count}"] = quantile(took, 0.99) * 1e3
        for producer in producers:
            producer.transport.close()
    await arrival(receivers, total if receivers else 0)
    close_all(receivers)
    return figures


async def slow_disk(server: Server, options: argparse.Namespace) -> Figures:
    """What group commit gives on a disk whose flush takes 10 ms more: one sender has a commit for each dispatch, sixty-four share them."""
    rates: Figures = {}
    for count in (1, 64):
        producers = [await server.producer() for _ in range(count)]
        until, accepted = time.perf_counter() + options.seconds, 0

        async def produce(producer: Producer | JetstreamProducer, until: float = until) -> None:
            nonlocal accepted
            while time.perf_counter() < until:
                await producer.dispatch(f"u{server.next() % 1000}", server.numbers, MESSAGE)
                accepted += 1

        await asyncio.gather(*map(produce, producers))
        rates[f"dispatches_per_s_at_{count}"] = accepted / options.seconds
    return rates | {"to_commit_per_dispatch": rates["dispatches_per_s_at_64"] / rates["dispatches_per_s_at_1"]}


async def fan_out(server: Server, _: argparse.Namespace) -> Figures:
    """One notification to 1,000 connections of one user, 200 times: less is over before the machine's own noise is."""
    receivers, _ = await connect_all(server.port, [server.auth("all") for _ in range(1_000)], until=server.ready)
    producer, messages = await Producer.on(server.socket), 200_000
    began, cpu = time.perf_counter(), server.cpu_s
    for _ in range(messages // 1_000):
        await producer.dispatch("all", server.next(), MESSAGE)
    await arrival(receivers, messages)
    took = time.perf_counter() - began
    close_all(receivers)
    return {"messages_per_s": messages / took, "cpu_us_per_message": (server.cpu_s - cpu) / messages * 1e6}


async def replay(server: Server, _: argparse.Namespace) -> Figures:
    """100 clients return, each with 1,000 missed events; then 1,000 clients with 100 each, against the same events sent live."""
    if server.protocol == 1:
        return {}
    producer = await Producer.on(server.socket)
    epoch = await epoch_of(server)
    for _ in range(1_000):
        await producer.dispatch("many", server.next(), MESSAGE)
    auths = [server.auth("many", since={"epoch": epoch, "seq": 0}) for _ in range(100)]
    began, cpu = time.perf_counter(), server.cpu_s
    receivers, _ = await connect_all(server.port, auths, until=b'"replay_done"')
    took = time.perf_counter() - began
    assert all(receiver.received == 1_000 for receiver in receivers)
    figures = {"replayed_per_s": 100_000 / took, "cpu_us_per_replayed": (server.cpu_s - cpu) / 100_000 * 1e6}
    close_all(receivers)
    live, _ = await connect_all(server.port, [server.auth("crowd") for _ in range(1_000)], until=server.ready)
    began = time.perf_counter()
    for _ in range(100):
        await producer.dispatch("crowd", server.next(), MESSAGE)
    await arrival(live, 100_000)
    live_s = time.perf_counter() - began
    close_all(live)
    auths = [server.auth("crowd", since={"epoch": epoch, "seq": 0}) for _ in range(1_000)]
    began = time.perf_counter()
    back, _ = await connect_all(server.port, auths, until=b'"replay_done"', at_once=1_000)
    figures["storm_of_1000_s"] = time.perf_counter() - began
    figures["storm_to_live"] = figures["storm_of_1000_s"] / live_s
    assert all(receiver.received == 100 for receiver in back)
    close_all(back)
    return figures


async def heartbeat(server: Server, options: argparse.Namespace) -> Figures:
    """2,000 idle connections that answer a ping a second."""
    receivers, _ = await connect_all(server.port, [server.auth(f"u{n}") for n in range(2_000)], until=server.ready)
    await asyncio.sleep(1.5)
    cpu, pongs = server.cpu_s, sum(receiver.pongs for receiver in receivers)
    await asyncio.sleep(3 * options.seconds)
    pongs = sum(receiver.pongs for receiver in receivers) - pongs
    figures = {"cpu_us_per_ping_and_pong": (server.cpu_s - cpu) / pongs * 1e6}
    close_all(receivers)
    return figures


async def stalled(server: Server, options: argparse.Namespace) -> Figures:
    """The latency of others while one reader of 1,000 has stopped, as a ratio to that without. The plain gateway never answers such a dispatch."""
    if server.protocol == 1:
        return {}
    receivers, _ = await connect_all(server.port, [server.auth(f"u{n}") for n in range(1_000)], until=server.ready)
    before = await delays(server, receivers, options)
    receivers[0].transport.pause_reading()
    producer = await Producer.on(server.socket)
    for _ in range(400):  # beyond what the kernel buffers, so that the server holds the rest
        await producer.dispatch("u0", server.next(), MESSAGE * 60)
    during = await delays(server, receivers, options)
    close_all(receivers)
    return {f"p{share}_to_before": quantile(during, share / 100) / quantile(before, share / 100) for share in (50, 99)}


async def delays(server: Server, receivers: list[Receiver], options: argparse.Namespace) -> list[float]:
    """Dispatch to readers that read, one at a time, and return the seconds until each arrived."""
    producer, took = await Producer.on(server.socket), []
    for n in range(int(options.seconds * 300)):
        receiver = receivers[1 + n % 900]
        arrived = asyncio.get_running_loop().create_future()
        receiver.done = lambda arrived=arrived: arrived.set_result(None)
        began = time.perf_counter()
        await asyncio.gather(producer.dispatch(f"u{1 + n % 900}", server.next(), MESSAGE), arrived)
        took.append(time.perf_counter() - began)
        receiver.done = None
    producer.transport.close()
    return took


async def epoch_of(server: Server) -> str:
    """Ask a new connection for the epoch."""
    epochs: list[str] = []

    class Asking(Receiver):
        def _message(self, text: bytes) -> None:
            if b'"epoch"' in text:
                epochs.append(json.loads(text)["epoch"])
            super()._message(text)

    loop = asyncio.get_running_loop()
    _, asking = await loop.create_connection(
        lambda: Asking(server.auth("asks"), b'"replay_done"'), "127.0.0.1", server.port
    )
    await asking.signed_in
    asking.transport.abort()
    return epochs[0]


async def arrival(receivers: list[Receiver], total: int) -> None:
    """Wait until so many notifications have arrived in all, and see that none is doubled."""
    async with asyncio.timeout(30):
        while sum(receiver.received for receiver in receivers) < total:
            await asyncio.sleep(0.002)
    assert sum(receiver.received for receiver in receivers) == total


Scenario = Callable[[Server, argparse.Namespace], Awaitable[Figures]]
SCENARIOS: dict[str, Scenario] = {
    "memory": memory,
    "storm": storm,
    "latency": latency,
    "throughput": throughput,
    "slow_disk": slow_disk,
    "fan_out": fan_out,
    "replay": replay,
    "heartbeat": heartbeat,
    "stalled": stalled,
}


def kinds_of(scenario: str, options: argparse.Namespace) -> list[str]:
    """Return the servers that take turns in a scenario, the baseline first."""
    if scenario == "slow_disk":
        return ["analyst"]
    kinds = ["plain", "plain quiet", "analyst"]
    if options.rows and scenario in ("throughput", "latency"):
        kinds.append("analyst full")
    if scenario == "throughput" and found() is not None:
        kinds.append("jetstream")
    if scenario in ("storm", "fan_out") and shutil.which("cc"):
        kinds.append("floor")
    return kinds


async def measure(options: argparse.Namespace, full: Path) -> dict[str, dict[str, list[Figures]]]:
    """Return the figures of every round by scenario and server."""
    found = {name: {kind: list[Figures]() for kind in kinds_of(name, options)} for name in options.only}
    if options.rows:
        await filled(full, options.rows)
    slowing = slowing_library(full.parent) if "slow_disk" in found else ""
    for round_ in range(options.rounds):
        for name, by_kind in found.items():
            for kind in by_kind if round_ % 2 == 0 else reversed(by_kind):
                heartbeat_s = 1.0 if name == "heartbeat" else 30.0
                preload = slowing if name == "slow_disk" else ""
                async with started(kind, heartbeat_s=heartbeat_s, full=full, preload=preload) as server:
                    by_kind[kind].append(await SCENARIOS[name](server, options))
                gc.collect()
    return found


def ratio(ours: list[Figures], theirs: list[Figures], figure: str) -> str:
    ratios = [mine[figure] / other[figure] for mine, other in zip(ours, theirs, strict=True) if other.get(figure)]
    if not ratios:
        return ""
    return f"{statistics.median(ratios):.2f} [{min(ratios):.2f}-{max(ratios):.2f}]"


def table(found: dict[str, dict[str, list[Figures]]]) -> None:
    """Print the medians of each server, and our ratios to each of the others."""
    for name, by_kind in found.items():
        others = [kind for kind in by_kind if kind != "analyst"]
        print(
            f"\n{name:28}"
            + "".join(f"{kind:>14}" for kind in by_kind)
            + "".join(f"  {'to ' + kind:20}" for kind in others)
        )
        for figure in by_kind["analyst"][0]:
            cells = [
                f"{statistics.median([each[figure] for each in figures]):,.1f}" if figure in figures[0] else ""
                for figures in by_kind.values()
            ]
            ratios = [ratio(by_kind["analyst"], by_kind[kind], figure) for kind in others]
            print(
                f"{figure:28}" + "".join(f"{cell:>14}" for cell in cells) + "".join(f"  {each:20}" for each in ratios)
            )
            if "analyst full" in by_kind:
                print(f"{'  full store to plain':28}{ratio(by_kind['analyst full'], by_kind['plain'], figure)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rows", type=int, default=0)
    usual = [name for name in SCENARIOS if name != "slow_disk" or shutil.which("cc")]
    parser.add_argument("--only", type=lambda text: text.split(","), default=usual)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    options.connections = min(options.connections, hard - 500)
    machine = floors()
    try:
        from uvloop import run  # noqa: PLC0415 - a faster client leaves more of the machine to the server
    except ImportError:
        from asyncio import run  # noqa: PLC0415
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        found = run(measure(options, Path(folder, "inbox.db")))
    if options.json:
        print(json.dumps({"floor": machine, "figures": found}))
        return
    print("floor: " + ", ".join(f"{name} {value:.0f}" for name, value in machine.items()))
    table(found)


if __name__ == "__main__":
    main()
