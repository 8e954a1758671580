#include "dataplane/pair/teller.h"

#include <algorithm>
#include <utility>

namespace tandem::pair {

namespace {

constexpr std::size_t kRecordsAtOnce = 512;  ///< at a step: others wait for the main core, too

}  // namespace

void Teller::begin(Contents contents, const tables::SlotTables& slots) {
    stream_.restart();
    contents_ = std::move(contents);
    next_backend_ = next_verdict_ = next_table_ = next_slot_ = 0;
    is_in_table_ = false;
    for (Waiting& waiting : waiting_) {
        waiting.told = 0;
        waiting.until.reset();
        const tables::SlotTables::Table* table = slots.find(waiting.endings.id);
        std::erase_if(waiting.endings.slots, [&](const tables::SlotMemory::Ending& ending) {
            return table == nullptr || ending.era != table->memory.era();
        });
    }
    phase_ = Phase::kTables;
}

void Teller::go_on(const tables::SlotTables& slots) {
    if (phase_ == Phase::kChanges) tell_endings();
    if (phase_ != Phase::kTables) return;
    for (std::size_t i = 0; i < kRecordsAtOnce && stream_.has_room(); ++i) {
        if (next_backend_ < contents_.backends.size()) {
            push(contents_.backends[next_backend_++]);
        } else if (next_table_ < contents_.tables.size()) {
            if (!tell_table(slots)) ++next_table_;
        } else if (next_verdict_ < contents_.verdicts.size()) {
            push(contents_.verdicts[next_verdict_++]);
        } else {
            phase_ = Phase::kFlows;
            return;
        }
    }
}

/// One more record of the table whose turn it is. False: there is none left.
bool Teller::tell_table(const tables::SlotTables& slots) {
    const tables::SlotTableId& id = contents_.tables[next_table_];
    if (!is_in_table_) {
        const tables::SlotTables::Table* table = slots.find(id);
        if (table == nullptr) return false;
        steady_ = table->memory.steady();
        next_slot_ = 0;
        is_in_table_ = true;
        push(ToldTable{id, static_cast<std::uint32_t>(steady_.owners.size())});
        return true;
    }
    const auto take = [&](auto& from, auto& to, std::size_t most) {
        const std::size_t count = std::min(most, from.size() - next_slot_);
        const auto first = from.begin() + static_cast<std::ptrdiff_t>(next_slot_);
        to.assign(first, first + static_cast<std::ptrdiff_t>(count));
        next_slot_ += count;
    };
    if (next_slot_ < steady_.owners.size()) {
        ToldSteady told;
        take(steady_.owners, told.owners, ToldSteady::kMax);
        push(told);
        if (next_slot_ < steady_.owners.size()) return true;
        steady_.owners.clear();
        next_slot_ = 0;
    }
    if (next_slot_ < steady_.earlier.size()) {
        ToldEarlier told;
        take(steady_.earlier, told.owners, ToldEarlier::kMax);
        push(told);
        return true;
    }
    is_in_table_ = false;
    return false;
}

void Teller::tell(const tables::FlowChange& change) {
    if (phase_ < Phase::kFlows) return;
    if (change.kind == tables::FlowChange::Kind::kIs) {
        push(ToldFlow{change.identity, change.backend, change.state});
    } else if (change.kind == tables::FlowChange::Kind::kEnded) {
        push(ToldEnd{change.identity});
    }
}

void Teller::all_flows_told() {
    if (phase_ != Phase::kFlows) return;
    push(AllTold{});
    told_at_ = stream_.end();
    phase_ = Phase::kChanges;
    tell_endings();
}

/// In its turn, if that is still to come: what is told last counts.
template <class Told>
void Teller::tell_in_turn(const Told& told, std::vector<Told>& contents, std::size_t next) {
    if (phase_ == Phase::kIdle) return;
    const auto waiting =
        std::find_if(contents.begin() + static_cast<std::ptrdiff_t>(next), contents.end(),
                     [&](const Told& each) { return each.number == told.number; });
    if (waiting == contents.end()) return push(told);
    *waiting = told;
}

void Teller::tell(const ToldBackend& backend) {
    tell_in_turn(backend, contents_.backends, next_backend_);
}

void Teller::tell(const ToldVerdict& verdict) {
    tell_in_turn(verdict, contents_.verdicts, next_verdict_);
}

bool Teller::tells(const tables::SlotTableId& id) const {
    return phase_ != Phase::kIdle && !stream_.is_broken() &&
           std::ranges::find(contents_.tables, id) != contents_.tables.end();
}

void Teller::tell(Endings endings) {
    waiting_.push_back({.endings = std::move(endings), .told = 0, .until = std::nullopt});
    if (phase_ == Phase::kChanges) tell_endings();
}

/// One after the other, as there is room: those of many large tables, all at once, would be more
/// than the queue takes, in this telling and in each that follows. Flows do not wait behind them.
void Teller::tell_endings() {
    for (Waiting& waiting : waiting_) {
        if (waiting.until) continue;
        while (waiting.told < waiting.endings.slots.size()) {
            if (!stream_.has_much_room()) return;
            push_endings(waiting);
        }
        waiting.until = stream_.end();
    }
}

/// One more record of them.
void Teller::push_endings(Waiting& waiting) {
    ToldEndings told{waiting.endings.id, {}};
    const std::span<const tables::SlotMemory::Ending> left =
        std::span(waiting.endings.slots).subspan(waiting.told);
    for (const tables::SlotMemory::Ending& ending :
         left.first(std::min(left.size(), ToldEndings::kMax))) {
        told.slots.push_back({ending.slot, ending.owner});
    }
    waiting.told += told.slots.size();
    push(told);
}

std::vector<Teller::Endings> Teller::take_acknowledged() {
    std::vector<Endings> taken;
    while (!waiting_.empty() && waiting_.front().until &&
           stream_.first() >= *waiting_.front().until && !stream_.is_broken()) {
        taken.push_back(std::move(waiting_.front().endings));
        waiting_.pop_front();
    }
    return taken;
}

void Teller::tell_digest(const tables::SlotTables& slots) {
    if (phase_ != Phase::kChanges || !waiting_.empty() || contents_.tables.empty()) return;
    const tables::SlotTableId& id = contents_.tables[next_digest_++ % contents_.tables.size()];
    const tables::SlotTables::Table* table = slots.find(id);
    if (table != nullptr) push(ToldDigest{id, digest_of(table->memory.steady().owners)});
}

std::vector<Teller::Endings> Teller::take_unacknowledged(std::optional<tables::SlotTableId> id) {
    std::vector<Endings> taken;
    std::erase_if(waiting_, [&](Waiting& waiting) {
        if (id && waiting.endings.id != *id) return false;
        taken.push_back(std::move(waiting.endings));
        return true;
    });
    return taken;
}

}  // namespace tandem::pair
