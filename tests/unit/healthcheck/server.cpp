#include "tests/unit/healthcheck/server.h"

#include <array>
#include <cerrno>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "dataplane/base/check.h"

namespace tandem::health {

using boost::asio::ip::tcp;

namespace {

FileDescriptor bound_to(const tcp::endpoint& endpoint) {
    FileDescriptor socket(::socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    if (!socket.is_open() ||
        ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        ::bind(socket.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0) {
        return {};
    }
    return socket;
}

}  // namespace

std::optional<ReservedPort> ReservedPort::on(const char* address) {
    ReservedPort port;
    port.endpoint_ = {boost::asio::ip::make_address(address), 0};
    port.socket_ = bound_to(port.endpoint_);
    if (!port.socket_.is_open()) return std::nullopt;
    socklen_t length = static_cast<socklen_t>(port.endpoint_.capacity());
    CHECK(::getsockname(port.socket_.get(), port.endpoint_.data(), &length) == 0);
    return port;
}

FileDescriptor listen_at(const tcp::endpoint& endpoint, int backlog) {
    FileDescriptor socket = bound_to(endpoint);
    CHECK(socket.is_open() && ::listen(socket.get(), backlog) == 0);
    return socket;
}

Server::Server(const ReservedPort& port, Answer answer)
    : listener_(listen_at(port.endpoint(), SOMAXCONN)),
      stop_(::eventfd(0, EFD_CLOEXEC)),
      answer_(std::move(answer)),
      thread_([this] { serve(); }) {}

Server::~Server() {
    CHECK(::eventfd_write(stop_.get(), 1) == 0);
    thread_.join();
}

void Server::serve() {
    for (;;) {
        std::array<pollfd, 2> waiting{{{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
        CHECK(::poll(waiting.data(), waiting.size(), -1) > 0);
        if (waiting[1].revents != 0) return;
        const FileDescriptor connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!connection.is_open()) continue;  // reset before we came
        ++accepted_;
        answer_(connection.get());
    }
}

NoDescriptors::NoDescriptors() {
    CHECK(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    const int first_free = ::dup(STDERR_FILENO);
    CHECK(first_free >= 0);
    ::close(first_free);
    const rlimit none{static_cast<rlim_t>(first_free), before_.rlim_max};
    CHECK(::setrlimit(RLIMIT_NOFILE, &none) == 0);
}

NoDescriptors::~NoDescriptors() {
    CHECK(::setrlimit(RLIMIT_NOFILE, &before_) == 0);
}

std::string read_request(int connection) {
    std::string request;
    std::array<char, 1024> part{};
    while (request.find("\r\n\r\n") == std::string::npos) {
        const ssize_t got = ::recv(connection, part.data(), part.size(), 0);
        if (got <= 0) break;
        request.append(part.data(), static_cast<std::size_t>(got));
    }
    return request;
}

bool send_all(int connection, std::string_view text) {
    while (!text.empty()) {
        const ssize_t sent = ::send(connection, text.data(), text.size(), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

bool peer_leaves_within(int connection, std::chrono::milliseconds limit) {
    pollfd waiting{connection, POLLRDHUP, 0};
    return ::poll(&waiting, 1, static_cast<int>(limit.count())) > 0;
}

int how_peer_ended(int connection) {
    std::array<char, 1024> part{};
    for (;;) {
        const ssize_t got = ::recv(connection, part.data(), part.size(), 0);
        if (got == 0) return 0;
        if (got < 0) return errno;
    }
}

}  // namespace tandem::health
