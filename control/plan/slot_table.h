// The table function of one pool: which backend owns each slot, from who is configured and who may
// be given new flows. Integers only; the order of lists and what was before do not matter, so two
// instances with the same key and inputs hold the same table, bit for bit.
//
// A base table over all configured backends (maglev.h) changes with the configuration alone. A slot
// whose base owner does not serve it walks a pseudo-random sequence of its own to the first backend
// that does: nobody else's slots move, and a returning backend finds exactly its own again.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/net/hash.h"
#include "dataplane/tables/plan.h"

namespace tandem::plan {

/// A table size that lets every backend have a hundred slots, if there is one that large.
std::uint32_t slot_count_for(std::size_t backends);

/// The keyed hash of what a backend is: what its place in the table depends on.
std::uint64_t identity_hash(const KeyedHash& hash, const IpAddress& address, std::uint16_t port);

/// One configured backend.
struct Member {
    IpAddress address;
    std::uint16_t port = 0;  ///< host order
    tables::BackendIndex index = tables::kNoBackend;
    std::uint16_t weight = 1;  ///< as configured, at least 1; what it has now may be less

    friend bool operator==(const Member&, const Member&) = default;
};

using Owners = std::vector<tables::BackendIndex>;

class SlotTable {
  public:
    SlotTable() = default;
    /// Takes the place of one that had these owners.
    explicit SlotTable(Owners before)
        : owners_(std::make_shared<const Owners>(std::move(before))) {}

    /// Who is configured, in any order; no two with the same address and port. Call update() next.
    void configure(const KeyedHash& hash, std::uint32_t slot_count, std::vector<Member> members);

    /// Points every slot to its owner. `weights_now` is by BackendIndex, from 0 (serves no new
    /// flows) to the configured weight. Returns how many slots point elsewhere than before: all of
    /// them after a change of slot_count, and the first time, unless it knows of owners before.
    std::size_t update(const KeyedHash& hash, std::span<const std::uint16_t> weights_now);

    /// One for each slot; kNoBackend everywhere if nobody serves. Never changed, only replaced:
    /// whoever holds the same pointer has the same table.
    [[nodiscard]] const std::shared_ptr<const Owners>& owners() const { return owners_; }
    /// Over the identities of the owners, slot by slot.
    [[nodiscard]] std::uint64_t digest() const { return digest_; }
    /// How many members serve new flows.
    [[nodiscard]] std::size_t serving_count() const { return serving_.size(); }

  private:
    /// What the table function needs of a member, by its place in the sorted order.
    struct Place {
        std::uint64_t identity;
        /// Draws of 32 bits below it are accepted; 2^32: all.
        std::uint64_t keeps_below;    ///< as a slot's base owner
        std::uint64_t accepts_below;  ///< on another slot's walk
        tables::BackendIndex index;
        std::uint16_t weight_now;
    };
    using PlaceNumber = std::uint16_t;
    static constexpr PlaceNumber kNobody = 0xffff;

    bool set_weights(std::span<const std::uint16_t> weights_now);
    [[nodiscard]] bool any_in_question(std::uint32_t first) const;
    [[nodiscard]] Owners base_owners() const;
    [[nodiscard]] std::uint64_t identity_of(PlaceNumber place) const;
    [[nodiscard]] PlaceNumber owner_of(const KeyedHash& hash, std::uint32_t slot) const;
    [[nodiscard]] PlaceNumber walk(const KeyedHash& hash, std::uint32_t slot) const;
    [[nodiscard]] PlaceNumber heaviest(const KeyedHash& hash, std::uint32_t slot) const;

    std::vector<Member> members_;  ///< sorted by identity hash, then identity
    std::vector<Place> places_;
    std::vector<PlaceNumber> serving_;
    /// By place: 0 if it serves all its base slots, and did so before the last set_weights().
    std::vector<std::uint8_t> in_question_;
    std::vector<PlaceNumber> base_;  ///< by slot
    std::uint64_t base_digest_ = 0;
    bool base_is_new_ = false;  ///< since the last update()
    std::shared_ptr<const Owners> owners_ = std::make_shared<const Owners>();
    std::uint64_t digest_ = 0;
};

/// -log2((random + 1) / 2^64), in units of 2^-32: exponentially distributed, by integers only.
std::uint64_t negative_log2(std::uint64_t random);

}  // namespace tandem::plan
