"""`make airflow`: two small provinces on local servers, and an Airflow on which everything is scheduled.

python -m sftp_fixtures.show_airflow --dir airflow-demo
"""

from __future__ import annotations

import argparse
import json
import signal
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from pipelines.cli.demo import clear, configure, make_provinces, serve
from pipelines.cli.output import say
from pipelines.config import load_config
from pipelines.contracts.load import DEFAULT_SCHEMAS, load_contracts
from pipelines.pools import pools_of
from sftp_fixtures.airflow import USERS, make_airflow, running

_OTHER_DAGS = 7  # beside one a feed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", type=Path, default=Path("airflow-demo"), help="where it lives; made anew each time")
    parser.add_argument("--subscribers", type=int, default=500, help="subscribers of each province")
    wanted = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` ends all of it, as Ctrl-C does
    clear(wanted.dir)
    make_provinces(wanted.dir / "servers", wanted.subscribers, seed=1)
    home = (wanted.dir / "home").resolve()
    with suppress(KeyboardInterrupt), ExitStack() as stack:
        configure(home, serve(stack, wanted.dir / "servers"))
        pools = json.dumps(pools_of(load_config(home)))
        airflow = make_airflow((wanted.dir / "airflow").resolve(), home, pools)
        say("starting Airflow …")
        feeds = load_contracts(DEFAULT_SCHEMAS).feed_names
        stack.enter_context(running(airflow, len(feeds) + _OTHER_DAGS))
        say(f"\nAirflow: {airflow.url}   (Browse, File batches: the page for operators)")
        for user in USERS:
            say(f"  login {user:<9} password {airflow.password(user)}")
        say(f"home: {home}\nlog:  {airflow.directory / 'airflow.log'}\nCtrl-C ends all of it.")
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
