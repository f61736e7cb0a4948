//! How long to try: until the time is up, or a signal comes.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::answer::Trouble;

/// A deadline and a signal. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Patience {
    deadline: Instant,
    stop: watch::Receiver<bool>,
}

impl Patience {
    /// Patience for `length`, ended early when `stop` turns true.
    pub fn new(length: Duration, stop: watch::Receiver<bool>) -> Self {
        // A year is for ever here, and an Instant cannot be moved by any Duration.
        let length = length.min(Duration::from_secs(365 * 86_400));
        Self { deadline: Instant::now() + length, stop }
    }

    /// Patience for `length` that no signal ends.
    pub fn only(length: Duration) -> Self {
        Self::new(length, watch::channel(false).1)
    }

    /// The same, for no longer than `length`.
    pub fn within(&self, length: Duration) -> Self {
        Self { deadline: self.deadline.min(Instant::now() + length), stop: self.stop.clone() }
    }

    /// Patience for another `length`, ended by the same signal.
    pub fn anew(&self, length: Duration) -> Self {
        Self::new(length, self.stop.clone())
    }

    /// Whether there is any left.
    ///
    /// # Errors
    /// [`Trouble::Stopped`] or [`Trouble::OutOfTime`], which says what the last try met.
    pub fn check(&self, last: Option<String>) -> Result<(), Trouble> {
        if *self.stop.borrow() {
            Err(Trouble::Stopped)
        } else if Instant::now() >= self.deadline {
            Err(Trouble::OutOfTime { last })
        } else {
            Ok(())
        }
    }

    /// Waits until there is none left, and says why.
    pub async fn end(&self) -> Trouble {
        let mut stop = self.stop.clone();
        let stopped = async {
            if stop.wait_for(|stop| *stop).await.is_err() {
                // Nobody can send a signal any more.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = stopped => Trouble::Stopped,
            () = sleep_until(self.deadline) => Trouble::OutOfTime { last: None },
        }
    }

    /// Waits for `length`.
    ///
    /// # Errors
    /// As [`Patience::check`], as soon as patience ends.
    pub async fn pause(&self, length: Duration, last: Option<String>) -> Result<(), Trouble> {
        tokio::select! {
            biased;
            trouble = self.end() => Err(match trouble {
                Trouble::OutOfTime { .. } => Trouble::OutOfTime { last },
                other => other,
            }),
            () = sleep(length) => Ok(()),
        }
    }
}
