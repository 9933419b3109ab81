//! A consumer that remembers what it took and answers as a test wants.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::batch::Batch;
use crate::component::Consumer;
use crate::error::ConsumeError;

type Answer = Box<dyn FnMut(&Batch) -> Result<(), ConsumeError> + Send>;

/// The end of a pipeline under test.
#[derive(Default)]
pub struct Sink {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    taken: Vec<Batch>,
    refused: usize,
    answer: Option<Answer>,
    delay: Duration,
}

impl Sink {
    /// Takes everything.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Answers by a function from now on.
    pub fn answer_with(&self, answer: impl FnMut(&Batch) -> Result<(), ConsumeError> + Send + 'static) {
        self.lock().answer = Some(Box::new(answer));
    }

    /// Takes everything from now on.
    pub fn take_everything(&self) {
        self.lock().answer = None;
    }

    /// Waits this long before each answer.
    pub fn delay_by(&self, delay: Duration) {
        self.lock().delay = delay;
    }

    /// What was taken so far, in order.
    pub fn taken(&self) -> Vec<Batch> {
        self.lock().taken.clone()
    }

    /// How many items were taken so far.
    pub fn items(&self) -> usize {
        self.lock().taken.iter().map(Batch::items).sum()
    }

    /// How many batches were refused so far.
    pub fn refused(&self) -> usize {
        self.lock().refused
    }

    /// Waits until so many items were taken; panics after ten seconds.
    pub async fn wait_for_items(&self, items: usize) {
        self.wait_until(|sink| sink.items() >= items).await;
    }

    /// Waits until a condition holds, which is looked at after each batch; panics after ten seconds.
    pub async fn wait_until(&self, condition: impl Fn(&Self) -> bool) {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                if condition(self) {
                    return;
                }
                changed.await;
            }
        };
        let outcome = tokio::time::timeout(Duration::from_secs(10), waiting).await;
        assert!(
            outcome.is_ok(),
            "waited in vain: {} items taken, {} batches refused",
            self.items(),
            self.refused()
        );
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Consumer for Sink {
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
        let delay = self.lock().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let answer = {
            let mut state = self.lock();
            let answer = state.answer.as_mut().map_or(Ok(()), |answer| answer(&batch));
            match answer {
                Ok(()) => state.taken.push(batch),
                Err(_) => state.refused += 1,
            }
            answer
        };
        self.changed.notify_waiters();
        answer
    }
}
