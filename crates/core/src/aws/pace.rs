//! Keeps calls below the account's quotas, which are shared with everybody else in it.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Lets calls through at a steady rate, without bursts.
#[derive(Debug)]
pub struct Pace(Option<Mutex<Interval>>);

impl Pace {
    /// `per_second` must be above zero. Needs a running Tokio runtime.
    pub fn new(per_second: f64) -> Self {
        let mut ticks = interval(Duration::from_secs_f64(1.0 / per_second));
        // Keeps to the grid when a call comes late: neither a burst afterwards nor a slow drift below the rate.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Self(Some(Mutex::new(ticks)))
    }

    /// For endpoints without quotas.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Returns when the next call may be made.
    pub async fn wait(&self) {
        if let Some(ticks) = &self.0 {
            ticks.lock().await.tick().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, advance};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn keeps_the_rate_and_does_not_burst_after_a_pause() {
        let pace = Pace::new(40.0);
        let start = Instant::now();
        for _ in 0..41 {
            pace.wait().await;
        }
        assert_eq!(start.elapsed(), Duration::from_secs(1), "40 intervals lie between 41 calls");
        advance(Duration::from_secs(60)).await;
        pace.wait().await;
        let resumed = Instant::now();
        for _ in 0..40 {
            pace.wait().await;
        }
        assert!(resumed.elapsed() > Duration::from_millis(970), "{:?}", resumed.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn off_never_waits() {
        let start = Instant::now();
        for _ in 0..1000 {
            Pace::off().wait().await;
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
