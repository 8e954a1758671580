"""A dataplane that cannot start says in one clear line what to do, and leaves nothing behind."""
import os
import pathlib
import pwd
import re
import shutil
import subprocess

import pytest

from harness import DATAPLANE, ENVIRONMENT, SECONDS_MAX, Config, Pool, Tandem

LOG_LINE = re.compile(r"^\S+T\S+ dataplane (\w+): (.*)$")


@pytest.fixture
def directory(tmp_path):
    """Where the socket is to be; anybody may write there, so that rights are lost for one reason."""
    for parent in [tmp_path, *tmp_path.parents]:
        if pathlib.Path("/tmp") in parent.parents:
            parent.chmod(0o755)
    tmp_path.chmod(0o777)
    return tmp_path


def config(directory, device="null:", port="", **dataplane):
    settings = {"socket": f"{directory}/dataplane.sock", "memory": "normal",
                "packet_memory": "64MiB", **dataplane}
    lines = ["[dataplane]", *(f'{key} = "{value}"' for key, value in settings.items()),
             "[port.wan]", f'device = "{device}"', port,
             '[pool.web]', 'check = "none"', 'backends = ["10.0.0.11:80"]',
             '[vip.web]', 'listen = "203.0.113.10:80/tcp"', 'pool = "web"']
    return "\n".join(lines) + "\n"


def netdevs():
    return set(os.listdir("/sys/class/net"))


def files_in(directory):
    """Everything but directories: DPDK leaves empty ones where its telemetry socket was."""
    return (path for path in directory.rglob("*") if not path.is_dir())


def start(directory, text, *prefix):
    """Starts the dataplane, expects it to give up, and returns the one line that says why."""
    file = directory / "tandem.toml"
    file.write_text(text)
    file.chmod(0o644)
    before, netdevs_before = set(files_in(directory)), netdevs()
    process = subprocess.Popen([*prefix, DATAPLANE, "--config", file], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               cwd="/", start_new_session=True, env=ENVIRONMENT)
    try:
        output, _ = process.communicate(timeout=SECONDS_MAX)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert process.returncode == 1, output
    left = set(files_in(directory)) - before
    assert not left, left
    assert netdevs() == netdevs_before
    with pytest.raises(ProcessLookupError):  # nobody of its session is left
        os.killpg(process.pid, 0)
    return the_complaint(output)


def the_complaint(output):
    """The only line that is no information about what went well before."""
    complaints = []
    for line in output.splitlines():
        match = LOG_LINE.match(line)
        if not match or match[1] != "info":
            complaints.append(match[2] if match else line)
    assert len(complaints) == 1, output
    return complaints[0]


def test_a_missing_netdev(directory):
    for driver in ("af_packet", "af_xdp"):
        complaint = start(directory, config(directory, f"{driver}:nosuch0"))
        assert "port wan" in complaint and "no network device nosuch0" in complaint
        assert "ip link" in complaint


def test_a_missing_pci_device(directory):
    complaint = start(directory, config(directory, "0000:ff:1f.7"))
    assert "port wan" in complaint and "no PCI device 0000:ff:1f.7" in complaint
    assert "dpdk-devbind" in complaint


@pytest.mark.parametrize("device", ["af_packet:lo", "af_xdp:lo", "tap:nosuch0"])
def test_missing_rights(directory, device):
    nobody = pwd.getpwnam("nobody")
    complaint = start(directory, config(directory, device), shutil.which("setpriv"),
                      f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups",
                      "--inh-caps=-all", "--bounding-set=-all")
    assert "port wan" in complaint and "run tandem-dataplane as root" in complaint


def test_too_little_packet_memory(directory):
    complaint = start(directory, config(directory, packet_memory="1MiB"))
    assert "packet_memory" in complaint and "64MiB" in complaint


def test_more_table_memory_than_there_is(directory):
    complaint = start(directory, config(directory, table_memory="67108864MiB"))
    assert "memory" in complaint and "table_memory" in complaint, "says what to change"


def test_more_packet_memory_than_there_is(directory):
    complaint = start(directory, config(directory, packet_memory="67108864MiB"))
    assert "packet_memory" in complaint, "says what to change"


@pytest.mark.parametrize("packet_memory", ["64MiB", "192MiB"])
def test_packet_memory_of_normal_pages_is_used_whole(packet_memory):
    config = Config(pools={"web": Pool(["10.0.0.11:80"])},
                    vips={"web": ("203.0.113.10:80/tcp", "web")},
                    dataplane={"packet_memory": packet_memory})
    with Tandem(config, {}):
        pass


def test_huge_pages_demanded_where_there_are_not_enough(directory):
    complaint = start(directory, config(directory, memory="huge", packet_memory="67108864MiB"))
    assert "sysctl vm.nr_hugepages" in complaint


def test_a_capture_file_that_is_not_there(directory):
    complaint = start(directory, config(directory, f"pcap:rx_pcap={directory}/nosuch.pcap"))
    assert "DPDK does not start" in complaint or "port wan" in complaint


def test_a_second_dataplane_on_the_same_socket():
    running = Config(pools={"web": Pool(["10.0.0.11:80"])},
                     vips={"web": ("203.0.113.10:80/tcp", "web")})
    with Tandem(running, {}) as first:
        complaint = start(first.directory, config(first.directory))
        assert "dataplane.sock" in complaint
        assert (first.directory / "dataplane.sock").exists()
        assert first.counters()["received"] == 0, "the first one still answers"
        first.stop()


@pytest.mark.parametrize("text, expected", [
    ("[port.wan\n", "1"),
    ('[port.wan]\ndevise = "null:"\n', "2"),
])
def test_a_file_that_is_wrong(directory, text, expected):
    file = directory / "tandem.toml"
    file.write_text(text)
    ended = subprocess.run([DATAPLANE, "--config", file], capture_output=True, text=True,
                           timeout=SECONDS_MAX, env=ENVIRONMENT)
    assert ended.returncode == 1
    assert f"{file}:{expected}:" in ended.stdout + ended.stderr
    assert list(directory.iterdir()) == [file]


def test_a_file_that_is_not_there(directory):
    ended = subprocess.run([DATAPLANE, "--config", directory / "nosuch.toml"], text=True,
                           capture_output=True, timeout=SECONDS_MAX, env=ENVIRONMENT)
    assert ended.returncode == 1
    assert "nosuch.toml" in ended.stdout + ended.stderr
    assert list(directory.iterdir()) == []
