// A dataplane that a test plays, over the real socket and with real regions.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <new>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "dataplane/tables/exchange.h"

namespace tandem {

class PlayedDataplane {
  public:
    PlayedDataplane() {
        std::string directory = std::filesystem::temp_directory_path() / "tandem-XXXXXX";
        EXPECT_NE(::mkdtemp(directory.data()), nullptr);
        directory_ = directory;
        new (live_.fixed()) tables::LiveFixed{};
        Result<FileDescriptor> listening = tables::listen_at(path());
        EXPECT_TRUE(listening);
        listener_ = std::move(listening.value());
    }
    PlayedDataplane(const PlayedDataplane&) = delete;
    PlayedDataplane& operator=(const PlayedDataplane&) = delete;
    ~PlayedDataplane() { std::filesystem::remove_all(directory_); }

    [[nodiscard]] std::string path() const { return directory_ / "dataplane.sock"; }
    [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
    [[nodiscard]] int socket() const { return socket_.get(); }

    /// Once a control process has knocked.
    void welcome() {
        pollfd knock{listener_.get(), POLLIN, 0};
        EXPECT_EQ(::poll(&knock, 1, 5000), 1);
        socket_ = FileDescriptor(::accept(listener_.get(), nullptr, nullptr));
        Result<tables::Received> received = tables::receive_hello(socket_.get(), 5000);
        EXPECT_TRUE(received);
        if (received) offered_ = std::move(received.value());
        tables::Hello hello;
        hello.region_count = tables::kRegionCount;
        EXPECT_TRUE(
            tables::send_hello(socket_.get(), hello, {plan_.fd(), live_.fd(), flows_.get()}));
    }
    void report(std::uint64_t order_id, const std::string& said) {
        tables::OrderReport report;
        report.id = order_id;
        report.is_done = 1;
        said.copy(report.said.data(), report.said.size() - 1);
        EXPECT_TRUE(tables::send_report(socket_.get(), report));
    }
    void leave() { socket_.reset(); }
    /// As one that is started with tables of another size.
    void make_flows_anew() { flows_ = FileDescriptor(::memfd_create("flows", MFD_CLOEXEC)); }
    /// Whether what control has offered last are its flows.
    [[nodiscard]] bool is_offered_its_flows() const {
        struct stat own {};
        struct stat offered {};
        return ::fstat(flows_.get(), &own) == 0 &&
               ::fstat(offered_.regions.back().get(), &offered) == 0 &&
               own.st_ino == offered.st_ino;
    }

    tables::PeerViews& peer_views() {
        return reinterpret_cast<tables::LiveFixed*>(live_.fixed())->peer_views;
    }
    [[nodiscard]] std::uint64_t generation() const {
        return plan_.header().generations.published.load();
    }
    /// What control has published; there has to be something.
    [[nodiscard]] tables::PlanView plan() const {
        return tables::PlanView::open(plan_, generation()).value();
    }

  private:
    static constexpr std::size_t kPlayedArenaBytes = std::size_t{8} << 20U;

    std::filesystem::path directory_;
    tables::Region plan_ =
        std::move(tables::Region::create(tables::RegionKind::kPlan, 0, kPlayedArenaBytes,
                                         tables::Pages::kNormal)
                      .value());
    tables::Region live_ =
        std::move(tables::Region::create(tables::RegionKind::kLive, sizeof(tables::LiveFixed),
                                         kPlayedArenaBytes, tables::Pages::kNormal)
                      .value());
    FileDescriptor flows_{::memfd_create("flows", MFD_CLOEXEC)};
    tables::Received offered_;
    FileDescriptor listener_;
    FileDescriptor socket_;
};

}  // namespace tandem
