#include "control/program.h"

int main(int argc, char** argv) {
    return tandem::run_control(argc, argv);
}
