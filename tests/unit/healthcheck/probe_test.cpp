#include "healthcheck/probe.h"

#include <cerrno>
#include <exception>
#include <fstream>
#include <future>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <thread>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "tests/unit/healthcheck/server.h"

namespace tandem::health {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kLong = seconds{10};  // of a probe that is to end earlier by itself
constexpr Duration kShort = milliseconds{150};

ProbeResult run(asio::io_context& io, asio::awaitable<ProbeResult> probe) {
    ProbeResult result;
    asio::co_spawn(io, std::move(probe), [&](std::exception_ptr error, ProbeResult got) {
        EXPECT_FALSE(error);
        result = std::move(got);
    });
    io.run();
    return result;
}

ProbeResult run(asio::awaitable<ProbeResult> probe) {
    asio::io_context io;
    return run(io, std::move(probe));
}

void expect_ended_at_timeout(const ProbeResult& result) {
    EXPECT_GE(result.latency, kShort);
    EXPECT_LT(result.latency, kLong);
}

class Probe : public testing::TestWithParam<const char*> {
  protected:
    void SetUp() override {
        port_ = ReservedPort::on(GetParam());
        if (!port_) GTEST_SKIP() << "this machine has no " << GetParam();
    }

    /// The result of GET /healthz from a server that answers so.
    ProbeResult get(Server::Answer answer, Duration timeout = kLong) {
        const Server server(*port_, std::move(answer));
        HttpProbe probe{port_->endpoint(), timeout, "/healthz", "web.example"};
        return run(probe_http(std::move(probe)));
    }
    ProbeResult get_text(std::string text, Duration timeout = kLong) {
        return get(
            [text = std::move(text)](int connection) {
                read_request(connection);
                send_all(connection, text);
            },
            timeout);
    }

    std::optional<ReservedPort> port_;
};

INSTANTIATE_TEST_SUITE_P(Loopback, Probe, testing::Values("127.0.0.1", "::1"),
                         [](const auto& one) { return one.index == 0 ? "IPv4" : "IPv6"; });

TEST_P(Probe, TcpPassesAndEndsByAReset) {
    std::promise<int> ended;
    {
        const Server server(*port_,
                            [&](int connection) { ended.set_value(how_peer_ended(connection)); });
        const ProbeResult result = run(probe_tcp({port_->endpoint(), kLong}));
        EXPECT_EQ(result.code, ProbeCode::kL4Ok) << result.reason;
        EXPECT_GT(result.latency, Duration{0});
        EXPECT_LT(result.latency, kLong);
        EXPECT_EQ(ended.get_future().get(), ECONNRESET) << "a TIME_WAIT is left behind";
    }
}

TEST_P(Probe, TcpPassesIfTheServerClosesAtOnceOrSaysNothing) {
    {
        const Server closes(*port_, [](int) {});
        EXPECT_EQ(run(probe_tcp({port_->endpoint(), kLong})).code, ProbeCode::kL4Ok);
    }
    const FileDescriptor never_accepts = listen_at(port_->endpoint(), 8);
    EXPECT_EQ(run(probe_tcp({port_->endpoint(), kLong})).code, ProbeCode::kL4Ok);
}

TEST_P(Probe, BothFailAsL4ConWhenRefused) {
    const ProbeResult by_tcp = run(probe_tcp({port_->endpoint(), kLong}));
    EXPECT_EQ(by_tcp.code, ProbeCode::kL4Connect);
    EXPECT_EQ(by_tcp.reason, "connect: Connection refused");
    HttpProbe probe{port_->endpoint(), kLong, "/", "x"};
    const ProbeResult by_http = run(probe_http(std::move(probe)));
    EXPECT_EQ(by_http.code, ProbeCode::kL4Connect);
    EXPECT_EQ(by_http.reason, "connect: Connection refused");
}

TEST_P(Probe, BothFailAsL4TimeoutWhenNobodyAnswersTheSyn) {
    const FileDescriptor never_accepts = listen_at(port_->endpoint(), 0);
    std::vector<FileDescriptor> fillers;  // of the queue, until a SYN is not answered any more
    for (bool full = false; !full;) {
        ASSERT_LT(fillers.size(), 16U) << "the queue does not fill";
        const int family = port_->endpoint().protocol().family();
        fillers.emplace_back(::socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0));
        const int fd = fillers.back().get();
        ::connect(fd, port_->endpoint().data(), static_cast<socklen_t>(port_->endpoint().size()));
        pollfd waiting{fd, POLLOUT, 0};
        full = ::poll(&waiting, 1, 200) == 0;
    }
    const ProbeResult by_tcp = run(probe_tcp({port_->endpoint(), kShort}));
    EXPECT_EQ(by_tcp.code, ProbeCode::kL4Timeout) << by_tcp.reason;
    expect_ended_at_timeout(by_tcp);
    HttpProbe probe{port_->endpoint(), kShort, "/", "x"};
    const ProbeResult by_http = run(probe_http(std::move(probe)));
    EXPECT_EQ(by_http.code, ProbeCode::kL4Timeout) << by_http.reason;
    expect_ended_at_timeout(by_http);
}

TEST(ProbeOnThisMachine, WithoutADescriptorIsInconclusive) {
    const auto port = ReservedPort::on("127.0.0.1");
    const FileDescriptor listener = listen_at(port->endpoint(), 8);
    asio::io_context io;  // has its own descriptors before the limit strikes
    ASSERT_EQ(run(io, probe_tcp({port->endpoint(), kLong})).code, ProbeCode::kL4Ok);
    io.restart();
    const NoDescriptors none;
    const ProbeResult result = run(io, probe_tcp({port->endpoint(), kLong}));
    EXPECT_EQ(result.code, ProbeCode::kSocketError);
    EXPECT_EQ(result.outcome(), Outcome::kInconclusive);
    EXPECT_EQ(result.reason, "socket: Too many open files");
}

TEST(ProbeOnThisMachine, WithoutALocalPortIsInconclusive) {
    ProbeResult first;
    ProbeResult second;
    bool prepared = false;
    std::thread([&] {  // in a network namespace of its own, with one local port
        if (::unshare(CLONE_NEWNET) != 0) return;
        std::ofstream("/proc/sys/net/ipv4/ip_local_port_range") << "40000 40000" << std::flush;
        const FileDescriptor any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        ifreq loopback{{"lo"}, {}};
        loopback.ifr_flags = IFF_UP | IFF_RUNNING;
        if (::ioctl(any.get(), SIOCSIFFLAGS, &loopback) != 0) return;
        const tcp::endpoint target(asio::ip::make_address("127.0.0.1"), 80);
        const FileDescriptor listener = listen_at(target, 8);
        const FileDescriptor holder(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        first = run(probe_tcp({target, kLong}));
        prepared = ::connect(holder.get(), target.data(), sizeof(sockaddr_in)) == 0;
        second = run(probe_tcp({target, kLong}));
    })
        .join();
    if (!prepared) GTEST_SKIP() << "needs root";
    EXPECT_EQ(first.code, ProbeCode::kL4Ok);
    EXPECT_EQ(second.outcome(), Outcome::kInconclusive);
    EXPECT_EQ(second.reason, "connect: Cannot assign requested address");
}

TEST(ProbeOnThisMachine, WithoutAWayToTheBackendFailsAsL4Con) {
    const tcp::endpoint multicast(asio::ip::make_address("224.0.0.1"), 80);  // TCP cannot go there
    const ProbeResult result = run(probe_tcp({multicast, kLong}));
    EXPECT_EQ(result.code, ProbeCode::kL4Connect);
    EXPECT_EQ(result.reason, "connect: Network is unreachable");
}

TEST_P(Probe, HttpSendsWhatItWasAskedTo) {
    std::string request;
    const ProbeResult result = get([&](int connection) {
        request = read_request(connection);
        send_all(connection, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    EXPECT_EQ(result.code, ProbeCode::kL7Ok) << result.reason;
    EXPECT_EQ(result.reason, "HTTP 200 OK");
    EXPECT_EQ(request.substr(0, request.find("\r\n")), "GET /healthz HTTP/1.1");
    EXPECT_NE(request.find("\r\nHost: web.example\r\n"), std::string::npos);
    EXPECT_NE(request.find("\r\nConnection: close\r\n"), std::string::npos);
}

TEST_P(Probe, HttpDoesNotWaitForTheServerToCloseAfterACompleteAnswer) {
    for (const char* answer :
         {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 204 No Content\r\n\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
          "2;extension=1\r\nok\r\n3\r\nyes\r\n0\r\nTrailer: t\r\n\r\n"}) {
        int ended = 0;
        const ProbeResult result = get([&](int connection) {
            read_request(connection);
            send_all(connection, answer);
            ended = how_peer_ended(connection);
        });
        EXPECT_EQ(result.code, ProbeCode::kL7Ok) << answer << result.reason;
        EXPECT_EQ(ended, ECONNRESET) << answer;
    }
}

TEST_P(Probe, HttpUnderstandsServersOfBothVersionsThatEndByClosing) {
    EXPECT_EQ(get_text("HTTP/1.0 200 OK\r\n\r\nhello").code, ProbeCode::kL7Ok);
    EXPECT_EQ(get_text("HTTP/1.1 200 OK\r\n\r\nhello").code, ProbeCode::kL7Ok);
    EXPECT_EQ(get_text("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello").code, ProbeCode::kL7Ok);
}

TEST_P(Probe, HttpSkipsInterimAnswers) {
    const ProbeResult result = get_text(
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(result.reason, "HTTP 200 OK");
}

TEST_P(Probe, HttpFailsAsL7StatusOutsideTheExpectedRange) {
    const ProbeResult result = get_text("HTTP/1.1 503 Look here\r\n\r\n");
    EXPECT_EQ(result.code, ProbeCode::kL7Status);
    EXPECT_EQ(result.reason, "HTTP 503 Service Unavailable, expected 200-399")
        << "with words of ours, not of the peer";

    const Server server(*port_, [](int connection) {
        read_request(connection);
        send_all(connection, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    });
    for (const auto& [min, max, code] :
         {std::tuple(404U, 404U, ProbeCode::kL7Ok), std::tuple(200U, 404U, ProbeCode::kL7Ok),
          std::tuple(200U, 403U, ProbeCode::kL7Status),
          std::tuple(405U, 599U, ProbeCode::kL7Status)}) {
        HttpProbe probe{port_->endpoint(), kLong, "/", "x", min, max};
        EXPECT_EQ(run(probe_http(std::move(probe))).code, code) << min << '-' << max;
    }
}

TEST_P(Probe, HttpFailsAsL7ResponseWhenTheConnectionEndsTooEarly) {
    EXPECT_EQ(get_text("").reason, "receive: connection closed without an answer");
    EXPECT_EQ(get([](int) {}).code, ProbeCode::kL7Response) << "closed with the request unread";
    for (const char* answer :
         {"HTTP/1.1 20", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 100 Continue\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"}) {
        const ProbeResult result = get_text(answer);
        EXPECT_EQ(result.code, ProbeCode::kL7Response) << answer;
        EXPECT_FALSE(result.reason.empty());
    }
}

TEST_P(Probe, HttpFailsAsL7ResponseOnGarbage) {
    for (const char* answer :
         {"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "\r\n\r\n\r\n", "HTTP/2 200\r\n\r\n",
          "HTTP/1.1 two hundred\r\n\r\n", "HTTP/1.1 200 \x1b[31mred\r\n\r\n",
          "HTTP/1.1 99999 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
          "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
        EXPECT_EQ(get_text(answer).code, ProbeCode::kL7Response) << answer;
    }
    EXPECT_EQ(get_text(std::string(100'000, '\0')).code, ProbeCode::kL7Response);
}

TEST_P(Probe, HttpReadsNoEndlessHeader) {
    const ProbeResult result = get([](int connection) {
        read_request(connection);
        send_all(connection, "HTTP/1.1 200 OK\r\nX: ");
        while (send_all(connection, std::string(4096, 'a'))) {
        }
    });
    EXPECT_EQ(result.code, ProbeCode::kL7Response);
    EXPECT_EQ(result.reason, "receive: header too long");
}

TEST_P(Probe, HttpReadsALongHeader) {
    const std::string field = "X: " + std::string(1000, 'a') + "\r\n";
    std::string answer = "HTTP/1.1 200 OK\r\n";
    for (int i = 0; i < 12; ++i) answer += field;
    EXPECT_EQ(get_text(answer + "\r\n").reason, "HTTP 200 OK");
}

TEST_P(Probe, HttpIsContentWithTheBeginningOfALongBody) {
    for (const char* header : {"HTTP/1.1 200 OK\r\n\r\n",
                               "HTTP/1.1 200 OK\r\n"
                               "Content-Length: 1000000000000\r\n\r\n"}) {
        std::size_t sent = 0;
        const ProbeResult result = get([&](int connection) {
            read_request(connection);
            send_all(connection, header);
            while (send_all(connection, std::string(4096, 'a'))) sent += 4096;
        });
        EXPECT_EQ(result.code, ProbeCode::kL7Ok) << result.reason;
        EXPECT_GE(sent, 64U * 1024);
    }
}

TEST_P(Probe, HttpEndsAtTheTimeoutWhenTheServerSaysNothing) {
    const ProbeResult result =
        get([](int connection) { peer_leaves_within(connection, milliseconds{20'000}); }, kShort);
    EXPECT_EQ(result.code, ProbeCode::kL7Timeout);
    EXPECT_EQ(result.reason, "receive: no complete answer");
    expect_ended_at_timeout(result);
}

TEST_P(Probe, HttpEndsAtTheTimeoutWhenTheServerDrips) {
    const std::string header = "HTTP/1.1 200 OK\r\nX: " + std::string(5000, 'a');
    const std::string body = "HTTP/1.1 200 OK\r\n\r\n" + std::string(5000, 'a');
    for (const std::string& text : {header, body}) {
        const auto drip = [&](int connection) {
            for (const char one : text) {
                if (!send_all(connection, {&one, 1})) return;
                if (peer_leaves_within(connection, milliseconds{5})) return;
            }
        };
        const ProbeResult result = get(drip, kShort);
        EXPECT_EQ(result.code, ProbeCode::kL7Timeout) << result.reason;
        expect_ended_at_timeout(result);
    }
}

}  // namespace
}  // namespace tandem::health
