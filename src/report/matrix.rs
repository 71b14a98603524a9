//! The environments of a gate, for `strategy.matrix`.

use super::{Console, outputs};
use crate::domain::environment::Matrix;
use sys::error::{Exit, Failure};
use sys::world::Env;

/// Prints a matrix on one line, and sets the output `matrix`.
///
/// # Errors
/// If the matrix cannot be written as JSON, or the output cannot be set.
pub fn matrix(console: &Console, env: &Env, matrix: &Matrix) -> Result<(), Failure> {
    let failed = |error: String| Failure {
        what: format!("the matrix cannot be written: {error}"),
        causes: Vec::new(),
        help: None,
        exit: Exit::Failed,
    };
    let json = serde_json::to_string(matrix).map_err(|error| failed(error.to_string()))?;
    console.say(&json);
    if let Some(file) = env.path("GITHUB_OUTPUT").filter(|_| console.is_github()) {
        outputs::matrix(&file, &json).map_err(|error| failed(error.to_string()))?;
    }
    Ok(())
}
