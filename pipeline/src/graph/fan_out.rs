//! One batch to several consumers.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::join_all;

use crate::batch::Batch;
use crate::component::Consumer;
use crate::error::ConsumeError;

/// Hands every batch to all branches at once; they share the bytes. No branch waits for another, and
/// one that fails does not keep the others from their copy.
///
/// `Ok` when every branch has taken it. Otherwise an error, a retryable one if any branch's is: the
/// sender repeats the batch to all, so a branch that had taken it gets it twice (at least once).
pub struct FanOut {
    branches: Vec<Arc<dyn Consumer>>,
}

impl FanOut {
    /// One consumer of several; of a single one that one itself.
    pub fn of(mut branches: Vec<Arc<dyn Consumer>>) -> Arc<dyn Consumer> {
        match branches.len() {
            1 => branches.remove(0),
            _ => Arc::new(Self { branches }),
        }
    }
}

#[async_trait]
impl Consumer for FanOut {
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
        let results = join_all(self.branches.iter().map(|branch| branch.consume(batch.clone()))).await;
        results.into_iter().filter_map(Result::err).reduce(ConsumeError::more_retryable).map_or(Ok(()), Err)
    }
}
