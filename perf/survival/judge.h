// What became of the connections of one way of balancing.
//
// broken   a packet went to another backend, or to none, although the backend that had accepted the
//          connection could still serve it (Fleet::may_serve, at the moment of the packet)
// lost     its backend was down, removed, or had restarted: nobody could have served it. Being down
//          counts only for connections that send just then; those that are silent while it is away
//          go on when it is back
//
// Either ends the connection here: its further packets are not sent.
#pragma once

#include <vector>

#include "perf/survival/fleet.h"

namespace tandem::survival {

struct Outcome {
    std::uint64_t opened = 0;
    std::uint64_t broken = 0;
    std::uint64_t lost = 0;
    std::uint64_t refused = 0;  ///< SYNs that nobody answered
};

class Judge {
  public:
    explicit Judge(const Fleet& fleet) : fleet_(fleet) {}

    void opened(std::uint32_t record, tables::BackendIndex backend) {
        if (record >= accepted_by_.size()) accepted_by_.resize(record + std::size_t{1});
        const Life life = fleet_.life_at(backend);
        accepted_by_[record] = fleet_.may_serve(life) ? life : 0;
        ++(accepted_by_[record] != 0 ? outcome_.opened : outcome_.refused);
    }
    [[nodiscard]] bool goes_on(std::uint32_t record) const { return accepted_by_[record] != 0; }
    void sent(std::uint32_t record, tables::BackendIndex backend) {
        Life& accepted_by = accepted_by_[record];
        const bool could_serve = fleet_.may_serve(accepted_by);
        if (could_serve && fleet_.life_at(backend) == accepted_by) return;
        ++(could_serve ? outcome_.broken : outcome_.lost);
        accepted_by = 0;
    }

    [[nodiscard]] const Outcome& outcome() const { return outcome_; }

  private:
    const Fleet& fleet_;
    std::vector<Life> accepted_by_;  ///< by record; 0: the connection has ended
    Outcome outcome_;
};

}  // namespace tandem::survival
