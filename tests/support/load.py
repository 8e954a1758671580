"""HTTP requests to one address, each on a connection of its own. Runs on the lab's client.

Either --count requests as fast as --concurrency allows, or --rate a second until SIGTERM.
Prints one JSON line per request, as it ends: {"start": s, "end": s, "backend": NAME} or
{"start": s, "end": s, "error": TEXT}; times are CLOCK_MONOTONIC, the same for every process.
With --until NAMES, --count requests again and again until all are answered, by each of these
backends and no other; nothing is printed.
"""
import argparse
import asyncio
import json
import resource
import signal
import time


async def fetch(host, port, path):
    """The body of the answer."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: tandem\r\n\r\n".encode())
        answer = await reader.read(-1)
    finally:
        writer.close()
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator or not head.startswith(b"HTTP/1.1 200 "):
        raise ConnectionError(f"answer {answer[:60]!r}")
    return body.decode()


async def request(options):
    result = {"start": time.monotonic()}
    try:
        body = await asyncio.wait_for(fetch(options.host, options.port, options.path),
                                      options.timeout)
        result["backend"] = body.strip()
    except (OSError, EOFError, asyncio.TimeoutError) as error:
        result["error"] = str(error) or type(error).__name__
    result["end"] = time.monotonic()
    if not options.until:
        print(json.dumps(result), flush=True)
    return result


async def a_number(options):
    left, results = iter(range(options.count)), []

    async def one_after_the_other():
        for _ in left:
            results.append(await request(options))
    await asyncio.gather(*(one_after_the_other() for _ in range(options.concurrency)))
    return results


async def until_served(options):
    names = set(options.until.split(","))
    while {result.get("backend") for result in await a_number(options)} != names:
        await asyncio.sleep(0.05)


async def steadily(options):
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    begin = time.monotonic()
    running = set()
    sent = 0
    while not stop.is_set():
        task = asyncio.create_task(request(options))
        running.add(task)
        task.add_done_callback(running.discard)
        sent += 1
        try:
            await asyncio.wait_for(stop.wait(), max(0, begin + sent / options.rate
                                                    - time.monotonic()))
        except asyncio.TimeoutError:
            pass
    await asyncio.gather(*running)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--path", default="/")
    parser.add_argument("--timeout", type=float, default=2, help="seconds, of the whole request")
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--rate", type=float, default=0, help="requests a second")
    parser.add_argument("--until", default="", metavar="NAMES", help="of backends: one,two")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(16384, hard), hard))
    way = until_served if options.until else a_number if options.count else steadily
    asyncio.run(way(options))


if __name__ == "__main__":
    main()
