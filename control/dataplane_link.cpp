#include "control/dataplane_link.h"

#include <chrono>
#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

namespace tandem {

namespace asio = boost::asio;
using asio::posix::stream_descriptor;

namespace {

constexpr auto kRetryInterval = std::chrono::milliseconds(100);
constexpr auto kAnswerTimeout = std::chrono::seconds(30);  ///< DPDK takes its time to start

}  // namespace

DataplaneLink::DataplaneLink(asio::io_context& io, std::string path, Observer observer,
                             std::chrono::milliseconds patience)
    : timer_(io),
      socket_(io),
      path_(std::move(path)),
      observer_(std::move(observer)),
      orders_(io, patience) {}

void DataplaneLink::start() {
    try_to_connect();
}

void DataplaneLink::stop() {
    is_stopped_ = true;
    boost::system::error_code ignored;
    socket_.close(ignored);
    timer_.cancel();
    orders_.stop();
}

void DataplaneLink::give_order(tables::OrderKind kind, const std::string& group,
                               Orders::Done done) {
    if (!is_connected_) return done(Error{"the dataplane is not there"});
    const Result<tables::Order> order = orders_.begin(kind, group, done);
    if (!order) return done(order.error());
    const Status sent = tables::send_order(socket_.native_handle(), order.value());
    if (!sent) orders_.fail(order.value().id, sent.error());
}

void DataplaneLink::try_again() {
    boost::system::error_code ignored;
    socket_.close(ignored);
    timer_.expires_after(kRetryInterval);
    timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error && !is_stopped_) try_to_connect();
    });
}

void DataplaneLink::try_to_connect() {
    Result<FileDescriptor> socket = tables::connect_to(path_);
    if (!socket) {
        if (last_trouble_.empty()) {
            spdlog::info("{}; waiting for it", socket.error().message);
            last_trouble_ = socket.error().message;
        }
        try_again();
        return;
    }
    send_offer(std::move(socket.value()));
}

void DataplaneLink::send_offer(FileDescriptor socket) {
    tables::Hello hello;
    std::array<int, tables::kRegionCount> offered{};
    if (region_) {
        hello.region_count = tables::kRegionCount;
        offered = region_->descriptors();
    }
    const Status sent = tables::send_hello(socket.get(), hello, offered);
    const int own = ::fcntl(socket.get(), F_DUPFD_CLOEXEC, 0);
    if (!sent || own < 0) {
        try_again();
        return;
    }
    boost::system::error_code error;
    socket_.assign(own, error);
    if (error) {
        ::close(own);
        try_again();
        return;
    }
    await_answer();
}

void DataplaneLink::await_answer() {
    timer_.expires_after(kAnswerTimeout);
    timer_.async_wait([this](const boost::system::error_code& error) {
        if (error || is_stopped_) return;
        spdlog::warn("the dataplane at {} does not answer; trying again", path_);
        socket_.cancel();
    });
    socket_.async_wait(stream_descriptor::wait_read,
                       [this](const boost::system::error_code& error) {
                           if (is_stopped_) return;
                           timer_.cancel();
                           if (error) {
                               try_again();
                           } else {
                               on_answer();
                           }
                       });
}

void DataplaneLink::on_answer() {
    Result<tables::Received> answer = tables::receive_hello(socket_.native_handle(), 0);
    if (!answer) {
        // It closes the connection if it cannot start; of a wrong layout it says so.
        if (answer.error().message != last_trouble_) spdlog::warn("{}", answer.error().message);
        last_trouble_ = answer.error().message;
        try_again();
        return;
    }
    const std::string_view refusal(answer.value().hello.refusal.data());
    if (!refusal.empty() || answer.value().hello.region_count != tables::kRegionCount) {
        observer_.refused(std::string(refusal));
        if (!is_stopped_) try_again();
        return;
    }
    Result<PlanRegion> region = PlanRegion::map(std::move(answer.value().regions));
    if (!region) {
        observer_.refused(region.error().message);
        if (!is_stopped_) try_again();
        return;
    }
    const bool is_other =
        region_ == nullptr || region_->instance_id() != region.value().instance_id();
    if (is_other) {
        region_ = std::make_unique<PlanRegion>(std::move(region.value()));
    } else {
        region_->take_flows(std::move(region.value()));
    }
    is_connected_ = true;
    last_trouble_.clear();
    await_reports();
    observer_.connected(is_other);
}

void DataplaneLink::await_reports() {
    socket_.async_wait(stream_descriptor::wait_read,
                       [this](const boost::system::error_code& error) {
                           if (is_stopped_) return;
                           take_reports();
                           if (is_stopped_) return;
                           if (!error && !tables::is_closed(socket_.native_handle())) {
                               await_reports();
                           } else {
                               on_end();
                           }
                       });
}

void DataplaneLink::take_reports() {
    while (const auto report = tables::receive_report(socket_.native_handle())) {
        orders_.on_report(*report);
        if (is_stopped_) return;
    }
}

void DataplaneLink::on_end() {
    // Of an end with orders unread the socket tells first, and of the reports before it only then.
    take_reports();
    is_connected_ = false;
    orders_.fail_all({"the dataplane is gone; it may or may not have done it"});
    if (is_stopped_) return;
    observer_.lost();
    try_again();
}

}  // namespace tandem
