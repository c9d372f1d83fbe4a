"""What can be wrong with a plugin itself."""

from __future__ import annotations

from floe_contracts.errors import Permanent


class PluginUnknown(Permanent):
    """No installed package has a plugin of that name."""

    code = "FLOE-PLUG-001"
    title = "A plugin is not installed"


class PluginTwice(Permanent):
    """Two packages have a plugin of the same group and name, so it is not clear which one is meant."""

    code = "FLOE-PLUG-002"
    title = "Two installed plugins have the same name"


class PluginBroken(Permanent):
    """A plugin cannot be loaded, or is not what its group asks for."""

    code = "FLOE-PLUG-003"
    title = "A plugin cannot be loaded"


class PluginOutdated(Permanent):
    """A plugin was written for another version of the interface of plugins."""

    code = "FLOE-PLUG-004"
    title = "A plugin was written for another interface"
