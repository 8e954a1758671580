// Where operators' orders come in: a unix socket, one JSON object a line in, one a line out.
//
// Each client has one order under way at a time, so that what waits for it here is bounded by one
// line and one answer. Decides nothing: what is asked for goes to the owner, whose answer goes
// back.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include "control/admin_request.h"
#include "dataplane/base/result.h"

namespace tandem::admin {

inline constexpr std::size_t kClientsMax = 16;
inline constexpr std::size_t kLineBytesMax = std::size_t{64} * 1024;

class Session;

class Server {
  public:
    using Respond = std::function<void(const Answer&)>;
    /// Calls `respond` once, at once or later; it may do so after the client has gone.
    using Handler = std::function<void(const Request&, Respond respond)>;

    Server(boost::asio::io_context& io, Handler handler);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    /// Replaces the socket of a process that is gone. Only this user may connect. Errors: somebody
    /// listens there, or the socket cannot be made.
    Status listen(const std::string& path);
    /// Removes the socket and ends all sessions; no call to the handler follows.
    void stop();

  private:
    using Socket = boost::asio::local::stream_protocol::socket;

    void accept();
    void begin(Socket socket);

    boost::asio::io_context& io_;
    boost::asio::local::stream_protocol::acceptor acceptor_;
    boost::asio::steady_timer pause_;  ///< after an accept that failed
    Handler handler_;
    std::string path_;  ///< empty: nothing to remove
    std::set<std::shared_ptr<Session>> sessions_;
};

}  // namespace tandem::admin
