"""The chain of ids of a run: from any id in it to the run, and from the run along every link."""
