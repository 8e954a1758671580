// What is known of a remembered flow.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tandem::tables {

enum class FlowState : std::uint8_t {
    kOpening,      ///< TCP: its SYN was seen and nothing since. On probation
    kDoubtful,     ///< TCP: one packet of what claims to be an old flow. On probation
    kEstablished,  ///< TCP
    kClosing,      ///< TCP: FIN or RST seen
    kUdpNew,       ///< UDP: one packet. On probation
    kUdp,
};
inline constexpr std::size_t kFlowStateCount = 6;

constexpr bool on_probation(FlowState state) {
    return state == FlowState::kOpening || state == FlowState::kDoubtful ||
           state == FlowState::kUdpNew;
}

}  // namespace tandem::tables
