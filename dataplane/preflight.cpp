#include "dataplane/preflight.h"

#include <filesystem>
#include <fmt/format.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tandem {

namespace {

bool has_capability(unsigned capability) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data{};
    if (::syscall(SYS_capget, &header, data.data()) != 0) return false;
    return (data[capability / 32].effective >> (capability % 32) & 1U) != 0;
}

Status check_cpu() {
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("aes")) return Nothing{};
    return Error{
        "this CPU (or the virtual machine's CPU model) lacks AVX2 or AES-NI, which Tandem needs"};
}

Status check_netdev(const conf::Port& port) {
    if (::if_nametoindex(port.device_name.c_str()) == 0) {
        return Error{fmt::format(
            "port {}: there is no network device {} here; 'ip link' lists those there are",
            port.name, port.device_name)};
    }
    if (!has_capability(CAP_NET_RAW) || !has_capability(CAP_NET_ADMIN)) {
        return Error{fmt::format(
            "port {}: {} needs CAP_NET_RAW and CAP_NET_ADMIN: run tandem-dataplane as root",
            port.name, port.device)};
    }
    return Nothing{};
}

Status check_pci(const conf::Port& port) {
    const std::filesystem::path device = "/sys/bus/pci/devices/" + port.device_name;
    std::error_code error;
    if (!std::filesystem::exists(device, error)) {
        return Error{fmt::format(
            "port {}: there is no PCI device {}; 'dpdk-devbind.py --status-dev net' lists NICs",
            port.name, port.device_name)};
    }
    const std::string driver =
        std::filesystem::read_symlink(device / "driver", error).filename().string();
    const bool usable = driver == "vfio-pci" || driver == "uio_pci_generic" ||
                        driver == "igb_uio" || driver.starts_with("mlx");
    if (usable) return Nothing{};
    return Error{fmt::format(
        "port {}: {} is {}; DPDK needs it bound to vfio-pci: 'driverctl set-override {} vfio-pci', "
        "or name its netdev as af_xdp:NAME to leave it with the kernel",
        port.name, port.device_name,
        driver.empty() ? "bound to no driver" : "bound to the kernel's driver " + driver,
        port.device_name)};
}

Status check_tun(const conf::Port& port) {
    if (::access("/dev/net/tun", R_OK | W_OK) == 0 && has_capability(CAP_NET_ADMIN)) {
        return Nothing{};
    }
    return Error{
        fmt::format("port {}: making a TAP device needs /dev/net/tun and CAP_NET_ADMIN: run "
                    "tandem-dataplane as "
                    "root, and 'modprobe tun' if the device is missing",
                    port.name)};
}

Status check_port(const conf::Port& port) {
    switch (port.driver) {
        case conf::Driver::kAfXdp:
        case conf::Driver::kAfPacket:
            return check_netdev(port);
        case conf::Driver::kPci: {
            const Status device = check_pci(port);
            return device ? check_tun(port) : device;
        }
        case conf::Driver::kTap:
        case conf::Driver::kMemif:
            return check_tun(port);
        case conf::Driver::kPcap:
        case conf::Driver::kNull:
        case conf::Driver::kRing:
            break;
    }
    return Nothing{};
}

}  // namespace

Status preflight(const conf::Config& config) {
    Status status = check_cpu();
    for (const conf::Port& port : config.ports) {
        if (status) status = check_port(port);
    }
    return status;
}

}  // namespace tandem
