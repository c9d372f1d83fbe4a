"""The rules that projects have to follow, what holds where two scopes meet, and what was found."""
