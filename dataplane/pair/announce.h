// How others learn that a VIP is here now: gratuitous ARP and unsolicited neighbour advertisements,
// several times, for the first may be lost or come before a switch has seen the link. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dataplane/base/time.h"
#include "dataplane/net/address.h"
#include "dataplane/net/headers.h"

namespace tandem::pair {

/// The frame that says `mac` has `vip`: with IPv4 an ARP request for itself (RFC 826, RFC 9568
/// section 6.4.1 with errata 7947 and 7949), with IPv6 an advertisement to all nodes that overrides
/// what they know (RFC 4861 sections 4.4 and 7.2.6).
std::vector<std::uint8_t> make_announcement(const IpAddress& vip, const Mac& mac);

/// When to send them.
class AnnouncementSchedule {
  public:
    /// From the beginning; the first is due at once.
    void begin(Instant now);
    void stop() { begun_.reset(); }

    /// Instant::max(): never.
    [[nodiscard]] Instant deadline() const;
    /// True if they are due; the next deadline is then a later one. Those missed are not made up
    /// for.
    bool is_due(Instant now);

  private:
    std::optional<Instant> begun_;
    std::uint32_t sent_ = 0;
};

}  // namespace tandem::pair
