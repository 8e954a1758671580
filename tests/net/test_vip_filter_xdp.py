"""The kernel's side of af_xdp ports, with DPDK's own driver: frames for VIPs are kept from the kernel."""
import time

from kernel_side import ALL, SENDER, lab, questions, start, wire  # noqa: F401
from lab import VIP4, VIP6, wait_until


def start_testpmd(lab, driver):
    """DPDK's test program on an af_xdp port with our program: sends all it gets to SENDER."""
    program = driver.do("xdp_object")
    return lab.lb.start(
        "testpmd", "dpdk-testpmd", "--no-huge", "--no-shconf", "-m", "128", "--no-pci",
        "--no-telemetry", "--file-prefix", lab.name, "--vdev",
        f"net_af_xdp0,iface=eth0,xdp_prog={program}", "--", "--forward-mode=mac",
        f"--eth-peer=0,{SENDER}", "--total-num-mbufs=8192", "--stats-period=1")


def adopt(driver, vips):
    """Waits for the driver to attach the program."""
    wait_until(lambda: driver.say("adopt_xdp eth0") == "ok", "the XDP program on eth0")
    driver.do("vips", *vips)


def returned(lab, wire, ipv4, ipv6):
    """Which questions come back unchanged but for the MAC addresses, as testpmd sends them."""
    addresses = b"".join(bytes.fromhex(mac.replace(":", "")) for mac in (SENDER, lab.lb.mac()))
    missing = {name: addresses + bytes(frame)[12:]
               for name, frame in questions(lab, ipv4, ipv6).items()}
    for frame in questions(lab, ipv4, ipv6).values():
        wire.send(frame)
    deadline = time.monotonic() + 10
    while missing and time.monotonic() < deadline:
        data = wire.socket.recv(65536)
        missing = {name: frame for name, frame in missing.items() if frame != data}
    return ALL - missing.keys()


def xdp(lab):
    return lab.lb.run("ip", "link", "show", "eth0")


def test_af_xdp_gets_the_frames_for_vips_and_the_kernel_all_others(lab, wire, start):
    driver = start()
    testpmd = start_testpmd(lab, driver)
    adopt(driver, [])
    assert wire.answered(VIP4, VIP6) == ALL, "no VIPs are set yet"
    driver.do("vips", VIP4, VIP6)
    assert returned(lab, wire, VIP4, VIP6) == ALL
    assert wire.answered(VIP4, VIP6) == set()
    assert wire.answered(lab.lb.ipv4, lab.lb.ipv6) == ALL
    driver.do("vips", VIP6)
    assert wire.answered(VIP4, VIP6) == {"ARP", "echo4", "TCP4"}
    driver.do("detach")
    assert wire.answered(VIP4, VIP6) == ALL
    assert "xdp" not in xdp(lab)
    assert testpmd.running


def test_the_xdp_program_of_a_killed_process_is_removed_and_that_of_a_living_one_is_not(
        lab, wire, start):
    driver, successor = start(), start()
    successor.do("remove_stale_xdp eth0")
    testpmd = start_testpmd(lab, driver)
    adopt(driver, [VIP4, VIP6])
    driver.kill()
    wait_until(lambda: f"process {testpmd.popen.pid}" in successor.say("remove_stale_xdp eth0"),
               "an error that names testpmd")
    testpmd.kill()
    assert "tandem_xdp" in lab.lb.run("ip", "-details", "link", "show", "eth0")
    assert wire.answered(VIP4, VIP6) == ALL, "without a socket all goes to the kernel"
    successor.do("remove_stale_xdp eth0")
    assert "xdp" not in xdp(lab)


def test_an_xdp_program_that_is_not_ours_is_left_alone(lab, start):
    decap = lab.directory / "decap.o"
    lab.lb.ip(f"link set eth0 xdp obj {decap} sec xdp")
    driver = start()
    assert "not ours (decap)" in driver.say("remove_stale_xdp eth0")
    assert driver.say("adopt_xdp eth0").startswith("error: eth0 does not have our XDP program")
    assert "xdp" in xdp(lab)
