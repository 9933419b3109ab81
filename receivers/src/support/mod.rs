//! What several receivers share.

pub mod boot;
pub mod scrape;
pub mod switches;
