//! Colours for recipes. Their output goes through a pipe, so programs would use none.

use crate::gate::context::COLOUR_SETTINGS;
use sys::world::Env;

/// The variables that make programs use colours in a pipe. `CLICOLOR_FORCE` is not among them: with it, programs
/// such as `gh` also colour the output that a recipe passes to another program.
const HINTS: [(&str, &str); 3] = [("FORCE_COLOR", "1"), ("CARGO_TERM_COLOR", "always"), ("PY_COLORS", "1")];

/// Asks the programs of a target to use colours, unless the team has set one of these variables.
pub(super) fn hint_colours(env: &mut Env) {
    if COLOUR_SETTINGS.iter().all(|name| env.get(name).is_none()) {
        for (name, value) in HINTS {
            env.set(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_team_s_own_setting_stays() {
        let hinted = |variables: &[(&str, &str)]| {
            let mut env: Env = variables.iter().copied().collect();
            hint_colours(&mut env);
            env
        };
        assert_eq!(hinted(&[("PATH", "/bin")]).get("FORCE_COLOR"), Some("1"));
        for own in ["NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CARGO_TERM_COLOR", "PY_COLORS"]
        {
            assert_eq!(hinted(&[(own, "0")]), [(own, "0")].into_iter().collect(), "{own}");
            assert_eq!(hinted(&[(own, "")]).get("FORCE_COLOR"), Some("1"), "an empty one is none");
        }
    }
}
