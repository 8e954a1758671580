#include "dataplane/program.h"

int main(int argc, char** argv) {
    return tandem::run_dataplane(argc, argv);
}
