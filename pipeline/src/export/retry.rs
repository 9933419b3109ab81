//! The waits between attempts: exponential, jittered, bounded.

use std::time::Duration;
use tokio::time::Instant;

use super::config::RetryConfig;

/// The shortest wait, whatever the keys say: an `initial_interval` or `multiplier` of zero would make a back
/// end that is down a loop without a pause.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);

/// The waits of one request. The export stage keeps one for each batch; an exporter that cuts a batch
/// into requests with a fate of their own keeps one for each of these.
#[derive(Debug)]
pub struct Backoff {
    interval: f64,
    start: Instant,
    config: RetryConfig,
}

impl Backoff {
    /// The waits of a request whose first attempt starts now.
    pub fn new(config: &RetryConfig) -> Self {
        Self {
            interval: config.initial_interval.get().as_secs_f64(),
            start: Instant::now(),
            config: config.clone(),
        }
    }

    /// How long to wait before the next attempt, not less than the back end asks for; `None` when that
    /// would be beyond `max_elapsed_time`.
    pub fn next(&mut self, asked: Option<Duration>) -> Option<Duration> {
        let spread = self.interval * self.config.randomization_factor;
        let jittered = self.interval - spread + fastrand::f64() * 2.0 * spread;
        self.interval =
            (self.interval * self.config.multiplier).min(self.config.max_interval.get().as_secs_f64());
        let wait = Duration::try_from_secs_f64(jittered)
            .unwrap_or(SHORTEST_WAIT)
            .max(SHORTEST_WAIT)
            .max(asked.unwrap_or_default());
        let limit = self.config.max_elapsed_time.get();
        let fits = limit.is_zero() || self.start.elapsed().saturating_add(wait) <= limit;
        fits.then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use spindle_config::types;

    use super::*;

    fn config() -> RetryConfig {
        RetryConfig { randomization_factor: 0.0, ..RetryConfig::default() }
    }

    /// The intervals users computed for the Collector hold: 5 s, 7.5 s, 11.25 s, ... at most 30 s.
    #[test]
    fn intervals_grow_by_the_multiplier_up_to_the_maximum() {
        let mut backoff = Backoff::new(&config());
        let waits: Vec<f64> =
            (0..7).map(|_| backoff.next(None).expect("within the limit").as_secs_f64()).collect();
        assert_eq!(waits, [5.0, 7.5, 11.25, 16.875, 25.3125, 30.0, 30.0]);
    }

    /// A back end that asks for a minute is not asked again after five seconds.
    #[test]
    fn the_back_ends_wish_is_a_minimum() {
        let mut backoff = Backoff::new(&config());
        assert_eq!(backoff.next(Some(Duration::from_secs(70))), Some(Duration::from_secs(70)));
    }

    /// A back end that asks for five hundred billion years ends the retries, not the worker.
    #[test]
    fn a_wish_beyond_all_time_is_no_overflow() {
        assert_eq!(Backoff::new(&config()).next(Some(Duration::MAX)), None);
    }

    /// Waiting ends, unless `max_elapsed_time` is zero.
    #[test]
    fn the_time_for_retries_is_bounded_unless_it_is_zero() {
        let bounded = RetryConfig { max_elapsed_time: types::Duration::from_secs(4), ..config() };
        assert_eq!(Backoff::new(&bounded).next(None), None);
        let unbounded = RetryConfig { max_elapsed_time: types::Duration::ZERO, ..config() };
        assert!(Backoff::new(&unbounded).next(Some(Duration::from_secs(1_000_000))).is_some());
    }

    /// Intervals of zero are allowed, and burn no CPU.
    #[test]
    fn there_is_always_a_pause() {
        for config in [
            RetryConfig { initial_interval: types::Duration::ZERO, ..config() },
            RetryConfig { multiplier: 0.0, ..config() },
            RetryConfig { max_interval: types::Duration::ZERO, ..config() },
        ] {
            let mut backoff = Backoff::new(&config);
            let waits: Vec<_> = (0..3).filter_map(|_| backoff.next(None)).collect();
            assert_eq!(waits[1..], [SHORTEST_WAIT; 2], "{config:?}");
        }
    }

    /// Many agents must not come back at the same moment.
    #[test]
    fn jitter_stays_within_its_share() {
        let jittered = RetryConfig { randomization_factor: 0.5, ..RetryConfig::default() };
        for _ in 0..1000 {
            let wait = Backoff::new(&jittered).next(None).expect("within the limit").as_secs_f64();
            assert!((2.5..=7.5).contains(&wait), "{wait}");
        }
    }
}
