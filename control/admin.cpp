#include "control/admin.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fmt/format.h>
#include <sys/stat.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

namespace tandem::admin {

namespace asio = boost::asio;
using asio::local::stream_protocol;
using boost::system::error_code;

namespace {

/// A client that says nothing for so long makes room for another; one that does not read either.
constexpr auto kSilenceMax = std::chrono::minutes(5);
constexpr auto kWriteMax = std::chrono::seconds(5);
constexpr auto kAcceptPause = std::chrono::seconds(1);

Status make_room(asio::io_context& io, const std::string& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return Nothing{};
    if (!S_ISSOCK(status.st_mode)) {
        return Error{"cannot listen at " + path + ": a file that is not a socket is in the way"};
    }
    error_code error;
    stream_protocol::socket probe(io, stream_protocol());
    probe.non_blocking(true, error);
    probe.connect(stream_protocol::endpoint(path), error);
    if (!error || error == asio::error::would_block || error == asio::error::try_again) {
        return Error{"another tandem-control already listens at " + path};
    }
    if (error != asio::error::connection_refused) {
        return Error{"cannot listen at " + path + ": " + error.message()};
    }
    if (::unlink(path.c_str()) != 0) return errno_error("cannot replace " + path);
    return Nothing{};
}

}  // namespace

/// One client. Kept alive by what it waits for; ends by end(), which may be called more than once.
class Session : public std::enable_shared_from_this<Session> {
  public:
    Session(stream_protocol::socket socket, const Server::Handler& handler,
            std::function<void(const std::shared_ptr<Session>&)> ended)
        : socket_(std::move(socket)),
          deadline_(socket_.get_executor()),
          handler_(handler),
          ended_(std::move(ended)) {}

    void read_line() {
        expect_within(kSilenceMax);
        asio::async_read_until(
            socket_, asio::dynamic_buffer(text_, kLineBytesMax + 1), '\n',
            [self = shared_from_this()](const error_code& error, std::size_t length) {
                self->on_line(error, length);
            });
    }

    void answer_and_end(const Answer& answer) {
        is_last_ = true;
        write(answer);
    }

    void end() {
        if (!socket_.is_open()) return;
        error_code ignored;
        socket_.close(ignored);
        deadline_.cancel();
        ended_(shared_from_this());
    }

    /// The answer under way is the last one.
    [[nodiscard]] bool is_last() const { return is_last_; }

  private:
    void expect_within(std::chrono::milliseconds limit) {
        deadline_.expires_after(limit);
        deadline_.async_wait([self = weak_from_this()](const error_code& error) {
            const std::shared_ptr<Session> session = self.lock();
            if (!error && session) session->end();
        });
    }

    void on_line(const error_code& error, std::size_t length) {
        if (!socket_.is_open()) return;
        if (error == asio::error::not_found) {
            return answer_and_end(
                refused(fmt::format("a line has at most {} bytes", kLineBytesMax)));
        }
        if (error == asio::error::eof && !text_.empty()) {
            return answer_and_end(refused("a line ends with a newline, and this one does not"));
        }
        if (error) return end();
        deadline_.cancel();
        const std::string line = text_.substr(0, length - 1);
        text_.erase(0, length);
        const Result<Request> request = parse_request(line);
        if (!request) return write(refused(request.error().message));
        handler_(request.value(), [self = weak_from_this()](const Answer& answer) {
            if (const std::shared_ptr<Session> session = self.lock()) session->write(answer);
        });
    }

    void write(const Answer& answer) {
        if (!socket_.is_open()) return;
        expect_within(kWriteMax);
        answer_ = str(answer);
        asio::async_write(socket_, asio::buffer(answer_),
                          [self = shared_from_this()](const error_code& error, std::size_t) {
                              if (!self->socket_.is_open()) return;
                              if (error || self->is_last_) return self->end();
                              self->read_line();
                          });
    }

    stream_protocol::socket socket_;
    asio::steady_timer deadline_;
    const Server::Handler& handler_;
    std::function<void(const std::shared_ptr<Session>&)> ended_;
    std::string text_;  ///< that has come and is not a line yet
    std::string answer_;
    bool is_last_ = false;
};

Server::Server(asio::io_context& io, Handler handler)

    : io_(io), acceptor_(io), pause_(io), handler_(std::move(handler)) {}

Server::~Server() {
    stop();
}

Status Server::listen(const std::string& path) {
    if (path.size() >= sizeof(sockaddr_un::sun_path)) {
        return Error{"the socket path " + path + " is too long"};
    }
    std::error_code made;
    const std::filesystem::path directory = std::filesystem::path(path).parent_path();
    if (!directory.empty()) std::filesystem::create_directories(directory, made);
    if (made) return Error{"cannot make " + directory.string() + ": " + made.message()};
    if (const Status room = make_room(io_, path); !room) return room.error();
    error_code error;
    acceptor_.open(stream_protocol(), error);
    // The mode before the file exists: nobody else gets in between.
    if (!error && ::fchmod(acceptor_.native_handle(), S_IRUSR | S_IWUSR) != 0) {
        error.assign(errno, boost::system::system_category());
    }
    if (!error) acceptor_.bind(stream_protocol::endpoint(path), error);
    if (!error) path_ = path;
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
        stop();
        return Error{"cannot listen at " + path + ": " + error.message()};
    }
    accept();
    return Nothing{};
}

void Server::stop() {
    error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
    if (!path_.empty()) ::unlink(path_.c_str());
    path_.clear();
    const std::set<std::shared_ptr<Session>> sessions = std::move(sessions_);
    sessions_.clear();
    for (const std::shared_ptr<Session>& session : sessions) session->end();
}

void Server::accept() {
    acceptor_.async_accept([this](const error_code& error, Socket socket) {
        if (!acceptor_.is_open()) return;
        if (!error) {
            begin(std::move(socket));
            accept();
            return;
        }
        // Out of descriptors, most likely: to try again at once would be to spin.
        pause_.expires_after(kAcceptPause);
        pause_.async_wait([this](const error_code& cancelled) {
            if (!cancelled) accept();
        });
    });
}

void Server::begin(Socket socket) {
    const auto session = std::make_shared<Session>(
        std::move(socket), handler_,
        [this](const std::shared_ptr<Session>& ended) { sessions_.erase(ended); });
    const auto served = std::ranges::count_if(
        sessions_, [](const std::shared_ptr<Session>& each) { return !each->is_last(); });
    if (sessions_.size() >= 2 * kClientsMax) return;  // nor are more told so at a time
    sessions_.insert(session);
    if (static_cast<std::size_t>(served) < kClientsMax) {
        session->read_line();
    } else {
        session->answer_and_end(
            refused(fmt::format("there are {} clients already, which is the most", kClientsMax)));
    }
}

}  // namespace tandem::admin
