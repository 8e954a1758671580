"""How many connections survive what happens to their backends: a trace, simulated from one seed.

Connections come and go (by default 200,000 at a time, 10,000 new a second; lifetimes and silences
heavy-tailed) while 1000 backends fail, restart, are drained, added, removed and weighed anew, all at
random and overlapping (perf/survival/churn.h has the rates). Four ways of balancing forward the same
packets: Maglev alone, its table filled anew over those that serve; Maglev with a flow table that
remembers every flow; and Tandem's own code: the table function, slots, flow rules and flow table.
Full tracking and Tandem run twice: with flow tables of the default size, and in a thirty-second of
that memory. Full tracking there evicts the flow that was silent longest.

broken      a packet went to another backend, or to none, although the backend that had accepted the
            connection could still serve it: it is configured, up (draining or not), and its server
            has not restarted, been down at an earlier packet, or been removed since. That is what
            the design's rules call "may serve", with `on_down = "rehash"`: who is down at the
            moment of a packet serves nothing, who was down between two packets only does.
lost        its backend could not serve it: no fault of the balancer
tracked     entries of the flow table that were in use at most, those included that had expired and
            were not swept yet
evicted     of Tandem: entries of connections of which one packet had been seen, for others
told        records of flows that another instance would need to go on: of full tracking one when a
            connection is opened and one when it ends
no room     flows that Tandem should have remembered and could not. Only with these and evictions
            may it break any

What Tandem tracks follows from how much happens, not from how many connect: about the share of the
slots that changed in the last 15 minutes. An outage or a drain changes 0.1 % of them, an addition, a
removal or a new configured weight 0.4 to 0.7 %. With the default rates that comes to 7 to 8 % of
full tracking's entries after 10 minutes, and peaks of 12 to 14 % in an hour; with a quarter of the
rates to 3 %, with four times to 22 %, with sixteen times to 64 %.

No connection is silent for longer than flow tables remember (900 s): such a one is beyond what any
of them promises. A removal ends a backend's connections for good, even if it is added again. Health
is known at once, alike to all: detection is not what is measured. A connection that broke or was
lost sends nothing more, and does not come back as a new one.
"""
import json
import subprocess

import programs

PROGRAM = programs.BUILD / "perf" / "survival" / "perf_survival"
PROGRAMS = (PROGRAM,)
SECONDS = 600
COLUMNS = {"maglev": "Maglev", "full": "full tracking", "tandem": "Tandem",
           "small_full": "full, small", "small_tandem": "Tandem, small"}
ROWS = {"broken": "broken", "lost": "lost", "opened": "opened", "table_bytes": "flow table, KiB",
        "tracked_peak": "tracked, peak", "inserted": "inserted", "evicted": "evicted",
        "no_room": "no room", "told": "told"}


def measure(options):
    seed, hours, churn = options.seed, options.hours, options.churn
    seconds = SECONDS if hours is None else round(hours * 3600)
    command = [PROGRAM, f"--seed={seed}", f"--seconds={seconds}", f"--churn={churn}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise programs.Trouble(f"{PROGRAM.name} ended with {done.returncode}")
    figures = json.loads(done.stdout)
    print(f"survival: seed {seed}, {seconds} s, churn {churn:g}: {figures['packets']} packets, at "
          f"most {figures['connections_peak']} connections at a time; backends went down "
          f"{figures['went_down']} times, {figures['restarted']} of them to restart; "
          f"{figures['drained']} drains, {figures['added']} additions, {figures['removed']} "
          f"removals, {figures['reweighted']} new weights")
    show("", COLUMNS.values())
    for row, name in ROWS.items():
        show(name, [value(row, figures[f"{column}_{row}"]) for column in COLUMNS])
    share = figures["tandem_tracked_peak"] / figures["full_tracked_peak"]
    print(f"Tandem tracked {share:.1%} of what full tracking did; at most "
          f"{figures['tandem_unsteady_slots_peak'] / figures['slots']:.1%} of the slots were not "
          f"steady")
    print(f"Another instance would be told {figures['tandem_told'] / figures['full_told']:.1%} of what "
          f"it would with full tracking")
    if figures["tandem_broken"] > 0 and figures["tandem_no_room"] + figures["tandem_evicted"] == 0:
        raise programs.Trouble(f"Tandem broke {figures['tandem_broken']} connections that could "
                               f"live, and had room for all: seed {seed}, churn {churn:g}")
    return figures


def value(row, figure):
    return figure // 1024 if row == "table_bytes" else figure


def show(name, cells):
    print(f"{name:>16}" + "".join(f"{cell:>15}" for cell in cells), flush=True)
