"""What a compiler does not check: the layers, the formatting, and headers that stand alone."""
import concurrent.futures
import os
import pathlib
import re
import subprocess

import layering
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PRODUCT = ("dataplane", "control", "healthcheck", "conf")
FOLDERS = (*PRODUCT, "tests", "perf")


def sources(*suffixes, folders=FOLDERS):
    return sorted(path.relative_to(ROOT) for folder in folders
                  for path in (ROOT / folder).rglob("*") if path.suffix in suffixes)


def test_no_file_includes_a_folder_above_its_own():
    errors = [error for path in sources(".h", ".cpp") if layering.module_of(path.as_posix())
              for error in layering.errors_in(path.as_posix(), (ROOT / path).read_text())]
    assert not errors, "\n".join(errors)


@pytest.mark.parametrize("name, text", [
    ("dataplane/tables/a.h", '#include "dataplane/pipeline/burst.h"'),
    ("healthcheck/a.cpp", '#include "dataplane/tables/region.h"'),
    ("conf/a.cpp", '#include "control/publish.h"'),
    ("control/a.cpp", "#include <rte_mbuf.h>"),
    ("control/plan/a.cpp", "auto t = std::chrono::steady_clock::now();"),
    ("healthcheck/state.h", "#include <boost/asio/steady_timer.hpp>"),
    ("conf/a.cpp", '#include "load.h"'),
])
def test_a_broken_layer_is_noticed(name, text):
    assert list(layering.errors_in(name, text))


def test_everything_is_formatted():
    files = [str(path) for path in sources(".h", ".cpp")]
    checked = subprocess.run(["clang-format-14", "--dry-run", "-Werror", *files], cwd=ROOT,
                             capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def first_included(path):
    """What a file includes before anything else."""
    match = re.search(r'^#include [<"](.*)[>"]', (ROOT / path).read_text(), re.MULTILINE)
    return match[1] if match else None


def compile_alone(header, flags):
    """The compiler's complaints about a file that includes this header and nothing else."""
    return subprocess.run(["g++", *flags, "-x", "c++", "-fsyntax-only", "-"], cwd=ROOT,
                          input=f'#include "{header}"\n', capture_output=True, text=True).stderr


def test_every_header_of_the_product_compiles_alone():
    dpdk = subprocess.run(["pkg-config", "--cflags", "libdpdk"], check=True, capture_output=True,
                          text=True).stdout.replace("-I", "-isystem").split()
    flags = ["-std=c++20", "-Wall", "-Werror", "-I.", *dpdk, "-march=x86-64-v3", "-maes"]
    # A build with the project's defaults has compiled these alone. Those of tests and measurements are not worth a
    # compiler each: the files of a folder share a translation unit.
    compiled = {first_included(path) for path in sources(".cpp", folders=PRODUCT)}
    others = [header for header in sources(".h", folders=PRODUCT)
              if header.as_posix() not in compiled]
    assert others, "there are no headers"
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        complaints = pool.map(lambda header: compile_alone(header, flags), others)
    complaints = "\n".join(filter(None, complaints))
    assert not complaints, complaints
