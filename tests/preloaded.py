"""What commands import late and every load needs in the end: once for all processes that are forked (see `forking`)."""

import pipelines.cli.fetch
import pipelines.cli.work  # noqa: F401
from pipelines.quality.loading import load_great_expectations

load_great_expectations()
