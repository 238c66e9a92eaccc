"""A PostgreSQL server: SQLAlchemy for connections and small tables, Arrow by ADBC for bulk."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
import sqlalchemy
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2

from purchasing_power.errors import PurchasingPowerError
from purchasing_power.warehouse.duckdb_connection import (
    DEFAULT_BATCH_ROWS,
    Changes,
    insertion,
    modification,
)
from purchasing_power.warehouse.project import Project
from purchasing_power.warehouse.pseudonyms import session_options

# What to do about what the server may refuse, by SQLSTATE; the rest speaks for itself.
_ADVICE = {
    "28P01": "the profile's password is wrong: correct it, or the environment variable that it is read from",
    "28000": "the server does not let the profile's user in: correct it, or the server's pg_hba.conf",
    "3D000": "the server has no such database: create it, or correct `dbname` in the profile",
    "42501": "the profile's user may not do this: grant it, or choose another target with --target",
    "25006": "the profile's user or server only reads: choose a target that may write",
    "08001": "no server listens there: start it, or correct `host` and `port` in the profile",
    "08006": "the server is gone: start it and run the same command again",
    "53100": "the server's disk is full: make room there and run the same command again",
    "57P01": "the server was stopped: start it and run the same command again",
}


# A server that lets nobody in, or is gone, gives no SQLSTATE, words alone.
_WORDS = {
    "password authentication failed": "28P01",
    "no password supplied": "28P01",
    "no pg_hba.conf entry": "28000",
    "role .* does not exist": "28000",
    "database .* does not exist": "3D000",
    "Connection refused": "08001",
    "No such file or directory": "08001",
    "could not translate host name": "08001",
    "closed the connection unexpectedly": "08006",
}

# How long erasing waits for sessions that may still read what was erased.
_READERS_SECONDS = 60
# A transaction's number is reused after four billion; its age is right all the same.
_EARLIER_SESSIONS = """
    select pid, usename
    from pg_stat_activity
    where datname = current_database()
        and pid <> pg_backend_pid()
        and greatest(age(backend_xid), age(backend_xmin))
            > age(cast(cast(mod({now}, 4294967296) as text) as xid))
"""


class PostgresConnection:
    """An open session, and a stream beside it for each query that is read as Arrow."""

    def __init__(self, engine: sqlalchemy.Engine, place: str, read_only: bool) -> None:
        """Connects.

        Args:
            engine: where to.
            place: the server in words, without its password.
            read_only: refuse whatever writes.

        Raises:
            PurchasingPowerError: the server is not there, or lets nobody in.
        """
        self._place = place
        self._engine = engine
        self._read_only = read_only
        self._in_transaction = False
        with self._explained("could not be opened"):
            self._session = engine.connect()
            if read_only:
                self.execute("set default_transaction_read_only = on")

    def query(
        self, sql: str, parameters: Sequence[Any] = (), batch_rows: int = DEFAULT_BATCH_ROWS
    ) -> pa.RecordBatchReader:
        """Streams a query's rows as Arrow record batches; the driver decides how many rows each has."""
        # Literals, not parameters: with these the driver gives up COPY, which is many times as fast.
        batches = self._stream(self._with_literals(sql, parameters))
        schema = next(batches)
        assert isinstance(schema, pa.Schema)
        return pa.RecordBatchReader.from_batches(schema, batches)

    def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Gives all rows of a small query, each as a dict by column."""
        with self._explained("could not answer"), self._rolled_back():
            rows = self._run(sql, parameters).mappings().all()
            self._commit()
        return [
            {name: bytes(value) if isinstance(value, memoryview) else value for name, value in row.items()}
            for row in rows
        ]

    def create_schema(self, name: str) -> None:
        """Makes a schema, unless it is there."""
        self.execute(f"create schema if not exists {name}")

    def insert(self, relation: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Adds rows to a table; columns that they do not name are NULL."""
        for row in rows:
            self.execute(*insertion(relation, row))

    def update(self, relation: str, changes: Changes, condition: str, parameters: Sequence[Any] = ()) -> None:
        """Sets columns to SQL expressions in the rows that satisfy a condition, at once."""
        self.execute(*modification(relation, changes, condition, parameters))

    def delete(self, relation: str, condition: str, parameters: Sequence[Any] = ()) -> None:
        """Takes out the rows that satisfy a condition."""
        self.execute(f"delete from {relation} where {condition}", parameters)

    def purge(self, relations: Sequence[str]) -> None:
        """Writes the tables anew; the server's log of changes holds deleted rows until it is recycled.

        Raises:
            PurchasingPowerError: another session goes on to see what was deleted, so the server keeps it.
        """
        with self._explained("could not write its tables anew"), self._engine.connect() as connection:
            at_once = connection.execution_options(isolation_level="AUTOCOMMIT")
            self._outlast_readers(at_once)
            for relation in relations:
                at_once.exec_driver_sql(f"vacuum full {relation}")
            # The server's statistics of tables hold values of them, and earlier versions of these too.
            at_once.exec_driver_sql("analyze")
            for relation in relations:
                if at_once.exec_driver_sql(f"select not exists (select from {relation})").scalar():
                    # A table without rows keeps the statistics of those that it had.
                    at_once.exec_driver_sql(
                        f"begin; insert into {relation} default values; analyze {relation}; "
                        f"delete from {relation}; commit"
                    )
            self._outlast_readers(at_once)
            at_once.exec_driver_sql("vacuum full pg_statistic")

    def _outlast_readers(self, at_once: sqlalchemy.Connection) -> None:
        """Waits for the sessions that began before now: the server keeps what they may still read."""
        now = at_once.exec_driver_sql("select cast(pg_current_xact_id() as text)").scalar()
        deadline = time.monotonic() + _READERS_SECONDS
        while True:
            earlier = at_once.exec_driver_sql(_EARLIER_SESSIONS.format(now=now)).all()
            if not earlier:
                return
            if time.monotonic() > deadline:
                sessions = ", ".join(
                    f"{session.pid} of {session.usename or 'the server'}" for session in earlier
                )
                raise PurchasingPowerError(
                    f"The database {self._place} keeps deleted rows, as sessions that began earlier may "
                    f"still read them (pid {sessions}): end these, and run the same command again."
                )
            time.sleep(0.2)

    def reads_as_time(self, text: str) -> str:
        """Gives the SQL condition that a text expression is a date or a timestamp."""
        # Words such as 'now' are timestamps, too, and so are dates without a century.
        return f"({text} ~ '^\\s*[0-9]{{4}}-' and pg_input_is_valid({text}, 'timestamptz'))"

    def exists(self, relation: str) -> bool:
        """Says whether a fully qualified relation is there."""
        return bool(self.fetch("select to_regclass(?) is not null as found", [relation])[0]["found"])

    def load(self, relation: str, rows: pa.RecordBatchReader) -> None:
        """Makes a table, new or in the place of another, of a stream of Arrow batches."""
        if self.exists(relation):
            # Views may read it, so it cannot be dropped.
            self.replace_rows(relation, rows)
            return
        schema, table = _split(relation)
        self._ingest(schema, table, rows, mode="create")

    def replace_rows(self, relation: str, rows: pa.RecordBatchReader) -> int:
        """Puts a stream of Arrow batches in the place of a table's rows, all or none.

        Returns:
            How many rows there are now.
        """
        schema, table = _split(relation)
        return self._ingest(schema, table, rows, mode="append", first=f"truncate {relation}")

    def relation(self, name: str) -> SqlRelation:
        """Gives a relation to be read in parts."""
        return SqlRelation(self, name)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits what runs inside it, or rolls all of it back on an error."""
        self._in_transaction = True
        try:
            yield
        except BaseException:
            self._session.rollback()
            raise
        finally:
            self._in_transaction = False
        with self._explained("could not commit"):
            self._session.commit()

    def close(self) -> None:
        """Ends the session."""
        self._session.close()
        self._engine.dispose()

    def _adbc(self) -> adbc.Connection:
        """Opens a session for one stream: a session gives or takes one at a time."""
        url = self._engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        # libpq reads no + as a blank.
        return adbc.connect(url.replace("+", "%20"))

    def _stream(self, sql: str) -> Iterator[Any]:
        """Gives the schema of a query's result, then its batches."""
        with (
            self._explained("could not answer"),
            self._adbc() as stream,
            stream.cursor() as cursor,
        ):
            cursor.execute(sql)
            reader = cursor.fetch_record_batch()
            yield reader.schema
            yield from reader

    def _ingest(
        self, schema: str, table: str, rows: pa.RecordBatchReader, *, mode: Any, first: str | None = None
    ) -> int:
        with (
            self._explained("could not be written to"),
            self._adbc() as stream,
            stream.cursor() as cursor,
        ):
            if first is not None:
                cursor.execute(first)
            count: int = cursor.adbc_ingest(table, rows, mode=mode, db_schema_name=schema)
            stream.commit()
        return count

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Runs a statement that returns nothing."""
        with self._explained("could not do what was asked"), self._rolled_back():
            self._run(sql, parameters)
            self._commit()

    def _run(self, sql: str, parameters: Sequence[Any]) -> sqlalchemy.CursorResult[Any]:
        if parameters:
            return self._session.exec_driver_sql(_driver_sql(sql), tuple(parameters))
        return self._session.exec_driver_sql(sql, execution_options={"no_parameters": True})

    def _commit(self) -> None:
        if not self._in_transaction:
            self._session.commit()

    @contextmanager
    def _rolled_back(self) -> Iterator[None]:
        """Rolls back what the server refused: until then it answers nothing more in this session."""
        try:
            yield
        except sqlalchemy.exc.DBAPIError:
            if not self._in_transaction:
                self._session.rollback()
            raise

    def _with_literals(self, sql: str, parameters: Sequence[Any]) -> str:
        if not parameters:
            return sql
        cursor: Any = self._session.connection.cursor()
        try:
            text: bytes = cursor.mogrify(_driver_sql(sql), tuple(parameters))
        finally:
            cursor.close()
        return text.decode()

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """Turns a driver's error into one sentence."""
        try:
            yield
        except sqlalchemy.exc.DBAPIError as error:
            state = getattr(error.orig, "pgcode", None)
            raise self._error(what, state, str(error.orig)) from error
        except adbc_driver_manager.Error as error:
            raise self._error(what, error.sqlstate, str(error)) from error
        except pa.ArrowException as error:
            # What goes wrong in the middle of a stream comes through Arrow.
            raise self._error(what, None, str(error)) from error

    def _error(self, what: str, state: str | None, message: str) -> PurchasingPowerError:
        said = " ".join(message.split())
        found = state or next((code for words, code in _WORDS.items() if re.search(words, said)), "")
        advice = _ADVICE.get(found, "")
        reason = f"{advice} ({said})" if advice else said
        return PurchasingPowerError(f"The database {self._place} {what}: {reason}")


@dataclass(frozen=True)
class SqlRelation:
    """A relation of the server that is read as Arrow, narrowed and ordered by SQL."""

    connection: PostgresConnection
    source: str
    columns: str = "*"
    conditions: tuple[str, ...] = ()
    ordered_by: str = ""
    most: int | None = None

    def filter(self, condition: str) -> SqlRelation:
        """Keeps the rows that satisfy a SQL condition."""
        return replace(self, conditions=(*self.conditions, condition))

    def project(self, columns: str) -> SqlRelation:
        """Keeps the columns of a SQL select list."""
        return replace(self, columns=columns)

    def order(self, expressions: str) -> SqlRelation:
        """Sorts by a SQL order by list."""
        return replace(self, ordered_by=expressions)

    def limit(self, count: int) -> SqlRelation:
        """Keeps the first rows."""
        return replace(self, most=count)

    def to_arrow_reader(self, batch_size: int) -> pa.RecordBatchReader:
        """Streams the rows as Arrow batches."""
        conditions = " and ".join(f"({condition})" for condition in self.conditions)
        parts = [f"select {self.columns} from {self.source}"]
        parts += [f"where {conditions}"] if conditions else []
        parts += [f"order by {self.ordered_by}"] if self.ordered_by else []
        parts += [f"limit {self.most}"] if self.most is not None else []
        return self.connection.query(" ".join(parts), batch_rows=batch_size)


def open_postgres(project: Project, read_only: bool) -> PostgresConnection:
    """Connects to the server of the project's target.

    Raises:
        PurchasingPowerError: the server is not there, or lets nobody in.
    """
    credentials = project.credentials.raw
    named = {
        "host": credentials.host,
        "port": str(credentials.port),
        "sslmode": credentials.sslmode,
        "sslcert": credentials.sslcert,
        "sslkey": credentials.sslkey,
        "sslrootcert": credentials.sslrootcert,
        # Whatever the server's own zone is, times are UTC here.
        "options": " ".join(
            option
            for option in (
                "-c TimeZone=UTC",
                f"-c role={credentials.role}" if credentials.role else "",
                session_options(),
            )
            if option
        ),
    }
    url = sqlalchemy.URL.create(
        f"postgresql+{PGDialect_psycopg2.driver}",
        username=credentials.user,
        password=credentials.password,
        database=credentials.database,
        query={name: str(value) for name, value in named.items() if value},
    )
    place = f"{credentials.database} at {credentials.host}:{credentials.port}"
    return PostgresConnection(sqlalchemy.create_engine(url), place, read_only)


def _driver_sql(sql: str) -> str:
    """Writes the package's placeholders as the driver's."""
    return sql.replace("%", "%%").replace("?", "%s")


def _split(relation: str) -> tuple[str, str]:
    """Gives schema and table of a relation's name, which dbt quotes."""
    *_, schema, table = (part.strip('"') for part in relation.split("."))
    return schema, table
