#include "dataplane/pair/message.h"

#include "dataplane/base/check.h"
#include "dataplane/pair/session.h"

namespace tandem::pair {

namespace {

enum Tag : std::uint8_t { kHeartbeat = 1, kPools = 2, kAcknowledgement = 3, kBatch = 4 };
constexpr std::uint8_t kFit = 1;  ///< of a heartbeat's flags
constexpr std::size_t kFieldHeaderBytes = 3;
constexpr std::size_t kPoolBytes = 16;

class Writer {
  public:
    template <class Number>
    void number(Number value) {
        for (std::size_t i = sizeof(Number); i > 0; --i) {
            bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * (i - 1))));
        }
    }
    void record(const Record& record) {
        number(static_cast<std::uint8_t>(record.size()));
        bytes_.insert(bytes_.end(), record.begin(), record.end());
    }
    /// Whatever `write` writes is one field.
    template <class Write>
    void field(Tag tag, Write&& write) {
        number(static_cast<std::uint8_t>(tag));
        const std::size_t length_at = bytes_.size();
        number(std::uint16_t{0});
        write();
        const std::size_t length = bytes_.size() - length_at - sizeof(std::uint16_t);
        bytes_[length_at] = static_cast<std::uint8_t>(length >> 8U);
        bytes_[length_at + 1] = static_cast<std::uint8_t>(length);
    }
    std::vector<std::uint8_t> take() { return std::move(bytes_); }

  private:
    std::vector<std::uint8_t> bytes_;
};

void write_heartbeat(Writer& writer, const Message& message) {
    writer.number(message.plan_generation);
    writer.number(message.config_revision);
    writer.number(message.hash_key_id);
    writer.number(message.digest);
    writer.number(message.interval_us);
    writer.number(static_cast<std::uint8_t>(message.is_fit ? kFit : 0));
}

void write_pools(Writer& writer, const std::vector<PoolDigest>& pools) {
    for (const PoolDigest& pool : pools) {
        writer.number(pool.pool);
        writer.number(pool.digest);
    }
}

void write_batch(Writer& writer, const Batch& batch) {
    writer.number(batch.epoch);
    writer.number(batch.first);
    for (const Record& record : batch.records) writer.record(record);
}

/// Reads from the front. What is not there is 0, and makes it unsound.
class Reader {
  public:
    explicit Reader(std::span<const std::uint8_t> bytes) : left_(bytes) {}

    template <class Number>
    Number number() {
        Number value = 0;
        for (const std::uint8_t byte : take(sizeof(Number))) {
            value = static_cast<Number>(std::uint64_t{value} << 8U | byte);
        }
        return value;
    }
    std::span<const std::uint8_t> take(std::size_t count) {
        if (count > left_.size()) {
            is_sound_ = false;
            left_ = {};
            return {};
        }
        const auto taken = left_.first(count);
        left_ = left_.subspan(count);
        return taken;
    }
    [[nodiscard]] bool at_end() const { return left_.empty(); }
    [[nodiscard]] bool is_sound() const { return is_sound_; }

  private:
    std::span<const std::uint8_t> left_;
    bool is_sound_ = true;
};

/// Fields may grow at their ends; a reader takes what it knows.
bool read_heartbeat(Reader& field, Message& message) {
    message.plan_generation = field.number<std::uint64_t>();
    message.config_revision = field.number<std::uint64_t>();
    message.hash_key_id = field.number<std::uint64_t>();
    message.digest = field.number<std::uint64_t>();
    message.interval_us = field.number<std::uint32_t>();
    message.is_fit = (field.number<std::uint8_t>() & kFit) != 0;
    return field.is_sound();
}

bool read_pools(Reader& field, Message& message) {
    while (!field.at_end()) {
        PoolDigest pool;
        pool.pool = field.number<std::uint64_t>();
        pool.digest = field.number<std::uint64_t>();
        message.pools.push_back(pool);
    }
    return field.is_sound() && message.pools.size() <= kPoolDigestsMax;
}

bool read_batch(Reader& field, Message& message) {
    Batch batch;
    batch.epoch = field.number<std::uint32_t>();
    batch.first = field.number<std::uint64_t>();
    while (!field.at_end()) {
        const auto record = field.take(field.number<std::uint8_t>());
        batch.records.emplace_back(record.begin(), record.end());
    }
    message.batch = std::move(batch);
    return field.is_sound();
}

bool read_field(std::uint8_t tag, Reader& field, Message& message) {
    switch (tag) {
        case kHeartbeat:
            return read_heartbeat(field, message);
        case kPools:
            return read_pools(field, message);
        case kAcknowledgement: {
            Acknowledgement read;
            read.epoch = field.number<std::uint32_t>();
            read.next = field.number<std::uint64_t>();
            message.acknowledgement = read;
            return field.is_sound();
        }
        case kBatch:
            return read_batch(field, message);
        default:
            return true;
    }
}

}  // namespace

std::vector<std::uint8_t> encode(const Message& message) {
    CHECK(message.pools.empty() || !message.batch);
    CHECK(message.pools.size() <= kPoolDigestsMax);
    Writer writer;
    writer.field(kHeartbeat, [&] { write_heartbeat(writer, message); });
    if (!message.pools.empty()) writer.field(kPools, [&] { write_pools(writer, message.pools); });
    if (message.acknowledgement) {
        writer.field(kAcknowledgement, [&] {
            writer.number(message.acknowledgement->epoch);
            writer.number(message.acknowledgement->next);
        });
    }
    if (message.batch) writer.field(kBatch, [&] { write_batch(writer, *message.batch); });
    std::vector<std::uint8_t> bytes = writer.take();
    CHECK(bytes.size() <= kPayloadMax);
    return bytes;
}

std::optional<Message> decode(std::span<const std::uint8_t> bytes) {
    Message message;
    bool has_heartbeat = false;
    Reader reader(bytes);
    while (!reader.at_end()) {
        const auto tag = reader.number<std::uint8_t>();
        Reader field(reader.take(reader.number<std::uint16_t>()));
        if (!reader.is_sound() || !read_field(tag, field, message)) return std::nullopt;
        has_heartbeat |= tag == kHeartbeat;
    }
    if (!has_heartbeat) return std::nullopt;
    return message;
}

static_assert(kPoolDigestsMax * kPoolBytes + 4 * kFieldHeaderBytes + 64 <= kPayloadMax);
static_assert(kBatchRoom + 4 * kFieldHeaderBytes + 64 <= kPayloadMax);

}  // namespace tandem::pair
