// tandem-dataplane: polls the ports and forwards. Arguments, memory, ports, workers, wait.
#pragma once

namespace tandem {

/// The whole of tandem-dataplane, until it is told to stop. Returns the exit code.
int run_dataplane(int argc, char** argv);

}  // namespace tandem
