// What schedules did, summed up: a reader is to see that the simulation does something.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace tandem::sim {

/// Why a flow may go to another backend although its own could serve it.
enum class Excuse : std::uint8_t {
    kNone,
    kUntold,    ///< its last change was not acknowledged when it was needed
    kBehind,    ///< a second failure: who forwards it has not been told all since the first
    kRestart,   ///< who forwards it has lost what the peer had told
    kIdle,      ///< it was silent for longer than flows are remembered
    kDoubtful,  ///< one packet of it was seen since it is remembered: told of later
    kRemoved,   ///< its backend was taken out of the configuration meanwhile
    kCrowded,   ///< a flow table had no room
    kOpening,   ///< it was not established yet
};
inline constexpr std::size_t kExcuses = static_cast<std::size_t>(Excuse::kOpening) + 1;
inline constexpr std::array<std::string_view, kExcuses> kExcuseNames{
    "none", "untold", "behind", "restart", "idle", "doubtful", "removed", "crowded", "opening"};

struct Counts {
    std::uint64_t packets = 0;      ///< that a worker forwarded
    std::uint64_t established = 0;  ///< of flows that are; all of them are checked
    std::uint64_t opened = 0;
    std::uint64_t rewritten = 0;
    std::uint64_t moved_excused = 0;
    std::array<std::uint64_t, kExcuses> excused{};  ///< flows that went elsewhere, by reason
    std::uint64_t takeovers = 0;  ///< a group became somebody's who had been told of it
    std::uint64_t adoptions = 0;  ///< of the takeovers: with something to go on with
    std::uint64_t kept = 0;       ///< flows' first packets after a takeover that went on
    std::uint64_t preemptions = 0;
    std::uint64_t handed_over = 0;  ///< groups, because one asked the other
    std::uint64_t commits = 0;      ///< moments at which a peer had been told all that changed
    std::uint64_t slots_compared = 0;
    std::uint64_t tellings = 0;
    std::uint64_t overflows = 0;
    std::uint64_t deaths = 0;  ///< of dataplanes and machines

    void add(const Counts& other) {
        packets += other.packets;
        established += other.established;
        opened += other.opened;
        rewritten += other.rewritten;
        moved_excused += other.moved_excused;
        for (std::size_t i = 0; i < kExcuses; ++i) excused[i] += other.excused[i];
        takeovers += other.takeovers;
        adoptions += other.adoptions;
        kept += other.kept;
        preemptions += other.preemptions;
        handed_over += other.handed_over;
        commits += other.commits;
        slots_compared += other.slots_compared;
        tellings += other.tellings;
        overflows += other.overflows;
        deaths += other.deaths;
    }
};

}  // namespace tandem::sim
