use std::path::Path;

use super::*;

/// The page in the docs lists the components of this build, and each of its links leads to a page.
#[test]
fn the_docs_list_every_component() {
    let registry = registry();
    let types: Vec<&TypeInfo> = registry.types().collect();
    let expected = components_markdown(&types);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let path = root.join("docs/components.md");
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, &expected).expect("writes");
    }
    let page = std::fs::read_to_string(&path).expect("docs/components.md");
    assert!(
        page == expected,
        "docs/components.md is out of date: run UPDATE_GOLDENS=1 cargo test -p spindle"
    );
    for info in types {
        let readme = root.join(folder(info)).join("README.md");
        assert!(readme.is_file(), "{} has no page at {}", info.name, readme.display());
    }
}
