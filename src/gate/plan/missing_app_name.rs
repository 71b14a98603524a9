//! The error and the warning if nothing names the images.

use super::Place;
use sys::error::Failure;

pub(super) const MISSING: &str = "the app's name is not known";

/// The failure of a step that needs an image. `so` is what cannot be done.
pub fn missing_app_name(place: Place, so: &str) -> Failure {
    Failure::usage(format!("{MISSING}, so {so}"), remedy(place))
}

/// The same as a warning, for a build that may need no name.
pub(super) fn warning(place: Place) -> String {
    format!("{MISSING}, so `P2P_APP_NAME` is not set and no image is recorded or checked: {}", remedy(place))
}

/// What to do about it, depending on where p2p runs.
fn remedy(place: Place) -> String {
    let (app, images) = match place {
        Place::Local => ("`--app-name`", "`--image-names`"),
        Place::Github => ("the input `app-name`", "the input `image-names`"),
    };
    format!(
        "give {app}, or set `P2P_APP_NAME ?= …` in the Makefile; images of other names: {images}, or a target \
         `p2p-images` that prints them"
    )
}
