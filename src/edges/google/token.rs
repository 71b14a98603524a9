//! An access token, until it ends.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use sys::private;
use workflow_commands::Secret;

/// The user that Google's registries take an access token of
/// (<https://cloud.google.com/artifact-registry/docs/docker/authentication#token>).
pub const TOKEN_USER: &str = "oauth2accesstoken";

/// How long before its end a token is minted anew; for short-lived ones, at half their life.
const MARGIN: Duration = Duration::from_mins(10);

/// Google allows 12 hours.
const LONGEST_LIFE: Duration = Duration::from_hours(24);

/// An OAuth 2.0 access token of a service account.
#[derive(Debug, Clone)]
pub struct Token {
    secret: Secret,
    asked: Instant,
    life: Duration,
}

impl Token {
    /// A token that was asked for at `asked` and lives for `life` from then on. `asked` is the
    /// moment before the request, so the token never ends earlier than we think. No token lives longer than a day,
    /// whatever the server says.
    pub fn new(secret: Secret, asked: Instant, life: Duration) -> Self {
        Self { secret, asked, life: life.min(LONGEST_LIFE) }
    }

    /// The token itself.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// When it ends.
    pub fn ends(&self) -> Instant {
        self.asked + self.life
    }

    /// From when on a new one should take its place.
    pub fn stale(&self) -> Instant {
        self.ends() - MARGIN.min(self.life / 2)
    }

    /// Puts it into a private file in one step, for those who read it again: client-go's `tokenFile`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        private::write(path, self.secret.expose().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_stale_before_it_ends() {
        let now = Instant::now();
        let of = |life| Token::new(Secret::new("t"), now, Duration::from_secs(life));
        assert_eq!(of(3600).stale() - now, Duration::from_mins(50));
        assert_eq!(of(600).stale() - now, Duration::from_mins(5));
        assert_eq!(of(3600).ends() - now, Duration::from_hours(1));
        assert_eq!(of(0).stale(), now);
        assert_eq!(of(u64::MAX).ends() - now, LONGEST_LIFE);
    }
}
