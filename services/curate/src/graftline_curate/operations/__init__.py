"""The operations, a module each, and how a setting becomes one."""
