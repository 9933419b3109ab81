//! The `headers_setter` extension: headers of outgoing requests, fixed or taken from the client whose data goes out.
//!
//! What it guarantees:
//!
//! * The actions are done in their order on every attempt, over what the exporter's `headers` say and without
//!   touching what belongs to the protocol.
//! * A value that is not one is an error of that attempt and not sent: several values of the client's metadata, of
//!   which only one could be meant, and text that cannot stand in a header.

mod config;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue};
use spindle_config::types::Secret;
use spindle_pipeline::auth::{ClientAuthenticator, Offered, Roles};
use spindle_pipeline::component::{
    BuildContext, Extension, ExtensionContext, ExtensionFactory, Factory, Stability,
};
use spindle_pipeline::error::{BuildError, Code, ExportError, RunError};
use spindle_pipeline::{RequestContext, SignalSet};

pub use config::Config;
use config::{Action, HeaderConfig};

/// The type `headers_setter`.
pub struct HeadersSetter;

impl Factory for HeadersSetter {
    type Config = Config;
    const TYPE: &'static str = "headers_setter";
    const SIGNALS: SignalSet = SignalSet::ALL;
    const STABILITY: Stability = Stability::Beta;
}

impl ExtensionFactory for HeadersSetter {
    fn roles(_: &Config) -> Roles {
        Roles::CLIENT
    }

    fn build(config: Config, _: &BuildContext) -> Result<Box<dyn Extension>, BuildError> {
        let steps = config.headers.into_iter().enumerate().map(|(index, header)| {
            Step::new(header).map_err(|message| BuildError::new(format!("headers::{index}"), message))
        });
        Ok(Box::new(Setter(Arc::new(Steps(steps.collect::<Result<_, _>>()?)))))
    }
}

struct Setter(Arc<Steps>);

#[async_trait]
impl Extension for Setter {
    fn authenticators(&self) -> Offered {
        Offered { client: Some(self.0.clone()), server: None }
    }

    async fn run(self: Box<Self>, context: ExtensionContext) -> Result<(), RunError> {
        context.drain.cancelled().await;
        Ok(())
    }
}

struct Steps(Vec<Step>);

/// One item of `headers`.
struct Step {
    name: HeaderName,
    action: Action,
    source: Source,
}

enum Source {
    Fixed(HeaderValue),
    /// A key of the client's metadata, and what counts without it.
    Context(String, HeaderValue),
}

impl Step {
    fn new(header: HeaderConfig) -> Result<Self, String> {
        let name = HeaderName::try_from(&header.key).map_err(|_| "this cannot be a header's name")?;
        let action = header.action().ok_or("unknown action")?;
        let source = match header.from_context {
            Some(key) => Source::Context(key, secret(header.default_value)?),
            None => Source::Fixed(secret(header.value)?),
        };
        Ok(Self { name, action, source })
    }

    fn apply(&self, headers: &mut HeaderMap, context: Option<&RequestContext>) -> Result<(), ExportError> {
        let is_there = headers.contains_key(&self.name);
        let is_written = match self.action {
            Action::Delete => {
                headers.remove(&self.name);
                false
            }
            Action::Insert => !is_there,
            Action::Update => is_there,
            Action::Upsert => true,
        };
        if is_written {
            headers.insert(&self.name, self.source.value(context)?);
        }
        Ok(())
    }
}

fn secret(value: Option<Secret>) -> Result<HeaderValue, String> {
    sensitive(value.as_ref().map_or("", Secret::expose))
}

fn sensitive(text: &str) -> Result<HeaderValue, String> {
    let mut value =
        HeaderValue::try_from(text).map_err(|_| "this value cannot stand in a header".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

impl Source {
    /// Without a value in the client's metadata and without a default it is empty, as in the Collector.
    fn value(&self, context: Option<&RequestContext>) -> Result<HeaderValue, ExportError> {
        let (key, default) = match self {
            Self::Fixed(value) => return Ok(value.clone()),
            Self::Context(key, default) => (key, default),
        };
        let failed = |message: String| ExportError::new(Code::InvalidArgument, message);
        let mut values = context.into_iter().flat_map(|context| context.values(key));
        match (values.next(), values.count()) {
            (None, _) => Ok(default.clone()),
            (Some(value), 0) => sensitive(value).map_err(|message| failed(format!("{key}: {message}"))),
            (Some(_), more) => Err(failed(format!(
                "{} source keys found in the context, can't determine which one to use: {key}",
                more + 1
            ))),
        }
    }
}

impl ClientAuthenticator for Steps {
    fn authenticate(
        &self,
        headers: &mut HeaderMap,
        context: Option<&RequestContext>,
    ) -> Result<(), ExportError> {
        self.0.iter().try_for_each(|step| step.apply(headers, context))
    }
}
