//! Keeps calls below the account's quotas, which are shared with everybody else in it.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Lets calls through at a steady rate, without bursts.
#[derive(Debug)]
pub struct Pace(Option<Mutex<Turns>>);

#[derive(Debug)]
struct Turns {
    ticks: Interval,
    each: u32,
    left: u32,
}

/// Above this, several calls share a tick: Tokio's timers have a resolution of a millisecond.
const MOST_TICKS: f64 = 250.0;

impl Pace {
    /// `per_second` must be above zero. Needs a running Tokio runtime.
    pub fn new(per_second: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rates are positive and small")]
        let each = (per_second / MOST_TICKS).ceil().max(1.0) as u32;
        let mut ticks = interval(Duration::from_secs_f64(f64::from(each) / per_second));
        // Keeps to the grid when a call comes late: neither a burst afterwards nor a slow drift below the rate.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Self(Some(Mutex::new(Turns { ticks, each, left: 0 })))
    }

    /// For endpoints without quotas.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Returns when the next call may be made.
    pub async fn wait(&self) {
        let Some(turns) = &self.0 else { return };
        let mut turns = turns.lock().await;
        if turns.left == 0 {
            turns.ticks.tick().await;
            turns.left = turns.each;
        }
        turns.left -= 1;
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
    async fn a_high_rate_is_reached_by_several_calls_a_tick() {
        let pace = Pace::new(2_000.0);
        let start = Instant::now();
        for _ in 0..10_001 {
            pace.wait().await;
        }
        let elapsed = start.elapsed().as_secs_f64();
        assert!((4.99..=5.01).contains(&elapsed), "{elapsed}");
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
