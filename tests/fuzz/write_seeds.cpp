// Writes the seeds as files: libFuzzer's first corpora, of frames into one directory and of
// datagrams into another.
#include <fstream>
#include <string>

#include "tests/fuzz/datagram_seeds.h"
#include "tests/fuzz/seeds.h"

namespace {

bool write_all(const std::string& directory, const std::vector<tandem::test::Bytes>& seeds) {
    static int number = 0;
    for (const tandem::test::Bytes& seed : seeds) {
        std::ofstream file(directory + "/seed" + std::to_string(number++));
        file.write(reinterpret_cast<const char*>(seed.data()),
                   static_cast<std::streamsize>(seed.size()));
        if (!file) return false;
    }
    return true;
}

}  // namespace

int main(int argc, char** argv) {
    using namespace tandem::fuzz;
    if (argc != 3) return 2;
    const bool all = write_all(argv[1], seeds()) && write_all(argv[2], message_seeds()) &&
                     write_all(argv[2], record_seeds()) && write_all(argv[2], advert_seeds()) &&
                     write_all(argv[2], sealed_seeds());
    return all ? 0 : 1;
}
