"""The table function is the same by whatever compiler: the only code whose results two builds have
to agree on, bit for bit."""
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# All of it in one translation unit, with nothing of the build.
PROGRAM = """
#include <iostream>
#include "control/plan/maglev.cpp"
#include "control/plan/slot_table.cpp"
#include "dataplane/net/hash.cpp"
#include "tests/unit/control/known_table.h"
int main() {
    const auto digests = tandem::plan::compute_known_digests();
    std::cout << digests.most_serve << ' ' << digests.three_serve << '\\n';
    return digests == tandem::plan::kKnownDigests ? 0 : 1;
}
"""


# Unit tests compute it as well, by g++ and at yet another level.
@pytest.mark.parametrize("compiler, optimisation", [("g++", "-O3"), ("clang++-16", "-O0")])
def test_the_known_table_has_its_digests(compiler, optimisation, tmp_path):
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    program = tmp_path / "known_table"
    subprocess.run([compiler, "-std=c++20", optimisation, "-march=x86-64-v3", "-maes", "-I.", "-x",
                    "c++", "-", "-o", program], cwd=ROOT, input=PROGRAM, text=True, check=True)
    done = subprocess.run([program], capture_output=True, text=True)
    assert done.returncode == 0, f"other digests than known_table.h says: {done.stdout}"
