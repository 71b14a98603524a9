//! Facts about this run, gathered from the environment, the event and the edges.
