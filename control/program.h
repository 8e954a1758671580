// tandem-control: reads the configuration, checks backends, publishes tables. Arguments, signals
// and the event loop.
#pragma once

namespace tandem {

/// The whole of tandem-control, until it is told to stop. Returns the exit code.
int run_control(int argc, char** argv);

}  // namespace tandem
