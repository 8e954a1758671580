// Records as bytes: what is written is read, what is broken is refused, whatever it is.
#include "dataplane/pair/record.h"

#include <random>

#include <gtest/gtest.h>

namespace tandem::pair {
namespace {

class Draw {
  public:
    explicit Draw(std::uint64_t seed) : random_(seed) {}

    Told told() {
        switch (below(10)) {
            case 0:
                return ToldBackend{number<tables::BackendIndex>(), number<std::uint64_t>(),
                                   IpAddress::from_v4({10, 0, 0, number<std::uint8_t>()}),
                                   number<std::uint16_t>()};
            case 1:
                return ToldTable{id(), number<std::uint32_t>()};
            case 2: {
                ToldSteady told;
                told.owners.resize(below(ToldSteady::kMax + 1));
                for (std::uint16_t& owner : told.owners) owner = number<std::uint16_t>();
                return told;
            }
            case 3: {
                ToldEarlier told;
                told.owners.resize(below(ToldEarlier::kMax + 1));
                for (tables::EarlierOwner& owner : told.owners) {
                    owner = {.first_hash = number<std::uint32_t>(),
                             .owner = number<tables::BackendIndex>()};
                }
                return told;
            }
            case 4: {
                ToldEndings told{id(), {}};
                told.slots.resize(below(ToldEndings::kMax + 1));
                for (ToldEndings::Slot& slot : told.slots) {
                    slot = {number<std::uint32_t>(), number<std::uint16_t>()};
                }
                return told;
            }
            case 5:
                return ToldVerdict{number<tables::BackendIndex>(),
                                   static_cast<tables::HealthState>(below(4))};
            case 6:
                return ToldFlow{number<tables::FlowIdentity>(), number<tables::BackendIndex>(),
                                static_cast<tables::FlowState>(below(tables::kFlowStateCount))};
            case 7:
                return ToldEnd{number<tables::FlowIdentity>()};
            case 8:
                return ToldDigest{id(), number<std::uint64_t>()};
            default:
                return AllTold{};
        }
    }
    std::size_t below(std::size_t end) { return random_() % end; }
    template <class Number>
    Number number() {
        return static_cast<Number>(random_());
    }

  private:
    tables::SlotTableId id() { return {number<std::uint64_t>(), number<tables::Domain>()}; }

    std::mt19937_64 random_;
};

/// Whether it is a list, which has an end wherever one of its parts has.
bool is_list(const Told& told) {
    return std::holds_alternative<ToldSteady>(told) || std::holds_alternative<ToldEarlier>(told) ||
           std::holds_alternative<ToldEndings>(told);
}

TEST(RecordProperty, WhatIsWrittenIsRead) {
    Draw draw(1);
    for (int i = 0; i < 20'000; ++i) {
        const Told told = draw.told();
        const Record record = encode(told);
        ASSERT_LE(record.size(), kRecordMax);
        ASSERT_EQ(decode_record(record), told) << "draw " << i;
    }
}

TEST(RecordProperty, EveryTruncationIsRefusedOrIsAShorterList) {
    Draw draw(2);
    for (int i = 0; i < 500; ++i) {
        const Told told = draw.told();
        const Record record = encode(told);
        for (std::size_t length = 0; length < record.size(); ++length) {
            Record cut(record.begin(), record.begin() + static_cast<std::ptrdiff_t>(length));
            cut.shrink_to_fit();  // for AddressSanitizer to see where it ends
            const std::optional<Told> read = decode_record(cut);
            ASSERT_FALSE(read && !is_list(told)) << "draw " << i << ", " << length << " bytes";
            if (!read) continue;
            ASSERT_EQ(encode(*read), cut);
        }
    }
}

TEST(RecordProperty, WhateverComesIsReadOrRefusedAndNeverReadPastItsEnd) {
    Draw draw(3);
    for (int i = 0; i < 100'000; ++i) {
        Record record = encode(draw.told());
        for (std::size_t changes = draw.below(4); changes > 0; --changes) {
            record[draw.below(record.size())] = draw.number<std::uint8_t>();
        }
        if (draw.below(2) == 0) record.resize(draw.below(kRecordMax + 1), 0xff);
        record.shrink_to_fit();
        const std::optional<Told> read = decode_record(record);
        if (!read || is_list(*read)) continue;
        ASSERT_EQ(decode_record(encode(*read)), read) << "draw " << i;
    }
}

TEST(RecordTest, KindsOfALaterReleaseAreRefused) {
    EXPECT_EQ(decode_record({}), std::nullopt);
    for (unsigned kind = 0; kind < 256; ++kind) {
        Record record(kRecordMax, 0);
        record[0] = static_cast<std::uint8_t>(kind);
        const bool is_known = kind >= 1 && kind <= 10;
        // 254 bytes are no whole number of earlier owners, nor of endings behind their table.
        const bool is_whole = kind != 4 && kind != 5;
        EXPECT_EQ(decode_record(record).has_value(), is_known && is_whole) << kind;
    }
}

TEST(RecordTest, StatesThatDoNotExistAreRefused) {
    Record verdict = encode(ToldVerdict{1, tables::HealthState::kDown});
    EXPECT_TRUE(decode_record(verdict));
    ++verdict.back();
    EXPECT_EQ(decode_record(verdict), std::nullopt);
    Record flow =
        encode(ToldFlow{1, 2, static_cast<tables::FlowState>(tables::kFlowStateCount - 1)});
    EXPECT_TRUE(decode_record(flow));
    ++flow.back();
    EXPECT_EQ(decode_record(flow), std::nullopt);
}

TEST(RecordTest, WhatALaterReleaseSaysMoreIsSteppedOver) {
    for (const Told& told :
         {Told{ToldBackend{1, 2, {}, 3}}, Told{ToldTable{{1, 2}, 3}},
          Told{ToldVerdict{1, tables::HealthState::kUp}},
          Told{ToldFlow{1, 2, tables::FlowState::kUdp}}, Told{ToldEnd{1}}, Told{AllTold{}}}) {
        Record record = encode(told);
        record.push_back(99);
        EXPECT_EQ(decode_record(record), told) << told.index();
    }
}

}  // namespace
}  // namespace tandem::pair
