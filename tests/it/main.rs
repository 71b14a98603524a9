//! x
#[test]
fn t() {}

mod make;
