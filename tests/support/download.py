"""Many long downloads at once, each on a connection of its own. Runs on the lab's client.

Prints one JSON line per download as it begins, {"begun": true}, and one as it ends: {"sha256": HEX}
or {"error": TEXT}.
"""
import argparse
import asyncio
import hashlib
import json


async def download(options):
    digest = hashlib.sha256()
    reader, writer = await asyncio.open_connection(options.host, options.port)
    try:
        writer.write(f"GET {options.path} HTTP/1.0\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise ConnectionError(f"answer {head[:60]!r}")
        print(json.dumps({"begun": True}), flush=True)
        while data := await reader.read(1 << 16):
            digest.update(data)
    finally:
        writer.close()
    return digest.hexdigest()


async def one(options):
    try:
        result = {"sha256": await asyncio.wait_for(download(options), options.timeout)}
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
