# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long a good client waits beside hostile ones, for the page. `tests/bench/hostile --check` holds it to a limit."""
import json
import subprocess

import pytest

import figures
from programs import BUILD, SOURCE

WAYS = {"port_us": "CreatePort + DeletePort", "list_us": "ListPorts"}


def measure(tmp_path, *options):
    path = tmp_path / "figures.json"
    subprocess.run([SOURCE / "tests/bench/hostile", "--build", BUILD, "--json", path, *options], stdout=subprocess.DEVNULL, check=True)
    return json.loads(path.read_text(encoding="utf-8"))


def rows(measured, priority):
    for kind, sides in measured.items():
        if not isinstance(sides, dict):
            continue
        for key, way in WAYS.items():
            alone, beside = sides["alone"][key], sides["beside"][key]
            yield [kind, priority, way, *(f"{side['p50']:.0f} / {side['p99']:.0f}" for side in (alone, beside)),
                   f"{beside['p99'] / alone['p99']:.2f}"]


@pytest.mark.long
def test_good_client_beside_hostile_ones(tmp_path):
    first = measure(tmp_path, "--realtime", "--rounds=6")
    ordinary = measure(tmp_path, "--kinds=everything", "--rounds=6")
    lines = [*rows(first, "first"), *rows(ordinary, "as all")]
    most = ", ".join(f"{max(float(line[-1]) for line in lines if line[2] == way):.2f} for {way}" for way in WAYS.values())
    figures.write("hostile", "A good client alone, and side by side with hostile ones of other users in the same run"
                             " (`tests/bench/hostile`); microseconds, p50 / p99. Priority: macvtapd and the good client come first"
                             " for the processors, so that what macvtapd does is seen and not what else the machine does; or have"
                             " the hostile ones' own.\n\n"
                             + figures.table(["hostile clients", "priority", "call", "alone", "beside", "ratio of the p99"], lines)
                             + f"\n\nThe highest ratios of the p99 are {most} (to be at most 2 on an otherwise idle machine)."
                             f" macvtapd's resident memory after it all: {first['resident_kib']} KiB.")
