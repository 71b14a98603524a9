//! x
#[test]
fn t() {}

mod make;
mod workspace;
