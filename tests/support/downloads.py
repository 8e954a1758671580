"""Long downloads from the lab's client, each of which has to end with the bytes of one backend."""
import hashlib
import json

import client
from lab import SUPPORT, VIP4, wait_until


class Downloads:
    """Started, and all of them under way: they take 13 s and more, 25 s if slow."""

    def __init__(self, lab, count, path="/brisk"):
        self.lab, self.count = lab, count
        self.process = lab.client.start(f"downloads{len(lab.processes)}", client.PYTHON,
                                        SUPPORT / "download.py", VIP4, "--path", path,
                                        "--count", str(count))
        wait_until(lambda: sum("begun" in line for line in self.lines()) == count,
                   "all downloads under way", 60)

    def lines(self):
        return [json.loads(line) for line in self.process.text().splitlines(keepends=True)
                if line.endswith("\n")]

    def ended(self):
        return [line for line in self.lines() if "begun" not in line]

    def broken(self):
        """Waits for the end of all. Those that did not end as they should."""
        wait_until(lambda: len(self.ended()) == self.count, "the end of all downloads", 240)
        whole = {hashlib.sha256((server.directory / "files" / "slow").read_bytes()).hexdigest()
                 for server in self.lab.nginx}
        return [result for result in self.ended() if result.get("sha256") not in whole]


def connections(node, side="dst"):
    """How many a node has with the VIP, or as the VIP if `side` is "src"."""
    return len(node.run("ss", "-Htn", "state", "established", side, f"{VIP4}:80").splitlines())
