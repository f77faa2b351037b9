"""The whole way beside other tools: the same files, the same server, rows in a DuckDB table at the end.

    python tests/bench/peers.py --rows 1000000 --files 50 --runs 3 [--only meltano]

Each in an environment of its own, made once. Meltano takes so long that it is measured only where it is named. What
they let through is another matter: `came_through.py`.
"""

from __future__ import annotations

import argparse

from figures import Figure, Finding, tell, tell_finding
from measuring import Run, interleaved
from peering import PEERS, Peer
from whole_way import Offered, expect_rows, offered, ours


def theirs(peer: Peer, given: Offered) -> Run:
    """Measured from outside, as ours."""
    place = given.place(peer.folder + peer.variant)
    run = peer.run(given.endpoint, given.root / "outgoing" / "PAYM", place)
    expect_rows(place / "peer.duckdb", "payment", given.rows)
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=50)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=PEERS, default=[name for name in PEERS if name != "meltano"])
    wanted = parser.parse_args()
    peers = {name: PEERS[name] for name in wanted.only}
    for peer in peers.values():
        peer.install()
    with offered(wanted.rows, wanted.files) as given:
        works = {"ours": lambda: ours(given)}
        works |= {name: lambda peer=peer: theirs(peer, given) for name, peer in peers.items()}  # type: ignore[misc]
        found = interleaved(works, wanted.runs)
    _report(found, wanted)


def _report(found: dict[str, Run], wanted: argparse.Namespace) -> None:
    sizes, own, figures = f"{wanted.rows:,} payments in {wanted.files} files", found["ours"], []
    for name in wanted.only:
        bound = name.split("_")[0]
        what = f"{sizes}, beside {PEERS[name].title}"
        figures.append(Figure("" if bound == "meltano" else bound, what, own.s, "s", found[name].s, own.mb))
    tell(f"medians of {wanted.runs} interleaved runs, memory of the process tree", *figures)
    titles = {"ours": "ours"} | {name: PEERS[name].title for name in wanted.only}
    rows = [
        [titles[name], f"{run.s:.1f}", f"{run.s / own.s:.2f}", f"{run.cpu_s:.1f}", f"{run.cpu_s / own.cpu_s:.2f}",
         f"{run.mb:,.0f}"]
        for name, run in found.items()
    ]  # fmt: skip
    columns = ["tool", "s", "times ours", "s of CPU", "times ours", "peak MB"]
    note = f"Medians of {wanted.runs} interleaved runs. Ours verifies, archives, checks every row and keeps a ledger."
    tell_finding(Finding(f"Beside other tools: {sizes} over SFTP", columns, rows, note))


if __name__ == "__main__":
    main()
