"""Airflow's side of the page: who is logged in, who may look, who may act. All else is in `pipelines.page.app`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from pipelines.page import PREFIX

_DAG = "operate_batches"  # who may read it may look, who may trigger it may act


class _Lazy:
    """The application, made with the first request: every process of Airflow loads plugins, one serves them."""

    def __init__(self) -> None:
        self._app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._app is None:
            self._app = _make()
        await self._app(scope, receive, send)


def _make() -> Any:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi import Depends, HTTPException

    from pipelines.page.app import page_app

    logged_in = Depends(get_user)  # raises 401

    def look(user: Any = logged_in) -> Any:
        if not get_auth_manager().is_authorized_dag(method="GET", details=DagDetails(id=_DAG), user=user):
            raise HTTPException(403, f"expected the right to read the DAG {_DAG}")
        return user

    def may_act(user: Any) -> bool:
        manager = get_auth_manager()
        run, details = DagAccessEntity.RUN, DagDetails(id=_DAG)
        return bool(manager.is_authorized_dag(method="POST", access_entity=run, details=details, user=user))

    return page_app(Path(os.environ.get("TIERLINE_HOME", "home")), look, may_act)


class TierlinePlugin(AirflowPlugin):
    """The page, in Airflow's menu."""

    name = "tierline"
    fastapi_apps = [{"name": "tierline", "app": _Lazy(), "url_prefix": PREFIX}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {
            "name": "File batches",
            "href": f"{PREFIX}/",
            "destination": "nav",
            "category": "browse",
            "url_route": "file-batches",
        }
    ]
