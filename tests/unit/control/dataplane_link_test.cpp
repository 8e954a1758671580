// The link to a dataplane that the test plays, over the real socket: orders and their reports.
#include "control/dataplane_link.h"

#include <thread>

#include <gtest/gtest.h>

#include "tests/unit/control/played_dataplane.h"

namespace tandem {
namespace {

using std::chrono::milliseconds;
using tables::Order;
using tables::OrderKind;
using tables::OrderReport;

class DataplaneLinkTest : public testing::Test {
  protected:
    void connect(DataplaneLink& link) {
        link.start();
        dataplane_.welcome();
        while (!link.is_connected()) io_.run_one();
    }
    Orders::Done note() {
        return [this](const Result<OrderReport>& outcome) {
            outcomes_.push_back(outcome ? std::string(outcome.value().said.data())
                                        : "error: " + outcome.error().message);
        };
    }
    std::vector<std::string> outcomes_after(std::size_t count) {
        while (outcomes_.size() < count) io_.run_one();
        return outcomes_;
    }

    PlayedDataplane dataplane_;
    boost::asio::io_context io_{1};
    int lost_ = 0;
    DataplaneLink::Observer observer_{.connected = [](bool) {},
                                      .lost = [this] { ++lost_; },
                                      .refused = [](const std::string& why) { FAIL() << why; }};
    std::vector<std::string> outcomes_;
};

using Strings = std::vector<std::string>;

TEST_F(DataplaneLinkTest, EveryOrderHasItsReportInWhateverOrder) {
    DataplaneLink link(io_, dataplane_.path(), observer_);
    connect(link);
    link.give_order(OrderKind::kHandoff, "web", note());
    link.give_order(OrderKind::kHardDrill, "", note());
    const std::optional<Order> first = tables::receive_order(dataplane_.socket());
    const std::optional<Order> second = tables::receive_order(dataplane_.socket());
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->kind, OrderKind::kHandoff);
    EXPECT_EQ(first->group.view(), "web");
    EXPECT_EQ(second->kind, OrderKind::kHardDrill);
    EXPECT_EQ(second->group.view(), "");
    EXPECT_NE(first->id, second->id);
    dataplane_.report(second->id, "the second");
    dataplane_.report(first->id, "the first");
    EXPECT_EQ(outcomes_after(2), (Strings{"the second", "the first"}));
    dataplane_.report(first->id, "again");
    dataplane_.report(12345, "of nobody");
    link.give_order(OrderKind::kTakeBack, "web", note());
    dataplane_.report(tables::receive_order(dataplane_.socket())->id, "the third");
    EXPECT_EQ(outcomes_after(3).back(), "the third") << "others are nobody's";
    EXPECT_TRUE(link.is_connected());
    EXPECT_EQ(lost_, 0);
    link.stop();
}

TEST_F(DataplaneLinkTest, ADataplaneThatIgnoresAnOrderIsNotWaitedForForEver) {
    DataplaneLink link(io_, dataplane_.path(), observer_, milliseconds(20));
    connect(link);
    link.give_order(OrderKind::kHandoff, "web", note());
    EXPECT_EQ(outcomes_after(1), Strings{"error: the dataplane has not answered within 0.02 s"});
    EXPECT_TRUE(link.is_connected());
    dataplane_.report(tables::receive_order(dataplane_.socket())->id, "too late");
    link.give_order(OrderKind::kHandoff, "web", note());
    dataplane_.report(tables::receive_order(dataplane_.socket())->id, "in time");
    EXPECT_EQ(outcomes_after(2).back(), "in time");
    link.stop();
}

TEST_F(DataplaneLinkTest, TheEndOfTheDataplaneIsTheEndOfItsOrders) {
    DataplaneLink link(io_, dataplane_.path(), observer_);
    connect(link);
    link.give_order(OrderKind::kHandoff, "web", note());
    link.give_order(OrderKind::kDrill, "web", note());
    dataplane_.report(tables::receive_order(dataplane_.socket())->id, "done just before");
    dataplane_.leave();
    EXPECT_EQ(outcomes_after(2),
              (Strings{"done just before",
                       "error: the dataplane is gone; it may or may not have done it"}));
    while (lost_ == 0) io_.run_one();
    EXPECT_FALSE(link.is_connected());
    link.give_order(OrderKind::kHandoff, "web", note());
    EXPECT_EQ(outcomes_.back(), "error: the dataplane is not there");
    link.stop();
}

TEST_F(DataplaneLinkTest, WhatItKeepsForTheNextDataplaneAreTheFlowsOfTheLastOne) {
    DataplaneLink link(io_, dataplane_.path(), observer_);
    connect(link);
    const auto restart = [&] {
        dataplane_.leave();
        std::jthread next([&] { dataplane_.welcome(); });
        while (link.is_connected()) io_.run_one();
        while (!link.is_connected()) io_.run_one();
    };
    restart();
    EXPECT_TRUE(dataplane_.is_offered_its_flows());
    dataplane_.make_flows_anew();
    restart();
    EXPECT_FALSE(dataplane_.is_offered_its_flows()) << "it has them since then";
    restart();
    EXPECT_TRUE(dataplane_.is_offered_its_flows());
    link.stop();
}

TEST_F(DataplaneLinkTest, OrdersThatAreNotDoneAreBounded) {
    DataplaneLink link(io_, dataplane_.path(), observer_);
    connect(link);
    for (std::size_t i = 0; i < Orders::kPendingMax; ++i) {
        link.give_order(OrderKind::kHandoff, "web", note());
        ASSERT_TRUE(tables::receive_order(dataplane_.socket()));
    }
    EXPECT_TRUE(outcomes_.empty());
    link.give_order(OrderKind::kHandoff, "web", note());
    EXPECT_EQ(outcomes_, Strings{"error: 64 orders are not done yet; the most is 64"});
    link.stop();
}

}  // namespace
}  // namespace tandem
