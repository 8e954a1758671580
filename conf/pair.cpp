#include "conf/pair.h"

#include <fmt/format.h>

#include "conf/endpoint.h"

namespace tandem::conf {

namespace {

constexpr std::size_t kKeyPathMax = 4095;  // PATH_MAX, less the terminating zero
constexpr Range<milliseconds> kHeartbeatIntervals{milliseconds{1}, milliseconds{1000}};
constexpr Range<milliseconds> kDeadAfter{milliseconds{10}, milliseconds{10'000}};
constexpr int kHeartbeatsMissedMin = 3;
constexpr int kPhiMax = 100;
constexpr Range<milliseconds> kHoldDowns{milliseconds{0}, std::chrono::hours{1}};
constexpr Range<milliseconds> kSyncTimeouts{milliseconds{1000}, std::chrono::minutes{10}};

constexpr std::array<Word<Agreement>, 4> kAgreementWords{{{"credible", Agreement::kCredible},
                                                          {"any", Agreement::kAny},
                                                          {"both", Agreement::kBoth},
                                                          {"local", Agreement::kLocal}}};

std::vector<IpAddress> read_addresses(Section& section, std::string_view key) {
    std::vector<IpAddress> addresses;
    for (const Text& text : section.texts(key, "a string such as \"192.0.2.11\"")) {
        const Result<IpAddress> address = parse_host(text.value);
        if (!address) {
            section.reject(key, text.at, address.error().message);
        } else if (address.value().is_link_local()) {
            section.reject(
                key, text.at,
                fmt::format("{} is link-local: nothing says on which link", address.value().str()));
        } else {
            addresses.push_back(address.value());
        }
    }
    if (addresses.size() > kPathsMax) {
        section.reject(key, fmt::format("there are {} addresses; the most is {}, one a path",
                                        addresses.size(), kPathsMax));
    }
    return addresses;
}

void check_paths(Section& section, const Pair& pair) {
    if (pair.peers.size() == 2 && pair.peers[0] == pair.peers[1]) {
        section.reject("peer", "both paths lead to the same address");
    }
    if (pair.locals.empty()) return;
    if (pair.locals.size() != pair.peers.size()) {
        section.reject("local",
                       fmt::format("there are {} addresses, and {} of the peer: one a path",
                                   pair.locals.size(), pair.peers.size()));
        return;
    }
    for (std::size_t i = 0; i < pair.locals.size(); ++i) {
        if (pair.locals[i] == pair.peers[i]) {
            section.reject("local", fmt::format("{} is the peer's address", pair.locals[i].str()));
        } else if (pair.locals[i].is_v4() != pair.peers[i].is_v4()) {
            section.reject("local", fmt::format("{} does not reach {}, which is of another family",
                                                pair.locals[i].str(), pair.peers[i].str()));
        }
    }
}

}  // namespace

std::optional<Pair> read_pair(Section& root) {
    if (!root.has("pair")) return std::nullopt;
    Section section = root.subsection("pair");
    Pair pair;
    section.require("peer");
    pair.peers = read_addresses(section, "peer");
    pair.locals = read_addresses(section, "local");
    section.integer("port", {1, 65'535}, pair.port);
    section.file_path("key_file", kKeyPathMax, pair.key_file);
    section.duration("interval", kHeartbeatIntervals, pair.interval);
    section.duration("dead_after", kDeadAfter, pair.dead_after);
    section.choice("agreement", kAgreementWords, pair.agreement);
    section.integer("phi", {0, kPhiMax}, pair.phi);
    section.duration("sync_timeout", kSyncTimeouts, pair.sync_timeout);
    section.duration("hold_down_max", kHoldDowns, pair.hold_down_max);
    if (section.is_sound()) check_paths(section, pair);
    if (section.is_sound() && pair.dead_after < kHeartbeatsMissedMin * pair.interval) {
        section.reject("dead_after",
                       fmt::format("{} is less than {} intervals of {}", str(pair.dead_after),
                                   kHeartbeatsMissedMin, str(pair.interval)));
    }
    section.finish();
    return pair;
}

}  // namespace tandem::conf
