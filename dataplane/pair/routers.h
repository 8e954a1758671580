// All virtual routers of this instance: for each group of VIPs one that speaks IPv4 and one that
// speaks IPv6 (RFC 9568 section 3), as far as it has VIPs of that family. Frames and the time go
// in, frames come out, and workers see in Roles what follows.
//
// Once a step, in this order: wake(), on_frame() for all that has arrived, on_time(). Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/base/time.h"
#include "dataplane/pair/advert.h"
#include "dataplane/pair/announce.h"
#include "dataplane/pair/message.h"
#include "dataplane/pair/vrrp.h"
#include "dataplane/tables/live.h"
#include "dataplane/tables/plan.h"

namespace tandem::pair {

/// What arrived and was not taken, and what was.
struct AdvertCounts {
    std::uint64_t sent = 0;
    std::uint64_t taken = 0;
    std::uint64_t unknown = 0;  ///< of a router that is not ours
    std::uint64_t own = 0;      ///< with our own address: a loop, or two instances configured alike
    std::uint64_t mismatch = 0;  ///< taken, but with other addresses than ours
    std::array<std::uint64_t, kAdvertFaultCount> faults{};
};

/// For so long frames may still come to who is no longer active: until all have learnt of it.
inline constexpr Duration kLate = std::chrono::milliseconds(200);

class Routers {
  public:
    struct Frame {
        std::uint8_t port;
        std::vector<std::uint8_t> bytes;
        Duration good_for;   ///< sent later, it might speak against who is active by then
        bool awaits_tables;  ///< workers are to know first: of who has become active in this step
    };
    struct RoleChange {
        std::string group;
        bool is_v4;
        Role role;
    };
    /// By the plan's numbers of groups, the numbers that Roles has them under.
    using Numbers = std::array<std::uint8_t, tables::kGroupsMax>;

    Routers(tables::Roles& roles, std::span<const tables::PortInfo> ports);

    /// Takes over what the plan says of groups. New ones are silent until they are active; those
    /// that are gone are given up. Before workers see the plan's VIPs.
    Numbers follow(std::span<const tables::PlanGroup> groups, std::span<const tables::PlanVip> vips,
                   Instant now);

    /// The caller may have been away, stopped or starved: nobody is judged by that time.
    void wake(Instant now);
    /// A frame that came in on `port`.
    void on_frame(std::uint8_t port, std::span<const std::uint8_t> frame, Instant now);
    void on_time(Instant now);
    /// In the midst of long work: who was active before this step goes on to say so, if it was not
    /// stopped meanwhile. Others are not judged, for frames that have arrived are not taken: to
    /// them it is a pause.
    void keep_active(Instant now);

    /// Evidence. Who cannot forward does not claim to. True if that was new.
    bool set_workers_run(bool workers_run, Instant now);
    bool set_port_up(std::uint8_t port, bool is_up, Instant now);
    /// These groups (tables::name_id) have nobody to serve here, and somebody at the peer; and with
    /// `perhaps`, the same may turn out. True if that is new of any.
    bool set_empty(std::span<const std::uint64_t> groups, std::span<const std::uint64_t> perhaps,
                   Instant now);
    /// What the peer says of its groups: one that both claim is the later one's, whatever the
    /// priorities, for that one has the flows. True: some are left to it from now on.
    bool hear_claims(std::span<const GroupClaim> claims, Instant now);
    [[nodiscard]] std::vector<GroupClaim> claims() const;
    [[nodiscard]] bool workers_run() const { return workers_run_; }
    /// Whether lower active ones may be replaced: not while this instance could not go on for them.
    void allow_preemption(bool is_allowed);

    /// A planned handoff, by the group's tables::name_id. Nothing happens to groups that are not
    /// there.
    struct Standing {
        bool is_there = false;     ///< it has a virtual router
        bool is_active = false;    ///< all of them are
        bool is_backup = false;    ///< none of them is
        bool is_fit = false;       ///< it may claim
        bool peer_claims = false;  ///< as it has said last
    };
    [[nodiscard]] Standing standing(std::uint64_t group) const;
    [[nodiscard]] std::vector<std::uint64_t> groups() const;
    /// From now on, or no longer, whoever else claims the group may have it: until this instance
    /// becomes active for it.
    void set_yields(std::uint64_t group, bool yields, Instant now);
    /// A planned handoff of that group has begun; nullopt: or has ended.
    void set_hands_off(std::optional<std::uint64_t> group);
    /// One whose active instance is about to be replaced by this one: all of its routers are.
    [[nodiscard]] std::optional<std::uint64_t> replaced_group(Instant now) const;
    /// The peer asks this instance to be active.
    void claim(std::uint64_t group, Instant now);
    /// Nothing is said of it, as if this instance were dead: for as long as its role stays, or
    /// until told otherwise.
    void set_muted(std::uint64_t group, bool is_muted);

    /// Gives everything up, and says so to others. For so long frames may still come: until others
    /// have taken over, and all have learnt of it.
    Duration stop(Instant now);

    [[nodiscard]] std::vector<Frame> take_frames() { return std::exchange(frames_, {}); }
    /// Those that do not wait for tables, which workers do not have yet.
    [[nodiscard]] std::vector<Frame> take_ready_frames();
    [[nodiscard]] std::vector<RoleChange> take_changes() { return std::exchange(changes_, {}); }
    /// Whether the peer has lost a group since the last call: it was active, and could not go on.
    [[nodiscard]] bool take_loss() { return std::exchange(has_lost_, false); }
    [[nodiscard]] const AdvertCounts& counts() const { return counts_; }

  private:
    struct Router {
        bool is_v4;
        std::vector<IpAddress> vips{};  ///< sorted, each once
        IpAddress source{};
        std::optional<Vrrp> vrrp{};  ///< none without VIPs of this family, or an address of ours
        AnnouncementSchedule schedule{};
        /// It has begun or ceased to be active a moment ago: frames to its MAC may still go
        /// to whoever was.
        std::optional<Instant> moves_until{};
        bool is_muted = false;
        bool is_new = false;  ///< active since this step
    };
    struct Group {
        std::uint8_t number;
        tables::PlanGroup record;
        std::array<Router, 2> routers;
        bool is_empty = false;
        bool is_perhaps_empty = false;
        bool yields = false;
        std::uint32_t term = 0;  ///< of this instance's last takeover
        std::uint32_t peers_term = 0;
        bool peer_claims = false;
        bool is_outdated = false;  ///< the peer has taken it over since
    };

    void give_up_others(std::span<const tables::PlanGroup> records, Instant now);
    Group& group_of(const tables::PlanGroup& record, Instant now);
    void configure(Group& group, Router& router, std::vector<IpAddress> vips, Instant now);
    void silence(const Group& group, const Router& router);
    void let_go(const Group& group, Router& router);
    void settle(const Group& group, Router& router);
    void perform(Group& group, Router& router, const Actions& actions, Instant now);
    void notice_pause(Group& group, Router& router, Instant now);
    void judge(Group& group, Instant now);
    void judge_all(Instant now);
    [[nodiscard]] std::span<const IpAddress> advertised(const Group& group,
                                                        const Router& router) const;
    void advertise(const Group& group, const Router& router, std::uint8_t priority);
    void announce(const Group& group, const Router& router);
    [[nodiscard]] Mac mac_of(const Group& group, const Router& router) const;
    void show_moving();
    [[nodiscard]] bool is_fit(const Group& group) const;
    [[nodiscard]] bool may_preempt(const Group& group) const;
    Group* find(std::uint64_t group);
    [[nodiscard]] static bool is_active(const Group& group);
    void follow_role(Group& group, bool is_active, Instant now);
    std::uint8_t free_number() const;

    template <class Visit>
    void for_each(Visit&& visit) {
        for (Group& group : groups_) {
            for (Router& router : group.routers) {
                if (router.vrrp) visit(group, router);
            }
        }
    }

    tables::Roles* roles_;
    std::span<const tables::PortInfo> ports_;
    std::vector<Group> groups_;
    std::vector<Frame> frames_;
    std::vector<RoleChange> changes_;
    AdvertCounts counts_;
    bool workers_run_ = true;
    bool may_preempt_ = true;
    bool has_lost_ = false;
    std::optional<std::uint64_t> hands_off_;
    std::uint32_t ports_down_ = 0;  ///< a bit a port
    std::optional<Instant> awake_at_;
    std::optional<Instant> spoke_at_;  ///< in the midst of work
};
static_assert(tables::kPortsMax <= 32, "a bit a port");

}  // namespace tandem::pair
