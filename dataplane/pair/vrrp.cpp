#include "dataplane/pair/vrrp.h"

#include <algorithm>
#include <tuple>

#include "dataplane/base/check.h"

namespace tandem::pair {

namespace {

constexpr int kAdvertsMissed = 3;

}  // namespace

Vrrp::Vrrp(const VrrpSettings& settings)
    : settings_(settings),
      priority_(settings.priority),
      active_interval_(settings.advert_interval) {
    CHECK(settings.advert_interval >= kAdvertIntervalMin);
}

// RFC 9568 section 6.1. In nanoseconds, not in centiseconds: at 10 ms it would be nothing, and all
// backups would wake up at once.
Duration Vrrp::skew() const {
    return active_interval_ * (256 - priority_) / 256;
}

Duration Vrrp::down_interval() const {
    return kAdvertsMissed * active_interval_ + skew();
}

bool Vrrp::outranks_us(const Advert& advert) const {
    return std::tuple(advert.priority, advert.source) > std::tuple(priority_, settings_.address);
}

Actions Vrrp::become_active(Instant now) {
    role_ = Role::kActive;
    lower_since_.reset();
    has_heard_ = false;
    active_interval_ = settings_.advert_interval;
    deadline_ = now + settings_.advert_interval;
    return {.role = role_, .advert_priority = priority_, .announces = true};
}

Actions Vrrp::become_backup(Instant deadline) {
    const bool is_new = role_ != Role::kBackup;
    role_ = Role::kBackup;
    deadline_ = priority_ == kPriorityReleased ? Instant::max() : deadline;
    return is_new ? Actions{.role = role_} : Actions{};
}

Actions Vrrp::start(Instant now) {
    CHECK(role_ == Role::kInitialize);
    // Section 6.4.1; but whoever is not in step yet would break what the other one has.
    if (priority_ == kPriorityOwner && may_preempt_) return become_active(now);
    return become_backup(now + down_interval());
}

void Vrrp::change(const VrrpSettings& settings) {
    CHECK(settings.advert_interval >= kAdvertIntervalMin);
    if (role_ == Role::kActive) {
        // Others learn the new interval by the next advert; a shorter one brings that forward.
        deadline_ -= std::max(settings_.advert_interval - settings.advert_interval, Duration{});
        active_interval_ = settings.advert_interval;
    }
    settings_ = settings;
}

/// Of an active one that is lower than us.
bool Vrrp::is_to_be_replaced(const Advert& advert, Instant now) {
    const bool may = settings_.preempt && may_preempt_ && advert.priority < priority_;
    if (!may) {
        lower_since_.reset();
        return false;
    }
    if (!lower_since_) lower_since_ = now;
    return is_replacing(now);
}

bool Vrrp::is_replacing(Instant now) const {
    return role_ == Role::kBackup && may_preempt_ && lower_since_ &&
           now - *lower_since_ >= settings_.preempt_delay;
}

Actions Vrrp::on_advert(const Advert& advert, Instant now) {
    switch (role_) {
        case Role::kInitialize:
            return {};
        case Role::kBackup:  // section 6.4.2
            if (advert.priority == kPriorityReleased) {
                if (priority_ != kPriorityReleased) deadline_ = now + skew();
                return {};
            }
            has_heard_ = true;
            // Nothing done about it: the timer goes on until we are active. Ties are not broken
            // here, or a backup would take over for nothing.
            if (is_to_be_replaced(advert, now)) return {};
            active_interval_ = advert.interval;
            return become_backup(now + down_interval());
        case Role::kActive:  // section 6.4.3
            if (advert.priority == kPriorityReleased) {
                deadline_ = now + settings_.advert_interval;
                return {.advert_priority = priority_};
            }
            // One that has waited on its way says what the one who asked for the claim was before.
            if (outranks_us(advert) && now >= claim_holds_until_) {
                active_interval_ = advert.interval;
                has_heard_ = true;
                return become_backup(now + down_interval());
            }
            // Tells the loser at once, and those who may have believed it.
            deadline_ = now + settings_.advert_interval;
            return {.advert_priority = priority_, .announces = true};
    }
    CHECK(false);
}

Actions Vrrp::on_deadline(Instant now) {
    if (now < deadline_) return {};
    if (role_ == Role::kBackup) {
        const bool is_loss = has_heard_ && !lower_since_;
        Actions actions = become_active(now);
        actions.is_loss = is_loss;
        return actions;
    }
    CHECK(role_ == Role::kActive);
    deadline_ = now + settings_.advert_interval;
    return {.advert_priority = priority_};
}

Actions Vrrp::on_pause(Instant now) {
    // As one that starts: less than that is a matter of a late packet or two.
    const Instant heard_by_then = now + down_interval();
    if (role_ == Role::kBackup && deadline_ != Instant::max()) {
        deadline_ = std::max(deadline_, heard_by_then);
    }
    if (role_ != Role::kActive) return {};
    // The first backup takes over after three intervals and its skew.
    const Instant last_sent = deadline_ - settings_.advert_interval;
    if (now - last_sent < kAdvertsMissed * settings_.advert_interval) return {};
    return become_backup(heard_by_then);
}

Actions Vrrp::set_priority(std::uint8_t priority, Instant now) {
    if (priority == priority_) return {};
    const std::uint8_t before = priority_;
    priority_ = priority;
    claim_holds_until_ = Instant::min();  // another priority may mean that others are to claim
    if (role_ == Role::kActive) {
        Actions actions;
        if (priority == kPriorityReleased) actions = become_backup(Instant::max());
        actions.advert_priority = priority;
        return actions;
    }
    if (role_ == Role::kBackup && (before == kPriorityReleased || priority == kPriorityReleased)) {
        return become_backup(now + down_interval());
    }
    return {};
}

Actions Vrrp::claim(Instant now) {
    if (role_ != Role::kBackup || priority_ == kPriorityReleased) return {};
    claim_holds_until_ = now + active_interval_;
    return become_active(now);
}

Actions Vrrp::stop() {
    const bool was_active = role_ == Role::kActive;
    role_ = Role::kInitialize;
    deadline_ = Instant::max();
    Actions actions{.role = role_};
    if (was_active) actions.advert_priority = kPriorityReleased;
    return actions;
}

}  // namespace tandem::pair
