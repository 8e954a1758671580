// [dataplane] and [control].
#include <gtest/gtest.h>

#include "tests/unit/conf/loading.h"

namespace tandem::conf {
namespace {

using test::errors_in;
using test::load;
using test::Strings;
using test::with_section;

TEST(DataplaneSection, HasADefaultForEveryKey) {
    EXPECT_EQ(load(test::kPort).dataplane, Dataplane{});
    EXPECT_EQ(load(with_section("[dataplane]", "")).dataplane, Dataplane{});
    EXPECT_EQ(load(with_section("[dataplane]", R"(
        workers = "auto"
        cores = "auto"
        memory = "auto"
        packet_memory = "auto"
        table_memory = "auto"
        poll = "adaptive"
        eal_args = "")"))
                  .dataplane,
              Dataplane{});
}

TEST(DataplaneSection, TakesEveryKey) {
    Dataplane expected;
    expected.workers = 64;
    expected.cores = "0,2-7,10";
    expected.memory = Memory::kHuge;
    expected.packet_memory_bytes = 1U << 20U;
    expected.table_memory_bytes = 4096;
    expected.poll = Poll::kBusy;
    expected.stall_limit = milliseconds{10'000};
    expected.socket = "/tmp/a b.sock";
    expected.eal_args = "-d x --vdev=y";
    EXPECT_EQ(load(with_section("[dataplane]", R"(
        workers = 64
        cores = "0,2-7,10"
        memory = "huge"
        packet_memory = "1MiB"
        table_memory = 4096
        poll = "busy"
        stall_limit = "10s"
        socket = "/tmp/a b.sock"
        eal_args = "-d x --vdev=y")"))
                  .dataplane,
              expected);
    EXPECT_EQ(load(with_section("[dataplane]", "memory = \"normal\"")).dataplane.memory,
              Memory::kNormal);
}

Strings errors_of_dataplane(std::string_view line) {
    return errors_in(with_section("[dataplane]", line));
}

TEST(DataplaneSection, WorkersAreOneTo64) {
    const std::string expected =
        "5:11 dataplane.workers must be an integer from 1 to 64 or \"auto\", not ";
    for (const char* value :
         {"-1", "0", "65", "9223372036854775807", "\"Auto\"", "\"4\"", "true"}) {
        EXPECT_EQ(errors_of_dataplane(std::string("workers = ") + value),
                  Strings{expected + value});
    }
    EXPECT_EQ(errors_of_dataplane("workers = 1.5"), Strings{expected + "1.5"});
    EXPECT_EQ(errors_of_dataplane("workers = []"), Strings{expected + "an empty array"});
    EXPECT_EQ(errors_of_dataplane("workers = [1]"), Strings{expected + "an array"});
    EXPECT_EQ(errors_of_dataplane("workers = {}"), Strings{expected + "a table"});
    EXPECT_EQ(errors_of_dataplane("workers = 2024-01-01"), Strings{expected + "a date or a time"});
}

TEST(DataplaneSection, CoresAreAListOfCpus) {
    for (const std::string value : {"", ",", "2,", ",2", "7-2", "2-", "-2", "2-3-4", "2 ,3", "2, 3",
                                    "a", "4097", "0-99999"}) {
        EXPECT_EQ(errors_of_dataplane("cores = \"" + value + '"'),
                  Strings{"5:9 dataplane.cores: \"" + value +
                          R"(" is not a list of CPUs such as "2-7,10", or "auto")"});
    }
    EXPECT_EQ(
        errors_of_dataplane("cores = 2"),
        Strings{R"(5:9 dataplane.cores must be a string such as "2-7,10", or "auto", not 2)"});
}

TEST(DataplaneSection, MemoryIsASizeAboveNothing) {
    const std::string expected = R"( must be a size such as "64MiB", "1GiB" or "4096" (bytes), )"
                                 R"(or "auto", not )";
    for (const char* value : {"0", "-1", "\"0\"", "\"64MB\"", "\"\"", "1.5", "\"9000000TiB\""}) {
        EXPECT_EQ(errors_of_dataplane(std::string("packet_memory = ") + value),
                  Strings{"5:17 dataplane.packet_memory" + expected + value});
        EXPECT_EQ(errors_of_dataplane(std::string("table_memory = ") + value),
                  Strings{"5:16 dataplane.table_memory" + expected + value});
    }
}

TEST(DataplaneSection, ASocketIsAnAbsolutePathThatFits) {
    const std::string longest = '/' + std::string(106, 'a');
    EXPECT_EQ(errors_of_dataplane("socket = \"" + longest + '"'), Strings{});
    EXPECT_EQ(errors_of_dataplane("socket = \"" + longest + "a\"").size(), 1U);
    EXPECT_EQ(errors_of_dataplane("socket = \"run/x\""),
              Strings{"5:10 dataplane.socket must be an absolute path of at most 107 characters, "
                      "not \"run/x\""});
    EXPECT_EQ(errors_of_dataplane(R"(socket = "/run/\u0000x")"),
              Strings{R"(5:10 dataplane.socket: "/run/\x00x" contains control characters)"});
}

TEST(DataplaneSection, WordsAreExact) {
    EXPECT_EQ(errors_of_dataplane("poll = \"bussy\""),
              Strings{R"(5:8 dataplane.poll must be "adaptive", "relaxed" or "busy", not "bussy" )"
                      "(did you mean 'busy'?)"});
    EXPECT_EQ(errors_of_dataplane("memory = 1"),
              Strings{R"(5:10 dataplane.memory must be "auto", "huge" or "normal", not 1)"});
    EXPECT_EQ(errors_of_dataplane("eal_args = 1"),
              Strings{"5:12 dataplane.eal_args must be a string, not 1"});
}

TEST(DataplaneSection, AStallIsBetween10MillisecondsAnd10Seconds) {
    const std::string expected =
        R"(5:15 dataplane.stall_limit must be a duration from 10ms to 10s such as "200ms", "2s" )"
        R"(or "5m", not )";
    for (const char* value : {"\"9ms\"", "\"10001ms\"", "50", "\"50\""}) {
        EXPECT_EQ(errors_of_dataplane(std::string("stall_limit = ") + value),
                  Strings{expected + value});
    }
}

TEST(DataplaneSection, IsASection) {
    EXPECT_EQ(errors_in("dataplane = 4\n" + std::string(test::kPort)),
              Strings{"1:13 dataplane must be a section [dataplane], not 4"});
    EXPECT_EQ(errors_in("[[dataplane]]\n" + std::string(test::kPort)),
              Strings{"1:1 dataplane must be a section [dataplane], not an array"});
}

TEST(ControlSection, HasADefaultForEveryKey) {
    EXPECT_EQ(load(test::kPort).control, Control{});
}

TEST(ControlSection, TakesEveryKey) {
    const Control control = load(with_section("[control]",
                                              "log_level = \"debug\"\nstate_dir = \"/tmp/s\"\n"
                                              "admin_socket = \"/tmp/a.sock\""))
                                .control;
    EXPECT_EQ(control.admin_socket, "/tmp/a.sock");
    EXPECT_EQ(control.log_level, LogLevel::kDebug);
    EXPECT_EQ(control.state_dir, "/tmp/s");
    const auto level = [](const std::string& word) {
        return load(with_section("[control]", "log_level = \"" + word + '"')).control.log_level;
    };
    EXPECT_EQ(level("info"), LogLevel::kInfo);
    EXPECT_EQ(level("warning"), LogLevel::kWarning);
    EXPECT_EQ(level("error"), LogLevel::kError);
}

TEST(ControlSection, SaysWhatIsWrong) {
    EXPECT_EQ(errors_in(with_section("[control]", "log_level = \"warn\"\nstate_dir = \"s\"")),
              (Strings{R"(5:13 control.log_level must be "debug", "info", "warning" or "error", )"
                       R"(not "warn")",
                       "6:13 control.state_dir must be an absolute path of at most 4095 "
                       "characters, not \"s\""}));
}

TEST(ControlSection, HasItsSocketBesideThatOfTheDataplane) {
    EXPECT_EQ(load(with_section("[dataplane]", "socket = \"/tmp/lb1/sock\"")).control.admin_socket,
              "/tmp/lb1/control.sock");
    EXPECT_EQ(load(with_section("[dataplane]", "socket = \"/sock\"")).control.admin_socket,
              "/control.sock");
    EXPECT_EQ(
        errors_in(with_section("[control]", "admin_socket = \"/run/tandem/dataplane.sock\"")),
        Strings{R"(5:16 control.admin_socket: "/run/tandem/dataplane.sock" is the socket of the )"
                "dataplane"});
    EXPECT_EQ(
        errors_in(with_section("[control]", "admin_socket = \"/" + std::string(107, 'a') + '"'))
            .size(),
        1U);
}

}  // namespace
}  // namespace tandem::conf
