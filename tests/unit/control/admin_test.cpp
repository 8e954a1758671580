// The admin socket with real clients, and an owner that answers when the test says so.
#include "control/admin.h"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <gtest/gtest.h>

#include "control/ask.h"
#include "dataplane/base/file_descriptor.h"

namespace tandem::admin {
namespace {

constexpr std::string_view kHandoff = "{\"do\":\"handoff\"}\n";

FileDescriptor connect_to(const std::string& path) {
    FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(static_cast<char*>(address.sun_path), path.size());
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
              0);
    return socket;
}

class Admin : public testing::Test {
  protected:
    void SetUp() override {
        std::string directory = std::filesystem::temp_directory_path() / "tandem-XXXXXX";
        ASSERT_NE(::mkdtemp(directory.data()), nullptr);
        directory_ = directory;
        path_ = directory_ / "run" / "control.sock";
        const Status listening = server_.listen(path_);
        ASSERT_TRUE(listening) << listening.error().message;
    }
    void TearDown() override {
        server_.stop();
        std::filesystem::remove_all(directory_);
    }

    void handle(const Request& request, const Server::Respond& respond) {
        requests_.push_back(request);
        if (answers_at_once_) {
            respond({.is_ok = true, .said = "done", .gap_us = -1, .facts = {}});
        } else {
            responds_.push_back(respond);
        }
    }
    void say(const FileDescriptor& client, std::string_view text) {
        while (!text.empty()) {
            const ssize_t sent = ::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL);
            if (sent > 0) text.remove_prefix(static_cast<std::size_t>(sent));
            if (sent < 0 && errno != EAGAIN) return;
            io_.poll();
        }
        io_.poll();
    }
    /// The next line; with "closed" at the end if nothing can follow it.
    std::string heard(const FileDescriptor& client) {
        std::string text;
        while (!text.ends_with('\n')) {
            io_.poll();
            std::array<char, 1> next{};
            pollfd readable{client.get(), POLLIN, 0};
            if (::poll(&readable, 1, 0) == 0) {
                io_.run_one_for(std::chrono::seconds(5));
                continue;
            }
            if (::recv(client.get(), next.data(), 1, 0) <= 0) return text + "closed";
            text += next[0];
        }
        return text;
    }

    std::filesystem::path directory_;
    std::string path_;
    boost::asio::io_context io_{1};
    Server server_{io_, [this](const Request& request, const Server::Respond& respond) {
                       handle(request, respond);
                   }};
    bool answers_at_once_ = true;
    std::vector<Request> requests_;
    std::vector<Server::Respond> responds_;
};

TEST_F(Admin, AnswersLineByLine) {
    const FileDescriptor client = connect_to(path_);
    say(client, "{\"do\":\"handoff\",\"group\":\"web\"}\n{\"do\":\"pear\"}\n");
    EXPECT_EQ(heard(client), "{\"ok\":true,\"said\":\"done\"}\n");
    EXPECT_NE(heard(client).find("did you mean 'peer'?"), std::string::npos);
    say(client, "{\"do\":");
    say(client, "\"peer\"}\n");
    EXPECT_EQ(heard(client), "{\"ok\":true,\"said\":\"done\"}\n");
    EXPECT_EQ(requests_, (std::vector<Request>{{Verb::kHandoff, "web"}, {Verb::kPeer, ""}}));
}

TEST_F(Admin, BelongsToOneUser) {
    struct stat status {};
    ASSERT_EQ(::stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(Admin, TakesTheNextOrderWhenTheFirstIsDone) {
    answers_at_once_ = false;
    const FileDescriptor client = connect_to(path_);
    say(client, kHandoff);
    say(client, "{\"do\":\"peer\"}\n");
    ASSERT_EQ(requests_.size(), 1U);
    responds_[0]({.is_ok = true, .said = "first", .gap_us = 1500, .facts = {}});
    EXPECT_EQ(heard(client), "{\"ok\":true,\"said\":\"first\",\"gap_ms\":1.500}\n");
    io_.poll();
    EXPECT_EQ(requests_.size(), 2U);
}

TEST_F(Admin, ForgetsAClientThatHasGoneBeforeItsAnswer) {
    answers_at_once_ = false;
    {
        const FileDescriptor client = connect_to(path_);
        say(client, kHandoff);
    }
    ASSERT_EQ(responds_.size(), 1U);
    responds_[0](refused("too late"));
    io_.poll();
    answers_at_once_ = true;
    const FileDescriptor next = connect_to(path_);
    say(next, kHandoff);
    EXPECT_EQ(heard(next), "{\"ok\":true,\"said\":\"done\"}\n");
}

TEST_F(Admin, RefusesALineThatIsTooLong) {
    const FileDescriptor client = connect_to(path_);
    const std::string longest = "{\"do\":\"peer\"" + std::string(kLineBytesMax - 13, ' ') + "}\n";
    say(client, longest);
    EXPECT_EQ(heard(client), "{\"ok\":true,\"said\":\"done\"}\n");
    say(client, std::string(kLineBytesMax + 1, ' '));
    EXPECT_EQ(heard(client), "{\"ok\":false,\"error\":\"a line has at most 65536 bytes\"}\n");
    EXPECT_EQ(heard(client), "closed");
}

TEST_F(Admin, RefusesALineWithoutAnEnd) {
    const FileDescriptor client = connect_to(path_);
    say(client, "{\"do\":\"peer\"}");
    ::shutdown(client.get(), SHUT_WR);
    EXPECT_EQ(heard(client),
              "{\"ok\":false,\"error\":\"a line ends with a newline, and this one does not\"}\n");
    EXPECT_TRUE(requests_.empty());
}

TEST_F(Admin, RefusesTheSeventeenthClientAndTakesItWhenOneHasGone) {
    std::vector<FileDescriptor> clients;
    for (std::size_t i = 0; i < kClientsMax; ++i) clients.push_back(connect_to(path_));
    io_.poll();
    const FileDescriptor more = connect_to(path_);
    EXPECT_EQ(heard(more),
              "{\"ok\":false,\"error\":\"there are 16 clients already, which is the most\"}\n");
    EXPECT_EQ(heard(more), "closed");
    clients.pop_back();
    io_.poll();
    const FileDescriptor next = connect_to(path_);
    say(next, kHandoff);
    EXPECT_EQ(heard(next), "{\"ok\":true,\"said\":\"done\"}\n");
}

TEST_F(Admin, WaitsForAClientThatDoesNotReadAndKeepsLittleForIt) {
    const FileDescriptor client = connect_to(path_);
    const std::string many = [] {
        std::string text;
        for (int i = 0; i < 1000; ++i) text += kHandoff;
        return text;
    }();
    std::size_t sent = 0;
    // Until both socket buffers are full; nothing is read meanwhile.
    for (int stuck = 0; stuck < 3;) {
        const ssize_t part = ::send(client.get(), many.data(), many.size(), MSG_NOSIGNAL);
        if (part > 0) sent += static_cast<std::size_t>(part);
        stuck = part > 0 ? 0 : stuck + 1;
        io_.poll();
        ASSERT_LT(sent, std::size_t{64} << 20U);
    }
    const std::size_t answered = requests_.size();
    io_.poll();
    EXPECT_EQ(requests_.size(), answered);
    const FileDescriptor other = connect_to(path_);
    say(other, "{\"do\":\"peer\"}\n");
    EXPECT_EQ(heard(other), "{\"ok\":true,\"said\":\"done\"}\n") << "nobody else is kept waiting";
}

TEST_F(Admin, ReplacesTheSocketOfAProcessThatIsGoneOnly) {
    Server second(io_, [](const Request&, const Server::Respond&) {});
    const Status refused = second.listen(path_);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message, "another tandem-control already listens at " + path_);
    EXPECT_TRUE(std::filesystem::exists(path_));
    const std::string stale = directory_ / "stale.sock";
    {
        const FileDescriptor gone(::socket(AF_UNIX, SOCK_STREAM, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        stale.copy(static_cast<char*>(address.sun_path), stale.size());
        ASSERT_EQ(::bind(gone.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
                  0);
    }
    const Status listening = second.listen(stale);
    EXPECT_TRUE(listening) << listening.error().message;
    std::ofstream(directory_ / "file") << "precious";
    Server third(io_, [](const Request&, const Server::Respond&) {});
    EXPECT_FALSE(third.listen(directory_ / "file"));
    EXPECT_TRUE(std::filesystem::exists(directory_ / "file"));
}

TEST_F(Admin, RemovesItsSocketAndItsClientsWhenItStops) {
    const FileDescriptor client = connect_to(path_);
    say(client, kHandoff);
    EXPECT_NE(heard(client), "closed");
    server_.stop();
    EXPECT_FALSE(std::filesystem::exists(path_));
    EXPECT_EQ(heard(client), "closed");
}

TEST_F(Admin, IsAskedFromACommandLine) {
    std::future<Result<std::string>> answer = std::async(std::launch::async, [this] {
        return ask(path_, "{\"do\":\n\"peer\"}", std::chrono::seconds(10));
    });
    while (answer.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
        io_.run_one_for(std::chrono::milliseconds(10));
    }
    const Result<std::string> got = answer.get();
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(got.value(), "{\"ok\":true,\"said\":\"done\"}");
    EXPECT_TRUE(is_ok(got.value()));
    EXPECT_FALSE(is_ok("{\"ok\":false,\"error\":\"x\"}"));
    EXPECT_FALSE(is_ok("nonsense"));
}

TEST(Ask, SaysThatNobodyListens) {
    const Result<std::string> answer = ask("/nowhere/control.sock", "{}");
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().message,
              "cannot reach tandem-control at /nowhere/control.sock: No such file or directory");
}

}  // namespace
}  // namespace tandem::admin
