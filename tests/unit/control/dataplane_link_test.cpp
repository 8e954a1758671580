// The link to a dataplane that the test plays, over the real socket: orders and their reports.
#include "control/dataplane_link.h"

#include <cstdlib>
#include <filesystem>
#include <new>
#include <sys/mman.h>
#include <sys/socket.h>

#include <gtest/gtest.h>

namespace tandem {
namespace {

using std::chrono::milliseconds;
using tables::Order;
using tables::OrderKind;
using tables::OrderReport;
using tables::Region;
using tables::RegionKind;

constexpr std::size_t kLinkArenaBytes = std::size_t{1} << 20U;

class DataplaneLinkTest : public testing::Test {
  protected:
    void SetUp() override {
        std::string directory = std::filesystem::temp_directory_path() / "tandem-XXXXXX";
        ASSERT_NE(::mkdtemp(directory.data()), nullptr);
        directory_ = directory;
        new (live_.fixed()) tables::LiveFixed{};
        Result<FileDescriptor> listening = tables::listen_at(path());
        ASSERT_TRUE(listening);
        listener_ = std::move(listening.value());
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    [[nodiscard]] std::string path() const { return directory_ / "dataplane.sock"; }

    void connect(DataplaneLink& link) {
        link.start();
        dataplane_ = FileDescriptor(::accept(listener_.get(), nullptr, nullptr));
        ASSERT_TRUE(tables::receive_hello(dataplane_.get(), 5000));
        tables::Hello hello;
        hello.region_count = tables::kRegionCount;
        ASSERT_TRUE(
            tables::send_hello(dataplane_.get(), hello, {plan_.fd(), live_.fd(), flows_.get()}));
        while (!link.is_connected()) io_.run_one();
    }
    Orders::Done note() {
        return [this](const Result<OrderReport>& outcome) {
            outcomes_.push_back(outcome ? std::string(outcome.value().said.data())
                                        : "error: " + outcome.error().message);
        };
    }
    void report(std::uint64_t id, const std::string& said) {
        OrderReport report;
        report.id = id;
        report.is_done = 1;
        said.copy(report.said.data(), report.said.size() - 1);
        ASSERT_TRUE(tables::send_report(dataplane_.get(), report));
    }
    std::vector<std::string> outcomes_after(std::size_t count) {
        while (outcomes_.size() < count) io_.run_one();
        return outcomes_;
    }

    std::filesystem::path directory_;
    boost::asio::io_context io_{1};
    Region plan_ = std::move(
        Region::create(RegionKind::kPlan, 0, kLinkArenaBytes, tables::Pages::kNormal).value());
    Region live_ = std::move(Region::create(RegionKind::kLive, sizeof(tables::LiveFixed),
                                            kLinkArenaBytes, tables::Pages::kNormal)
                                 .value());
    FileDescriptor flows_{::memfd_create("flows", MFD_CLOEXEC)};
    FileDescriptor listener_;
    FileDescriptor dataplane_;
    int lost_ = 0;
    DataplaneLink::Observer observer_{.connected = [](bool) {},
                                      .lost = [this] { ++lost_; },
                                      .refused = [](const std::string& why) { FAIL() << why; }};
    std::vector<std::string> outcomes_;
};

using Strings = std::vector<std::string>;

TEST_F(DataplaneLinkTest, EveryOrderHasItsReportInWhateverOrder) {
    DataplaneLink link(io_, path(), observer_);
    connect(link);
    link.give_order(OrderKind::kHandoff, "web", note());
    link.give_order(OrderKind::kHardDrill, "", note());
    const std::optional<Order> first = tables::receive_order(dataplane_.get());
    const std::optional<Order> second = tables::receive_order(dataplane_.get());
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->kind, OrderKind::kHandoff);
    EXPECT_EQ(first->group.view(), "web");
    EXPECT_EQ(second->kind, OrderKind::kHardDrill);
    EXPECT_EQ(second->group.view(), "");
    EXPECT_NE(first->id, second->id);
    report(second->id, "the second");
    report(first->id, "the first");
    EXPECT_EQ(outcomes_after(2), (Strings{"the second", "the first"}));
    report(first->id, "again");
    report(12345, "of nobody");
    link.give_order(OrderKind::kTakeBack, "web", note());
    report(tables::receive_order(dataplane_.get())->id, "the third");
    EXPECT_EQ(outcomes_after(3).back(), "the third") << "others are nobody's";
    EXPECT_TRUE(link.is_connected());
    EXPECT_EQ(lost_, 0);
    link.stop();
}

TEST_F(DataplaneLinkTest, ADataplaneThatIgnoresAnOrderIsNotWaitedForForEver) {
    DataplaneLink link(io_, path(), observer_, milliseconds(20));
    connect(link);
    link.give_order(OrderKind::kHandoff, "web", note());
    EXPECT_EQ(outcomes_after(1), Strings{"error: the dataplane has not answered within 0.02 s"});
    EXPECT_TRUE(link.is_connected());
    report(tables::receive_order(dataplane_.get())->id, "too late");
    link.give_order(OrderKind::kHandoff, "web", note());
    report(tables::receive_order(dataplane_.get())->id, "in time");
    EXPECT_EQ(outcomes_after(2).back(), "in time");
    link.stop();
}

TEST_F(DataplaneLinkTest, TheEndOfTheDataplaneIsTheEndOfItsOrders) {
    DataplaneLink link(io_, path(), observer_);
    connect(link);
    link.give_order(OrderKind::kHandoff, "web", note());
    link.give_order(OrderKind::kDrill, "web", note());
    report(tables::receive_order(dataplane_.get())->id, "done just before");
    dataplane_.reset();
    EXPECT_EQ(outcomes_after(2),
              (Strings{"done just before",
                       "error: the dataplane is gone; it may or may not have done it"}));
    while (lost_ == 0) io_.run_one();
    EXPECT_FALSE(link.is_connected());
    link.give_order(OrderKind::kHandoff, "web", note());
    EXPECT_EQ(outcomes_.back(), "error: the dataplane is not there");
    link.stop();
}

TEST_F(DataplaneLinkTest, OrdersThatAreNotDoneAreBounded) {
    DataplaneLink link(io_, path(), observer_);
    connect(link);
    for (std::size_t i = 0; i < Orders::kPendingMax; ++i) {
        link.give_order(OrderKind::kHandoff, "web", note());
        ASSERT_TRUE(tables::receive_order(dataplane_.get()));
    }
    EXPECT_TRUE(outcomes_.empty());
    link.give_order(OrderKind::kHandoff, "web", note());
    EXPECT_EQ(outcomes_, Strings{"error: 64 orders are not done yet; the most is 64"});
    link.stop();
}

}  // namespace
}  // namespace tandem
