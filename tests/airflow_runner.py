"""Runs DAGs to their end inside Airflow, in a process of its own: python tests/airflow_runner.py FILE DAG[:CONF]…

CONF is the configuration of the run as JSON. Writes lines of JSON to FILE: what was imported, then for each DAG its
state and the states of its task instances.
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
    with open(sys.argv[1], "w", encoding="utf-8") as out:  # not to standard output: threads of tasks log there
        out.write(json.dumps({"dag": "imported", "errors": bag.import_errors, "dags": sorted(bag.dags)}) + "\n")
        for word in sys.argv[2:]:
            dag_id, _, conf = word.partition(":")
            run = bag.dags[dag_id].test(run_conf=json.loads(conf) if conf else None)
            tasks = {f"{each.task_id}[{each.map_index}]": str(each.state) for each in run.get_task_instances()}
            out.write(json.dumps({"dag": dag_id, "state": str(run.state), "tasks": tasks}) + "\n")


if __name__ == "__main__":
    main()
