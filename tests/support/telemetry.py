"""Asks a DPDK process (tandem-dataplane, dpdk-testpmd) over its telemetry socket."""
import json
import socket


class Telemetry:
    """One connection. Path: RUNTIME_DIRECTORY/dpdk/FILE_PREFIX/dpdk_telemetry.v2."""

    def __init__(self, path, timeout=5):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self.socket.settimeout(timeout)
            self.socket.connect(str(path))
            self.length_max = json.loads(self.socket.recv(1024))["max_output_len"]
        except BaseException:
            self.socket.close()
            raise

    def ask(self, command):
        self.socket.send(command.encode())
        answer = json.loads(self.socket.recv(self.length_max))
        return answer[command.split(",")[0]]

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
