// Writes the seeds as files into a directory: libFuzzer's first corpus.
#include <fstream>
#include <string>

#include "tests/fuzz/seeds.h"

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    int number = 0;
    for (const tandem::test::Bytes& frame : tandem::fuzz::seeds()) {
        std::ofstream file(std::string(argv[1]) + "/seed" + std::to_string(number++));
        file.write(reinterpret_cast<const char*>(frame.data()),
                   static_cast<std::streamsize>(frame.size()));
        if (!file) return 1;
    }
    return 0;
}
