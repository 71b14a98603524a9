//! An access token with its expiry.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use sys::private;
use workflow_commands::Secret;

/// The user name for access tokens at Google's registries
/// (<https://cloud.google.com/artifact-registry/docs/docker/authentication#token>).
pub const TOKEN_USER: &str = "oauth2accesstoken";

/// How long before its expiry a token is renewed. Short-lived tokens are renewed after half of their life.
const MARGIN: Duration = Duration::from_mins(10);

/// The longest plausible lifetime. Google allows 12 hours.
const LONGEST_LIFE: Duration = Duration::from_hours(24);

/// An OAuth 2.0 access token of a service account.
#[derive(Debug, Clone)]
pub struct Token {
    secret: Secret,
    asked: Instant,
    life: Duration,
}

impl Token {
    /// A token that was requested at `asked` and lives for `life` from then on. `asked` is before the request, so
    /// the token does not expire earlier than expected. Longer lifetimes are cut to a day.
    pub fn new(secret: Secret, asked: Instant, life: Duration) -> Self {
        Self { secret, asked, life: life.min(LONGEST_LIFE) }
    }

    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// When it expires.
    pub fn ends(&self) -> Instant {
        self.asked + self.life
    }

    /// When it should be renewed.
    pub fn stale(&self) -> Instant {
        self.ends() - MARGIN.min(self.life / 2)
    }

    /// Writes it to a private file in one step, for programs that read the file again, such as client-go's
    /// `tokenFile`.
    ///
    /// # Errors
    /// If the file cannot be written.
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
