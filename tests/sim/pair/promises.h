// What an operator is promised of a pair, besides that flows stay where they are (flows.h): who
// claims what, when a group may be taken back, what is said while workers stand still, and that
// both come to the same tables.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "tests/sim/pair/counts.h"
#include "tests/sim/pair/dataplane.h"
#include "tests/sim/pair/network.h"

namespace tandem::sim {

class Promises {
  public:
    /// The state of the world between two of its steps.
    struct Seen {
        std::array<const Dataplane*, kInstances> dataplanes{};  ///< nullptr: it does not run
        std::array<bool, kInstances> is_stopping{};
        bool lan_is_whole = true;
        bool channel_is_whole = true;
    };

    Promises(const Shape& shape, Counts& counts, Instant begin);

    // Each returns what is broken; nothing if nothing is.
    std::string watch(const Seen& seen, Instant now);
    std::string on_change(std::size_t instance, const RoleChange& change, const Seen& seen,
                          Instant now);
    [[nodiscard]] std::string on_loss(std::size_t instance, const RoleChange& change,
                                      const Seen& seen, Instant now) const;
    std::string on_speech(std::size_t instance, const Dataplane& dataplane, Instant now);
    std::string at_the_end(const Seen& seen, Instant now);
    /// The other one is told all: whether it knows.
    std::string compare_slots(const Dataplane& from, const Dataplane& to, std::size_t group);

    /// It follows what it is told, acknowledged or not: ends of transitions it knows first.
    std::string compare_ends(const Dataplane& from, const Dataplane& to, std::size_t group);

    void workers_stop(std::size_t instance, Instant now) { stopped_since_[instance] = now; }
    /// It had been stopped as a whole, and judges nobody by that time.
    void go_on(std::size_t instance, Instant now) {
        for (Group& group : groups_) group.could_since[instance] = now;
        if (stopped_since_[instance]) stopped_since_[instance] = now;
    }
    void workers_go_on(std::size_t instance) { stopped_since_[instance].reset(); }
    /// Claims that have waited for a worker are heard only now.
    void speaks_late(Instant now) {
        for (Group& group : groups_) group.nobody_since = now;
    }

    /// Nobody notices a death later, and takes over.
    [[nodiscard]] Duration nobody_max() const {
        return 6 * shape_->advert_interval + kWireDelayMax + 4 * shape_->tick;
    }
    [[nodiscard]] Duration both_max() const {
        return 2 * shape_->advert_interval + kWireDelayMax + 3 * shape_->tick;
    }

  private:
    struct Group {
        Instant nobody_since{};
        std::array<Instant, kInstances> could_since{};
        std::array<Instant, kInstances> alone_since{};  ///< it claims, on a whole network
        Instant both_since{};
        std::array<std::uint32_t, kInstances> terms{};
        Instant both_known_since{};  ///< both claim, and each can hear so from the other
    };

    const Shape* shape_;
    Counts* counts_;
    std::array<Group, kGroupsMax> groups_{};
    std::array<Instant, kInstances> in_step_at_{};
    std::array<std::optional<Instant>, kInstances> stopped_since_{};
};

}  // namespace tandem::sim
