"""The history of the schema, for Alembic; run by `hes.store.migrate`, never by hand."""
