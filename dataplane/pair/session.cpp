#include "dataplane/pair/session.h"

#include <algorithm>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string>

#include "dataplane/base/check.h"

namespace tandem::pair {

namespace {

using Bytes = std::span<const std::uint8_t>;

// The header, in the clear but authenticated. Numbers in network order.
constexpr std::array<std::uint8_t, 3> kMagic{'T', 'd', 'm'};
constexpr std::size_t kVersion = 3;
constexpr std::size_t kSender = 4;
constexpr std::size_t kSequence = kSender + sizeof(BootId);
constexpr std::size_t kEnvelopeBytes = kSequence + sizeof(std::uint64_t);

// What is sealed begins with the sender's challenge and the one that it repeats.
constexpr std::size_t kChallengesBytes = 2 * sizeof(std::uint64_t);
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kOverheadBytes = kEnvelopeBytes + kChallengesBytes + kTagBytes;
static_assert(kOverheadBytes + kPayloadMax <= 1500 - 40 - 8, "IPv6, UDP");

void put64(std::uint8_t* at, std::uint64_t value) {
    for (int shift = 56; shift >= 0; shift -= 8) *at++ = static_cast<std::uint8_t>(value >> shift);
}

std::uint64_t get64(const std::uint8_t* at) {
    std::uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8U | at[i];
    return value;
}

using Nonce = std::array<std::uint8_t, 12>;

Nonce nonce_of(std::uint64_t sequence) {
    Nonce nonce{};
    put64(nonce.data() + 4, sequence);
    return nonce;
}

std::array<std::uint8_t, 32> derive(const PeerSecret& secret, const BootId& sender) {
    constexpr std::string_view kInfo = "tandem peer channel 1, ChaCha20-Poly1305";
    const std::unique_ptr<EVP_KDF, decltype(&EVP_KDF_free)> kdf(
        EVP_KDF_fetch(nullptr, "HKDF", nullptr), EVP_KDF_free);
    const std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)> context(
        EVP_KDF_CTX_new(kdf.get()), EVP_KDF_CTX_free);
    const auto octets = [](const char* name, Bytes bytes) {  // OpenSSL only reads them
        return OSSL_PARAM_construct_octet_string(name, const_cast<std::uint8_t*>(bytes.data()),
                                                 bytes.size());
    };
    std::string digest = "SHA256";
    const std::array parameters{
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
        octets(OSSL_KDF_PARAM_KEY, secret), octets(OSSL_KDF_PARAM_SALT, sender),
        octets(OSSL_KDF_PARAM_INFO,
               {reinterpret_cast<const std::uint8_t*>(kInfo.data()), kInfo.size()}),
        OSSL_PARAM_construct_end()};
    std::array<std::uint8_t, 32> key{};
    CHECK(EVP_KDF_derive(context.get(), key.data(), key.size(), parameters.data()) == 1);
    return key;
}

const PeerSecret& first_of(const std::vector<PeerSecret>& secrets) {
    CHECK(!secrets.empty());
    return secrets.front();
}

int length_of(Bytes bytes) {
    return static_cast<int>(bytes.size());
}

}  // namespace

std::string_view name_of(Refusal refusal) {
    constexpr std::array<std::string_view, kRefusalCount> kNames{
        "truncated", "not_ours", "version", "our_own", "forged", "replayed"};
    return kNames[static_cast<std::size_t>(refusal)];
}

void SealingKey::Free::operator()(evp_cipher_ctx_st* context) const {
    EVP_CIPHER_CTX_free(context);
}

SealingKey::SealingKey(const PeerSecret& secret, const BootId& sender)
    : context_(EVP_CIPHER_CTX_new()), key_(derive(secret, sender)) {
    CHECK(context_ != nullptr);
}

void SealingKey::seal(std::uint64_t sequence, Bytes header, Bytes plain,
                      std::vector<std::uint8_t>& out) const {
    EVP_CIPHER_CTX* context = context_.get();
    const Nonce nonce = nonce_of(sequence);
    const std::size_t begin = out.size();
    out.resize(begin + plain.size() + kTagBytes);
    std::uint8_t* at = out.data() + begin;
    int written = 0;
    const bool done =
        EVP_EncryptInit_ex(context, EVP_chacha20_poly1305(), nullptr, key_.data(), nonce.data()) ==
            1 &&
        EVP_EncryptUpdate(context, nullptr, &written, header.data(), length_of(header)) == 1 &&
        EVP_EncryptUpdate(context, at, &written, plain.data(), length_of(plain)) == 1 &&
        EVP_EncryptFinal_ex(context, at + written, &written) == 1 &&
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagBytes, at + plain.size()) == 1;
    CHECK(done);
}

std::optional<std::vector<std::uint8_t>> SealingKey::open(std::uint64_t sequence, Bytes header,
                                                          Bytes sealed) const {
    if (sealed.size() < kTagBytes) return std::nullopt;
    EVP_CIPHER_CTX* context = context_.get();
    const Nonce nonce = nonce_of(sequence);
    const Bytes text = sealed.first(sealed.size() - kTagBytes);
    std::array<std::uint8_t, kTagBytes> tag{};
    std::ranges::copy(sealed.last(kTagBytes), tag.begin());
    std::vector<std::uint8_t> plain(text.size());
    int written = 0;
    const bool is_true =
        EVP_DecryptInit_ex(context, EVP_chacha20_poly1305(), nullptr, key_.data(), nonce.data()) ==
            1 &&
        EVP_DecryptUpdate(context, nullptr, &written, header.data(), length_of(header)) == 1 &&
        EVP_DecryptUpdate(context, plain.data(), &written, text.data(), length_of(text)) == 1 &&
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()) == 1 &&
        EVP_DecryptFinal_ex(context, plain.data() + written, &written) == 1;
    if (!is_true) return std::nullopt;
    return plain;
}

Session::Session(std::vector<PeerSecret> secrets, const BootId& ours, const HashKey& random)
    : secrets_(std::move(secrets)),
      ours_(ours),
      random_(random),
      sealing_(first_of(secrets_), ours),
      challenge_(random_.of_pair(0, 0)) {}

std::vector<SealingKey> Session::keys_of(const BootId& sender) const {
    std::vector<SealingKey> keys;
    for (const PeerSecret& secret : secrets_) keys.emplace_back(secret, sender);
    return keys;
}

void Session::set_secrets(std::vector<PeerSecret> secrets) {
    secrets_ = std::move(secrets);
    sealing_ = SealingKey(first_of(secrets_), ours_);
    if (peer_) peer_->keys = keys_of(peer_->id);
}

std::vector<std::uint8_t> Session::seal(Bytes payload) {
    return seal(payload, to_repeat_);
}

std::vector<std::uint8_t> Session::answer(const Opened& question) {
    return seal({}, question.challenge);
}

std::vector<std::uint8_t> Session::seal(Bytes payload, std::uint64_t repeated) {
    CHECK(payload.size() <= kPayloadMax);
    std::vector<std::uint8_t> datagram(kEnvelopeBytes);
    std::ranges::copy(kMagic, datagram.begin());
    datagram[kVersion] = kPeerVersion;
    std::ranges::copy(ours_, datagram.begin() + kSender);
    put64(datagram.data() + kSequence, next_sequence_);

    std::vector<std::uint8_t> plain(kChallengesBytes);
    put64(plain.data(), challenge_);
    put64(plain.data() + sizeof(std::uint64_t), repeated);
    plain.insert(plain.end(), payload.begin(), payload.end());
    const std::vector<std::uint8_t> header = datagram;
    sealing_.seal(next_sequence_++, header, plain, datagram);
    return datagram;
}

bool Session::is_repeated(const Peer& peer, std::uint64_t sequence) {
    if (sequence > peer.highest) return false;
    const std::uint64_t age = peer.highest - sequence;
    return age >= kReplayWindow || peer.seen[age];
}

void Session::remember(Peer& peer, std::uint64_t sequence) {
    if (sequence > peer.highest) {
        peer.seen <<= std::min<std::uint64_t>(sequence - peer.highest, kReplayWindow);
        peer.highest = sequence;
    }
    peer.seen[peer.highest - sequence] = true;
}

std::variant<Opened, Refusal> Session::open(Bytes datagram) {
    if (datagram.size() < kOverheadBytes) return Refusal::kTruncated;
    if (!std::ranges::equal(datagram.first(kMagic.size()), kMagic)) return Refusal::kNotOurs;
    if (datagram[kVersion] != kPeerVersion) return Refusal::kVersion;
    BootId sender{};
    std::ranges::copy(datagram.subspan(kSender, sizeof(BootId)), sender.begin());
    if (sender == ours_) return Refusal::kOurOwn;
    const std::uint64_t sequence = get64(datagram.data() + kSequence);
    const bool is_known = peer_ && peer_->id == sender;
    if (is_known && is_repeated(*peer_, sequence)) return Refusal::kReplayed;

    const Bytes header = datagram.first(kEnvelopeBytes);
    const Bytes sealed = datagram.subspan(kEnvelopeBytes);
    std::vector<SealingKey> new_keys;
    if (!is_known) new_keys = keys_of(sender);
    std::optional<std::vector<std::uint8_t>> plain;
    for (const SealingKey& key : is_known ? peer_->keys : new_keys) {
        plain = key.open(sequence, header, sealed);
        if (plain) break;
    }
    if (!plain) return Refusal::kForged;

    const bool lives_now = get64(plain->data() + sizeof(std::uint64_t)) == challenge_;
    Opened opened{.payload = {plain->begin() + kChallengesBytes, plain->end()},
                  .is_known = is_known || lives_now,
                  .is_new = !is_known && lives_now,
                  .challenge = get64(plain->data())};
    if (opened.is_new) {
        peer_.emplace(Peer{.id = sender, .keys = std::move(new_keys), .highest = sequence});
        challenge_ = random_.of_pair(challenges_made_++, 0);  // what repeats the old one is old
    }
    if (opened.is_known) {
        remember(*peer_, sequence);
        to_repeat_ = opened.challenge;
    }
    return opened;
}

}  // namespace tandem::pair
