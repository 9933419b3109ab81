use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue as OracleValue, KeyValue};
use proptest::prelude::*;
use prost::Message;
use sha2::{Digest, Sha256};
use spindle_pipeline::component::Transform;
use spindle_pipeline::otlp::attributes::{AnyValue, to_text};
use spindle_pipeline::otlp::walk;
use spindle_pipeline::pattern;
use spindle_pipeline::testing::arbitrary::{self, Options};
use spindle_pipeline::testing::config_with_problems;
use spindle_pipeline::testing::oracle::{item_attributes, resources};
use spindle_pipeline::{Batch, Decoded, Signal};

use super::*;
use crate::attributes::AttributesProcessor;
use crate::resource::ResourceProcessor;
use crate::support::goldens::{build_from, client};
use crate::support::number::parse_float;
use crate::support::value::ConfigValue;

/// Keys that random requests have, often twice in one list, and one that they have not.
const KEYS: [&str; 6] = ["", "service.name", "sglang", "a", "llm_request", "not.there"];
const PATTERNS: [&str; 4] = ["^s", "[^a-z]", "a|run", "^$"];
const EXTRACTIONS: [&str; 3] =
    ["(?P<a>s)(?P<sglang>.*)", "^(?P<first>\\w)(?P<rest>x)?", "(?P<not_there>n.t)"];

fn key() -> impl Strategy<Value = String> {
    prop::sample::select(&KEYS[..]).prop_map(str::to_owned)
}

/// A key for actions that must have one.
fn named_key() -> impl Strategy<Value = String> {
    prop::sample::select(&KEYS[1..]).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = ConfigValue> {
    let scalar = prop_oneof![
        Just(ConfigValue::Empty),
        Just(ConfigValue::String("12".to_owned())),
        Just(ConfigValue::String("sglang".to_owned())),
        any::<i64>().prop_map(ConfigValue::Int),
        any::<bool>().prop_map(ConfigValue::Bool),
        Just(ConfigValue::Double(1.5)),
    ];
    scalar.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(ConfigValue::List),
            prop::collection::vec((key(), inner), 0..3).prop_map(ConfigValue::Map),
        ]
    })
}

fn pattern_text(list: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(list).prop_map(str::to_owned)
}

fn set() -> impl Strategy<Value = ActionConfig> {
    let action = prop::sample::select(&["insert", "update", "UPSERT"][..]);
    let default_value = prop::option::of(value());
    (action, named_key(), 0..5, value(), key(), default_value).prop_map(
        |(action, key, source, value, from_attribute, default_value)| {
            let mut config = ActionConfig {
                key,
                action: action.to_owned(),
                default_value: default_value.or(Some(ConfigValue::Bool(true))),
                ..ActionConfig::default()
            };
            match source {
                0 => config.value = Some(value),
                1 => config.from_attribute = from_attribute,
                2 => config.from_context = "metadata.X-Many".to_owned(),
                3 => config.from_context = "metadata.absent".to_owned(),
                _ => {}
            }
            config
        },
    )
}

fn by_key() -> impl Strategy<Value = ActionConfig> {
    let action = prop::sample::select(&["delete", "hash"][..]);
    (action, key(), prop::option::of(pattern_text(&PATTERNS))).prop_map(|(action, key, pattern)| {
        let pattern =
            pattern.unwrap_or_else(|| if key.is_empty() { "^a$".to_owned() } else { String::new() });
        ActionConfig { key, action: action.to_owned(), pattern, ..ActionConfig::default() }
    })
}

fn other() -> impl Strategy<Value = ActionConfig> {
    let converted_type = prop::sample::select(&["string", "int", "double"][..]);
    prop_oneof![
        (named_key(), pattern_text(&EXTRACTIONS)).prop_map(|(key, pattern)| ActionConfig {
            key,
            pattern,
            action: "extract".to_owned(),
            ..ActionConfig::default()
        }),
        (named_key(), converted_type).prop_map(|(key, converted_type)| ActionConfig {
            key,
            converted_type: converted_type.to_owned(),
            action: "convert".to_owned(),
            ..ActionConfig::default()
        }),
    ]
}

fn actions() -> impl Strategy<Value = Vec<ActionConfig>> {
    prop::collection::vec(prop_oneof![set(), by_key(), other()], 1..7)
}

fn signal() -> impl Strategy<Value = Signal> {
    prop_oneof![Just(Signal::Traces), Just(Signal::Metrics), Just(Signal::Logs)]
}

/// What an action means, on objects.
fn apply(config: &ActionConfig, attributes: &mut Vec<KeyValue>) {
    let found = attributes.iter().position(|attribute| attribute.key == config.key);
    let pattern = pattern::compile(&config.pattern).expect("compiles");
    let matches = |key: &str| !config.pattern.is_empty() && pattern.is_match(key);
    match config.action.to_lowercase().as_str() {
        action @ ("insert" | "update" | "upsert") => {
            let is_wanted = if found.is_some() { action != "insert" } else { action != "update" };
            if let (true, Some(value)) = (is_wanted, source(config, attributes)) {
                put(attributes, &config.key, value);
            }
        }
        "delete" => {
            if let Some(found) = found {
                attributes.swap_remove(found);
            }
            attributes.retain(|attribute| !matches(&attribute.key));
        }
        "hash" => {
            if let Some(found) = found {
                hash(&mut attributes[found]);
            }
            attributes.iter_mut().filter(|attribute| matches(&attribute.key)).for_each(hash);
        }
        "extract" => {
            let Some(Value::StringValue(text)) = found.and_then(|found| held(&attributes[found])) else {
                return;
            };
            let Some(groups) = pattern.captures(&text) else { return };
            for name in pattern.capture_names().flatten() {
                let text = groups.name(name).map_or("", |group| group.as_str());
                put(attributes, name, string(text));
            }
        }
        "convert" => {
            let Some(found) = found else { return };
            if let Some(value) = converted(&config.converted_type, &attributes[found]) {
                put(attributes, &config.key, OracleValue { value: Some(value) });
            }
        }
        other => panic!("{other}"),
    }
}

fn source(config: &ActionConfig, attributes: &[KeyValue]) -> Option<OracleValue> {
    let written = |value: &ConfigValue| OracleValue::decode(&*value.to_bytes()).expect("decodes");
    if let Some(value) = &config.value {
        return Some(written(value));
    }
    let from_context = (config.from_context == "metadata.X-Many").then(|| string("one;two"));
    let from_attribute = attributes
        .iter()
        .find(|attribute| !config.from_attribute.is_empty() && attribute.key == config.from_attribute)
        .map(|attribute| attribute.value.clone().unwrap_or_default());
    from_context.or(from_attribute).or_else(|| config.default_value.as_ref().map(written))
}

fn put(attributes: &mut Vec<KeyValue>, key: &str, value: OracleValue) {
    let found = attributes.iter().position(|attribute| attribute.key == key);
    if found.is_some_and(|position| attributes[position].value.clone().unwrap_or_default() == value) {
        return;
    }
    let fresh = KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() };
    match found {
        Some(position) => attributes[position] = fresh,
        None => attributes.push(fresh),
    }
}

fn held(attribute: &KeyValue) -> Option<Value> {
    attribute.value.clone().unwrap_or_default().value
}

fn string(text: &str) -> OracleValue {
    OracleValue { value: Some(Value::StringValue(text.to_owned())) }
}

fn hash(attribute: &mut KeyValue) {
    let bytes = match held(attribute) {
        Some(Value::StringValue(text)) => text.into_bytes(),
        Some(Value::BoolValue(value)) => vec![u8::from(value)],
        Some(Value::IntValue(value)) => value.to_le_bytes().to_vec(),
        Some(Value::DoubleValue(value)) => value.to_bits().to_le_bytes().to_vec(),
        _ => {
            attribute.value = Some(string(""));
            return;
        }
    };
    let hex = const_hex::encode(Sha256::digest(bytes));
    attribute.value = Some(string(&hex));
}

fn converted(target: &str, attribute: &KeyValue) -> Option<Value> {
    let bytes = attribute.value.clone().unwrap_or_default().encode_to_vec();
    match (target, held(attribute)) {
        ("string", Some(Value::StringValue(_))) => None,
        // How each type is printed is shown by what the Collector printed, recorded.
        ("string", _) => Some(Value::StringValue(to_text(AnyValue(&bytes)).into_owned())),
        ("int", Some(Value::DoubleValue(value))) => Some(Value::IntValue(value as i64)),
        ("int", Some(Value::BoolValue(value))) => Some(Value::IntValue(i64::from(value))),
        ("int", Some(Value::StringValue(text))) => text.parse().ok().map(Value::IntValue),
        ("double", Some(Value::IntValue(value))) => Some(Value::DoubleValue(value as f64)),
        ("double", Some(Value::BoolValue(value))) => Some(Value::DoubleValue(f64::from(u8::from(value)))),
        ("double", Some(Value::StringValue(text))) => parse_float(&text).map(Value::DoubleValue),
        _ => None,
    }
}

/// A field of profiles, which an attribute loses when it gets another value.
fn without_key_index(attributes: &mut [KeyValue]) {
    for attribute in attributes {
        attribute.key_strindex = 0;
    }
}

fn random(signal: Signal, seed: u64) -> Batch {
    let options = Options { unknown_fields: seed.is_multiple_of(2), ..Options::default() };
    let request = arbitrary::request(signal, seed, options);
    Batch::receive(signal, request).expect("well formed").with_context(Some(client()))
}

fn transformed<P: Transform + ?Sized>(processor: &P, batch: &Batch) -> Decoded {
    let after = processor.transform(batch.clone()).expect("transforms").expect("drops nothing");
    let walked = walk(batch.signal(), &after.bytes()).expect("well formed");
    assert_eq!((walked.items, after.items()), (batch.items(), batch.items()));
    Decoded::read(batch.signal(), &after.bytes()).expect("decodes")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Any actions on the attributes of any items give on the wire what they give on objects.
    #[test]
    fn actions_on_items_equal_decode_edit_encode(signal in signal(), seed: u64, actions in actions()) {
        let batch = random(signal, seed);
        let mut oracle = Decoded::read(signal, &batch.bytes()).expect("decodes");
        for attributes in item_attributes(&mut oracle) {
            for action in &actions {
                apply(action, attributes);
            }
            without_key_index(attributes);
        }
        let config = crate::attributes::Config { actions, ..Default::default() };
        let processor = build_from::<AttributesProcessor>(&config, signal);
        let mut ours = transformed(&*processor, &batch);
        for attributes in item_attributes(&mut ours) {
            without_key_index(attributes);
        }
        prop_assert_eq!(ours, oracle);
    }

    /// The same on resources; one that is not there is made when it gets something.
    #[test]
    fn actions_on_resources_equal_decode_edit_encode(signal in signal(), seed: u64, actions in actions()) {
        let batch = random(signal, seed);
        let mut oracle = Decoded::read(signal, &batch.bytes()).expect("decodes");
        for resource in resources(&mut oracle) {
            let was_there = resource.is_some();
            let attributes = &mut resource.get_or_insert_default().attributes;
            for action in &actions {
                apply(action, attributes);
            }
            without_key_index(attributes);
            if !was_there && attributes.is_empty() {
                *resource = None;
            }
        }
        let config = crate::resource::Config { attributes: actions };
        let processor = build_from::<ResourceProcessor>(&config, signal);
        let mut ours = transformed(&*processor, &batch);
        for resource in resources(&mut ours).into_iter().flatten() {
            without_key_index(&mut resource.attributes);
        }
        prop_assert_eq!(ours, oracle);
    }
}

/// What the engine has no part for yet is refused with its name, not taken for a header.
#[test]
fn authentication_is_refused_by_name() {
    let yaml = "{attributes: [{key: user, from_context: auth.subject, action: insert}]}";
    let problems = config_with_problems::<ResourceProcessor>(yaml).1;
    assert_eq!(
        problems,
        [
            "attributes::0::from_context: error with key \"user\" (0-th action): error creating AttrProc. \"auth.subject\" needs authentication, which is not built into this version of spindle yet"
        ]
    );
}

/// Every wrong action is told in one go, each at its own place.
#[test]
fn all_wrong_actions_are_told_at_once() {
    let yaml =
        "{attributes: [{action: insert}, {key: ok, action: delete}, {key: k, pattern: '(', action: hash}]}";
    let problems = config_with_problems::<ResourceProcessor>(yaml).1;
    assert_eq!(
        problems,
        [
            "attributes::0::key: error creating AttrProc due to missing required field \"key\" at the 0-th action",
            "attributes::2::pattern: error with key \"k\" (2-th action): error creating AttrProc. Field \"pattern\" has invalid pattern: \"(\"",
        ]
    );
}

/// A client that is not known has an empty address, and no headers.
#[test]
fn a_batch_without_a_client_has_an_empty_address_and_no_headers() {
    let actions = [
        ActionConfig {
            key: "peer".to_owned(),
            action: "insert".to_owned(),
            from_context: "client.address".to_owned(),
            ..ActionConfig::default()
        },
        ActionConfig {
            key: "tenant".to_owned(),
            action: "insert".to_owned(),
            from_context: "metadata.x-tenant".to_owned(),
            ..ActionConfig::default()
        },
    ];
    let actions = Actions::new(&actions, "actions").expect("compiles");
    let values = actions.context_values(None);
    let mut list = AttributeList::default();
    actions.apply(&mut list, &values);
    assert_eq!((list.len(), list.key(0), list.value(0).as_str()), (1, "peer", Some("")));
}
