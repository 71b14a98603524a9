//! The listeners: log, annotations, summary and JSON report. Nothing else prints.
