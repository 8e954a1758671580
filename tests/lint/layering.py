"""Who may include whom. The tables are the architecture; a new edge needs a reviewer."""
import pathlib
import re
import sys

_BASE = {"dataplane/base"}
_NET = _BASE | {"dataplane/net"}
_TABLES = _NET | {"dataplane/tables"}
_CONF = _NET | {"conf"}
_HEALTH = _CONF | {"healthcheck"}

MAY_INCLUDE = {
    "dataplane/base": set(),
    "dataplane/net": _BASE,
    "dataplane/tables": _NET,
    "dataplane/pipeline": _TABLES,
    "dataplane/pair": _TABLES,
    "dataplane": _TABLES | _CONF | {"dataplane/pipeline", "dataplane/pair"},
    "conf": _NET,
    "healthcheck": _CONF,
    "control/plan": _TABLES | _HEALTH,
    "control": _TABLES | _HEALTH | {"control/plan"},
}
MAY_SEE_DPDK = {"dataplane", "dataplane/pipeline"}

# Take bytes, events and a clock value, and return decisions: no input, no output, no clock.
PURE = ("dataplane/base/", "dataplane/net/", "dataplane/pair/", "control/plan/", "conf/",
        "healthcheck/state", "healthcheck/schedule")
IMPURE = re.compile(r"boost/asio|<sys/socket\.h>|<sys/epoll\.h>|<netdb\.h>|<thread>|<mutex>"
                    r"|_clock::now|clock_gettime|gettimeofday|usleep|sleep_for")

INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^">]+)[">]', re.M)


def module_of(path):
    """The folder of MAY_INCLUDE that a file belongs to, or None."""
    return max((m for m in MAY_INCLUDE if path.startswith(m + "/")), key=len, default=None)


def errors_in(name, text):
    """What is wrong with one file, whose path is relative to the root."""
    module = module_of(name)
    for included in INCLUDE.findall(text):
        target = module_of(included)
        if target and target != module and target not in MAY_INCLUDE[module]:
            yield f"{name}: {module} may not include {target} ({included})"
        if included.startswith("rte_") and module not in MAY_SEE_DPDK:
            yield f"{name}: {module} must build without DPDK ({included})"
        if '"' + included + '"' in text and "/" not in included:
            yield f"{name}: includes name the full path from the root ({included})"
    if name.startswith(PURE) and (hit := IMPURE.search(text)):
        yield f"{name}: pure code may not mention {hit[0]}"


def main(root):
    errors = []
    for file in sorted(path for path in root.glob("*/**/*") if path.suffix in {".h", ".cpp"}):
        name = file.relative_to(root).as_posix()
        if module_of(name):
            errors += errors_in(name, file.read_text())
    print("\n".join(errors) or "layering: ok")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
