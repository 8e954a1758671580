#include "dataplane/tables/exchange.h"

#include <filesystem>
#include <fstream>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <gtest/gtest.h>

#include "tests/unit/tables/stamped.h"

namespace tandem::tables {
namespace {

constexpr int kPatienceMs = 10'000;
constexpr std::array<int, kRegionCount> kNoRegions{-1, -1};

class Exchange : public testing::Test {
  protected:
    void SetUp() override {
        std::string directory = std::filesystem::temp_directory_path() / "tandem-XXXXXX";
        ASSERT_NE(::mkdtemp(directory.data()), nullptr);
        directory_ = directory;
        path_ = directory_ / "tables.sock";
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    [[nodiscard]] FileDescriptor listen() const {
        Result<FileDescriptor> listener = listen_at(path_);
        CHECK(listener.has_value());
        return std::move(listener.value());
    }
    [[nodiscard]] FileDescriptor connect() const {
        Result<FileDescriptor> socket = connect_to(path_);
        CHECK(socket.has_value());
        return std::move(socket.value());
    }
    static FileDescriptor accept(const FileDescriptor& listener) {
        return FileDescriptor(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    }

    std::filesystem::path directory_;
    std::string path_;
};

struct Pair {
    Pair() {
        std::array<int, 2> sockets{};
        CHECK(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets.data()) == 0);
        here = FileDescriptor(sockets[0]);
        there = FileDescriptor(sockets[1]);
    }
    FileDescriptor here;
    FileDescriptor there;
};

Hello hello_with_regions() {
    Hello hello;
    hello.region_count = kRegionCount;
    return hello;
}

void expect_complaint(const Result<Received>& received, const std::string& complaint) {
    ASSERT_FALSE(received);
    EXPECT_NE(received.error().message.find(complaint), std::string::npos)
        << received.error().message;
}

TEST_F(Exchange, AHelloWithoutRegionsArrives) {
    const FileDescriptor listener = listen();
    const FileDescriptor control = connect();
    const FileDescriptor dataplane = accept(listener);
    ASSERT_TRUE(send_hello(control.get(), Hello{}, kNoRegions));
    const Result<Received> received = receive_hello(dataplane.get(), kPatienceMs);
    ASSERT_TRUE(received) << received.error().message;
    EXPECT_EQ(received.value().hello.region_count, 0U);
    EXPECT_EQ(received.value().hello.refusal[0], '\0');
    EXPECT_FALSE(received.value().regions[0].is_open());
    EXPECT_EQ(peer_pid(dataplane.get()), ::getpid());
}

/// What the dataplane does in the next test: makes regions, gives them away, dies, and a second
/// one gets them back.
int be_two_dataplanes(const FileDescriptor& listener) {
    std::uint64_t instance = 0;
    {
        const FileDescriptor control(::accept(listener.get(), nullptr, nullptr));
        if (!receive_hello(control.get(), kPatienceMs)) return 1;
        const Region plan = new_region(RegionKind::kPlan, 0, kPageBytes);
        Region live = new_region(RegionKind::kLive, 64, kPageBytes);
        instance = live.header().instance_id;
        live.fixed()[0] = std::byte{42};
        if (!send_hello(control.get(), hello_with_regions(), {plan.fd(), live.fd(), live.fd()}))
            return 2;
    }
    const FileDescriptor control(::accept(listener.get(), nullptr, nullptr));
    Result<Received> offered = receive_hello(control.get(), kPatienceMs);
    if (!offered || offered.value().hello.region_count != kRegionCount) return 3;
    const Result<Region> live = Region::map(std::move(offered.value().regions[1]),
                                            RegionKind::kLive, 64, Access::kReadWrite);
    if (!live || live.value().header().instance_id != instance) return 4;
    return live.value().fixed()[1] == std::byte{43} ? 0 : 5;
}

TEST_F(Exchange, RegionsGoToAnotherProcessAndComeBackAsTheSameMemory) {
    const FileDescriptor listener = listen();
    const pid_t child = ::fork();
    if (child == 0) ::_exit(be_two_dataplanes(listener));

    std::optional<Region> plan;
    std::optional<Region> live;
    {
        const FileDescriptor socket = connect();
        ASSERT_TRUE(send_hello(socket.get(), Hello{}, kNoRegions));
        Result<Received> received = receive_hello(socket.get(), kPatienceMs);
        ASSERT_TRUE(received) << received.error().message;
        ASSERT_EQ(received.value().hello.region_count, kRegionCount);
        Result<Region> mapped = Region::map(std::move(received.value().regions[1]),
                                            RegionKind::kLive, 64, Access::kReadWrite);
        ASSERT_TRUE(mapped) << mapped.error().message;
        live = std::move(mapped.value());
        mapped = Region::map(std::move(received.value().regions[0]), RegionKind::kPlan, 0,
                             Access::kReadWrite);
        ASSERT_TRUE(mapped) << mapped.error().message;
        plan = std::move(mapped.value());
    }
    EXPECT_EQ(live->fixed()[0], std::byte{42});
    live->fixed()[1] = std::byte{43};
    const FileDescriptor socket = connect();
    ASSERT_TRUE(
        send_hello(socket.get(), hello_with_regions(), {plan->fd(), live->fd(), live->fd()}));
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(Exchange, SomebodyOfAnotherReleaseIsToldSo) {
    const Pair pair;
    Hello hello;
    hello.layout_version = kLayoutVersion + 1;
    ASSERT_TRUE(send_hello(pair.there.get(), hello, kNoRegions));
    expect_complaint(receive_hello(pair.here.get(), kPatienceMs),
                     "layout version " + std::to_string(kLayoutVersion + 1) + ", this one has " +
                         std::to_string(kLayoutVersion) + ": restart");
    hello = {};
    hello.magic ^= 1;
    ASSERT_TRUE(send_hello(pair.there.get(), hello, kNoRegions));
    expect_complaint(receive_hello(pair.here.get(), kPatienceMs), "protocol");
}

TEST_F(Exchange, AMessageOfAnotherLengthIsRefused) {
    const Pair pair;
    std::array<char, sizeof(Hello) + 1> bytes{};
    const Hello hello;
    std::memcpy(bytes.data(), &hello, sizeof(hello));
    for (const std::size_t length : {std::size_t{1}, sizeof(Hello) - 1, sizeof(Hello) + 1}) {
        ASSERT_EQ(::send(pair.there.get(), bytes.data(), length, 0), static_cast<ssize_t>(length));
        expect_complaint(receive_hello(pair.here.get(), kPatienceMs), "protocol");
    }
}

/// Sends any number of descriptors, as the library itself never would.
void send_descriptors(int socket, const Hello& hello, std::size_t count) {
    Hello copy = hello;
    iovec data{&copy, sizeof(copy)};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(8 * sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    const std::vector<int> descriptors(count, STDOUT_FILENO);
    std::memcpy(CMSG_DATA(header), descriptors.data(), count * sizeof(int));
    ASSERT_EQ(::sendmsg(socket, &message, 0), static_cast<ssize_t>(sizeof(copy)));
}

TEST_F(Exchange, ACountOfDescriptorsThatIsNotTrueIsRefusedAndNoneIsKept) {
    const Pair pair;
    const std::size_t descriptors = open_descriptors();
    Hello none;
    send_descriptors(pair.there.get(), none, 2);
    expect_complaint(receive_hello(pair.here.get(), kPatienceMs), "sent 2 descriptors and said 0");
    send_descriptors(pair.there.get(), hello_with_regions(), 1);
    expect_complaint(receive_hello(pair.here.get(), kPatienceMs), "sent 1 descriptors and said 3");
    send_descriptors(pair.there.get(), none, 8);
    expect_complaint(receive_hello(pair.here.get(), kPatienceMs), "descriptors and said 0");
    EXPECT_EQ(open_descriptors(), descriptors);
}

TEST_F(Exchange, ARefusalArrivesAsOneSentence) {
    const Pair pair;
    ASSERT_TRUE(send_hello(pair.there.get(), refusal("not now"), kNoRegions));
    EXPECT_STREQ(receive_hello(pair.here.get(), kPatienceMs).value().hello.refusal.data(),
                 "not now");
    ASSERT_TRUE(send_hello(pair.there.get(), refusal(std::string(1000, 'x')), kNoRegions));
    EXPECT_EQ(std::string(receive_hello(pair.here.get(), kPatienceMs).value().hello.refusal.data()),
              std::string(239, 'x'));
    Hello endless;
    endless.refusal.fill('y');
    ASSERT_TRUE(send_hello(pair.there.get(), endless, kNoRegions));
    EXPECT_EQ(receive_hello(pair.here.get(), kPatienceMs).value().hello.refusal.back(), '\0');
}

TEST_F(Exchange, SilenceAndAPeerThatLeavesAreErrors) {
    Pair pair;
    expect_complaint(receive_hello(pair.here.get(), 0), "says nothing");
    EXPECT_FALSE(is_closed(pair.here.get()));
    pair.there.reset();
    EXPECT_TRUE(is_closed(pair.here.get()));
    expect_complaint(receive_hello(pair.here.get(), kPatienceMs), "closed the connection");
    EXPECT_FALSE(send_hello(pair.here.get(), Hello{}, kNoRegions)) << "and no SIGPIPE";
}

TEST_F(Exchange, AKilledPeerIsSeenAsClosed) {
    const FileDescriptor listener = listen();
    const pid_t child = ::fork();
    if (child == 0) {
        const Result<FileDescriptor> socket = connect_to(path_);
        if (!socket || !send_hello(socket.value().get(), Hello{}, kNoRegions)) ::_exit(1);
        for (;;) ::pause();
    }
    const FileDescriptor control = accept(listener);
    ASSERT_TRUE(receive_hello(control.get(), kPatienceMs));
    EXPECT_EQ(peer_pid(control.get()), child);
    EXPECT_FALSE(is_closed(control.get()));
    ::kill(child, SIGKILL);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    EXPECT_TRUE(is_closed(control.get()));
}

TEST_F(Exchange, TheFileOfADeadListenerIsReplacedAndThatOfALivingOneIsNot) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(listen_at(path_) ? 0 : 1);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
    ASSERT_TRUE(std::filesystem::is_socket(path_)) << "there is nothing stale to replace";
    EXPECT_FALSE(connect_to(path_));

    const FileDescriptor listener = listen();
    const Result<FileDescriptor> second = listen_at(path_);
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().message.find("already listens"), std::string::npos);
    EXPECT_TRUE(connect_to(path_)) << "the first is still there";
}

// A dataplane that is stopped does not accept; whoever comes must neither wait for it nor take it
// for dead.
TEST_F(Exchange, AListenerThatDoesNotAcceptBlocksNobody) {
    const FileDescriptor listener = listen();
    std::vector<FileDescriptor> waiting;
    for (int i = 0; i < 100; ++i) {
        Result<FileDescriptor> socket = connect_to(path_);
        if (!socket) break;
        waiting.push_back(std::move(socket.value()));
    }
    EXPECT_LT(waiting.size(), 100U);
    const Result<FileDescriptor> second = listen_at(path_);
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().message.find("already listens"), std::string::npos);
}

TEST_F(Exchange, OnlyASocketIsEverReplaced) {
    std::ofstream(path_) << "precious";
    const Result<FileDescriptor> listener = listen_at(path_);
    ASSERT_FALSE(listener);
    EXPECT_NE(listener.error().message.find("not a socket"), std::string::npos);
    EXPECT_EQ(std::filesystem::file_size(path_), 8U);
}

TEST_F(Exchange, NobodyElseMayConnect) {
    const mode_t before = ::umask(0);
    const FileDescriptor listener = listen();
    ::umask(before);
    struct stat status {};
    ASSERT_EQ(::stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(Exchange, TheDirectoryIsMadeAndAnImpossibleOneNamed) {
    path_ = directory_ / "a" / "b" / "tables.sock";
    EXPECT_TRUE(listen_at(path_));
    std::ofstream(directory_ / "file") << "x";
    const Result<FileDescriptor> listener = listen_at(directory_ / "file" / "tables.sock");
    ASSERT_FALSE(listener);
    EXPECT_NE(listener.error().message.find("file"), std::string::npos);
}

TEST_F(Exchange, APathTooLongForASocketIsAnErrorThatSaysSo) {
    const std::string path = directory_ / std::string(120, 'x');
    for (const Result<FileDescriptor>& result : {listen_at(path), connect_to(path)}) {
        ASSERT_FALSE(result);
        EXPECT_NE(result.error().message.find("longer than the 107"), std::string::npos)
            << result.error().message;
    }
}

TEST_F(Exchange, NobodyListeningIsAnErrorWithThePath) {
    const Result<FileDescriptor> socket = connect_to(path_);
    ASSERT_FALSE(socket);
    EXPECT_NE(socket.error().message.find(path_), std::string::npos);
}

}  // namespace
}  // namespace tandem::tables
