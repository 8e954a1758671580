#include <gtest/gtest.h>

#include "tests/unit/conf/loading.h"

namespace tandem::conf {
namespace {

using test::errors_in;
using test::load;
using test::Strings;
using test::with_section;

/// What a pool gets from a check with these lines.
Check check_of(std::string_view lines) {
    const std::string pool = "\n[pool.p]\ncheck = \"c\"\nbackends = [\"10.0.0.11:80\"]";
    return load(with_section("[check.c]", std::string(lines) + pool)).pools.at(0).check;
}

Strings errors_of_check(std::string_view lines) {
    return errors_in(with_section("[check.c]", lines));
}

TEST(CheckSection, NeedsOnlyAType) {
    EXPECT_EQ(check_of("type = \"tcp\""), Check{});
    Check http;
    http.type = CheckType::kHttp;
    EXPECT_EQ(check_of("type = \"http\""), http);
    Check none;
    none.type = CheckType::kNone;
    EXPECT_EQ(check_of("type = \"none\""), none);
}

TEST(CheckSection, TakesEveryKey) {
    Check expected;
    expected.type = CheckType::kHttp;
    expected.path = "/a%20b?c=d&e";
    expected.host = "www.example.com:8080";
    expected.status_min = 200;
    expected.status_max = 299;
    expected.port = 8081;
    expected.interval = milliseconds{500};
    expected.timeout = milliseconds{500};
    expected.rise = 1;
    expected.fall = 100;
    expected.jitter_percent = 0;
    EXPECT_EQ(check_of(R"(
        type = "http"
        path = "/a%20b?c=d&e"
        host = "www.example.com:8080"
        status = "200-299"
        port = 8081
        interval = "500ms"
        timeout = "500ms"
        rise = 1
        fall = 100
        jitter = "0%")"),
              expected);
}

TEST(CheckSection, AStatusMayBeOneOrARange) {
    const Check check = check_of("type = \"http\"\nstatus = \"204\"");
    EXPECT_EQ(check.status_min, 204);
    EXPECT_EQ(check.status_max, 204);
    for (const std::string status :
         {"", "99", "600", "300-200", "200-", "-200", "2xx", "200,204"}) {
        EXPECT_EQ(errors_of_check("type = \"http\"\nstatus = \"" + status + '"'),
                  Strings{"6:10 check.c.status: \"" + status +
                          "\" is not a status from 100 to 599 such as \"200\", or a range of them "
                          "such as \"200-399\""});
    }
    EXPECT_EQ(errors_of_check("type = \"http\"\nstatus = 200"),
              Strings{"6:10 check.c.status must be a string such as \"200-399\", not 200"});
}

TEST(CheckSection, TheTypeIsRequiredAndOneOfThree) {
    EXPECT_EQ(errors_of_check("rise = 1"), Strings{"4:1 check.c.type is missing"});
    EXPECT_EQ(errors_of_check("type = \"ping\""),
              Strings{R"(5:8 check.c.type must be "none", "tcp" or "http", not "ping")"});
}

TEST(CheckSection, ATypeAndAKeyThatAreMisspeltAreTwoErrors) {
    EXPECT_EQ(errors_in(R"([port.wan]
device = "null"
[check.web]
type = "htpt"
path = "/healthz"
intervall = "200ms"
timeout = "5s"
[pool.web]
check = "web"
backends = ["10.0.0.11:80"]
[vip.web]
listen = "203.0.113.10:80/tcp"
pool = "web")"),
              (Strings{R"(4:8 check.web.type must be "none", "tcp" or "http", not "htpt" )"
                       "(did you mean 'http'?)",
                       "6:1 unknown key check.web.intervall (did you mean 'interval'?)"}));
}

TEST(CheckSection, OnlyHttpHasAPathAHostAndAStatus) {
    EXPECT_EQ(errors_of_check("type = \"tcp\"\npath = \"/\"\nhost = \"a\"\nstatus = \"200\""),
              (Strings{"6:8 check.c.path: only a check of type \"http\" has this",
                       "7:8 check.c.host: only a check of type \"http\" has this",
                       "8:10 check.c.status: only a check of type \"http\" has this"}));
}

TEST(CheckSection, NothingCanBeAddedToARequest) {
    for (const std::string path : {"", "healthz", "/a b", "/ä"}) {
        EXPECT_EQ(errors_of_check("type = \"http\"\npath = \"" + path + '"'),
                  Strings{"6:8 check.c.path: \"" + path +
                          "\" is not a path: it begins with / and has no spaces, \"%20\" stands "
                          "for one"});
    }
    EXPECT_EQ(errors_of_check(R"(type = "http"
path = "/\r\nX: y")"),
              Strings{R"(6:8 check.c.path: "/\x0d\x0aX: y" contains control characters)"});
    for (const std::string host : {"", "a b", "ä.de", "a/b"}) {
        EXPECT_EQ(errors_of_check("type = \"http\"\nhost = \"" + host + '"'),
                  Strings{"6:8 check.c.host: \"" + host + "\" is not what a Host header can say"});
    }
    EXPECT_EQ(errors_of_check("type = \"http\"\nhost = \"a\\n\"").size(), 1U);
    EXPECT_EQ(errors_of_check("type = \"http\"\npath = \"/" + std::string(1024, 'a') + '"').size(),
              1U);
}

TEST(CheckSection, TimesHaveBounds) {
    EXPECT_EQ(errors_of_check("type = \"tcp\"\ninterval = \"10ms\"\ntimeout = \"1ms\""), Strings{});
    EXPECT_EQ(errors_of_check("type = \"tcp\"\ninterval = \"1h\"\ntimeout = \"1h\""), Strings{});
    for (const char* value : {"\"9ms\"", "\"2h\"", "\"2\"", "2", "\"-2s\"", "\"\""}) {
        EXPECT_EQ(errors_of_check(std::string("type = \"tcp\"\ninterval = ") + value),
                  Strings{"6:12 check.c.interval must be a duration from 10ms to 1h such as "
                          R"("200ms", "2s" or "5m", not )" +
                          std::string(value)});
    }
    EXPECT_EQ(errors_of_check("type = \"tcp\"\ntimeout = \"0ms\"").size(), 1U);
}

TEST(CheckSection, ATimeoutIsNotLongerThanTheInterval) {
    EXPECT_EQ(errors_of_check("type = \"tcp\"\ntimeout = \"3s\""),
              Strings{"6:11 check.c.timeout: 3s is longer than the interval, 2s"});
    EXPECT_EQ(errors_of_check("type = \"tcp\"\ninterval = \"1s\"\ntimeout = \"1001ms\""),
              Strings{"7:11 check.c.timeout: 1001ms is longer than the interval, 1s"});
    EXPECT_EQ(check_of("type = \"tcp\"\ninterval = \"300ms\"").timeout, milliseconds{300})
        << "a default is no reason for an error";
}

TEST(CheckSection, NumbersHaveBounds) {
    EXPECT_EQ(errors_of_check("type = \"tcp\"\nport = 0\nrise = 0\nfall = 101\njitter = \"51%\""),
              (Strings{"6:8 check.c.port must be an integer from 1 to 65535, not 0",
                       "7:8 check.c.rise must be an integer from 1 to 100, not 0",
                       "8:8 check.c.fall must be an integer from 1 to 100, not 101",
                       R"(9:10 check.c.jitter must be a share from "0%" to "50%", not "51%")"}));
    EXPECT_EQ(errors_of_check("type = \"tcp\"\njitter = 10"),
              Strings{R"(6:10 check.c.jitter must be a share from "0%" to "50%", not 10)"});
}

TEST(CheckSection, ATypeIsNoName) {
    for (const std::string type : {"tcp", "http", "none"}) {
        EXPECT_EQ(errors_in(with_section("[check." + type + ']', "type = \"tcp\"")),
                  Strings{"4:8 \"" + type +
                          "\" is a type of check and cannot be the name of one: "
                          "pools could not tell them apart"});
    }
}

}  // namespace
}  // namespace tandem::conf
