// What this instance is for each group of VIPs at the moment: of two instances one answers for a
// group. The main core writes it, workers read it while it changes, whatever tables they have.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "dataplane/base/check.h"
#include "dataplane/net/headers.h"
#include "dataplane/tables/plan.h"

namespace tandem::tables {

/// By bits: a group has one number for as long as it is configured, below kGroupsMax. IPv4 and IPv6
/// are apart, as two routers are in VRRP. A group that nothing was said about is ours.
class alignas(kCacheLineBytes) Roles {
  public:
    /// Asked for a VIP of this group, this instance says nothing: another has it.
    [[nodiscard]] bool is_silent(std::uint8_t group, bool is_v4) const {
        return has_bit(of(is_v4).silent, group);
    }
    /// Packets for VIPs of this group are not even forwarded.
    [[nodiscard]] bool refuses(std::uint8_t group, bool is_v4) const {
        return has_bit(of(is_v4).refused, group);
    }
    [[nodiscard]] bool refuses_any() const {
        return (of(true).refused.load(std::memory_order_relaxed) |
                of(false).refused.load(std::memory_order_relaxed)) != 0;
    }
    /// Whether frames to a virtual MAC are for us on this port. `mac` as mac_number() has it.
    [[nodiscard]] bool has_virtual_mac(std::uint8_t port, std::uint64_t mac) const {
        const std::uint64_t family = (mac & 0xffU) - 1;
        if (mac >> 16U != kVirtualMacs || family > 1 || port >= kPortsMax) return false;
        const auto router_id = static_cast<std::uint8_t>(mac >> 8U);
        const auto& words = virtual_macs_[port][family];
        return (words[router_id / 64U].load(std::memory_order_relaxed) >> router_id % 64U & 1U) !=
               0;
    }
    /// The MAC that VIPs of this group have here.
    [[nodiscard]] Mac mac(std::uint8_t group, bool is_v4, const Mac& port_mac) const {
        if (group >= kGroupsMax) return port_mac;
        const std::uint8_t id = router_ids_[group].load(std::memory_order_relaxed);
        return id == 0 ? port_mac : virtual_mac(id, is_v4);
    }
    /// The group is on its way from one instance to another, or just was: what opens here may go on
    /// there, for a bridge may change its mind more than once.
    [[nodiscard]] bool is_moving(std::uint8_t group, bool is_v4) const {
        return has_bit(of(is_v4).moving, group);
    }
    /// Advertisements are ours to read, not the kernel's.
    [[nodiscard]] bool has_groups() const { return has_groups_.load(std::memory_order_relaxed); }

    /// Nothing is said of any group.
    void reset() {
        for (Family& family : families_) family.silent = family.refused = family.moving = 0;
        has_groups_ = false;
        for (auto& id : router_ids_) id = 0;
        for (auto& port : virtual_macs_) {
            for (auto& family : port) {
                for (Bits& bits : family) bits = 0;
            }
        }
    }
    /// `router_id` 0: its VIPs go with the port's own MAC.
    void set_mac(std::uint8_t group, std::uint8_t router_id) {
        DCHECK(group < kGroupsMax);
        router_ids_[group].store(router_id, std::memory_order_relaxed);
    }
    void set_has_groups(bool has_groups) {
        has_groups_.store(has_groups, std::memory_order_relaxed);
    }
    void set_silent(std::uint8_t group, bool is_v4, bool silent) {
        set_bit(of(is_v4).silent, group, silent);
    }
    void set_refused(std::uint8_t group, bool is_v4, bool refused) {
        set_bit(of(is_v4).refused, group, refused);
    }
    void set_moving(std::uint8_t group, bool is_v4, bool moving) {
        set_bit(of(is_v4).moving, group, moving);
    }
    void set_virtual_mac(std::uint8_t port, std::uint8_t router_id, bool is_v4, bool ours) {
        DCHECK(port < kPortsMax);
        set_bit(virtual_macs_[port][is_v4 ? 0 : 1][router_id / 64U], router_id % 64U, ours);
    }

    /// A MAC as a number: its first four bytes as they lie in memory, above the last two.
    [[nodiscard]] static std::uint64_t mac_number(const std::uint8_t* mac) {
        return std::uint64_t{load_raw32(mac)} << 16U | load_raw16(mac + sizeof(std::uint32_t));
    }

  private:
    static constexpr std::uint64_t kVirtualMacs = 0x005e'0000;  ///< 00-00-5E-00

    using Bits = std::atomic<std::uint64_t>;
    struct Family {
        Bits silent{0};
        Bits refused{0};
        Bits moving{0};
    };

    [[nodiscard]] const Family& of(bool is_v4) const { return families_[is_v4 ? 0 : 1]; }
    [[nodiscard]] Family& of(bool is_v4) { return families_[is_v4 ? 0 : 1]; }
    [[nodiscard]] static bool has_bit(const Bits& bits, std::uint8_t number) {
        return number < 64 && (bits.load(std::memory_order_relaxed) >> number & 1U) != 0;
    }
    /// The caller alone writes.
    static void set_bit(Bits& bits, unsigned number, bool value) {
        DCHECK(number < 64);
        const std::uint64_t bit = std::uint64_t{1} << number;
        const std::uint64_t before = bits.load(std::memory_order_relaxed);
        bits.store(value ? before | bit : before & ~bit, std::memory_order_relaxed);
    }

    std::array<Family, 2> families_;
    std::atomic<bool> has_groups_{false};
    std::array<std::atomic<std::uint8_t>, kGroupsMax> router_ids_{};
    std::array<std::array<std::array<Bits, 4>, 2>, kPortsMax> virtual_macs_{};
};
static_assert(kGroupsMax <= 64, "a bit a group");

}  // namespace tandem::tables
