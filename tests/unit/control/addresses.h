// Addresses as the tests write them.
#pragma once

#include "dataplane/net/address.h"

namespace tandem {

inline IpAddress ip(const char* text) {
    return *IpAddress::parse(text);
}

}  // namespace tandem
