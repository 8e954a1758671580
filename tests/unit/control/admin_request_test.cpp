#include "control/admin_request.h"

#include <boost/json/array.hpp>
#include <gtest/gtest.h>

namespace tandem::admin {
namespace {

std::string error_of(std::string_view line) {
    const Result<Request> request = parse_request(line);
    return request ? "" : request.error().message;
}

TEST(AdminRequest, TakesEveryOrder) {
    const auto parsed = [](std::string_view line) { return parse_request(line).value(); };
    EXPECT_EQ(parsed(R"({"do":"handoff","group":"web"})"), (Request{Verb::kHandoff, "web"}));
    EXPECT_EQ(parsed(R"({"do":"handoff"})"), (Request{Verb::kHandoff, ""}));
    EXPECT_EQ(parsed(R"({"group":"web","do":"take_back"})"), (Request{Verb::kTakeBack, "web"}));
    EXPECT_EQ(parsed(R"({"do":"drill","group":"web"})"), (Request{Verb::kDrill, "web"}));
    EXPECT_EQ(parsed(R"( {"do":"drill","hard":true} )"), (Request{Verb::kDrill, "", true}));
    EXPECT_EQ(parsed(R"({"do":"peer"})"), (Request{Verb::kPeer, ""}));
}

TEST(AdminRequest, SaysWhatIsWrongWithWords) {
    EXPECT_EQ(error_of(R"({"do":"hand_off"})"),
              R"("do" must be "handoff", "take_back", "drill" or "peer", not "hand_off" )"
              "(did you mean 'handoff'?)");
    EXPECT_EQ(error_of(R"({"do":"reboot"})"),
              R"("do" must be "handoff", "take_back", "drill" or "peer", not "reboot")");
    EXPECT_EQ(error_of(R"({"do":7})"),
              R"("do" must be "handoff", "take_back", "drill" or "peer", not 7)");
    EXPECT_EQ(error_of(R"({"group":"web"})"),
              R"("do" is missing; it is "handoff", "take_back", "drill" or "peer")");
    EXPECT_EQ(error_of(R"({"do":"handoff","grup":"web"})"),
              R"(there is no key "grup" (did you mean 'group'?): an order has "do", "group" and )"
              R"("hard")");
}

TEST(AdminRequest, SaysWhatIsWrongWithValues) {
    EXPECT_EQ(error_of(R"({"do":"drill","group":["a"]})"),
              R"("group" must be the name of a group, not ["a"])");
    EXPECT_EQ(error_of(R"({"do":"drill","group":""})"),
              R"("group" must be the name of a group, not "")");
    EXPECT_EQ(error_of(R"({"do":"drill","hard":"yes"})"),
              R"("hard" must be true or false, not "yes")");
    EXPECT_EQ(error_of(R"({"do":"handoff","hard":true})"), R"("hard" is only for "drill")");
    EXPECT_EQ(error_of(R"({"do":"peer","group":"web"})"), R"("group" is not for "peer")");
    EXPECT_EQ(error_of(R"({"do":"drill","group":[")" + std::string(100, 'a') + R"("]})"),
              R"("group" must be the name of a group, not 104 bytes of JSON)");
}

TEST(AdminRequest, SaysWhatWasExpectedWhereThereIsNoObject) {
    for (const std::string_view line : {"", "handoff", "{\"do\":\"handoff\"", "{} {}", "\xff"}) {
        EXPECT_NE(error_of(line).find(R"(such as {"do":"handoff","group":"web"})"),
                  std::string::npos)
            << line;
    }
    EXPECT_EQ(error_of(R"(["handoff"])"),
              R"(expected an object such as {"do":"handoff","group":"web"}, not ["handoff"])");
}

TEST(AdminAnswer, IsOneLineOfJson) {
    EXPECT_EQ(str({.is_ok = true, .said = "it is \"there\"", .gap_us = -1, .facts = {}}),
              "{\"ok\":true,\"said\":\"it is \\\"there\\\"\"}\n");
    EXPECT_EQ(str({.is_ok = true, .said = "", .gap_us = 12'034, .facts = {}}),
              "{\"ok\":true,\"said\":\"\",\"gap_ms\":12.034}\n");
    EXPECT_EQ(str(refused("no\nsuch")), "{\"ok\":false,\"error\":\"no\\nsuch\"}\n");
    EXPECT_EQ(str({.is_ok = true,
                   .said = "x",
                   .gap_us = -1,
                   .facts = {{"alive", true}, {"disputed", boost::json::array{"a"}}}}),
              "{\"ok\":true,\"said\":\"x\",\"alive\":true,\"disputed\":[\"a\"]}\n");
}

}  // namespace
}  // namespace tandem::admin
