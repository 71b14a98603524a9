//! Renews tokens in files and logins while something uses them.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::error::GoogleError;
use super::federation::Federation;
use super::identity::Identity;
use super::token::Token;
use sys::error::Failure;

/// The pause after a failure. The old token is still valid for some minutes.
const AGAIN: Duration = Duration::from_secs(30);

/// Renews until it is dropped.
#[derive(Debug)]
pub struct Renewer {
    task: JoinHandle<()>,
}

impl Renewer {
    /// Requests a token from `source` and gives it to `on_token` before this function returns. Later, it gives each
    /// new token to `on_token`, well before the old one expires. A later failure goes to `on_trouble`, and the
    /// renewer tries again.
    ///
    /// # Errors
    /// If there is no first token, or if `on_token` fails for it.
    pub async fn start<S, F>(
        source: S,
        mut on_token: impl FnMut(&Token) -> Result<(), Failure> + Send + 'static,
        on_trouble: impl Fn(Failure) + Send + 'static,
    ) -> Result<Self, Failure>
    where
        S: Fn() -> F + Send + 'static,
        F: Future<Output = Result<Token, GoogleError>> + Send,
    {
        let first = source().await?;
        on_token(&first)?;
        let task = tokio::spawn(async move {
            let mut next = first.stale();
            let mut handed_over = first;
            loop {
                // This avoids a tight loop, whatever the source returns.
                sleep_until(next.max(Instant::now() + Duration::from_millis(100))).await;
                next = Instant::now() + AGAIN;
                match source().await {
                    // The source had no newer token.
                    Ok(token) if token.secret() == handed_over.secret() => {
                        next = next.min(handed_over.ends());
                    }
                    Ok(token) => match on_token(&token) {
                        Ok(()) => {
                            next = token.stale();
                            handed_over = token;
                        }
                        Err(failure) => on_trouble(failure),
                    },
                    Err(error) => on_trouble(error.into()),
                }
            }
        });
        Ok(Self { task })
    }
}

impl Drop for Renewer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Federation {
    /// Keeps a token of this identity fresh. See [`Renewer::start`].
    ///
    /// # Errors
    /// If there is no first token, or if `on_token` fails for it.
    pub async fn keep(
        &self,
        identity: Identity,
        on_token: impl FnMut(&Token) -> Result<(), Failure> + Send + 'static,
        on_trouble: impl Fn(Failure) + Send + 'static,
    ) -> Result<Renewer, Failure> {
        let federation = self.clone();
        // The first caller fetches the token; the others wait for it and share a success.
        let begins = AtomicBool::new(true);
        let source = move || {
            let (federation, identity) = (federation.clone(), identity.clone());
            let begins = begins.swap(false, Ordering::Relaxed);
            async move {
                if begins { federation.token(&identity).await } else { federation.fresh(&identity).await }
            }
        };
        Renewer::start(source, on_token, on_trouble).await
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Mutex};

    use super::*;
    use workflow_commands::Secret;

    /// A source with numbered tokens that live for an hour. The requests in `bad` fail.
    struct Scene {
        asked: Arc<AtomicU32>,
        handed: Arc<Mutex<Vec<(String, u64)>>>,
        troubles: Arc<AtomicU32>,
    }

    async fn scene(bad: &'static [u32], refuse: &'static str) -> (Renewer, Scene) {
        let scene = Scene { asked: Arc::default(), handed: Arc::default(), troubles: Arc::default() };
        let (asked, handed, troubles) =
            (Arc::clone(&scene.asked), Arc::clone(&scene.handed), Arc::clone(&scene.troubles));
        let start = Instant::now();
        let source = move || {
            let number = asked.fetch_add(1, Ordering::Relaxed);
            async move {
                if bad.contains(&number) {
                    return Err(GoogleError::Nonsense { what: "x".into(), reason: "y".into() });
                }
                Ok(Token::new(Secret::new(format!("t{number}")), Instant::now(), Duration::from_hours(1)))
            }
        };
        let on_token = move |token: &Token| {
            let text = token.secret().expose().to_owned();
            if text == refuse {
                return Err(std::io::Error::other("disk full").into());
            }
            handed.lock().unwrap().push((text, start.elapsed().as_secs()));
            Ok(())
        };
        let on_trouble = move |_| {
            troubles.fetch_add(1, Ordering::Relaxed);
        };
        (Renewer::start(source, on_token, on_trouble).await.unwrap(), scene)
    }

    fn handed(scene: &Scene) -> Vec<(String, u64)> {
        scene.handed.lock().unwrap().clone()
    }

    #[tokio::test(start_paused = true)]
    async fn it_renews_ten_minutes_before_the_end_until_dropped() {
        let (renewer, scene) = scene(&[], "").await;
        assert_eq!(handed(&scene), [("t0".to_owned(), 0)], "the first one is there at once");
        tokio::time::sleep(Duration::from_hours(2)).await;
        let expected = [("t0".to_owned(), 0), ("t1".to_owned(), 3000), ("t2".to_owned(), 6000)];
        assert_eq!(handed(&scene), expected);
        drop(renewer);
        tokio::time::sleep(Duration::from_hours(2)).await;
        assert_eq!(handed(&scene), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_told_and_tried_again() {
        let (_renewer, scene) = scene(&[1, 2], "t3").await;
        tokio::time::sleep(Duration::from_hours(1)).await;
        // Two requests failed, and one token could not be passed on.
        assert_eq!(handed(&scene), [("t0".to_owned(), 0), ("t4".to_owned(), 3090)]);
        assert_eq!(scene.troubles.load(Ordering::Relaxed), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_token_is_not_handed_over_twice() {
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let begin = Instant::now();
        let source = move || {
            count.fetch_add(1, Ordering::Relaxed);
            async move { Ok(Token::new(Secret::new("same"), begin, Duration::from_hours(1))) }
        };
        let handed = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&handed);
        let on_token = move |_: &Token| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        let _renewer = Renewer::start(source, on_token, |_| ()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3590)).await;
        assert_eq!(handed.load(Ordering::Relaxed), 1);
        assert_eq!(asked.load(Ordering::Relaxed), 21, "once at the start, then each half minute");
    }

    #[tokio::test]
    async fn without_a_first_token_nothing_starts() {
        let source = || async { Err(GoogleError::Nonsense { what: "x".into(), reason: "y".into() }) };
        assert!(Renewer::start(source, |_| Ok(()), |_| ()).await.is_err());
    }
}
