//! A record in the form in which it is stored. Pure.

use bytes::Bytes;

/// The form in which a record is stored.
pub(super) struct Document {
    pub(super) media_type: &'static str,
    pub(super) predicate_type: &'static str,
    pub(super) bytes: Bytes,
}
