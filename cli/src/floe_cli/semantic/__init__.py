"""`floe semantic`: what the semantic service is asked, and how its answers are shown."""
