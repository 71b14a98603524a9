//! The copy of the workspace, artifacts and the private files of targets.
