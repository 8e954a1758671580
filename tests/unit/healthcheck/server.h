// Real servers on the loopback for the tests of probes: a port nobody else gets, and a thread that
// does to each connection what the test says.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <thread>

#include <boost/asio/ip/tcp.hpp>

#include "dataplane/base/file_descriptor.h"

namespace tandem::health {

/// A free port that refuses connections and stays ours: servers may come and go on it.
class ReservedPort {
  public:
    /// "127.0.0.1" or "::1"; nullopt if this machine has no such address.
    static std::optional<ReservedPort> on(const char* address);

    [[nodiscard]] boost::asio::ip::tcp::endpoint endpoint() const { return endpoint_; }

  private:
    FileDescriptor socket_;
    boost::asio::ip::tcp::endpoint endpoint_;
};

/// A socket that listens at `endpoint`, beside the one that reserves it.
FileDescriptor listen_at(const boost::asio::ip::tcp::endpoint& endpoint, int backlog);

/// Accepts one connection after the other and hands each to `answer`, then closes it.
class Server {
  public:
    using Answer = std::function<void(int connection)>;

    Server(const ReservedPort& port, Answer answer);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    [[nodiscard]] int accepted() const { return accepted_; }

  private:
    void serve();

    FileDescriptor listener_;
    FileDescriptor stop_;  ///< an eventfd
    Answer answer_;
    std::atomic<int> accepted_ = 0;
    std::thread thread_;
};

/// While it lives, this process can open no descriptor.
class NoDescriptors {
  public:
    NoDescriptors();
    ~NoDescriptors();
    NoDescriptors(const NoDescriptors&) = delete;
    NoDescriptors& operator=(const NoDescriptors&) = delete;

  private:
    rlimit before_{};
};

/// Reads up to the empty line that ends a request's header.
std::string read_request(int connection);

/// False: the peer has gone.
bool send_all(int connection, std::string_view text);

/// Returns true as soon as the peer has closed or reset, false when `limit` has passed.
bool peer_leaves_within(int connection, std::chrono::milliseconds limit);

/// How the peer ended the connection: 0 for a FIN, else the errno of the read.
int how_peer_ended(int connection);

}  // namespace tandem::health
