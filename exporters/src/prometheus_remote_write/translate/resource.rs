//! What all points of a resource and scope have in common.

use spindle_pipeline::otlp::attributes::to_text;
use spindle_pipeline::otlp::view::{Part, resource, resource_attributes};

use super::scratch::Scratch;
use super::settings::is_identifying;
use super::{MOST_LABEL_BYTES, Translator};
use crate::prometheus_remote_write::naming::push_label_name;
use crate::prometheus_remote_write::table::{Context, ContextBuilder};

/// A resource and the labels that come from it.
pub(super) struct ResourceContext<'a> {
    pub(super) group: Part<'a>,
    /// Of all it says.
    hash: [u64; 2],
    builder: ContextBuilder,
    /// The labels without those of a scope.
    pub(super) context: Context,
    /// `job` and `instance`; nothing when the resource has neither, or says nothing beside them.
    pub(super) target: Option<u128>,
}

impl<'a> ResourceContext<'a> {
    /// Reads the resource of a group. The attributes that become labels go into the scratch.
    pub(super) fn read(group: Part<'a>, translator: &Translator, scratch: &mut Scratch<'a>) -> Self {
        let settings = &translator.settings;
        let run = translator.runs.of_resource(group);
        let (mut service, mut run_id, mut others) = (Service::default(), None, 0);
        scratch.begin_resource();
        for attribute in resource_attributes(group) {
            let (key, value) = (attribute.key, attribute.value);
            match key {
                "service.name" => service.name = to_text(value).into_owned(),
                "service.namespace" => service.namespace = to_text(value).into_owned(),
                "service.instance.id" => service.instance = to_text(value).into_owned(),
                _ => others += 1,
            }
            // The run's label stands back behind a point's attribute unless the run overrides, other than
            // promoted ones.
            if run.is_some_and(|run| run.label == key) {
                run_id = Some(to_text(value).into_owned());
            } else if settings.promote.contains(key) {
                scratch.promote(key, value);
            }
        }
        let mut builder = ContextBuilder::default();
        builder.winning("job", &service.job());
        builder.winning("instance", &service.instance);
        if let Some(run) = run {
            let mut label = String::new();
            if push_label_name(&mut label, &run.label) {
                match &run_id {
                    _ if run.is_overriding => builder.winning(&label, &run.id),
                    Some(id) => builder.yielding(&label, id),
                    None => builder.yielding(&label, &run.id),
                }
            }
            others += 1;
        }
        for (name, value) in &settings.external_labels {
            builder.yielding(name, value);
        }
        let has_target = settings.target_info && others > 0;
        let target = if has_target { target_id(group, &builder, translator) } else { None };
        let hash = translator.hashes.of(resource(group).map_or(&[], |resource| resource.bytes()));
        // A context that is too long is not copied for each scope: its points are dropped.
        let is_short = builder.length() <= MOST_LABEL_BYTES;
        let context = if is_short { builder.clone().build() } else { Context::default() };
        let target = target.filter(|_| is_short);
        Self { group, hash, builder, context, target }
    }

    /// The labels of the points of a scope, and what delta points of it are known by.
    pub(super) fn with_scope(&self, scope_group: Part<'_>, translator: &Translator) -> ScopeContext {
        let scope = scope_group.children(1).next().map_or(&[][..], |scope| scope.bytes());
        let identity = [translator.origin, self.hash, translator.hashes.of(scope)];
        let labels = if self.builder.length() > MOST_LABEL_BYTES {
            None
        } else if translator.settings.scope_info {
            Some(self.scope_labels(scope_group)).filter(|labels| labels.length() <= MOST_LABEL_BYTES)
        } else {
            Some(self.context.clone())
        };
        ScopeContext { labels, identity }
    }

    fn scope_labels(&self, scope_group: Part<'_>) -> Context {
        let mut builder = self.builder.clone();
        let mut name = String::new();
        if let Some(scope) = scope_group.children(1).next() {
            for attribute in scope.attributes(3) {
                // These three would be taken for what the scope itself says.
                if matches!(attribute.key, "name" | "version" | "schema_url") {
                    continue;
                }
                name.clear();
                if push_label_name(&mut name, &format!("otel_scope_{}", attribute.key)) {
                    builder.winning(&name, &to_text(attribute.value));
                }
            }
            builder.winning("otel_scope_name", scope.text(1));
            builder.winning("otel_scope_version", scope.text(2));
        }
        builder.winning("otel_scope_schema_url", scope_group.text(3));
        builder.build()
    }
}

/// A scope of a resource.
pub(super) struct ScopeContext {
    /// What its points have in common; nothing when that is too long already.
    pub(super) labels: Option<Context>,
    /// Origin, resource and scope.
    pub(super) identity: [[u64; 2]; 3],
}

/// The attributes that say which service a resource is.
#[derive(Default)]
struct Service {
    name: String,
    namespace: String,
    instance: String,
}

impl Service {
    fn job(&self) -> String {
        match (self.namespace.as_str(), self.name.as_str()) {
            (_, "") => String::new(),
            ("", name) => name.to_owned(),
            (namespace, name) => format!("{namespace}/{name}"),
        }
    }
}

/// What tells one target from another: `job` and `instance`, which may also be attributes of these names.
fn target_id(group: Part<'_>, builder: &ContextBuilder, translator: &Translator) -> Option<u128> {
    let label = |name: &str| {
        let from_service = builder.value(name).map(str::to_owned);
        from_service.or_else(|| {
            let attribute = resource_attributes(group).find(|attribute| attribute.key == name);
            attribute.map(|attribute| to_text(attribute.value).into_owned()).filter(|value| !value.is_empty())
        })
    };
    let (job, instance) = (label("job"), label("instance"));
    if job.is_none() && instance.is_none() {
        return None;
    }
    let of = |value: Option<String>| translator.hashes.of(value.unwrap_or_default().as_bytes());
    Some(translator.hashes.combined([translator.origin, of(job), of(instance)]))
}

/// The attributes of a resource that describe it, for `target_info`.
pub(super) fn describing_attributes<'a>(group: Part<'a>, scratch: &mut Scratch<'a>) {
    for attribute in resource_attributes(group).filter(|attribute| !is_identifying(attribute.key)) {
        scratch.pair(attribute.key, attribute.value);
    }
}
