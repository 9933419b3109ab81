//! The `bearertokenauth` extension: a token in a header, sent by exporters or demanded by receivers.
//!
//! What it guarantees:
//!
//! * A receiver lets in who sends one of the tokens; how long that takes does not depend on how much of a
//!   token was right. What was sent is shown nowhere.
//! * A token file that changes counts within about a second, for both sides, without a restart. A file that
//!   cannot be read then changes nothing, and one without a token lets nobody in who was not let in before.

mod config;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use spindle_config::types::Secret;
use spindle_pipeline::auth::{
    ClientAuthenticator, Fingerprint, Fingerprinter, Offered, Refusal, Roles, ServerAuthenticator,
};
use spindle_pipeline::component::{
    BuildContext, Extension, ExtensionContext, ExtensionFactory, Factory, Stability,
};
use spindle_pipeline::error::{BuildError, ExportError, RunError};
use spindle_pipeline::{RequestContext, SignalSet};

use super::support::credentials::{Current, Watched};
pub use config::Config;
use config::header_value;

/// The type `bearertokenauth`.
pub struct BearerTokenAuth;

impl Factory for BearerTokenAuth {
    type Config = Config;
    const TYPE: &'static str = "bearertokenauth";
    const SIGNALS: SignalSet = SignalSet::ALL;
    const STABILITY: Stability = Stability::Beta;
}

impl ExtensionFactory for BearerTokenAuth {
    fn roles(_: &Config) -> Roles {
        Roles::BOTH
    }

    fn build(config: Config, _: &BuildContext) -> Result<Box<dyn Extension>, BuildError> {
        let header = HeaderName::try_from(&config.header)
            .map_err(|_| BuildError::new("header", "this cannot be a header's name"))?;
        let maker = Fingerprinter::new().map_err(|message| BuildError::new("", message))?;
        let (key, paths) = match config.filename.as_str() {
            "" => ("", Vec::new()),
            path => ("filename", vec![path.into()]),
        };
        let challenge = HeaderValue::try_from(&config.scheme).ok();
        let challenge = challenge.filter(|_| header == AUTHORIZATION && !config.scheme.is_empty());
        let scheme = config.scheme.clone();
        let tokens = Watched::open(paths, {
            let maker = maker.clone();
            move |texts| Tokens::parse(&config, texts, &maker)
        });
        let tokens = tokens.map_err(|message| BuildError::new(key, message))?;
        let bearer = Arc::new(Bearer { header, scheme, maker, challenge, tokens: tokens.current() });
        Ok(Box::new(BearerExtension { bearer, tokens }))
    }
}

/// The tokens that count.
struct Tokens {
    /// The value of the header that is sent: the first token.
    sent: HeaderValue,
    /// The tokens that are let in.
    accepted: Vec<Fingerprint>,
}

impl Tokens {
    /// The lines of the file, or what the configuration says. A blank line is no token: an empty one would
    /// let in whoever sends nothing but the scheme.
    fn parse(config: &Config, texts: &[String], maker: &Fingerprinter) -> Result<Self, String> {
        let written = config.written();
        let tokens: Vec<&str> = match texts.first() {
            Some(text) => text.lines().map(str::trim).filter(|token| !token.is_empty()).collect(),
            None => written.iter().map(Secret::expose).collect(),
        };
        let Some(first) = tokens.first() else { return Err("the file holds no token".to_owned()) };
        for token in &tokens {
            header_value("", token)?;
        }
        Ok(Self {
            sent: header_value(&config.scheme, first)?,
            accepted: tokens.iter().map(|token| maker.of(token.as_bytes())).collect(),
        })
    }
}

struct BearerExtension {
    bearer: Arc<Bearer>,
    tokens: Watched<Tokens>,
}

#[async_trait]
impl Extension for BearerExtension {
    fn authenticators(&self) -> Offered {
        Offered { client: Some(self.bearer.clone()), server: Some(self.bearer.clone()) }
    }

    async fn run(self: Box<Self>, context: ExtensionContext) -> Result<(), RunError> {
        self.tokens.watch(&context).await;
        Ok(())
    }
}

struct Bearer {
    header: HeaderName,
    scheme: String,
    maker: Fingerprinter,
    challenge: Option<HeaderValue>,
    tokens: Current<Tokens>,
}

impl Bearer {
    /// What stands behind the scheme, which may be in any case.
    fn token<'a>(&self, value: &'a [u8]) -> Option<&'a [u8]> {
        if self.scheme.is_empty() {
            return Some(value);
        }
        let (scheme, rest) = value.split_at_checked(self.scheme.len())?;
        let token = rest.strip_prefix(b" ")?;
        scheme.eq_ignore_ascii_case(self.scheme.as_bytes()).then(|| token.trim_ascii())
    }
}

impl ClientAuthenticator for Bearer {
    fn authenticate(&self, headers: &mut HeaderMap, _: Option<&RequestContext>) -> Result<(), ExportError> {
        headers.insert(&self.header, self.tokens.get().sent.clone());
        Ok(())
    }
}

#[async_trait]
impl ServerAuthenticator for Bearer {
    async fn authenticate(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let refuse = |message: String| Err(Refusal::unauthenticated(message, self.challenge.as_ref()));
        let Some(value) = headers.get(&self.header) else {
            return refuse(format!("missing or empty authorization header: {}", self.header));
        };
        let token = self.token(value.as_bytes());
        if token.is_some_and(|token| self.maker.is_any(&self.tokens.get().accepted, token)) {
            return Ok(());
        }
        refuse("scheme or token does not match".to_owned())
    }
}
