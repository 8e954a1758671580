#include "dataplane/pair/features.h"

namespace tandem::pair {

namespace {

std::string name_of(unsigned bit) {
    switch (std::uint32_t{1} << bit) {
        case kStreams:
            return "the stream of flows";
        case kHandsOff:
            return "handoffs";
        default:  // of a release that is not known here
            return "feature " + std::to_string(bit);
    }
}

std::string names_of(std::uint32_t features) {
    std::string names;
    for (unsigned bit = 0; bit < 32; ++bit) {
        if ((features >> bit & 1U) == 0) continue;
        if (!names.empty()) names += ", ";
        names += name_of(bit);
    }
    return names;
}

}  // namespace

Common common(const Features& ours, const Features& peers) {
    Common common{.usable = ours.has & peers.has,
                  .we_lack = peers.needs & ~ours.has,
                  .peer_lacks = ours.needs & ~peers.has};
    if (!common.suits()) common.usable = 0;
    return common;
}

std::string trouble_of(const Common& common) {
    std::string trouble;
    if (common.we_lack != 0) {
        trouble = "it needs what this instance lacks (" + names_of(common.we_lack) +
                  "): upgrade this instance";
    }
    if (common.peer_lacks != 0) {
        if (!trouble.empty()) trouble += "; ";
        trouble += "it lacks what this instance needs (" + names_of(common.peer_lacks) +
                   "): upgrade the peer";
    }
    return trouble;
}

}  // namespace tandem::pair
