#include "dataplane/peer_link.h"

#include <algorithm>
#include <arpa/inet.h>
#include <bit>
#include <fmt/format.h>
#include <netinet/in.h>
#include <spdlog/spdlog.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "dataplane/base/check.h"
#include "dataplane/coarse_clock.h"
#include "dataplane/pair_key.h"

namespace tandem {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kTryInterval = seconds(1);
constexpr Duration kKeyInterval = seconds(1);
/// Whoever is not known makes us derive a key: so many datagrams of a path are read at a step.
constexpr int kDatagramsAtOnce = 128;
constexpr Duration kAnswerInterval = milliseconds(5);
/// Views of health differ for moments all the time.
constexpr Duration kDifferencePatience = seconds(1);
constexpr std::size_t kDatagramBytesMax = 2048;
/// Others wait for the main core, too, advertisements above all. A step that has taken this long
/// tells no more than one batch: between virtual ports each may take a millisecond.
constexpr Duration kStepMax = milliseconds(4);
constexpr int kBatchesAtOnce = 64;
constexpr std::size_t kAsksAtOnce = 16;
constexpr Duration kIntervalMin = milliseconds(1);
constexpr Duration kIntervalMax = seconds(1);
constexpr int kIntervalsMissed = 3;  ///< before anybody is dead

template <class Bytes>
Bytes random_bits() {
    Bytes bits;
    CHECK(::getrandom(&bits, sizeof(bits), 0) == static_cast<ssize_t>(sizeof(bits)));
    return bits;
}

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t length = 0;
};

SocketAddress socket_address(const IpAddress& address, std::uint16_t port) {
    SocketAddress made;
    if (address.is_v4()) {
        auto* four = reinterpret_cast<sockaddr_in*>(&made.storage);
        four->sin_family = AF_INET;
        four->sin_port = htons(port);
        four->sin_addr.s_addr = address.v4_network_order();
        made.length = sizeof(*four);
    } else {
        auto* six = reinterpret_cast<sockaddr_in6*>(&made.storage);
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(port);
        std::ranges::copy(address.bytes, six->sin6_addr.s6_addr);
        made.length = sizeof(*six);
    }
    return made;
}

IpAddress any_of_family(const IpAddress& address) {
    return address.is_v4() ? IpAddress::from_v4({0, 0, 0, 0}) : IpAddress{};
}

Result<IpAddress> local_address(int socket) {
    SocketAddress found;
    found.length = sizeof(found.storage);
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&found.storage), &found.length) != 0) {
        return errno_error("cannot say where a socket speaks from");
    }
    if (found.storage.ss_family == AF_INET) {
        const auto* four = reinterpret_cast<const sockaddr_in*>(&found.storage);
        return IpAddress::from_v4(std::bit_cast<std::array<std::uint8_t, 4>>(four->sin_addr));
    }
    IpAddress six;
    std::ranges::copy(reinterpret_cast<const sockaddr_in6*>(&found.storage)->sin6_addr.s6_addr,
                      six.bytes.begin());
    return six;
}

/// When the kernel took a datagram from the wire; `now` if it does not say. Its clock is another
/// one.
Instant received_at(msghdr& message, Instant now) {
    for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr;
         control = CMSG_NXTHDR(&message, control)) {
        if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_TIMESTAMPNS) continue;
        timespec stamp{};
        std::memcpy(&stamp, CMSG_DATA(control), sizeof(stamp));
        timespec real{};
        ::clock_gettime(CLOCK_REALTIME, &real);
        const Duration age = seconds(real.tv_sec - stamp.tv_sec) +
                             std::chrono::nanoseconds(real.tv_nsec - stamp.tv_nsec);
        return now - std::clamp<Duration>(age, Duration{}, seconds(1));
    }
    return now;
}

}  // namespace

Result<PeerLink> PeerLink::open(const conf::Pair& settings, tables::PeerState& state) {
    Result<std::vector<pair::PeerSecret>> secrets = read_pair_key(settings.key_file);
    if (!secrets) return secrets.error();
    return PeerLink(settings, std::move(secrets.value()), state);
}

PeerLink::PeerLink(const conf::Pair& settings, std::vector<pair::PeerSecret> secrets,
                   tables::PeerState& state)
    : settings_(settings),
      state_(&state),
      session_(std::move(secrets), random_bits<pair::BootId>(), random_bits<HashKey>()),
      suspects_({.interval = settings.interval,
                 .bound = settings.dead_after,
                 .phi_max = static_cast<double>(settings.phi)}),
      suspicion_(suspects_) {
    for (std::size_t i = 0; i < settings.peers.size(); ++i) {
        const IpAddress& peer = settings.peers[i];
        paths_.push_back(
            {.peer = peer,
             .local = settings.locals.empty() ? any_of_family(peer) : settings.locals[i]});
    }
    state_->is_configured.store(true, std::memory_order_relaxed);
    ::stat(settings_.key_file.c_str(), &key_);
}

std::vector<int> PeerLink::descriptors() const {
    std::vector<int> descriptors;
    for (const Path& path : paths_) descriptors.push_back(path.socket.get());
    return descriptors;
}

Result<IpAddress> PeerLink::open_path(Path& path) const {
    FileDescriptor socket(::socket(path.peer.is_v4() ? AF_INET : AF_INET6,
                                   SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket.is_open()) return errno_error("cannot make a UDP socket");
    const int on = 1;
    // Both paths may begin at any address; each hears its own peer only, for it is connected.
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    ::setsockopt(socket.get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
    const SocketAddress local = socket_address(path.local, settings_.port);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&local.storage), local.length) !=
        0) {
        return errno_error(
            fmt::format("cannot listen at {}, UDP port {}", path.local.str(), settings_.port));
    }
    const SocketAddress peer = socket_address(path.peer, settings_.port);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&peer.storage), peer.length) !=
        0) {
        return errno_error("there is no way to the peer " + path.peer.str());
    }
    path.socket = std::move(socket);
    return local_address(path.socket.get());
}

/// Where the kernel has chosen what it speaks from, it may choose better when there are other
/// addresses and routes: as long as nothing is heard it is asked again.
void PeerLink::keep_open(Path& path, Instant now) {
    if (now < path.next_try) return;
    path.next_try = now + kTryInterval;
    const bool is_chosen = settings_.locals.empty();
    const bool is_silent = now - path.heard_at > std::max<Duration>(suspects_.bound, kTryInterval);
    if (path.socket.is_open() && !(is_chosen && is_silent)) return;
    path.socket.reset();
    const Result<IpAddress> from = open_path(path);
    const std::string says =
        from ? fmt::format("speaks to {} from {}, UDP port {}", path.peer.str(), from.value().str(),
                           settings_.port)
             : fmt::format("{}; tried again every second", from.error().message);
    if (std::exchange(path.said, says) == says) return;
    spdlog::log(from ? spdlog::level::info : spdlog::level::warn, "peer: {}", says);
}

void PeerLink::hear(Instant now, PairedTables& tables) {
    follow_key(now);
    suspicion_.looked(now);
    for (Path& path : paths_) {
        if (path.socket.is_open()) hear_on(path, now, tables);
        keep_open(path, now);
    }
    judge(now, tables);
}

void PeerLink::hear_on(Path& path, Instant now, PairedTables& tables) {
    for (int i = 0; i < kDatagramsAtOnce; ++i) {
        std::array<std::uint8_t, kDatagramBytesMax> buffer;
        alignas(cmsghdr) std::array<std::byte, 128> control;
        iovec part{buffer.data(), buffer.size()};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const ssize_t length = ::recvmsg(path.socket.get(), &message, 0);
        // An error may be an ICMP message of the peer's machine; the next call goes on.
        if (length < 0) {
            if (errno == EAGAIN || errno == EWOULDBLOCK) return;
            continue;
        }
        believe(path, std::span(buffer).first(static_cast<std::size_t>(length)),
                received_at(message, now), now, tables);
    }
}

void PeerLink::believe(Path& path, std::span<const std::uint8_t> datagram, Instant at, Instant now,
                       PairedTables& tables) {
    const std::variant<pair::Opened, pair::Refusal> result = session_.open(datagram);
    if (const pair::Refusal* refusal = std::get_if<pair::Refusal>(&result)) {
        tables::add(state_->refused, 1);
        // Once of each kind; the counter goes on.
        if (refused_[static_cast<std::size_t>(*refusal)]++ == 0) {
            spdlog::warn("peer: a datagram from {} is refused: {}", path.peer.str(),
                         name_of(*refusal));
        }
        return;
    }
    const auto& opened = std::get<pair::Opened>(result);
    path.heard_at = now;
    if (!opened.is_known) {
        if (now - answered_at_ < kAnswerInterval) return;
        answered_at_ = now;
        send(path, session_.answer(opened));
        return;
    }
    // What makes it known may be an answer only, and says nothing itself.
    is_new_life_ |= opened.is_new;
    const std::optional<pair::Message> message = pair::decode(opened.payload);
    if (!message) return;  // or it is of a release that this one does not understand
    // A life begins with a heartbeat: without one it is not known how to take what else is said.
    if (!message->heartbeat && (!heard_ || is_new_life_)) return;
    suspicion_.heard(at);
    tables::add(state_->heard, 1);
    best_path_ = static_cast<std::size_t>(&path - paths_.data());
    if (message->heartbeat) take(*message->heartbeat, at, path, tables);
    take(*message, at, now, tables);
}

void PeerLink::take(const pair::Heartbeat& heartbeat, Instant at, const Path& path,
                    PairedTables& tables) {
    if (!heard_ || is_new_life_) {
        spdlog::info("peer: alive at {}, its configuration has revision {}", path.peer.str(),
                     heartbeat.config_revision);
    }
    follow_interval(heartbeat, at);
    suit(heartbeat, std::exchange(is_new_life_, false), path, tables);
    if (is_followed_) tables.replication().peer_has_key(heartbeat.hash_key_id);
    heard_ = heartbeat;
    claims_.insert(claims_.end(), heartbeat.claims.begin(), heartbeat.claims.end());
    heard_at_ = std::max(heard_at_, at);
    state_->is_alive.store(true, std::memory_order_relaxed);
}

/// One that speaks more seldom than this instance is not dead between two heartbeats.
void PeerLink::follow_interval(const pair::Heartbeat& heartbeat, Instant at) {
    if (heartbeat.interval_us == 0) return;
    const Duration interval = std::clamp<Duration>(std::chrono::microseconds(heartbeat.interval_us),
                                                   kIntervalMin, kIntervalMax);
    if (interval == suspects_.interval) return;
    suspects_.interval = interval;
    suspects_.bound = std::max<Duration>(settings_.dead_after, kIntervalsMissed * interval);
    suspicion_ = pair::Suspicion(suspects_);
    suspicion_.heard(at);
    const auto in_ms = [](Duration duration) {
        return std::chrono::duration<double, std::milli>(duration).count();
    };
    spdlog::warn("peer: its pair.interval is {} ms, and ours {} ms: taken for dead after {} ms",
                 in_ms(interval), in_ms(settings_.interval), in_ms(suspects_.bound));
}

/// One that does not suit is heard all the same, so that it is known to live; the roles of both go
/// by their advertisements, as if there were no channel.
void PeerLink::suit(const pair::Heartbeat& heartbeat, bool is_new, const Path& path,
                    PairedTables& tables) {
    common_ = pair::common(pair::kOurFeatures, heartbeat.features.value_or(pair::kFeaturesBefore));
    if (!common_.suits()) tables::add(state_->unsuited, 1);
    if (is_new) trouble_.clear();
    std::string trouble = pair::trouble_of(common_);
    if (trouble != trouble_ && !trouble.empty()) {
        spdlog::error("peer: {} is refused, and nothing but who is active is shared with it: {}",
                      path.peer.str(), trouble);
    }
    trouble_ = std::move(trouble);
    const bool was_followed = std::exchange(is_followed_, can(pair::kStreams));
    if (is_followed_ && (!was_followed || is_new)) {
        tables.replication().peer_appears(is_new, coarse_now());
    } else if (!is_followed_ && was_followed) {
        tables.replication().peer_is_lost(coarse_now());
    }
}

void PeerLink::take(const pair::Message& message, Instant at, Instant now, PairedTables& tables) {
    if (is_followed_) take_told(message, now, tables);
    if (common_.suits() && message.hash_key) tables.note_key(*message.hash_key, heard_->answers);
    if (can(pair::kHandsOff)) {
        // What has waited is asked again, if it is still wanted.
        const bool has_waited = now - at > settings_.interval;
        if (message.ask && !has_waited && asked_.size() < kAsksAtOnce) {
            asked_.push_back(*message.ask);
        }
        if (message.answer && answered_.size() < kAsksAtOnce) answered_.push_back(*message.answer);
    }
}

void PeerLink::take_told(const pair::Message& message, Instant now, PairedTables& tables) {
    pair::Replication& replication = tables.replication();
    if (message.acknowledgement) {
        replication.take(*message.acknowledgement, now);
        const bool wants_telling = message.heartbeat && message.heartbeat->wants_telling;
        if (wants_telling) replication.take_request(message.acknowledgement->epoch);
    }
    if (message.batch) {
        replication.take(*message.batch, coarse_now());
        owes_acknowledgement_ = true;
    }
}

void PeerLink::converse(Instant now, pair::Handoff& handoff) {
    for (const pair::Answer& answer : std::exchange(answered_, {})) handoff.on_answer(answer);
    for (const pair::Ask& ask : std::exchange(asked_, {}))
        answer_ = handoff.on_ask(ask, peer(), now);
    if (can(pair::kHandsOff)) ask_ = handoff.next_ask(now);
}

void PeerLink::judge(Instant now, PairedTables& tables) {
    state_->phi_milli.store(
        static_cast<std::uint32_t>(std::min(suspicion_.phi(now), 1000.0) * 1000),
        std::memory_order_relaxed);
    if (!heard_ || !suspicion_.is_dead(now)) return;
    const auto silence = std::chrono::duration_cast<std::chrono::milliseconds>(now - heard_at_);
    spdlog::warn("peer: not heard for {} ms: taken for dead", silence.count());
    heard_.reset();
    common_ = {};
    if (std::exchange(is_followed_, false)) tables.replication().peer_is_lost(coarse_now());
    differs_since_.reset();
    difference_is_said_ = false;
    tables::add(state_->deaths, 1);
    state_->is_alive.store(false, std::memory_order_relaxed);
    state_->has_same_tables.store(false, std::memory_order_relaxed);
}

/// What waited while this instance was stopped is no news.
bool PeerLink::is_in_step(PairedTables& tables, Instant now) const {
    return heard_ && now - heard_at_ <= suspects_.bound && heard_->has_told_all &&
           tables.replication().is_caught_up() &&
           state_->has_same_tables.load(std::memory_order_relaxed);
}

/// Equal tables are an optimisation; that they stay different is worth a line.
void PeerLink::compare(const pair::Heartbeat& own, Instant now) {
    if (!heard_) return;
    const bool same = heard_->hash_key_id == own.hash_key_id && heard_->digest == own.digest;
    state_->has_same_tables.store(same, std::memory_order_relaxed);
    if (same) {
        if (std::exchange(difference_is_said_, false)) spdlog::info("peer: has our tables again");
        differs_since_.reset();
        return;
    }
    if (!differs_since_) differs_since_ = now;
    if (difference_is_said_ || now - *differs_since_ < kDifferencePatience) return;
    difference_is_said_ = true;
    if (heard_->hash_key_id != own.hash_key_id) {
        spdlog::warn("peer: its tables have another hash key");
        return;
    }
    std::size_t others = 0;
    for (const pair::PoolDigest& pool : heard_->pools) {
        const auto ours = std::ranges::find(own.pools, pool.pool, &pair::PoolDigest::pool);
        if (ours == own.pools.end() || ours->digest != pool.digest) ++others;
    }
    spdlog::warn("peer: its tables differ from ours for {} s, in {} of the {} pools it has named",
                 std::chrono::duration_cast<seconds>(kDifferencePatience).count(), others,
                 heard_->pools.size());
}

/// With a heartbeat, but for digests of pools.
pair::Message PeerLink::heartbeat(const pair::Heartbeat& own, PairedTables& tables) const {
    const pair::Replication& replication = tables.replication();
    pair::Message message;
    message.heartbeat = own;
    message.heartbeat->interval_us = static_cast<std::uint32_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(settings_.interval).count());
    message.heartbeat->features = pair::kOurFeatures;
    message.heartbeat->is_fit = true;
    message.heartbeat->is_caught_up = replication.is_caught_up();
    message.heartbeat->has_told_all = replication.has_told_all();
    message.heartbeat->answers = tables.answers();
    message.heartbeat->wants_telling = replication.wants_telling();
    message.heartbeat->pools.clear();
    message.heartbeat->claims.clear();
    message.acknowledgement = replication.acknowledgement();
    if (heard_ && heard_->hash_key_id != own.hash_key_id) message.hash_key = tables.key();
    return message;
}

void PeerLink::speak(Instant now, const pair::Heartbeat& own, bool is_fit, PairedTables& tables) {
    compare(own, now);
    if (!is_fit) return;
    if (now >= next_heartbeat_) send_heartbeat(now, own, tables);
    stream(now, own, tables);
}

void PeerLink::send_heartbeat(Instant now, const pair::Heartbeat& own, PairedTables& tables) {
    next_heartbeat_ = std::max(next_heartbeat_ + settings_.interval, now);
    pair::Message message = heartbeat(own, tables);
    for (std::size_t i = 0; i < std::min(own.pools.size(), pair::kPoolDigestsMax); ++i) {
        message.heartbeat->pools.push_back(own.pools[next_pool_++ % own.pools.size()]);
    }
    for (std::size_t i = 0; i < std::min(own.claims.size(), pair::kGroupClaimsMax); ++i) {
        message.heartbeat->claims.push_back(own.claims[next_claim_++ % own.claims.size()]);
    }
    const std::vector<std::uint8_t> payload = encode(message);
    // Sealed anew for each path: the same datagram twice would be a replayed one.
    for (const Path& path : paths_) {
        if (path.socket.is_open()) send(path, session_.seal(payload));
    }
    tables::add(state_->sent, 1);
}

/// Records, and that they have come: they repeat no heartbeat, which would be most of them. Whoever
/// is asked or answered decides by what the other one is at that moment. Over one path: what gets
/// lost there comes again.
void PeerLink::stream(Instant now, const pair::Heartbeat& own, PairedTables& tables) {
    if (!heard_ || !paths_[best_path_].socket.is_open()) return;
    const Path& path = paths_[best_path_];
    for (int i = 0; i < kBatchesAtOnce; ++i) {
        std::optional<pair::Batch> batch = tables.replication().next_batch(now);
        if (!batch && !owes_acknowledgement_ && !ask_ && !answer_) return;
        owes_acknowledgement_ = false;
        pair::Message message;
        if (ask_ || answer_) message = heartbeat(own, tables);
        message.ask = std::exchange(ask_, std::nullopt);
        message.answer = std::exchange(answer_, std::nullopt);
        message.acknowledgement = tables.replication().acknowledgement();
        if (batch) {
            tables::add(state_->records, batch->records.size());
            message.batch = std::move(batch);
        }
        if (message == pair::Message{}) return;  // nothing has come that counts
        const std::vector<std::uint8_t> payload = encode(message);
        tables::add(state_->stream_bytes, payload.size());
        send(path, session_.seal(payload));
        if (Instant::clock::now() - now >= kStepMax) return;
    }
}

/// What is not sent is as good as lost on the way.
void PeerLink::send(const Path& path, std::span<const std::uint8_t> datagram) {
    tables::add(state_->sent_bytes, datagram.size());
    static_cast<void>(::send(path.socket.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL));
}

void PeerLink::follow_key(Instant now) {
    if (now - key_looked_at_ < kKeyInterval) return;
    key_looked_at_ = now;
    struct stat file {};
    if (::stat(settings_.key_file.c_str(), &file) != 0) return;
    // Of another mode or owner it may be usable at last.
    const bool is_same = file.st_ino == key_.st_ino && file.st_ctim.tv_sec == key_.st_ctim.tv_sec &&
                         file.st_ctim.tv_nsec == key_.st_ctim.tv_nsec;
    if (is_same) return;
    key_ = file;
    Result<std::vector<pair::PeerSecret>> secrets = read_pair_key(settings_.key_file);
    if (!secrets) {
        spdlog::error("{}; the key before it stays in use", secrets.error().message);
        return;
    }
    spdlog::info("peer: the key's file has changed, and is used from now on: {} key{}",
                 secrets.value().size(), secrets.value().size() == 1 ? "" : "s");
    session_.set_secrets(std::move(secrets.value()));
}

}  // namespace tandem
