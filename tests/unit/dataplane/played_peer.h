// A peer that the test plays: at the other end of a real socket, and with the key.
#pragma once

#include <arpa/inet.h>
#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <sys/socket.h>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "conf/config.h"
#include "dataplane/base/file_descriptor.h"
#include "dataplane/pair/message.h"
#include "dataplane/pair/session.h"

namespace tandem {

/// Somebody at 127.0.0.2 with the key.
class PlayedPeer {
  public:
    PlayedPeer()
        : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)),
          session_({pair::PeerSecret{}}, pair::BootId{2}, HashKey{{2}}) {
        sockaddr_in address = at("127.0.0.2", 0);
        socklen_t size = sizeof(address);
        auto* raw = reinterpret_cast<sockaddr*>(&address);
        EXPECT_EQ(::bind(socket_.get(), raw, size), 0);
        EXPECT_EQ(::getsockname(socket_.get(), raw, &size), 0);
        port_ = ntohs(address.sin_port);
        address = at("127.0.0.1", port_);
        EXPECT_EQ(::connect(socket_.get(), raw, size), 0);
    }
    /// Of the instance that it is the peer of; the key lies in that directory.
    [[nodiscard]] conf::Pair settings(const std::filesystem::path& directory) const {
        conf::Pair settings;
        settings.peers = {*IpAddress::parse("127.0.0.2")};
        settings.locals = {*IpAddress::parse("127.0.0.1")};
        settings.port = port_;
        settings.interval = std::chrono::milliseconds(1);
        settings.dead_after = std::chrono::milliseconds(10'000);
        settings.key_file = directory / "key";
        std::ofstream(settings.key_file) << std::string(64, '0') << '\n';
        std::filesystem::permissions(settings.key_file, std::filesystem::perms::owner_read);
        return settings;
    }

    void say(const pair::Message& message) { send(session_.seal(pair::encode(message))); }
    void hear() {
        std::array<std::uint8_t, 2048> buffer;
        for (;;) {
            const ssize_t length = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
            if (length <= 0) return;
            const auto opened =
                session_.open(std::span(buffer).first(static_cast<std::size_t>(length)));
            const auto* known = std::get_if<pair::Opened>(&opened);
            if (known == nullptr) continue;
            if (!known->is_known) send(session_.answer(*known));
            if (auto message = pair::decode(known->payload)) heard.push_back(std::move(*message));
        }
    }

    std::vector<pair::Message> heard;

  private:
    static sockaddr_in at(const char* host, std::uint16_t port) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        ::inet_pton(AF_INET, host, &address.sin_addr);
        return address;
    }
    void send(const std::vector<std::uint8_t>& datagram) {
        ::send(socket_.get(), datagram.data(), datagram.size(), 0);
    }

    FileDescriptor socket_;
    std::uint16_t port_ = 0;
    pair::Session session_;
};

}  // namespace tandem
