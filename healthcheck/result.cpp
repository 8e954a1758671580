#include "healthcheck/result.h"

#include "dataplane/base/check.h"

namespace tandem::health {

std::string_view name(ProbeCode code) {
    switch (code) {
        case ProbeCode::kL4Ok:
            return "L4OK";
        case ProbeCode::kL4Timeout:
            return "L4TOUT";
        case ProbeCode::kL4Connect:
            return "L4CON";
        case ProbeCode::kL7Ok:
            return "L7OK";
        case ProbeCode::kL7Timeout:
            return "L7TOUT";
        case ProbeCode::kL7Response:
            return "L7RSP";
        case ProbeCode::kL7Status:
            return "L7STS";
        case ProbeCode::kSocketError:
            return "SOCKERR";
    }
    CHECK(false);
}

Outcome outcome(ProbeCode code) {
    switch (code) {
        case ProbeCode::kL4Ok:
        case ProbeCode::kL7Ok:
            return Outcome::kPass;
        case ProbeCode::kL4Timeout:
        case ProbeCode::kL4Connect:
        case ProbeCode::kL7Timeout:
        case ProbeCode::kL7Response:
        case ProbeCode::kL7Status:
            return Outcome::kFail;
        case ProbeCode::kSocketError:
            return Outcome::kInconclusive;
    }
    CHECK(false);
}

}  // namespace tandem::health
