"""Runs DAGs to their end inside Airflow, in a process of its own: python tests/airflow_runner.py DAG[:CONF]…

CONF is the configuration of the run as JSON. Prints one line of JSON per DAG that begins with RUN: its state and the
states of its task instances.
"""

from __future__ import annotations

import json
import os
import sys

from airflow.dag_processing.dagbag import DagBag


def main() -> None:
    folder = os.environ["AIRFLOW__CORE__DAGS_FOLDER"]
    sys.path.insert(0, folder)  # as the DAG processor does for a bundle
    bag = DagBag(folder)
    print("IMPORTED", json.dumps({"errors": bag.import_errors, "dags": sorted(bag.dags)}))  # noqa: T201
    for word in sys.argv[1:]:
        dag_id, _, conf = word.partition(":")
        run = bag.dags[dag_id].test(run_conf=json.loads(conf) if conf else None)
        tasks = {f"{each.task_id}[{each.map_index}]": str(each.state) for each in run.get_task_instances()}
        print("RUN", json.dumps({"dag": dag_id, "state": str(run.state), "tasks": tasks}))  # noqa: T201


if __name__ == "__main__":
    main()
