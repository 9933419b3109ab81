//! Whether the authenticators that components name are there, are started, and are for that side.

use spindle_config::{
    Check, Component, ComponentId, Diagnostic, Diagnostics, Sections, nearest, quoted_list,
};

use super::collector_types;
use super::plan::{Plan, find};
use crate::auth::{AuthenticatorUse, Role, Roles};
use crate::component::{Kind, Registry};

/// Reports what cannot be about the authenticators that receivers and exporters name.
pub(super) fn check(
    plan: &Plan,
    sections: &Sections<'_>,
    registry: &Registry,
    diagnostics: &mut Diagnostics,
) {
    let receivers = plan.receivers.iter().map(|(id, planned)| {
        (find(&sections.receivers, id), planned.path.as_str(), &planned.loaded.authenticators)
    });
    let exporters = plan.exporters.iter().map(|(id, planned)| {
        (find(&sections.exporters, id), planned.path.as_str(), &planned.loaded.authenticators)
    });
    let checker = Checker { plan, sections, registry };
    for (component, path, uses) in receivers.chain(exporters) {
        let Some(component) = component else { continue };
        for used in uses {
            if let Some(problem) = checker.problem(used) {
                check_of(component, path, diagnostics).report(&used.key, problem);
            }
        }
    }
}

fn check_of<'a>(component: &Component<'a>, path: &str, diagnostics: &'a mut Diagnostics) -> Check<'a> {
    Check::new(component.body, path, Some(component.origin), diagnostics)
}

struct Checker<'a> {
    plan: &'a Plan,
    sections: &'a Sections<'a>,
    registry: &'a Registry,
}

impl Checker<'_> {
    fn problem(&self, used: &AuthenticatorUse) -> Option<Diagnostic> {
        let id: ComponentId = match used.name.parse() {
            Ok(id) => id,
            Err(message) => return Some(Diagnostic::error(message)),
        };
        if find(&self.sections.extensions, &id).is_none() {
            return Some(self.unknown(&id, used.role));
        }
        // A type that does not exist is told already.
        let planned = self.plan.extensions.get(&id)?;
        if !planned.loaded.roles.has(used.role) {
            return Some(wrong_role(&id, used.role, planned.loaded.roles));
        }
        let is_started = self.sections.enabled_extensions.iter().any(|mention| mention.id == id);
        (!is_started).then(|| {
            not_found(&id)
                .note("an extension that is not listed in `service::extensions` is not started")
                .help(format!("add `{id}` to `service::extensions`"))
        })
    }

    fn unknown(&self, id: &ComponentId, role: Role) -> Diagnostic {
        let problem = not_found(id);
        let fitting = self.plan.extensions.iter().filter(|(_, planned)| planned.loaded.roles.has(role));
        let names: Vec<&str> = fitting.map(|(id, _)| id.as_str()).collect();
        let component_type = id.component_type();
        if let Some(name) = nearest(id.as_str(), names.iter().copied()) {
            problem.help(format!("did you mean `{name}`?"))
        } else if self.registry.find(Kind::Extension, component_type).is_some() {
            problem
                .help(format!("add `{id}:` to the section `extensions` and `{id}` to `service::extensions`"))
        } else if collector_types::contains(Kind::Extension, component_type) {
            problem.note(
                "the Collector has an extension of this type; it is not built into this version of spindle yet",
            )
        } else if names.is_empty() {
            problem.note(format!("no {role} authenticator is configured in the section `extensions`"))
        } else {
            problem.note(format!("configured {role} authenticators: {}", quoted_list(names)))
        }
    }
}

/// The Collector's text for one that is not configured, and for one that is not started.
fn not_found(id: &ComponentId) -> Diagnostic {
    Diagnostic::error(format!("failed to resolve authenticator \"{id}\": authenticator not found"))
}

fn wrong_role(id: &ComponentId, role: Role, roles: Roles) -> Diagnostic {
    let problem = Diagnostic::error(format!("requested authenticator is not a {role} authenticator"));
    match (roles.client, roles.server) {
        (true, _) => {
            problem.note(format!("`{id}` is for requests that go out: for the key `auth` of exporters"))
        }
        (_, true) => {
            problem.note(format!("`{id}` is for requests that come in: for the key `auth` of receivers"))
        }
        _ => problem.note(format!("`{id}` is no authenticator")),
    }
}
