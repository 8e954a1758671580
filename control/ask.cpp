#include "control/ask.h"

#include <algorithm>
#include <array>
#include <sys/socket.h>
#include <sys/un.h>

#include <boost/json/parse.hpp>

#include "dataplane/base/file_descriptor.h"

namespace tandem::admin {

namespace {

Result<FileDescriptor> connect_within(const std::string& path, std::chrono::seconds timeout) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof(address.sun_path)) {
        return Error{"the socket path " + path + " is too long"};
    }
    path.copy(static_cast<char*>(address.sun_path), path.size());
    FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.is_open()) return errno_error("cannot make a socket");
    const timeval limit{.tv_sec = timeout.count(), .tv_usec = 0};
    for (const int direction : {SO_SNDTIMEO, SO_RCVTIMEO}) {
        if (::setsockopt(socket.get(), SOL_SOCKET, direction, &limit, sizeof(limit)) != 0) {
            return errno_error("cannot set a timeout");
        }
    }
    const auto* raw = reinterpret_cast<const sockaddr*>(&address);
    if (::connect(socket.get(), raw, sizeof(address)) != 0) {
        return errno_error("cannot reach tandem-control at " + path);
    }
    return socket;
}

}  // namespace

Result<std::string> ask(const std::string& path, std::string_view line,
                        std::chrono::seconds timeout) {
    const Result<FileDescriptor> socket = connect_within(path, timeout);
    if (!socket) return socket.error();
    std::string request(line);
    std::ranges::replace(request, '\n', ' ');  // JSON may be written in several lines
    request += '\n';
    for (std::string_view rest = request; !rest.empty();) {
        const ssize_t sent = ::send(socket.value().get(), rest.data(), rest.size(), MSG_NOSIGNAL);
        // It may have answered and closed before it had all: the answer says why.
        if (sent <= 0) break;
        rest.remove_prefix(static_cast<std::size_t>(sent));
    }
    std::string answer;
    while (!answer.ends_with('\n')) {
        std::array<char, 4096> part{};
        const ssize_t got = ::recv(socket.value().get(), part.data(), part.size(), 0);
        if (got < 0) return errno_error("no answer from tandem-control at " + path);
        if (got == 0) return Error{"tandem-control at " + path + " closed the connection"};
        answer.append(part.data(), static_cast<std::size_t>(got));
    }
    answer.pop_back();
    return answer;
}

bool is_ok(std::string_view answer) {
    boost::system::error_code error;
    const boost::json::value value = boost::json::parse({answer.data(), answer.size()}, error);
    if (error || !value.is_object()) return false;
    const boost::json::value* ok = value.get_object().if_contains("ok");
    return ok != nullptr && ok->is_bool() && ok->get_bool();
}

}  // namespace tandem::admin
