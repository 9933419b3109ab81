//! One batch on its way to the back end: whole if it can be, in parts where the back end refuses the whole.
//!
//! * **Too large**: halves, until each is taken; a single item that is still too large is dropped.
//! * **Bad**: halves, until the bad items are alone; these are dropped, the others are delivered.
//! * Everything else that is final says nothing about parts, and ends the part it was said of.
//!
//! Each part is a request of its own, with its own retries, one after the other.
//!
//! Looking for bad items is bounded. It goes level by level, larger parts first, so that what is left when the
//! bound is met is small: one bad item among `n` costs about `2 * log2(n)` requests, and no batch more than
//! [`MOST_FOR_ITEMS`]. A back end that has refused the batch, both halves, the quarters and the eighths, and
//! taken nothing ([`HOPELESS`]), is believed: it does not mean single items, and until it takes something the
//! next batches get fewer tries ([`HOPELESS_AGAIN`]). What is too large is cut depth
//! first: the first part that is small enough comes soon. What a bound leaves is dropped whole and counted
//! with the same reason.
//!
//! What the caller hears (`wait_for_result`, or no queue): `Ok` when every item was taken or was itself the
//! reason of its loss, or in a part that a bound left, as in a partial success; then the lost ones are
//! counted as dropped. An error when nothing was taken, or when something is left that was not refused for
//! itself: nothing counts as dropped, because the caller still has it, and what is sent again may arrive
//! twice.

use std::collections::VecDeque;

use tracing::{error, info};

use super::sample;
use super::sender::{Failure, Sender};
use crate::batch::Batch;
use crate::error::{Blame, ConsumeError, ExportError};
use crate::otlp::split::Limits;

/// The most requests, beside the first, to find bad items of one batch.
pub(super) const MOST_FOR_ITEMS: usize = 64;
/// The most requests, beside the first, into which one batch is cut because of its size, the refused ones
/// included: enough for 64 MiB towards a back end that takes 1 MiB.
pub(super) const MOST_FOR_SIZE: usize = 256;
/// So many parts called bad without one that was taken: the whole, halves, quarters and eighths.
pub(super) const HOPELESS: usize = 1 + 2 + 4 + 8;
/// The same when the last search was hopeless and nothing was taken since: the whole and the halves.
pub(super) const HOPELESS_AGAIN: usize = 1 + 2;

/// What is to be done next.
enum Step {
    Send(Batch),
    /// The back end called it bad.
    Halve(Batch, Failure),
}

/// Items that are gone for one reason.
struct Loss {
    failure: Failure,
    reason: &'static str,
    why: &'static str,
    items: usize,
    /// The first of them that was alone.
    sample: String,
}

pub(super) struct Delivery<'a> {
    sender: &'a Sender,
    /// Is told of items whose fate is known and counted.
    settled: &'a (dyn Fn(usize) + Sync),
    items: usize,
    steps: VecDeque<Step>,
    delivered: usize,
    bad_parts: usize,
    sent_for_items: usize,
    sent_for_size: usize,
    losses: Vec<Loss>,
}

impl<'a> Delivery<'a> {
    pub(super) fn new(sender: &'a Sender, settled: &'a (dyn Fn(usize) + Sync)) -> Self {
        Self {
            sender,
            settled,
            items: 0,
            steps: VecDeque::new(),
            delivered: 0,
            bad_parts: 0,
            sent_for_items: 0,
            sent_for_size: 0,
            losses: Vec::new(),
        }
    }

    /// Delivers what can be; see the module for the answer.
    pub(super) async fn run(mut self, batch: &Batch) -> Result<(), ConsumeError> {
        self.items = batch.items();
        self.send(batch).await?;
        while let Some(step) = self.steps.pop_front() {
            match step {
                Step::Send(part) => self.send(&part).await?,
                Step::Halve(part, failure) => self.look_closer(&part, failure)?,
            }
        }
        self.finish()
    }

    /// An error ends the delivery: the caller has to hear it, and still has the data.
    async fn send(&mut self, part: &Batch) -> Result<(), ConsumeError> {
        let Err(failure) = self.sender.deliver(part).await else {
            self.delivered += part.items();
            (self.settled)(part.items());
            return Ok(());
        };
        match failure.error.blame() {
            Blame::Items if part.items() > 1 => {
                self.bad_parts += 1;
                self.steps.push_back(Step::Halve(part.clone(), failure));
                Ok(())
            }
            Blame::Size if part.items() > 1 => self.cut(part, failure),
            _ => self.lose(part, failure, None),
        }
    }

    fn look_closer(&mut self, part: &Batch, failure: Failure) -> Result<(), ConsumeError> {
        let patience = if self.sender.is_hopeless() { HOPELESS_AGAIN } else { HOPELESS };
        if self.delivered == 0 && self.bad_parts >= patience {
            self.sender.set_hopeless();
            return self.lose(part, failure, Some("every part of the request is called bad"));
        }
        if self.sent_for_items + 2 > MOST_FOR_ITEMS {
            return self.lose(part, failure, Some("too many bad items in one request to find them all"));
        }
        let Some([first, second]) = halves(part) else { return self.lose(part, failure, None) };
        self.say_first("bad", &failure);
        self.sent_for_items += 2;
        self.steps.push_back(Step::Send(first));
        self.steps.push_back(Step::Send(second));
        Ok(())
    }

    fn cut(&mut self, part: &Batch, failure: Failure) -> Result<(), ConsumeError> {
        if self.sent_for_size + 2 > MOST_FOR_SIZE {
            return self.lose(part, failure, Some("the request would be cut into too many"));
        }
        let Some([first, second]) = halves(part) else { return self.lose(part, failure, None) };
        self.say_first("too large", &failure);
        self.sent_for_size += 2;
        self.steps.push_front(Step::Send(second));
        self.steps.push_front(Step::Send(first));
        Ok(())
    }

    fn say_first(&self, what: &str, failure: &Failure) {
        if self.sent_for_items + self.sent_for_size == 0 {
            info!(exporter = %self.sender.id(), error = %failure.error, items = self.items, "The back end calls a request {what}. Sending it in parts.");
        }
    }

    /// A part is lost, unless the caller has to hear of it.
    fn lose(
        &mut self,
        part: &Batch,
        failure: Failure,
        why: Option<&'static str>,
    ) -> Result<(), ConsumeError> {
        let items = part.items();
        let is_about_items = failure.error.blame() != Blame::Nothing;
        if !self.sender.owns_data() && !is_about_items {
            return Err(self.give_back(failure));
        }
        let reason = if failure.error.blame() == Blame::Size { "too_large" } else { failure.reason };
        if self.sender.owns_data() {
            self.sender.count_dropped(reason, items);
            (self.settled)(items);
        }
        let is_alone = items == 1 && is_about_items;
        let why = match why {
            Some(why) => why,
            None if is_alone && reason == "too_large" => "a single item is too large",
            None => failure.why,
        };
        let sample = || {
            if is_alone { sample::first_item(part.signal(), &part.bytes()) } else { String::new() }
        };
        match self.losses.iter_mut().find(|loss| loss.reason == reason && loss.why == why) {
            Some(loss) => {
                loss.items += items;
                if loss.sample.is_empty() {
                    loss.sample = sample();
                }
            }
            None => self.losses.push(Loss { sample: sample(), failure, reason, why, items }),
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), ConsumeError> {
        if self.losses.is_empty() {
            return Ok(());
        }
        if self.delivered == 0 && !self.sender.owns_data() {
            let first = self.losses.swap_remove(0);
            return Err(self.give_back(first.failure));
        }
        for loss in &self.losses {
            if !self.sender.owns_data() {
                self.sender.count_dropped(loss.reason, loss.items);
            }
            let Loss { failure: Failure { error, .. }, why, items, sample, .. } = loss;
            let sample = (!sample.is_empty()).then_some(sample.as_str());
            error!(exporter = %self.sender.id(), error = %error, dropped_items = items, reason = why, sample, "Exporting failed. Dropping data.");
        }
        let is_for_itself = |loss: &Loss| loss.failure.error.blame() != Blame::Nothing;
        if self.delivered > 0 && self.losses.iter().all(is_for_itself) {
            return Ok(());
        }
        // Nobody waits for this answer: the queue owns the data.
        let first = self.losses.swap_remove(0);
        Err(first.failure.error.into())
    }

    /// The caller keeps what is not delivered.
    fn give_back(&self, failure: Failure) -> ConsumeError {
        let Failure { error, why, .. } = failure;
        let items = self.items - self.delivered;
        self.sender.count_rejected(items);
        error!(exporter = %self.sender.id(), error = %error, rejected_items = items, reason = why, "Exporting failed. Rejecting data.");
        ExportError::into(error)
    }
}

/// Two requests of half the items; `None` when there is no such cut ([`crate::otlp::split::MOST_REPEATED`]).
fn halves(part: &Batch) -> Option<[Batch; 2]> {
    let most = part.items().div_ceil(2);
    part.cut(Limits { items: most, ..Limits::NONE }).try_into().ok()
}
