"""The boundary around plugins: every call into a plugin's code goes through ``PluginCode``."""
