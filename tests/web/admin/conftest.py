"""What the tests of the admin area share."""

import pytest
from flask.testing import FlaskClient

from tests.web.admin.test_admin import log_in


@pytest.fixture
def owner(client: FlaskClient) -> FlaskClient:
    """The browser of the test, logged in as the owner."""
    assert log_in(client).status_code == 303
    return client
