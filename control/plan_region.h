// The plan in shared memory, as its one writer sees it: contents in, generations out.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "control/plan/planner.h"
#include "dataplane/base/result.h"
#include "dataplane/base/time.h"
#include "dataplane/tables/exchange.h"
#include "dataplane/tables/live.h"
#include "dataplane/tables/publisher.h"
#include "dataplane/tables/region.h"

namespace tandem {

class PlanRegion {
  public:
    /// Maps what the dataplane sent. Errors: another layout than this build's.
    static Result<PlanRegion> map(std::array<FileDescriptor, tables::kRegionCount> regions);

    /// What is published in it, by whomever; nullopt: nothing.
    [[nodiscard]] std::optional<tables::PlanView> published() const;
    /// The slots of what is published, by pool.
    [[nodiscard]] std::vector<plan::Owners> owners(const tables::PlanView& plan) const;
    [[nodiscard]] const tables::LiveFixed& dataplane() const {
        return *reinterpret_cast<const tables::LiveFixed*>(live_->fixed());
    }
    /// The descriptors, for a dataplane that comes after this one.
    [[nodiscard]] std::array<int, tables::kRegionCount> descriptors() const {
        return {plan_->fd(), live_->fd(), flows_.get()};
    }
    [[nodiscard]] std::uint64_t instance_id() const { return plan_->header().instance_id; }
    /// Of another mapping of the same plan: a dataplane may have made its flows' memory anew.
    void take_flows(PlanRegion other) { flows_ = std::move(other.flows_); }

    /// Returns the generation. Slots that have not changed are not written again. Errors: no room,
    /// or a reader in the way; nothing has changed then, and it is to be tried again.
    Result<std::uint64_t> publish(const plan::PlanContent& content);
    /// Makes room. To be called now and then. True: the dataplane's main core has stalled.
    bool collect(Instant now) { return publisher_->collect(now) != 0; }

  private:
    struct Written {
        std::shared_ptr<const plan::Owners> owners;
        tables::BlockRef block;
    };

    PlanRegion(tables::Region plan, tables::Region live, FileDescriptor flows);
    template <class T>
    Result<tables::BlockRef> write(std::span<const T> records);
    Result<std::vector<tables::BlockRef>> write_all(const plan::PlanContent& content,
                                                    std::map<std::string, Written>& written);

    std::unique_ptr<tables::Region> plan_;  ///< not moved: the publisher refers to it
    std::unique_ptr<tables::Region> live_;
    FileDescriptor flows_;  ///< kept for the next dataplane, and not looked into
    std::unique_ptr<tables::Publisher> publisher_;
    std::map<std::string, Written> written_;  ///< by pool, as published last
};

}  // namespace tandem
