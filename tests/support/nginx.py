"""One real nginx on a node of the lab. It answers with its node's name."""
import os
import pathlib
import signal
import time

from lab import wait_until

PORT = 80
BIG_FILE_BYTES = 4 << 20
SLOW_FILE_BYTES = 1 << 20  # 26 s at its rate, brisk 13 s

CONFIG = """\
daemon off;
master_process off;   # one process: what is stopped or killed is all there is
user root;
pid {directory}/nginx.pid;
error_log stderr warn;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen {port} backlog=4096;
        listen [::]:{port} backlog=4096;
        root {directory}/files;
        location = / {{ return 200 "{name}\\n"; }}
        location = /healthz {{ try_files /healthy =503; }}
        location = /slow {{ limit_rate 40k; }}
        location = /brisk {{ limit_rate 80k; alias {directory}/files/slow; }}
    }}
}}
"""


class Nginx:
    def __init__(self, node):
        self.node = node
        self.directory = node.lab.directory / f"nginx-{node.name}"
        (self.directory / "files").mkdir(parents=True, exist_ok=True)
        with open(self.directory / "files" / "big", "wb") as big:
            big.write(os.urandom(1 << 16) * (BIG_FILE_BYTES >> 16))
        (self.directory / "files" / "slow").write_bytes(os.urandom(SLOW_FILE_BYTES))
        self.healthy = self.directory / "files" / "healthy"
        self.healthy.write_text("ok\n")
        self.config = self.directory / "nginx.conf"
        self.config.write_text(CONFIG.format(directory=self.directory, port=PORT, name=node.name))
        self.process = None
        self.started = None  # time.monotonic() at which it listened

    @property
    def name(self):
        return self.node.name

    def start(self):
        """Returns when nginx accepts connections."""
        self.process = self.node.start(f"nginx-{self.name}", "nginx", "-p", self.directory, "-c",
                                       self.config)
        wait_until(self._listening, f"nginx on {self.name}: {self.process.log}")
        self.started = time.monotonic()
        return self

    def _listening(self):
        if not self.process.running:
            raise AssertionError(f"nginx on {self.name} did not start\n{self.process.tail()}")
        # In its own view of the network, where lines of listening sockets are of state 0A.
        lines = pathlib.Path(f"/proc/{self.process.popen.pid}/net/tcp").read_text().splitlines()
        return any(f":{PORT:04X} 00000000:0000 0A" in line for line in lines)

    def stop(self):
        """A fast shutdown: the listening socket closes at once."""
        return self.process.stop()

    def kill(self):
        self.process.kill()

    def set_healthy(self, healthy):
        """What its health check says, while it serves as before."""
        if healthy:
            self.healthy.write_text("ok\n")
        else:
            self.healthy.unlink()

    def freeze(self):
        """Stops it without closing anything: connections open, nobody answers."""
        self.process.signal(signal.SIGSTOP)

    def thaw(self):
        self.process.signal(signal.SIGCONT)


def start_all(lab):
    return [Nginx(node).start() for node in lab.backends]
