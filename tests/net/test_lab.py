"""The lab itself: backends answer directly, keep quiet about the VIPs, and take off IP in IP."""
import json
import pathlib
import signal
import subprocess
import sys

import client
import pytest
from lab import PREFIX, SUPPORT, VIP4, VIP6, command, wait_until

ENCAPSULATE = """
import sys
from scapy.all import Ether, IP, IPv6, TCP, Raw, AsyncSniffer, sendp, conf
outer_family, inner_family, backend_mac, backend, vip, client = sys.argv[1:]
Outer = {"4": IP, "6": IPv6}[outer_family]
Inner = {"4": IP, "6": IPv6}[inner_family]
def send(tcp, data=b""):
    frame = (Ether(dst=backend_mac) / Outer(dst=backend) / Inner(src=client, dst=vip) / tcp / data)
    sendp(frame, iface="eth0", verbose=False)
def exchange(tcp, data, wanted):
    sniffer = AsyncSniffer(iface="eth0", count=1, timeout=10, lfilter=lambda frame: TCP in frame
        and frame[Inner].src == vip and frame[TCP].dport == 4321 and wanted(frame[TCP]),
        started_callback=lambda: send(tcp, data))
    sniffer.start()
    sniffer.join()
    if not sniffer.results:
        sys.exit("no answer")
    return sniffer.results[0][TCP]
answer = exchange(TCP(sport=4321, dport=80, seq=1000, flags="S"), b"", lambda tcp: tcp.flags == "SA")
next_seq = answer.seq + 1
answer = exchange(TCP(sport=4321, dport=80, seq=1001, ack=next_seq, flags="PA"),
                  b"GET / HTTP/1.0\\r\\n\\r\\n", lambda tcp: len(tcp.payload) > 20)
print(bytes(answer.payload).decode())
"""


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_every_backend_answers_the_client_directly(lab, family):
    for node in lab.backends:
        results = client.requests(lab, getattr(node, family), 20)
        assert not results.failed
        assert results.spread == {node.name: 20}


@pytest.mark.parametrize("vip", [VIP4, VIP6])
def test_no_backend_tells_the_network_that_it_has_the_vip(lab, vip):
    family = "-6" if ":" in vip else "-4"
    assert client.curl(lab, f"http://[{vip}]/" if ":" in vip else f"http://{vip}/", seconds=2) is None
    assert "lladdr" not in lab.client.run("ip", family, "neigh", "show", vip)


@pytest.mark.parametrize("outer, inner", ["44", "66", "64", "46"])
def test_a_backend_takes_off_ip_in_ip_and_answers_from_the_vip(lab, outer, inner):
    backend = lab.backends[1]
    # The client has no such connection: its kernel must not reset it.
    source = "192.0.2.77" if inner == "4" else "2001:db8::77"
    lab.client.ip(f"neigh replace {source} lladdr {lab.client.mac()} dev eth0")
    backend.ip(f"neigh replace {source} lladdr {lab.client.mac()} dev eth0")
    answer = lab.client.run(client.PYTHON, "-c", ENCAPSULATE, outer, inner, backend.mac(),
                            backend.ipv4 if outer == "4" else backend.ipv6,
                            VIP4 if inner == "4" else VIP6, source)
    assert answer.endswith("backend2\n\n")


def test_three_thousand_connections_take_a_few_seconds(lab):
    results = client.requests(lab, lab.backends[0].ipv4, 3000)
    assert len(results) == 3000 and not results.failed
    assert results[-1]["end"] - results[0]["start"] < 15


def test_a_stream_notices_when_its_backend_stops_and_returns(lab):
    with client.Stream(lab, lab.backends[0].ipv4, rate=100, timeout=1) as stream:
        lab.nginx[0].stop()
        wait_until(lambda: len(stream.results().failed) > 10, "failed requests")
        lab.nginx[0].start()
        moment = lab.nginx[0].started
        wait_until(lambda: len(stream.results().since(moment)) > 50, "requests after the return")
        assert not stream.stop().since(moment).failed


def command_line(pid):
    """Empty when the process has ended."""
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_text()
    except FileNotFoundError:
        return ""


def test_what_a_killed_run_left_behind_is_swept_away():
    script = ("import json, nginx, os, time; from lab import Lab\n"
              "with Lab(backends=1) as lab:\n"
              "    process = nginx.start_all(lab)[0].process.popen\n"
              "    print(json.dumps([lab.name, process.pid]), flush=True)\n"
              "    time.sleep(600)\n")
    run = subprocess.Popen([sys.executable, "-c", script], cwd=SUPPORT, text=True,
                           stdout=subprocess.PIPE)
    name, server = json.loads(run.stdout.readline())
    assert name in command("ip", "netns", "list")
    assert command_line(server)
    run.kill()
    run.wait()  # from now on any lab that is built may sweep it away
    command(sys.executable, "-c", "import lab; lab.sweep()", cwd=SUPPORT)
    assert name not in command("ip", "netns", "list")
    assert not command_line(server)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_cleans_up_after_itself(number):
    script = ("import time; from lab import Lab\n"
              "with Lab(backends=1) as lab:\n"
              "    print(lab.name, flush=True)\n"
              "    time.sleep(600)\n")
    run = subprocess.Popen([sys.executable, "-c", script], cwd=SUPPORT, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    name = run.stdout.readline().strip()
    assert name.startswith(PREFIX) and name in command("ip", "netns", "list")
    run.send_signal(number)
    assert run.wait(30) != 0
    assert name not in command("ip", "netns", "list")
