// tandem-dataplane: polls the ports and forwards. Arguments, memory, ports, workers, wait.
#pragma once

#include "conf/config.h"
#include "dataplane/pipeline/worker.h"

namespace tandem {

/// What the workers make of the file.
pipeline::Rest rest_of(conf::Poll poll);
tables::FlowTimeouts timeouts_of(const conf::Flows& flows);

/// The whole of tandem-dataplane, until it is told to stop. Returns the exit code.
int run_dataplane(int argc, char** argv);

}  // namespace tandem
