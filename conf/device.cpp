#include "conf/device.h"

#include <algorithm>
#include <fmt/format.h>

#include "conf/spelling.h"

namespace tandem::conf {

namespace {

constexpr std::size_t kNetdevNameMax = 15;  // IFNAMSIZ, less the terminating zero

/// The words of `driver`; all but the first are prefixes of `device` too.
constexpr std::array<Word<std::optional<Driver>>, 9> kDriverWords{{
    {"auto", std::nullopt},
    {"pci", Driver::kPci},
    {"af_xdp", Driver::kAfXdp},
    {"af_packet", Driver::kAfPacket},
    {"tap", Driver::kTap},
    {"pcap", Driver::kPcap},
    {"null", Driver::kNull},
    {"memif", Driver::kMemif},
    {"ring", Driver::kRing},
}};

std::string_view word_of(Driver driver) {
    return std::ranges::find(kDriverWords, driver, &Word<std::optional<Driver>>::value)->text;
}

std::optional<Driver> driver_of(std::string_view text) {
    for (const auto& word : kDriverWords) {
        if (word.text == text) return word.value;
    }
    return std::nullopt;
}

/// "0000:3b:00.0" for that or "3b:00.0"; nullopt for anything else.
std::optional<std::string> parse_pci(std::string_view text) {
    constexpr std::string_view kShape = "hhhh:hh:hh.o";  // h: hexadecimal, o: octal
    constexpr std::string_view kDomain = "0000:";
    std::string full(text.size() + kDomain.size() == kShape.size() ? kDomain : "");
    full += text;
    if (full.size() != kShape.size()) return std::nullopt;
    for (std::size_t i = 0; i < full.size(); ++i) {
        if (full[i] >= 'A' && full[i] <= 'F') full[i] = static_cast<char>(full[i] - 'A' + 'a');
        const std::string_view allowed = kShape[i] == 'h'   ? "0123456789abcdef"
                                         : kShape[i] == 'o' ? "01234567"
                                                            : kShape.substr(i, 1);
        if (allowed.find(full[i]) == allowed.npos) return std::nullopt;
    }
    return full;
}

Status check_netdev(std::string_view name) {
    // What the kernel refuses (dev_valid_name), and the comma that would end a DPDK argument.
    const bool is_valid =
        !name.empty() && name != "." && name != ".." && name.find_first_of("/:, \t") == name.npos;
    if (!is_valid) return Error{in_quotes(name) + " is not the name of a network device"};
    if (name.size() <= kNetdevNameMax) return Nothing{};
    return Error{fmt::format("{} is longer than a network device's name can be, {} characters",
                             in_quotes(name), kNetdevNameMax)};
}

Result<Device> checked(Driver driver, std::string_view name) {
    switch (driver) {
        case Driver::kPci: {
            const std::optional<std::string> pci = parse_pci(name);
            if (!pci)
                return Error{in_quotes(name) + " is not a PCI address such as \"0000:3b:00.0\""};
            return Device{.driver = driver, .name = *pci};
        }
        case Driver::kAfXdp:
        case Driver::kAfPacket:
        case Driver::kTap:
            if (const Status status = check_netdev(name); !status) return status.error();
            break;
        case Driver::kPcap:
            if (name.empty()) return Error{"pcap needs arguments, such as \"pcap:iface=eth1\""};
            break;
        case Driver::kNull:
        case Driver::kMemif:
        case Driver::kRing:
            break;
    }
    return Device{.driver = driver, .name = std::string(name)};
}

Error contradiction(std::string_view text, Driver wanted) {
    return {fmt::format("{} is not a device of driver {}", in_quotes(text),
                        in_quotes(word_of(wanted)))};
}

}  // namespace

std::optional<Driver> read_driver(Section& section) {
    std::optional<Driver> driver;
    section.choice("driver", kDriverWords, driver);
    return driver;
}

Result<Device> parse_device(std::string_view text, std::optional<Driver> wanted) {
    const std::optional<std::string> pci = parse_pci(text);
    const std::size_t colon = pci ? text.npos : text.find(':');
    const std::string_view prefix = text.substr(0, colon);
    std::optional<Driver> own = pci ? Driver::kPci : driver_of(prefix);
    // A netdev may be called "tap"; only "null" says all there is to say without a colon.
    if (!pci && colon == text.npos && own != Driver::kNull) own.reset();

    if (own) {
        if (wanted && *wanted != *own) return contradiction(text, *wanted);
        return checked(*own, colon == text.npos ? pci.value_or("") : text.substr(colon + 1));
    }
    if (wanted) return checked(*wanted, text);
    if (colon == text.npos) return checked(Driver::kAfPacket, text);

    std::array<std::string_view, kDriverWords.size()> words;
    std::ranges::transform(kDriverWords, words.begin(), [](const auto& word) { return word.text; });
    const std::string_view meant = nearest(prefix, words);
    return Error{fmt::format("{} is not a driver{}", in_quotes(prefix),
                             meant.empty() ? "" : "; " + did_you_mean(meant))};
}

std::string claim(const Device& device) {
    if (device.driver == Driver::kNull || device.name.empty()) return "";
    const bool is_netdev = device.driver == Driver::kAfXdp || device.driver == Driver::kAfPacket ||
                           device.driver == Driver::kTap;
    return fmt::format("{}:{}", is_netdev ? "netdev" : word_of(device.driver), device.name);
}

}  // namespace tandem::conf
