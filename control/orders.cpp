#include "control/orders.h"

#include <fmt/format.h>

namespace tandem {

Result<tables::Order> Orders::begin(tables::OrderKind kind, const std::string& group, Done done) {
    if (pending_.size() >= kPendingMax) {
        return Error{fmt::format("{} orders are not done yet; the most is {}", pending_.size(),
                                 kPendingMax)};
    }
    tables::Order order;
    order.id = next_id_++;
    order.kind = kind;
    order.group = tables::Name(group);
    Pending& pending = pending_[order.id];
    pending.done = std::move(done);
    const bool is_hard_drill = kind == tables::OrderKind::kHardDrill;
    const auto patience = patience_ * (is_hard_drill ? kHardDrillPatience : 1);
    pending.patience = std::make_unique<boost::asio::steady_timer>(io_, patience);
    pending.patience->async_wait(
        [this, id = order.id, patience](const boost::system::error_code& error) {
            if (error) return;
            fail(id, {fmt::format("the dataplane has not answered within {} s",
                                  std::chrono::duration<double>(patience).count())});
        });
    return order;
}

void Orders::on_report(const tables::OrderReport& report) {
    end(report.id, report);
}

void Orders::fail(std::uint64_t id, const Error& why) {
    end(id, why);
}

void Orders::fail_all(const Error& why) {
    while (!pending_.empty()) end(pending_.begin()->first, why);
}

void Orders::end(std::uint64_t id, const Result<tables::OrderReport>& outcome) {
    const auto found = pending_.find(id);
    if (found == pending_.end()) return;
    const Done done = std::move(found->second.done);
    pending_.erase(found);
    done(outcome);
}

}  // namespace tandem
