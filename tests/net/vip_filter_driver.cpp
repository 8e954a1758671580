// Drives VipFilter from a test: a command per line on stdin, an answer per line on stdout, "ok" or
// "error: ...". The filter is detached by "detach" or at the end of stdin.
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

#include "dataplane/pipeline/vip_filter.h"

namespace tandem::pipeline {
namespace {

class Driver {
  public:
    std::string perform(const std::string& command, std::istream& words) {
        std::string netdev;
        if (!filter_ && (command == "vips" || command == "many")) return "error: no filter";
        if (command == "vips") return set_vips(words);
        if (command == "many") return set_many(words);
        if (command == "xdp_object") return make_object();
        if (command == "detach") return filter_.reset(), "ok";
        words >> netdev;
        if (command == "attach_tc") return keep(VipFilter::attach_tc(netdev));
        if (command == "adopt_xdp") return keep(VipFilter::adopt_xdp(netdev));
        if (command == "remove_stale_xdp") return outcome(VipFilter::remove_stale_xdp(netdev));
        return "error: unknown command " + command;
    }

  private:
    template <class T>
    static std::string outcome(const Result<T>& result) {
        return result ? "ok" : "error: " + result.error().message;
    }

    std::string keep(Result<VipFilter> result) {
        std::string said = outcome(result);
        if (result) filter_ = std::move(result.value());
        return said;
    }

    std::string set_vips(std::istream& words) {
        std::vector<Prefix> vips;
        for (std::string word; words >> word;) vips.push_back(Prefix::parse(word).value());
        return outcome(filter_->set_vips(vips));
    }

    /// So many different VIPs, from 10.x.0.0 on.
    std::string set_many(std::istream& words) {
        unsigned network = 0;
        unsigned count = 0;
        words >> network >> count;
        std::vector<Prefix> vips;
        for (unsigned i = 0; i < count; ++i) {
            const auto byte = [](unsigned value) { return static_cast<std::uint8_t>(value); };
            vips.push_back({IpAddress::from_v4({10, byte(network), byte(i >> 8), byte(i)})});
        }
        return outcome(filter_->set_vips(vips));
    }

    std::string make_object() {
        const Result<int> result = VipFilter::xdp_object_fd();
        if (!result) return outcome(result);
        object_ = FileDescriptor(result.value());
        return "ok /proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(object_.get());
    }

    std::optional<VipFilter> filter_;
    FileDescriptor object_;
};

}  // namespace
}  // namespace tandem::pipeline

int main() {
    tandem::pipeline::Driver driver;
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream words(line);
        std::string command;
        words >> command;
        std::cout << driver.perform(command, words) << std::endl;
    }
}
