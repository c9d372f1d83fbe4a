"""The kinds of catalogs that floe opens, one a module; each is a plugin of the group `floe.catalogs`."""
