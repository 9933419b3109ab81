//! What the answer of an OTLP back end says: a partial success, or why a request was refused.
//!
//! Answers are small and come from outside, so everything in here is bounded and cannot fail: what is not
//! understood is [`Unreadable`] or no text at all.

use std::fmt;

use prost::Message;
use serde_json::Value;
use spindle_pipeline::component::Exported;
use spindle_pipeline::net::grpc::RpcStatus;
use spindle_pipeline::net::text::shown;
use spindle_pipeline::otlp::wire::Fields;

/// The answer is not what its content type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable(&'static str);

impl fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "error parsing {} response", self.0)
    }
}

impl std::error::Error for Unreadable {}

/// What an export response in protobuf says beside "ok": field 1 holds the number of refused items and a
/// message. The three signals' responses have one shape.
pub fn partial_success(response: &[u8]) -> Result<Exported, Unreadable> {
    let mut exported = Exported::default();
    for partial in whole_fields(response)?.filter(|field| field.number == 1) {
        for field in whole_fields(partial.value.bytes())? {
            match field.number {
                1 => exported.rejected_items = u64::try_from(field.value.number() as i64).unwrap_or(0),
                2 => exported.message = shown(field.value.bytes()),
                _ => {}
            }
        }
    }
    Ok(exported)
}

/// The fields of a message that is well formed to its end.
fn whole_fields(message: &[u8]) -> Result<Fields<'_>, Unreadable> {
    let end = Fields::of(message).last().map_or(0, |field| field.end);
    if end == message.len() { Ok(Fields::of(message)) } else { Err(Unreadable("protobuf")) }
}

/// The same of an export response in JSON.
pub fn partial_success_json(response: &[u8]) -> Result<Exported, Unreadable> {
    let response: Value = serde_json::from_slice(response).map_err(|_| Unreadable("json"))?;
    let partial = &response["partialSuccess"];
    let rejected = ["rejectedSpans", "rejectedDataPoints", "rejectedLogRecords"]
        .into_iter()
        .find_map(|name| count(&partial[name]));
    let message = partial["errorMessage"].as_str().unwrap_or_default();
    let rejected_items = rejected.unwrap_or(0);
    Ok(Exported { rejected_items, message: shown(message.as_bytes()), ..Exported::default() })
}

/// A number of 64 bits, which JSON has as text or as a number.
fn count(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Why a back end refused a request: the message of the `google.rpc.Status` in the body, in protobuf or
/// JSON, or the text that stands there instead. Nothing if there is none.
pub fn refusal(content_type: &str, body: &[u8]) -> String {
    let message = match media_type(content_type) {
        "application/x-protobuf" => RpcStatus::decode(body).map(|status| status.message).unwrap_or_default(),
        "application/json" => serde_json::from_slice(body)
            .ok()
            .and_then(|status: Value| Some(status["message"].as_str()?.to_owned()))
            .unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()),
        _ => String::from_utf8_lossy(body).into_owned(),
    };
    shown(message.as_bytes())
}

/// A media type without its parameters.
pub fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}
