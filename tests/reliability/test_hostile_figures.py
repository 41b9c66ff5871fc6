# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long a good client waits beside hostile ones, for the page. `tests/bench/hostile --check` holds it to a limit."""
import json
import subprocess

import pytest

import figures
from programs import BUILD, SOURCE

WAYS = {"port_us": "CreatePort + DeletePort", "list_us": "ListPorts", "echo_us": "an echo"}


def measure(tmp_path, *options):
    path = tmp_path / "figures.json"
    subprocess.run([SOURCE / "tests/bench/hostile", "--build", BUILD, "--json", path, *options], stdout=subprocess.DEVNULL, check=True)
    return json.loads(path.read_text(encoding="utf-8"))


def ratio(sides, key):
    return sides["beside"][key]["p99"] / sides["alone"][key]["p99"]


def rows(measured, priority):
    for kind, sides in measured.items():
        if isinstance(sides, dict):
            cells = [[*(f"{sides[side][key]['p50']:.0f} / {sides[side][key]['p99']:.0f}" for side in ("alone", "beside")),
                      f"{ratio(sides, key):.2f}"] for key in WAYS]
            yield [kind, priority, *sum(cells, [])]


def highest(measured):
    kinds = [sides for sides in measured.values() if isinstance(sides, dict)]
    return ", ".join(f"{max(ratio(sides, key) for sides in kinds):.2f} for {way}" for key, way in WAYS.items())


@pytest.mark.long
@pytest.mark.idle
def test_good_client_beside_hostile_ones(tmp_path):
    first = measure(tmp_path, "--realtime")
    ordinary = measure(tmp_path)
    head = ["hostile clients", "priority", *(f"{way}{cell}" for way in WAYS.values() for cell in (", alone", ", beside", ": ratio"))]
    figures.write("hostile", "A good client alone, and side by side with hostile ones of other users in the same run"
                             " (`tests/bench/hostile`); microseconds, p50 / p99, and the ratio of the p99. Priority: macvtapd and"
                             " the good client come first for the processors, so that what macvtapd does is seen and not what else"
                             " the machine does; or have the hostile ones' own. An echo: the good client and another process that"
                             " sends back what it gets and has nothing to do with macvtapd, which is what busy clients do to any"
                             " two processes by taking the processors.\n\n"
                             + figures.table(head, [*rows(first, "first"), *rows(ordinary, "as all")])
                             + f"\n\nThe highest ratios: {highest(first)} where macvtapd and the good client come first;"
                             f" {highest(ordinary)} with everybody's priority (to be at most 2 on an otherwise idle machine)."
                             f" macvtapd's resident memory after it all: {first['resident_kib']} KiB.")
