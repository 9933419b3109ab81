//! The components of this build.

use spindle_pipeline::component::Registry;

/// All of them.
pub fn registry() -> Registry {
    let mut registry = Registry::default();
    spindle_receivers::register(&mut registry);
    spindle_processors::register(&mut registry);
    spindle_exporters::register(&mut registry);
    crate::extensions::register(&mut registry);
    registry
}
