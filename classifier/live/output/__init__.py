"""Where live traffic goes: recordings, metrics, events, tables, the screen."""
