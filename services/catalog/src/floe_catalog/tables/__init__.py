"""Tables: told of, compared with what projects declare, and made ready ahead of runs."""
