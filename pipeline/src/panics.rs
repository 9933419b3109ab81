//! Panics that were caught: counted, logged, and told as the failure of the component they came from.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use tracing::error;

use crate::component::Kind;
use crate::telemetry::{Counter, Metric, Telemetry};

/// Takes note of the panics of one component. Cheap to clone, as every request does.
#[derive(Clone, Debug)]
pub struct Panics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    component: String,
    counter: Counter,
}

impl Panics {
    /// Of a component, named `receiver/otlp` in the metric and in the log.
    pub fn of(telemetry: &Telemetry, kind: Kind, id: impl fmt::Display) -> Self {
        let component = format!("{kind}/{id}");
        let labels = vec![("component".into(), component.clone().into())];
        Self(Arc::new(Inner { component, counter: telemetry.counter(Metric::ComponentPanics, labels) }))
    }

    /// Of a part of the process that is no component; they are logged, and no metric counts them.
    pub fn of_part(name: &'static str) -> Self {
        Self(Arc::new(Inner { component: name.to_owned(), counter: Counter::default() }))
    }

    /// Counts and logs a panic. What is returned is what it said.
    pub fn caught<'p>(&self, panic: &'p (dyn Any + Send)) -> &'p str {
        let message = message(panic);
        self.0.counter.inc();
        error!(component = %self.0.component, error = message, "a component panicked; the rest runs on");
        message
    }

    /// The component's name.
    pub fn component(&self) -> &str {
        &self.0.component
    }
}

/// The panic's message, if it is text.
fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
