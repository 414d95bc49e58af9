"""The terminal view: the fleet, a host's panels and the alerts, drawn as lines of text, and the keys that move in them.

Public: live.run(), reader.Reader, once.lines(), once.as_json(), feed.Feed.
Imports: monitoring, config, system.
"""
