"""What the web server loads: settings from the environment → build → create_app. Once in every worker.

`application` is plain WSGI; `server` is what the web server calls (RSGI), which waits for bodies before it.
"""

import sys

from inspired.adapters.process.logs import configure_logging
from inspired.adapters.process.processes import die_with_server
from inspired.app import behind_gateway, create_app
from inspired.services import build
from inspired.settings import SettingsError, read_settings

try:
    settings = read_settings()
except SettingsError as error:
    sys.exit("This does not start yet:\n- " + "\n- ".join(error.problems))

die_with_server()
configure_logging(settings.log_level)
application = create_app(build(settings, database_seconds=settings.request_seconds - 0.3, redis_seconds=0.3), settings)
server = behind_gateway(application, settings)
