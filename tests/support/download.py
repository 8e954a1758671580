"""Many long downloads at once, each on a connection of its own. Runs on the lab's client.

Prints one JSON line per download as it begins, {"begun": true}, and one as it ends: {"sha256": HEX,
"silence_ms": LONGEST} or {"error": TEXT}. silence_ms: with nothing received.
"""
import argparse
import asyncio
import hashlib
import json
import time


async def download(options):
    digest = hashlib.sha256()
    reader, writer = await asyncio.open_connection(options.host, options.port)
    try:
        writer.write(f"GET {options.path} HTTP/1.0\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise ConnectionError(f"answer {head[:60]!r}")
        print(json.dumps({"begun": True}), flush=True)
        silence, heard = 0, time.monotonic()
        while data := await reader.read(1 << 16):
            digest.update(data)
            silence, heard = max(silence, time.monotonic() - heard), time.monotonic()
    finally:
        writer.close()
    return {"sha256": digest.hexdigest(), "silence_ms": silence * 1000}


async def one(options):
    try:
        result = await asyncio.wait_for(download(options), options.timeout)
    except (OSError, EOFError, asyncio.TimeoutError) as error:
        result = {"error": str(error) or type(error).__name__}
    print(json.dumps(result), flush=True)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--path", default="/")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--timeout", type=float, default=300, help="seconds, of a whole download")
    options = parser.parse_args()
    await asyncio.gather(*(one(options) for _ in range(options.count)))


if __name__ == "__main__":
    asyncio.run(main())
