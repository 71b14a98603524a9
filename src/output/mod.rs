//! Pure: the workflow-command protocol and masking. The only place that escapes.
