"""Alembic's entry: migrates the connection that `hes.store.migrate` hands over. There is no offline mode."""

from __future__ import annotations

from alembic import context

from hes.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
