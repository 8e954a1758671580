// Who is active for one virtual router: VRRPv3 (RFC 9568 section 6) as a pure state machine.
//
// No sockets, no clock: events and the time go in, Actions come out, and deadline() says when to
// call on_deadline(). What the RFC leaves open: a delay before preemption, a priority that may
// change at any time (0: this instance claims nothing), and what becomes of a process that was
// stopped and wakes up.
#pragma once

#include <cstdint>
#include <optional>

#include "dataplane/pair/advert.h"

namespace tandem::pair {

enum class Role : std::uint8_t { kInitialize, kBackup, kActive };

struct VrrpSettings {
    std::uint8_t priority = 100;  ///< 1 to 254; 255 is the owner of the addresses
    Duration advert_interval = std::chrono::seconds{1};
    bool preempt = true;
    Duration preempt_delay{};  ///< how long a lower active is to be seen before it is replaced
    IpAddress address;         ///< our own primary address; breaks ties of priority
};

/// What the caller must do now, in this order. An empty Actions is the common answer.
struct Actions {
    std::optional<Role> role{};                     ///< a new one: to be published
    std::optional<std::uint8_t> advert_priority{};  ///< one advertisement, with this priority
    bool announces = false;  ///< gratuitous ARP and unsolicited NA: others may have learnt wrongly
    bool is_loss = false;    ///< of another, which was active and has not come to an end

    friend bool operator==(const Actions&, const Actions&) = default;
};

class Vrrp {
  public:
    explicit Vrrp(const VrrpSettings& settings);

    [[nodiscard]] Actions start(Instant now);
    /// Another configuration, but for the priority: see set_priority(). The role stays.
    void change(const VrrpSettings& settings);
    /// Of this virtual router, read and checked.
    [[nodiscard]] Actions on_advert(const Advert& advert, Instant now);
    /// Early calls are harmless: nothing happens before deadline().
    [[nodiscard]] Actions on_deadline(Instant now);
    /// The caller was not there for a while; before it hands in what arrived meanwhile. Nobody is
    /// judged by that time: an active instance that a peer may have replaced listens first.
    [[nodiscard]] Actions on_pause(Instant now);
    /// The evidence has changed. 0: gives the role up and does not claim it until told otherwise.
    [[nodiscard]] Actions set_priority(std::uint8_t priority, Instant now);
    /// Takes the role at once: the active instance asks for it, and for one interval of its
    /// advertisements nobody's claim counts, for theirs may still be under way.
    [[nodiscard]] Actions claim(Instant now);
    /// Whether a lower active may be replaced: not before this instance has caught up.
    void allow_preemption(bool is_allowed) { may_preempt_ = is_allowed; }
    /// A lower one is active and is about to be replaced: it goes on, but the timer runs out.
    [[nodiscard]] bool is_replacing(Instant now) const;
    /// Gives the role up; who was active says so, so that nobody has to wait.
    [[nodiscard]] Actions stop();

    [[nodiscard]] Instant deadline() const { return deadline_; }
    [[nodiscard]] Role role() const { return role_; }
    [[nodiscard]] std::uint8_t priority() const { return priority_; }
    /// At which the active instance sends, ours or the peer's.
    [[nodiscard]] Duration active_interval() const { return active_interval_; }

  private:
    Actions become_active(Instant now);
    Actions become_backup(Instant deadline);
    [[nodiscard]] Duration skew() const;
    [[nodiscard]] Duration down_interval() const;
    [[nodiscard]] bool outranks_us(const Advert& advert) const;
    bool is_to_be_replaced(const Advert& advert, Instant now);

    VrrpSettings settings_;
    std::uint8_t priority_;
    bool may_preempt_ = true;
    Role role_ = Role::kInitialize;
    Duration active_interval_;  ///< RFC: Active_Adver_Interval, learnt from the active instance
    Instant deadline_ = Instant::max();
    Instant claim_holds_until_ = Instant::min();
    bool has_heard_ = false;              ///< an active one, since we are a backup
    std::optional<Instant> lower_since_;  ///< a lower one is active, and has been since then
};

}  // namespace tandem::pair
