"""Everything in floe that knows dbt. Imports nothing: the client of the fork server starts from here."""
