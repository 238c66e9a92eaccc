"""Superset for one person on one machine: to look at the dashboard, not to serve it.

Read by Superset where SUPERSET_CONFIG_PATH points here. Who serves others has a Superset of their own.
"""

import os
import secrets

# Nothing is kept from one start to the next that it would have to decrypt.
SECRET_KEY = secrets.token_urlsafe(42)
SQLALCHEMY_DATABASE_URI = f"sqlite:///{os.environ['PURCHASING_POWER_DASHBOARD_STATE']}"
# It listens on this machine alone (scripts/dashboard.py), so whoever is on it may look without logging in.
AUTH_ROLE_PUBLIC = "Admin"
WTF_CSRF_ENABLED = False
TALISMAN_ENABLED = False
# Files of DuckDB are refused otherwise; this one is opened read-only.
PREVENT_UNSAFE_DB_CONNECTIONS = False
