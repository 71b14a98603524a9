//! Pure: names derived from tenant, app and environment, and the variables of a target.
