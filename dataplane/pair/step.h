// In which order an instance of a pair hears, acts and speaks.
#pragma once

#include "dataplane/base/time.h"

namespace tandem::pair {

/// One step of an instance. Its order is a promise of its own:
///
/// - What the peer told while this instance still answered for a group is no news of who answers
///   for it since: all of it is heard before roles may change.
/// - Whoever takes over begins with what it was told, and says so in the same step: it speaks
///   after its tables have followed.
/// - Whether groups may be taken back is judged by all of that, for the next step.
template <typename Instance>
void step(Instance& instance, Instant now) {
    instance.hear_peer(now);
    instance.step_routers(now);
    instance.follow_peer(now);
    instance.speak(now);
    instance.judge(now);
}

}  // namespace tandem::pair
