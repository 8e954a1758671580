#include "dataplane/receive_merging.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <span>
#include <string_view>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <utility>

#include "dataplane/base/file_descriptor.h"

namespace tandem {

namespace {

constexpr std::array<std::string_view, 5> kMerging{"rx-gro", "rx-lro", "rx-gro-hw", "rx-gro-list",
                                                   "rx-udp-gro-forwarding"};
constexpr unsigned kBitsOfWord = 32;

/// A command of ethtool's: a head, and as many bytes as follow it.
template <class Head>
class Command {
  public:
    Command(std::uint32_t number, std::size_t more) : bytes_(sizeof(Head) + more) {
        head().cmd = number;
    }
    Head& head() { return *reinterpret_cast<Head*>(bytes_.data()); }
    std::uint8_t* more() { return bytes_.data() + sizeof(Head); }
    Status ask(const std::string& netdev) {
        const FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        ifreq request{};
        netdev.copy(request.ifr_name, IFNAMSIZ - 1);
        request.ifr_data = reinterpret_cast<char*>(bytes_.data());
        if (::ioctl(socket.get(), SIOCETHTOOL, &request) < 0) return errno_error(netdev);
        return Nothing{};
    }

  private:
    std::vector<std::uint8_t> bytes_;
};

/// What the kernel calls its features, in their order.
Result<std::vector<std::string>> feature_names(const std::string& netdev) {
    Command<ethtool_sset_info> size(ETHTOOL_GSSET_INFO, sizeof(std::uint32_t));
    size.head().sset_mask = std::uint64_t{1} << unsigned{ETH_SS_FEATURES};
    if (Status status = size.ask(netdev); !status) return status.error();
    std::uint32_t count = 0;
    std::memcpy(&count, size.more(), sizeof(count));
    Command<ethtool_gstrings> strings(ETHTOOL_GSTRINGS, std::size_t{count} * ETH_GSTRING_LEN);
    strings.head().string_set = ETH_SS_FEATURES;
    strings.head().len = count;
    if (Status status = strings.ask(netdev); !status) return status.error();
    std::vector<std::string> names;
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto* text =
            reinterpret_cast<const char*>(strings.more()) + std::size_t{i} * ETH_GSTRING_LEN;
        names.emplace_back(text, ::strnlen(text, ETH_GSTRING_LEN));
    }
    return names;
}

std::size_t words_for(std::size_t features) {
    return (features + kBitsOfWord - 1) / kBitsOfWord;
}

/// Those of `features` that are on and may be changed.
Result<std::vector<std::uint32_t>> active(const std::string& netdev,
                                          std::vector<std::uint32_t> features) {
    const std::size_t words = features.size();
    Command<ethtool_gfeatures> now(ETHTOOL_GFEATURES, words * sizeof(ethtool_get_features_block));
    now.head().size = static_cast<std::uint32_t>(words);
    if (Status status = now.ask(netdev); !status) return status.error();
    for (std::size_t i = 0; i < words; ++i) {
        ethtool_get_features_block block{};
        std::memcpy(&block, now.more() + i * sizeof(block), sizeof(block));
        features[i] &= block.active & block.available;
    }
    return features;
}

Status set(const std::string& netdev, std::span<const std::uint32_t> features, bool on) {
    Command<ethtool_sfeatures> change(ETHTOOL_SFEATURES,
                                      features.size() * sizeof(ethtool_set_features_block));
    change.head().size = static_cast<std::uint32_t>(features.size());
    for (std::size_t i = 0; i < features.size(); ++i) {
        const ethtool_set_features_block block{.valid = features[i],
                                               .requested = on ? features[i] : 0};
        std::memcpy(change.more() + i * sizeof(block), &block, sizeof(block));
    }
    return change.ask(netdev);
}

}  // namespace

Result<ReceiveMerging> ReceiveMerging::switch_off(const std::string& netdev) {
    const Result<std::vector<std::string>> names = feature_names(netdev);
    if (!names) return names.error();
    Mask merging(words_for(names.value().size()));
    for (std::size_t i = 0; i < names.value().size(); ++i) {
        if (std::ranges::find(kMerging, names.value()[i]) == kMerging.end()) continue;
        merging[i / kBitsOfWord] |= std::uint32_t{1} << i % kBitsOfWord;
    }
    Result<Mask> on = active(netdev, merging);
    if (!on) return on.error();
    if (Status status = set(netdev, on.value(), false); !status) return status.error();
    const Result<Mask> left = active(netdev, merging);
    if (!left) return left.error();
    ReceiveMerging done(netdev, std::move(on.value()));
    const bool is_any_left = std::ranges::any_of(left.value(), [](auto word) { return word != 0; });
    if (is_any_left) return Error{netdev + ": the kernel keeps some of GRO and LRO on"};
    return done;
}

ReceiveMerging::ReceiveMerging(ReceiveMerging&& other) noexcept
    : netdev_(std::move(other.netdev_)), changed_(std::exchange(other.changed_, {})) {}

ReceiveMerging& ReceiveMerging::operator=(ReceiveMerging&& other) noexcept {
    std::swap(netdev_, other.netdev_);
    std::swap(changed_, other.changed_);
    return *this;
}

ReceiveMerging::~ReceiveMerging() {
    if (!changed_.empty()) static_cast<void>(set(netdev_, changed_, true));
}

}  // namespace tandem
