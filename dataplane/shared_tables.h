// The dataplane's side of the shared memory: makes the regions or takes back those that control
// kept from our predecessor, and keeps the socket over which they are shared.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <poll.h>
#include <string>
#include <utility>
#include <vector>

#include "conf/config.h"
#include "dataplane/base/result.h"
#include "dataplane/base/time.h"
#include "dataplane/tables/exchange.h"
#include "dataplane/tables/flow_memory.h"
#include "dataplane/tables/live.h"
#include "dataplane/tables/region.h"

namespace tandem {

class SharedTables {
  public:
    /// Listens at the configured socket. Errors: another dataplane does.
    static Result<SharedTables> listen(const conf::Config& config);

    SharedTables(SharedTables&&) noexcept = default;
    SharedTables& operator=(SharedTables&&) noexcept = default;
    SharedTables(const SharedTables&) = delete;
    SharedTables& operator=(const SharedTables&) = delete;
    /// Removes the socket file.
    ~SharedTables();

    struct Wanted {
        std::uint32_t workers = 1;
        std::uint64_t flows_per_worker = 0;
        bool huge_pages = false;
    };
    /// Waits up to `grace_ms` for control to offer regions; makes new ones if none come. `describe`
    /// says what this dataplane is, before control sees it. Errors: not enough memory.
    Status obtain_regions(int grace_ms, const Wanted& wanted,
                          const std::function<void(tables::LiveFixed&)>& describe);

    /// How long a process that connects may take to say what it is.
    static constexpr std::chrono::milliseconds kHelloLimit{200};

    /// Accepts, greets, or notices the end of a control process. Never blocks.
    void serve(Instant now);
    [[nodiscard]] bool control_connected() const { return control_.is_open(); }
    /// What control has asked for since the last call.
    [[nodiscard]] std::vector<tables::Order> take_orders() { return std::exchange(orders_, {}); }
    /// To the control that is there, if any.
    void report(const tables::OrderReport& report);
    /// What a poll() of the main core should wake up for: whoever connects, and control's end.
    [[nodiscard]] std::array<pollfd, 2> descriptors() const;

    [[nodiscard]] const tables::Region& plan() const { return *plan_; }
    [[nodiscard]] tables::Region& live() { return *live_; }
    [[nodiscard]] tables::FlowMemory& flows() { return *flows_; }
    [[nodiscard]] tables::LiveFixed& fixed() {
        return *reinterpret_cast<tables::LiveFixed*>(live_->fixed());
    }

  private:
    SharedTables(std::string path, FileDescriptor listener)
        : path_(std::move(path)), listener_(std::move(listener)) {}

    void greet(FileDescriptor connection);
    void note_turned_away(pid_t pid, const std::string& why);
    Status adopt(tables::Received& offered, const Wanted& wanted);
    Status adopt_flows(FileDescriptor fd, const Wanted& wanted);
    Status create(const Wanted& wanted);
    Status create_flows(const Wanted& wanted);
    void forget_predecessor();
    Status answer(int connection);

    std::string path_;
    FileDescriptor listener_;
    FileDescriptor control_;
    std::vector<tables::Order> orders_;
    FileDescriptor newcomer_;  ///< has connected and not spoken yet
    Instant newcomer_limit_;
    std::string turned_away_;  ///< who was last, and why
    std::size_t plan_bytes_ = 0;
    std::size_t live_bytes_ = 0;
    bool is_size_given_ = false;  ///< by the operator, who wants no less
    std::optional<tables::Region> plan_;
    std::optional<tables::Region> live_;
    std::optional<tables::FlowMemory> flows_;
};

}  // namespace tandem
