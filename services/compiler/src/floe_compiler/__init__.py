"""The compiler: spec events in, CompiledArtifacts events (or a rejection with reasons) out."""
