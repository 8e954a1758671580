#include "dataplane/tables/exchange.h"

#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <span>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

namespace tandem::tables {

namespace {

constexpr int kBacklog = 4;

Result<sockaddr_un> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path)) {
        return Error{"the socket path " + path + " is longer than the " +
                     std::to_string(sizeof(address.sun_path) - 1) +
                     " characters a socket can have"};
    }
    path.copy(static_cast<char*>(address.sun_path), path.size());
    return address;
}

FileDescriptor new_socket() {
    return FileDescriptor(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
}

/// 0, or the errno. With a full backlog (a stopped dataplane) it fails instead of waiting.
int try_connect(int socket, const sockaddr_un& address) {
    const int flags = ::fcntl(socket, F_GETFL);
    ::fcntl(socket, F_SETFL, flags | O_NONBLOCK);
    const auto* raw = reinterpret_cast<const sockaddr*>(&address);
    const int outcome = ::connect(socket, raw, sizeof(sockaddr_un)) == 0 ? 0 : errno;
    ::fcntl(socket, F_SETFL, flags);
    return outcome;
}

/// Makes room for a new socket file. Only what nobody serves any more is removed, and only sockets.
Status remove_stale(const std::string& path, const sockaddr_un& address) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return Nothing{};
    if (!S_ISSOCK(status.st_mode)) {
        return Error{"cannot listen at " + path + ": a file that is not a socket is in the way"};
    }
    const FileDescriptor probe = new_socket();
    if (!probe.is_open()) return errno_error("cannot make a socket");
    const int outcome = try_connect(probe.get(), address);
    if (outcome == 0 || outcome == EAGAIN) {
        return Error{"another tandem-dataplane already listens at " + path};
    }
    if (outcome != ECONNREFUSED) {
        return Error{"cannot listen at " + path + ": " + std::strerror(outcome)};
    }
    if (::unlink(path.c_str()) != 0) return errno_error("cannot replace " + path);
    return Nothing{};
}

union ControlBuffer {
    cmsghdr header;
    std::array<char, CMSG_SPACE(sizeof(int) * kRegionCount)> bytes;
};

void take_descriptors(msghdr& message, Received& received) {
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(fd));
            FileDescriptor owned(fd);
            if (i < received.regions.size()) received.regions[i] = std::move(owned);
        }
    }
}

template <class Datagram>
Status send_datagram(int socket, const Datagram& datagram) {
    if (::send(socket, &datagram, sizeof(datagram), MSG_NOSIGNAL | MSG_DONTWAIT) !=
        static_cast<ssize_t>(sizeof(datagram))) {
        return errno_error("cannot send to the other process");
    }
    return Nothing{};
}

template <class Datagram>
std::optional<Datagram> receive_datagram(int socket) {
    Datagram datagram;
    const ssize_t length = ::recv(socket, &datagram, sizeof(datagram), MSG_DONTWAIT | MSG_TRUNC);
    if (length != static_cast<ssize_t>(sizeof(datagram)) || datagram.magic != Datagram::kMagic) {
        return std::nullopt;
    }
    return datagram;
}

}  // namespace

Result<FileDescriptor> listen_at(const std::string& path) {
    const Result<sockaddr_un> address = address_of(path);
    if (!address) return address.error();
    std::error_code error;
    const std::filesystem::path directory = std::filesystem::path(path).parent_path();
    if (!directory.empty()) std::filesystem::create_directories(directory, error);
    if (error) return Error{"cannot make " + directory.string() + ": " + error.message()};
    if (const Status removed = remove_stale(path, address.value()); !removed) {
        return removed.error();
    }

    FileDescriptor socket = new_socket();
    if (!socket.is_open()) return errno_error("cannot make a socket");
    const auto* raw = reinterpret_cast<const sockaddr*>(&address.value());
    // The mode before the file exists: nobody else gets in between.
    if (::fchmod(socket.get(), S_IRUSR | S_IWUSR) != 0 ||
        ::bind(socket.get(), raw, sizeof(sockaddr_un)) != 0 ||
        ::listen(socket.get(), kBacklog) != 0) {
        return errno_error("cannot listen at " + path);
    }
    return socket;
}

Result<FileDescriptor> connect_to(const std::string& path) {
    const Result<sockaddr_un> address = address_of(path);
    if (!address) return address.error();
    FileDescriptor socket = new_socket();
    if (!socket.is_open()) return errno_error("cannot make a socket");
    const int outcome = try_connect(socket.get(), address.value());
    if (outcome != 0) {
        return Error{"cannot reach the dataplane at " + path + ": " + std::strerror(outcome)};
    }
    return socket;
}

Status send_hello(int socket, const Hello& hello, const std::array<int, kRegionCount>& regions) {
    Hello copy = hello;
    iovec data{&copy, sizeof(copy)};
    ControlBuffer control{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    if (hello.region_count == kRegionCount) {
        message.msg_control = control.bytes.data();
        message.msg_controllen = control.bytes.size();
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * kRegionCount);
        std::memcpy(CMSG_DATA(header), regions.data(), sizeof(int) * kRegionCount);
    }
    if (::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) !=
        static_cast<ssize_t>(sizeof(copy))) {
        return errno_error("cannot send to the other process");
    }
    return Nothing{};
}

Result<Received> receive_hello(int socket, int timeout_ms) {
    pollfd readable{socket, POLLIN, 0};
    int ready = 0;
    do {
        ready = ::poll(&readable, 1, timeout_ms);
    } while (ready < 0 && errno == EINTR);
    if (ready <= 0) return Error{"the other process says nothing"};

    Received received;
    iovec data{&received.hello, sizeof(received.hello)};
    ControlBuffer control{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    const ssize_t length = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (length == 0) return Error{"the other process closed the connection"};
    if (length < 0) return errno_error("cannot receive from the other process");
    take_descriptors(message, received);

    received.hello.refusal.back() = '\0';
    const Hello& hello = received.hello;
    if (length != static_cast<ssize_t>(sizeof(hello)) || (message.msg_flags & MSG_TRUNC) != 0 ||
        hello.magic != Hello::kMagic) {
        return Error{"the other process does not speak Tandem's protocol"};
    }
    if (hello.layout_version != kLayoutVersion) {
        return Error{"the other process has tables of layout version " +
                     std::to_string(hello.layout_version) + ", this one has " +
                     std::to_string(kLayoutVersion) +
                     ": restart tandem-dataplane and tandem-control from one release"};
    }
    const auto open = std::ranges::count_if(received.regions,
                                            [](const FileDescriptor& fd) { return fd.is_open(); });
    if (static_cast<std::size_t>(open) != hello.region_count) {
        return Error{"the other process sent " + std::to_string(open) + " descriptors and said " +
                     std::to_string(hello.region_count)};
    }
    return received;
}

Status send_order(int socket, const Order& order) {
    return send_datagram(socket, order);
}

Status send_report(int socket, const OrderReport& report) {
    return send_datagram(socket, report);
}

std::optional<Order> receive_order(int socket) {
    std::optional<Order> order = receive_datagram<Order>(socket);
    if (order) order->group.text.back() = '\0';
    return order;
}

std::optional<OrderReport> receive_report(int socket) {
    std::optional<OrderReport> report = receive_datagram<OrderReport>(socket);
    if (report) report->said.back() = '\0';
    return report;
}

Hello refusal(const std::string& why) {
    Hello hello;
    why.copy(hello.refusal.data(), hello.refusal.size() - 1);
    return hello;
}

std::optional<pid_t> peer_pid(int socket) {
    ucred credentials{};
    socklen_t size = sizeof(credentials);
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
        return std::nullopt;
    }
    return credentials.pid;
}

bool is_closed(int socket) {
    pollfd state{socket, POLLIN | POLLRDHUP, 0};
    return ::poll(&state, 1, 0) > 0 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

}  // namespace tandem::tables
