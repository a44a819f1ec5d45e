"""The WSGI application of the site."""

import os

from django.core.wsgi import get_wsgi_application

from arena.web_server import end_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "arena.settings")

end_with_parent()
application = get_wsgi_application()
