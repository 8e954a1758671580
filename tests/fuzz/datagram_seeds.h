// Valid datagrams, messages, records and advertisements, from which mutations start.
#pragma once

#include "dataplane/pair/advert.h"
#include "dataplane/pair/message.h"
#include "dataplane/pair/record.h"
#include "dataplane/pair/session.h"
#include "tests/unit/net/frames.h"

namespace tandem::fuzz {

/// An instance by its number; all have the same secret.
inline pair::Session seed_session(std::uint8_t who) {
    return {{pair::PeerSecret{}}, pair::BootId{who}, HashKey{{who}}};
}

inline std::vector<test::Bytes> record_seeds() {
    const tables::SlotTableId id{.pool = 3, .domain = 4};
    const IpAddress address = IpAddress::from_v4({10, 0, 0, 11});
    std::vector<test::Bytes> seeds;
    for (const pair::Told& told : std::initializer_list<pair::Told>{
             pair::ToldBackend{1, 3, address, 80}, pair::ToldTable{id, 65'537},
             pair::ToldSteady{{1, 2, 3}}, pair::ToldEarlier{{{.first_hash = 7, .owner = 1}}},
             pair::ToldEndings{id, {{7, 1}, {8, 2}}},
             pair::ToldVerdict{1, tables::HealthState::kDown},
             pair::ToldFlow{99, 1, tables::FlowState{2}}, pair::ToldEnd{99}, pair::AllTold{},
             pair::ToldDigest{{}, 7}}) {
        seeds.push_back(pair::encode(told));
    }
    return seeds;
}

inline std::vector<test::Bytes> message_seeds() {
    pair::Message message;
    message.heartbeat.emplace();
    std::vector<test::Bytes> seeds{pair::encode(message)};
    message.heartbeat = {.plan_generation = 1,
                         .config_revision = 2,
                         .hash_key_id = 3,
                         .digest = 4,
                         .interval_us = 10'000,
                         .is_fit = true,
                         .features = pair::kOurFeatures,
                         .pools = {{3, 5}, {6, 7}}};
    seeds.push_back(pair::encode(message));
    message.heartbeat->pools.clear();
    message.hash_key = {{.bytes = {1, 2, 3}}, 4};
    message.ask = {pair::Ask::Verb::kTake, 1, 2};
    message.answer = {1, pair::Answer::Outcome::kActive};
    message.acknowledgement = {1, 2};
    message.batch = {1, 2, record_seeds()};
    seeds.push_back(pair::encode(message));
    message = {};
    message.acknowledgement = {1, 2};
    message.batch = {1, 2, record_seeds()};
    seeds.push_back(pair::encode(message));
    return seeds;
}

inline std::vector<test::Bytes> advert_seeds() {
    const IpAddress four = IpAddress::from_v4({192, 0, 2, 80});
    const IpAddress six{{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
    pair::Advert advert{.router_id = 51,
                        .priority = 100,
                        .interval = std::chrono::milliseconds(30),
                        .source = IpAddress::from_v4({192, 0, 2, 20}),
                        .destination = pair::kVrrpGroupV4,
                        .addresses = {four, four}};
    std::vector<test::Bytes> seeds{
        pair::make_advert(advert, pair::AdvertChecksum::kMessage),
        pair::make_advert(advert, pair::AdvertChecksum::kWithPseudoHeader)};
    advert.source = six;
    advert.destination = pair::kVrrpGroupV6;
    advert.addresses = {six, six};
    seeds.push_back(pair::make_advert(advert, pair::AdvertChecksum::kMessage));
    return seeds;
}

/// Of instance 2.
inline const std::vector<test::Bytes>& sealed_seeds() {
    static const std::vector<test::Bytes> seeds = [] {
        pair::Session sender = seed_session(2);
        std::vector<test::Bytes> sealed{sender.seal({})};
        for (const test::Bytes& message : message_seeds()) sealed.push_back(sender.seal(message));
        return sealed;
    }();
    return seeds;
}

}  // namespace tandem::fuzz
