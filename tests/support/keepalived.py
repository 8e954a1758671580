"""keepalived on a node of the lab: the other router of a group."""
import signal

CONFIG = """
global_defs {{
    vrrp_version 3
    vrrp_garp_master_delay 1
}}
vrrp_instance web {{
    state BACKUP
    interface eth0
    virtual_router_id {router_id}
    priority {priority}
    advert_int {interval_s}
    {unicast}
    virtual_ipaddress {{
        {addresses}
    }}
}}
"""


class Keepalived:
    def __init__(self, node, router_id, priority, interval_ms, addresses, peer=None):
        """`peer`: the only one that it speaks to; None: it speaks to all by multicast."""
        self.node = node
        self.addresses = addresses
        self.directory = node.lab.directory / f"keepalived-{node.name}"
        self.directory.mkdir(exist_ok=True)
        (self.directory / "keepalived.conf").write_text(CONFIG.format(
            router_id=router_id, priority=priority, interval_s=interval_ms / 1000,
            unicast=f"unicast_peer {{\n{peer}\n}}" if peer else "",
            addresses="\n        ".join(addresses)))
        self.process = None

    def start(self):
        files = {name: self.directory / name for name in ("pid", "vrrp_pid")}
        for file in files.values():  # of a killed one, which it would think to be running
            file.unlink(missing_ok=True)
        pids = (f"--{name}={file}" for name, file in files.items())
        self.process = self.node.start(
            f"keepalived-{self.node.name}", "keepalived", "--dont-fork", "--log-console", "--vrrp",
            "--log-detail", f"--use-file={self.directory}/keepalived.conf", *pids)

    def stop(self):
        self.process.stop()

    def kill(self):
        """At once, as a machine dies: all its processes."""
        for pid in self.node.run("pgrep", "--full", f"{self.directory}/").split():
            self.node.run("kill", f"-{signal.SIGKILL.value}", pid)
        self.process.popen.wait()

    def is_active(self):
        shown = self.node.run("ip", "-o", "addr", "show", "dev", "eth0")
        return all(f" {address.split('/')[0]}/" in shown for address in self.addresses)
